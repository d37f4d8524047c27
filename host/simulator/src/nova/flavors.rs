//! `flavors`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Extension, Router};
use http::StatusCode;
use serde_json::{Value, json};

use super::query::{Params, add_next_link};
use super::version::Version;
use super::{Answer, NovaError};
use crate::app::{App, reply};
use crate::cloud::{Cloud, Flavor};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/flavors", get(list))
        .route("/flavors/detail", get(detail))
        .route("/flavors/{id}", get(show))
        .route("/flavors/{id}/os-extra_specs", get(extra_specs))
}

fn view(app: &App, flavor: &Flavor, version: Version, full: bool) -> Value {
    let mut view = json!({
        "id": flavor.id,
        "name": flavor.name,
        "links": [
            {"rel": "self", "href": format!("{}/flavors/{}", app.endpoints.compute, flavor.id)},
            {"rel": "bookmark", "href": format!("{}/compute/flavors/{}", app.endpoints.base, flavor.id)},
        ],
    });
    if version.since(55) {
        view["description"] = Value::Null;
    }
    if full {
        view["vcpus"] = flavor.size.vcpus.into();
        view["ram"] = flavor.size.memory_mib.into();
        view["disk"] = flavor.size.disk_gib.into();
        view["OS-FLV-EXT-DATA:ephemeral"] = 0.into();
        view["swap"] = if version.since(75) { 0.into() } else { "".into() };
        view["rxtx_factor"] = 1.0.into();
        view["OS-FLV-DISABLED:disabled"] = false.into();
        view["os-flavor-access:is_public"] = true.into();
        if version.since(61) {
            view["extra_specs"] = flavor.extra_specs.clone().into();
        }
    }
    view
}

fn many(app: &App, version: Version, params: &Params, full: bool) -> Answer {
    let cloud = app.cloud();
    let limit = params.limit(app.options.max_page)?;
    let start = match params.get("marker") {
        None => 0,
        Some(marker) => {
            let found = cloud.flavors().iter().position(|flavor| flavor.id == marker);
            found.ok_or_else(|| NovaError::bad_request(format!("marker [{marker}] not found")))? + 1
        }
    };
    let page: Vec<&Flavor> = cloud.flavors().iter().skip(start).take(limit).collect();
    let views: Vec<Value> = page.iter().map(|flavor| view(app, flavor, version, full)).collect();
    let mut body = json!({"flavors": views});
    let url = format!("{}/flavors{}", app.endpoints.compute, if full { "/detail" } else { "" });
    let last = page.last().map(|flavor| flavor.id.as_str());
    add_next_link(&mut body, "flavors_links", params, &url, (limit, page.len()), last);
    Ok(reply(StatusCode::OK, &body))
}

async fn list(app: State<Arc<App>>, version: Extension<Version>, params: Params) -> Answer {
    many(&app, *version, &params, false)
}

async fn detail(app: State<Arc<App>>, version: Extension<Version>, params: Params) -> Answer {
    many(&app, *version, &params, true)
}

fn found<'a>(cloud: &'a Cloud, id: &str) -> Result<&'a Flavor, NovaError> {
    cloud
        .flavors()
        .iter()
        .find(|flavor| flavor.id == id)
        .ok_or_else(|| NovaError::not_found(format!("Flavor {id} could not be found.")))
}

async fn show(app: State<Arc<App>>, version: Extension<Version>, Path(id): Path<String>) -> Answer {
    let cloud = app.cloud();
    let view = view(&app, found(&cloud, &id)?, *version, true);
    Ok(reply(StatusCode::OK, &json!({"flavor": view})))
}

async fn extra_specs(app: State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let cloud = app.cloud();
    let specs = found(&cloud, &id)?.extra_specs.clone();
    Ok(reply(StatusCode::OK, &json!({"extra_specs": specs})))
}
