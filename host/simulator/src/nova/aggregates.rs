//! `os-aggregates` and `os-availability-zone`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Extension, Router};
use http::StatusCode;
use serde_json::{Map, Value, json};
use watcher_cluster::Aggregate;

use super::services::time;
use super::version::Version;
use super::{Answer, NovaError, require_admin};
use crate::app::{App, reply};
use crate::cloud::{Actor, Cloud, Host};
use crate::ids;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/os-aggregates", get(list))
        .route("/os-aggregates/{id}", get(show))
        .route("/os-availability-zone", get(zones))
        .route("/os-availability-zone/detail", get(zones_detail))
}

fn view(aggregate: &Aggregate, version: Version) -> Value {
    let mut view = json!({
        "id": aggregate.id,
        "name": aggregate.name,
        "hosts": aggregate.hosts,
        "metadata": {},
        "availability_zone": null,
        "created_at": "2024-01-01T00:00:00.000000",
        "updated_at": null,
        "deleted_at": null,
        "deleted": false,
    });
    if version.since(41) {
        view["uuid"] = ids::derived("aggregate", &aggregate.id.to_string()).to_string().into();
    }
    view
}

async fn list(app: State<Arc<App>>, actor: Extension<Actor>, version: Extension<Version>) -> Answer {
    require_admin(&actor, "os-aggregates:index")?;
    let views: Vec<Value> = app.cloud().aggregates().iter().map(|aggregate| view(aggregate, *version)).collect();
    Ok(reply(StatusCode::OK, &json!({"aggregates": views})))
}

async fn show(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path(id): Path<String>,
) -> Answer {
    require_admin(&actor, "os-aggregates:show")?;
    let cloud = app.cloud();
    let found = cloud.aggregates().iter().find(|aggregate| aggregate.id.to_string() == id);
    let aggregate = found.ok_or_else(|| NovaError::not_found(format!("Aggregate {id} could not be found.")))?;
    Ok(reply(StatusCode::OK, &json!({"aggregate": view(aggregate, *version)})))
}

fn by_zone(cloud: &Cloud) -> BTreeMap<&str, Vec<&Host>> {
    let mut zones: BTreeMap<&str, Vec<&Host>> = BTreeMap::new();
    for host in cloud.hosts() {
        zones.entry(&host.zone).or_default().push(host);
    }
    zones
}

/// A zone is available when one of its services is enabled.
fn available(hosts: &[&Host]) -> bool {
    hosts.iter().any(|host| !host.disabled)
}

async fn zones(app: State<Arc<App>>) -> Answer {
    let cloud = app.cloud();
    let views: Vec<Value> = by_zone(&cloud)
        .iter()
        .map(|(zone, hosts)| json!({"zoneName": zone, "zoneState": {"available": available(hosts)}, "hosts": null}))
        .collect();
    Ok(reply(StatusCode::OK, &json!({"availabilityZoneInfo": views})))
}

async fn zones_detail(app: State<Arc<App>>, actor: Extension<Actor>) -> Answer {
    require_admin(&actor, "os-availability-zone:detail")?;
    let (cloud, now) = (app.cloud(), time(app.now()));
    let service = |available: bool, active: bool| json!({"available": available, "active": active, "updated_at": now});
    let internal = json!({
        "zoneName": "internal",
        "zoneState": {"available": true},
        "hosts": {"controller": {"nova-scheduler": service(true, true), "nova-conductor": service(true, true)}},
    });
    let zones = by_zone(&cloud).into_iter().map(|(zone, hosts)| {
        let members: Map<String, Value> = hosts
            .iter()
            .map(|host| (host.name().to_owned(), json!({"nova-compute": service(host.is_up(), !host.disabled)})))
            .collect();
        json!({"zoneName": zone, "zoneState": {"available": available(&hosts)}, "hosts": members})
    });
    let views: Vec<Value> = std::iter::once(internal).chain(zones).collect();
    Ok(reply(StatusCode::OK, &json!({"availabilityZoneInfo": views})))
}
