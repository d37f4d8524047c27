//! Version 1 of the API: one module per resource.

pub(crate) mod action_plans;
pub(crate) mod actions;
pub(crate) mod active;
pub(crate) mod audit_templates;
pub(crate) mod audits;
pub(crate) mod data_model;
pub(crate) mod find;
pub(crate) mod goals;
pub(crate) mod names;
pub(crate) mod plugin_quotas;
pub(crate) mod plugins;
pub(crate) mod scoring_engines;
pub(crate) mod services;
pub(crate) mod signing_policies;
pub(crate) mod stamps;
pub(crate) mod strategies;
pub(crate) mod webhooks;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde::Serialize;
use uuid::Uuid;

use crate::arguments;
use crate::error::{ApiError, Invalid, NotFound};
use crate::state::ApiState;

/// Every operation below `/v1`.
pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .merge(goals::routes())
        .merge(strategies::routes())
        .merge(audit_templates::routes())
        .merge(audits::routes())
        .merge(action_plans::routes())
        .merge(actions::routes())
        .merge(plugins::routes())
        .merge(plugin_quotas::routes())
        .merge(signing_policies::routes())
        .merge(scoring_engines::routes())
        .merge(services::routes())
        .merge(data_model::routes())
        .merge(webhooks::routes())
}

/// Methods of a path, as answers to other methods list them; none if there is no such path.
pub(crate) fn methods(path: &str) -> Option<&'static str> {
    let mut segments = path.split('/').skip(1);
    match (segments.next(), segments.next()) {
        (Some("" | "openapi.json" | "docs" | "v1"), None)
        | (Some("v1"), Some("goals" | "strategies" | "scoring_engines" | "services" | "data_model")) => Some("GET"),
        (Some("v1"), Some("audit_templates" | "audits")) => Some("DELETE, GET, PATCH, POST"),
        (Some("v1"), Some("action_plans")) if path.ends_with("/start") => Some("POST"),
        (Some("v1"), Some("action_plans")) => Some("DELETE, GET, PATCH"),
        (Some("v1"), Some("actions")) => Some("GET, PATCH"),
        (Some("v1"), Some("webhooks")) => Some("POST"),
        (Some("v1"), Some("plugins")) => Some(plugins::methods(segments.collect::<Vec<_>>().as_slice())),
        (Some("v1"), Some("plugin_quotas")) if path.ends_with("/usage") => Some("GET"),
        (Some("v1"), Some("plugin_quotas" | "signing_policies")) => Some("GET, PUT"),
        _ => None,
    }
}

/// How much of a row is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What a list shows.
    Brief,
    /// Everything.
    Full,
}

impl Detail {
    /// A field that only full records have.
    pub(crate) fn only_full<T>(self, field: impl FnOnce() -> T) -> Option<T> {
        match self {
            Self::Brief => None,
            Self::Full => Some(field()),
        }
    }
}

/// A field that full records have, with a value or null, and brief ones do not have at all (then there is no `Nullable`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Nullable<T>(pub(crate) Option<T>);

/// The last variable part of a path: a UUID, a name or a number.
pub(crate) struct Ident(pub(crate) String);

impl FromRequestParts<ApiState> for Ident {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, api).await.map_err(|_| ApiError::NoSuchPath)?;
        let ident = params.iter().next().map(|(_, value)| value.to_owned()).ok_or(ApiError::NoSuchPath)?;
        Ok(Self(ident))
    }
}

impl Ident {
    /// As a UUID, for resources without names. `field` is what the original calls it.
    pub(crate) fn uuid(&self, field: &str) -> Result<Uuid, Invalid> {
        arguments::uuid(&self.0).ok_or_else(|| Invalid::uuid_argument(field, &self.0))
    }
}

/// An answer to a POST that made something.
pub(crate) struct Created<T> {
    pub(crate) location: String,
    pub(crate) view: T,
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.view)).into_response();
        if let Ok(location) = HeaderValue::try_from(self.location) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

/// `…/{item}/detail` is not there, and says so in the words of an operation.
pub(crate) async fn no_detail() -> ApiError {
    NotFound::Detail.into()
}
