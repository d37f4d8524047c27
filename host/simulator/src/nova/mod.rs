//! Nova 2.1, microversions 2.1 to 2.96: hypervisors, services, servers and what moves them.

mod actions;
mod aggregates;
mod flavors;
mod hypervisors;
mod migrations;
mod query;
mod server_view;
mod servers;
mod services;
mod version;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::app::{App, reply};
use crate::auth::require_token;
use crate::cloud::{Actor, Refusal};

/// An error as Nova answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NovaError {
    status: StatusCode,
    message: String,
}

type Answer = Result<Response, NovaError>;

impl NovaError {
    fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    fn not_found(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: message.into() }
    }
}

impl From<Refusal> for NovaError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::ServerNotFound(_) | Refusal::MigrationNotFound { .. } => StatusCode::NOT_FOUND,
            Refusal::InvalidState { .. } | Refusal::Locked(_) => StatusCode::CONFLICT,
            Refusal::HostNotFound(_)
            | Refusal::FlavorNotFound(_)
            | Refusal::SameFlavor
            | Refusal::SameHost
            | Refusal::MigrateToSelf { .. }
            | Refusal::ServiceUnavailable(_)
            | Refusal::NoValidHost(_)
            | Refusal::Fault(_)
            | Refusal::MigrationState { .. } => StatusCode::BAD_REQUEST,
        };
        Self { status, message: refusal.to_string() }
    }
}

impl IntoResponse for NovaError {
    fn into_response(self) -> Response {
        reply(self.status, &error_body(self.status, &self.message))
    }
}

/// Nova names its errors by their status.
pub(crate) fn error_body(status: StatusCode, message: &str) -> Value {
    let name = match status.as_u16() {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    };
    json!({name: {"code": status.as_u16(), "message": message}})
}

/// Refuses all but admins, as Nova's default policy does.
fn require_admin(actor: &Actor, rule: &str) -> Result<(), NovaError> {
    if actor.admin {
        return Ok(());
    }
    let message = format!("Policy doesn't allow os_compute_api:{rule} to be performed.");
    Err(NovaError { status: StatusCode::FORBIDDEN, message })
}

/// All of Nova. The version documents need no token.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let resources = Router::new()
        .merge(hypervisors::router())
        .merge(services::router())
        .merge(servers::router())
        .merge(actions::router())
        .merge(migrations::router())
        .merge(flavors::router())
        .merge(aggregates::router())
        .layer(from_fn_with_state(app.clone(), version::negotiate))
        .layer(from_fn_with_state(app.clone(), require_token));
    version::router().nest("/compute/v2.1", resources)
}
