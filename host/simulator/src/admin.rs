//! `/simulator/…`: faults, state, counters and reset. Needs no token.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::app::{App, reply};
use crate::cloud::Server;
use crate::faults::FaultOptions;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/simulator/faults", get(faults).put(set_faults).delete(clear_faults))
        .route("/simulator/state", get(async |State(app): State<Arc<App>>| Json(state(&app))))
        .route(
            "/simulator/requests",
            get(async |State(app): State<Arc<App>>| Json(json!({"requests": app.requests.report()}))),
        )
        .route("/simulator/reset", post(reset))
}

async fn faults(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({"faults": app.faults.report()}))
}

async fn set_faults(
    State(app): State<Arc<App>>,
    body: Result<Json<FaultOptions>, JsonRejection>,
) -> Result<Json<Value>, Response> {
    let refused = |reason: String| reply(StatusCode::BAD_REQUEST, &json!({"error": reason}));
    let Json(options) = body.map_err(|rejection| refused(rejection.body_text()))?;
    options.check().map_err(|wrong| refused(wrong.to_string()))?;
    app.faults.set(&options);
    Ok(faults(State(app)).await)
}

async fn clear_faults(State(app): State<Arc<App>>) -> StatusCode {
    app.faults.set(&FaultOptions::default());
    StatusCode::NO_CONTENT
}

async fn reset(State(app): State<Arc<App>>) -> StatusCode {
    app.reset();
    StatusCode::NO_CONTENT
}

/// The cloud in short.
pub(crate) fn state(app: &App) -> Value {
    let cloud = app.cloud();
    let host_name = |index: usize| cloud.hosts()[index].name();
    let placement: Map<String, Value> =
        cloud.servers().iter().map(|server| (server.entry.uuid.clone(), server.host.map(host_name).into())).collect();
    let flavor = |server: &Server| cloud.flavors()[server.flavor].name.as_str();
    let flavors: Map<String, Value> =
        cloud.servers().iter().map(|server| (server.entry.uuid.clone(), flavor(server).into())).collect();
    let services: Vec<Value> = cloud
        .hosts()
        .iter()
        .map(|host| {
            json!({
                "host": host.name(),
                "status": host.status().as_str(),
                "state": host.state().as_str(),
                "disabled_reason": host.disabled_reason,
                "forced_down": host.forced_down,
            })
        })
        .collect();
    let migrations: Vec<Value> = cloud
        .migrations()
        .values()
        .map(|migration| {
            json!({
                "id": migration.id,
                "type": migration.kind.as_str(),
                "server": cloud.servers()[migration.server].entry.uuid,
                "source": host_name(migration.source),
                "destination": migration.destination.map(host_name),
                "status": migration.status,
            })
        })
        .collect();
    json!({"flavors": flavors, "placement": placement, "services": services, "migrations": migrations})
}
