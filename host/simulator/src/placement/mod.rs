//! Placement 1.0 to 1.39, to read: resource providers, inventories, usages, allocations.

mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::app::{App, reply};
use crate::auth::require_token;
use crate::cloud::{Actor, Cloud, Host};
use crate::ids;

const NEWEST: u32 = 39;
const HEADER: &str = "openstack-api-version";

/// The microversion of a request: 1.`0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version(u32);

impl Version {
    fn since(self, minor: u32) -> bool {
        self.0 >= minor
    }
}

#[derive(Debug)]
struct PlacementError {
    status: StatusCode,
    message: String,
    version: Version,
}

type Answer = Result<Response, PlacementError>;

impl IntoResponse for PlacementError {
    fn into_response(self) -> Response {
        let code = self.version.since(23).then_some("placement.undefined_code");
        reply(self.status, &error_body(self.status, &self.message, code))
    }
}

/// An error as Placement writes it: what the status means, then what is wrong.
pub(crate) fn error_body(status: StatusCode, message: &str, code: Option<&str>) -> Value {
    let general = match status {
        StatusCode::NOT_FOUND => "The resource could not be found.",
        StatusCode::BAD_REQUEST => {
            "The server could not comply with the request since it is either malformed or otherwise incorrect."
        }
        StatusCode::FORBIDDEN => "Access was denied to this resource.",
        StatusCode::METHOD_NOT_ALLOWED => "The method specified is not allowed for this resource.",
        _ => "The server has either erred or is incapable of performing the requested operation.",
    };
    let mut error = json!({
        "status": status.as_u16(),
        "title": status.canonical_reason().unwrap_or("Error"),
        "detail": format!("{general}\n\n {message}  "),
        "request_id": format!("req-{}", ids::derived("placement error", message)),
    });
    if let Some(code) = code {
        error["code"] = code.into();
    }
    json!({"errors": [error]})
}

pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let resources = Router::new()
        .route("/resource_providers", get(providers))
        .route("/resource_providers/{uuid}", get(provider))
        .route("/resource_providers/{uuid}/inventories", get(inventories))
        .route("/resource_providers/{uuid}/inventories/{class}", get(inventory))
        .route("/resource_providers/{uuid}/usages", get(usages))
        .route("/resource_providers/{uuid}/allocations", get(provider_allocations))
        .route("/resource_providers/{uuid}/aggregates", get(aggregates))
        .route("/resource_providers/{uuid}/traits", get(traits))
        .route("/allocations/{consumer}", get(allocations))
        .layer(from_fn_with_state(app.clone(), negotiate))
        .layer(from_fn_with_state(app.clone(), require_token));
    Router::new().route("/placement", get(root)).route("/placement/", get(root)).nest("/placement", resources)
}

async fn root() -> Response {
    let version = json!({
        "id": "v1.0",
        "max_version": format!("1.{NEWEST}"),
        "min_version": "1.0",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": ""}],
    });
    reply(StatusCode::OK, &json!({"versions": [version]}))
}

fn parse_version(headers: &HeaderMap) -> Result<Version, PlacementError> {
    let text = headers.get(HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wanted = text.split(',').find_map(|part| {
        let (service, version) = part.trim().split_once(' ')?;
        (service == "placement").then(|| version.trim())
    });
    let numbers = match wanted {
        None => return Ok(Version(0)),
        Some("latest") => return Ok(Version(NEWEST)),
        Some(wanted) => wanted.split_once('.').map(|(major, minor)| (major.parse::<u32>(), minor.parse::<u32>())),
    };
    match numbers {
        Some((Ok(1), Ok(minor @ 0..=NEWEST))) => Ok(Version(minor)),
        Some((Ok(major), Ok(minor))) => Err(PlacementError {
            status: StatusCode::NOT_ACCEPTABLE,
            message: format!("Unacceptable version header: {major}.{minor}"),
            version: Version(0),
        }),
        _ => Err(PlacementError {
            status: StatusCode::BAD_REQUEST,
            message: format!("invalid version string: {text}"),
            version: Version(0),
        }),
    }
}

async fn negotiate(State(_): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let version = match parse_version(request.headers()) {
        Ok(version) => version,
        Err(error) => return error.into_response(),
    };
    let allowed = request.extensions().get::<Actor>().is_some_and(|actor| actor.admin);
    let mut response = if allowed {
        request.extensions_mut().insert(version);
        next.run(request).await
    } else {
        let message = "placement policy does not allow this to be performed".to_owned();
        PlacementError { status: StatusCode::FORBIDDEN, message, version }.into_response()
    };
    if let Ok(value) = HeaderValue::from_str(&format!("placement 1.{}", version.0)) {
        response.headers_mut().insert(HEADER, value);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("OpenStack-API-Version"));
    response
}

fn found<'a>(cloud: &'a Cloud, uuid: &str, version: Version) -> Result<&'a Host, PlacementError> {
    cloud.host_with_uuid(uuid).map(|index| &cloud.hosts()[index]).ok_or_else(|| PlacementError {
        status: StatusCode::NOT_FOUND,
        message: format!("No resource provider with uuid {uuid} found"),
        version,
    })
}

async fn providers(
    app: State<Arc<App>>,
    version: Extension<Version>,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    let bad = |message: String| PlacementError { status: StatusCode::BAD_REQUEST, message, version: *version };
    let cloud = app.cloud();
    let mut wanted: Vec<&Host> = cloud.hosts().iter().collect();
    for (name, value) in &query {
        match name.as_str() {
            "name" => wanted.retain(|host| host.name() == value),
            "uuid" => wanted.retain(|host| host.entry.uuid == *value),
            "in_tree" if version.since(14) => wanted.retain(|host| host.entry.uuid == *value),
            "resources" if version.since(4) => {
                let amount = view::parse_resources(value)
                    .ok_or_else(|| bad(format!("Badly formed resources parameter: {value}")))?;
                wanted.retain(|host| host.has_room(amount));
            }
            other => {
                return Err(bad(format!(
                    "Invalid query string parameters: '{other}' does not match any of the regexes"
                )));
            }
        }
    }
    let views: Vec<Value> = wanted.into_iter().map(|host| view::provider(host, *version)).collect();
    Ok(reply(StatusCode::OK, &json!({"resource_providers": views})))
}

async fn provider(app: State<Arc<App>>, version: Extension<Version>, Path(uuid): Path<String>) -> Answer {
    let cloud = app.cloud();
    Ok(reply(StatusCode::OK, &view::provider(found(&cloud, &uuid, *version)?, *version)))
}

async fn inventories(app: State<Arc<App>>, version: Extension<Version>, Path(uuid): Path<String>) -> Answer {
    let cloud = app.cloud();
    let host = found(&cloud, &uuid, *version)?;
    let inventories: Map<String, Value> =
        host.inventories().map(|inventory| (inventory.class.to_owned(), view::inventory(&inventory))).collect();
    let body = json!({"inventories": inventories, "resource_provider_generation": host.generation});
    Ok(reply(StatusCode::OK, &body))
}

async fn inventory(
    app: State<Arc<App>>,
    version: Extension<Version>,
    Path((uuid, class)): Path<(String, String)>,
) -> Answer {
    let cloud = app.cloud();
    let host = found(&cloud, &uuid, *version)?;
    let inventory = host.inventories().find(|inventory| inventory.class == class).ok_or_else(|| PlacementError {
        status: StatusCode::NOT_FOUND,
        message: format!("No inventory of class {class} for {uuid}"),
        version: *version,
    })?;
    let mut body = view::inventory(&inventory);
    body["resource_provider_generation"] = host.generation.into();
    Ok(reply(StatusCode::OK, &body))
}

async fn usages(app: State<Arc<App>>, version: Extension<Version>, Path(uuid): Path<String>) -> Answer {
    let cloud = app.cloud();
    let host = found(&cloud, &uuid, *version)?;
    let usages: Map<String, Value> =
        host.inventories().map(|inventory| (inventory.class.to_owned(), inventory.used.into())).collect();
    let body = json!({"usages": usages, "resource_provider_generation": host.generation});
    Ok(reply(StatusCode::OK, &body))
}

async fn provider_allocations(app: State<Arc<App>>, version: Extension<Version>, Path(uuid): Path<String>) -> Answer {
    let cloud = app.cloud();
    let host = found(&cloud, &uuid, *version)?;
    let allocations: Map<String, Value> = host
        .claims
        .iter()
        .map(|(&consumer, &amount)| {
            let mut allocation = json!({"resources": view::resources(amount)});
            if version.since(28) {
                allocation["consumer_generation"] = 1.into();
            }
            (view::consumer_uuid(&cloud, consumer), allocation)
        })
        .collect();
    let body = json!({"allocations": allocations, "resource_provider_generation": host.generation});
    Ok(reply(StatusCode::OK, &body))
}

async fn allocations(app: State<Arc<App>>, version: Extension<Version>, Path(consumer): Path<String>) -> Answer {
    let cloud = app.cloud();
    Ok(reply(StatusCode::OK, &view::allocations(&cloud, &consumer, *version)))
}

async fn aggregates(app: State<Arc<App>>, version: Extension<Version>, Path(uuid): Path<String>) -> Answer {
    let cloud = app.cloud();
    let host = found(&cloud, &uuid, *version)?;
    let members = cloud.aggregates().iter().filter(|aggregate| aggregate.hosts.iter().any(|name| name == host.name()));
    let uuids: Vec<String> =
        members.map(|aggregate| ids::derived("aggregate", &aggregate.id.to_string()).to_string()).collect();
    let mut body = json!({"aggregates": uuids});
    if version.since(19) {
        body["resource_provider_generation"] = host.generation.into();
    }
    Ok(reply(StatusCode::OK, &body))
}

async fn traits(app: State<Arc<App>>, version: Extension<Version>, Path(uuid): Path<String>) -> Answer {
    let cloud = app.cloud();
    let host = found(&cloud, &uuid, *version)?;
    let disabled = host.disabled.then_some("COMPUTE_STATUS_DISABLED");
    let traits: Vec<&str> = ["COMPUTE_NODE", "HW_CPU_X86_AVX2"].into_iter().chain(disabled).collect();
    let body = json!({"traits": traits, "resource_provider_generation": host.generation});
    Ok(reply(StatusCode::OK, &body))
}
