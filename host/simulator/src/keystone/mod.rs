//! Keystone v3: tokens, catalogue and the few resources that clients look up.

mod catalog;
mod credentials;
mod directory;
mod login;
mod resources;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use self::catalog::Catalog;
use self::credentials::Credential;
use self::directory::Directory;
pub use self::directory::{ALICE, BOB, Member};
use self::token::{Scope, Token, TokenStore};
use crate::app::{App, reply};
use crate::auth;
use crate::cloud::Actor;
use crate::options::{Endpoints, SimulatorOptions};

/// Why Keystone refuses.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum KeystoneError {
    #[error("{0}")]
    BadRequest(String),
    #[error("The request you have made requires authentication.")]
    Unauthorized,
    #[error("Attempted to authenticate with an unsupported method: {0}.")]
    Method(String),
    #[error("You are not authorized to perform the requested action: {0}.")]
    Forbidden(&'static str),
    #[error("Could not find {kind}: {id}.")]
    NotFound { kind: &'static str, id: String },
    #[error("Conflict occurred attempting to store {kind} - Duplicate entry found with name {name}.")]
    Conflict { kind: &'static str, name: String },
}

impl KeystoneError {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::Method(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Conflict { .. } => StatusCode::CONFLICT,
        }
    }
}

impl IntoResponse for KeystoneError {
    fn into_response(self) -> Response {
        reply(self.status(), &error_body(self.status(), &self.to_string()))
    }
}

/// An error as Keystone, and keystonemiddleware in front of other services, writes it.
pub(crate) fn error_body(status: StatusCode, message: &str) -> Value {
    json!({"error": {
        "code": status.as_u16(),
        "message": message,
        "title": status.canonical_reason().unwrap_or("Error"),
    }})
}

/// State of Keystone.
#[derive(Debug)]
pub(crate) struct Keystone {
    directory: Directory,
    catalog: Catalog,
    tokens: TokenStore,
    credentials: Vec<Credential>,
    token_lifetime: TimeDelta,
    /// Tokens and credentials made so far; makes their ids unique.
    issued: u64,
}

impl Keystone {
    pub(crate) fn new(options: &SimulatorOptions, endpoints: &Endpoints) -> Self {
        Self {
            directory: Directory::new(options),
            catalog: Catalog::new(options, endpoints),
            tokens: TokenStore::default(),
            credentials: Vec::new(),
            token_lifetime: login::lifetime(options.token_lifetime_s),
            issued: 0,
        }
    }

    /// Whose token this is, if it is valid.
    pub(crate) fn actor(&self, id: &str, now: DateTime<Utc>) -> Option<Actor> {
        let token = self.tokens.valid(id, now)?;
        let project = match token.scope {
            Scope::Project(project) => self.directory.projects[project].id.clone(),
            Scope::Unscoped | Scope::Domain | Scope::System => String::new(),
        };
        let user = self.directory.users[token.user].id.clone();
        Some(Actor { user, project, admin: token.roles.contains(&"admin") })
    }

    /// The token that a request is made with.
    fn caller(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Result<&Token, KeystoneError> {
        let id = auth::token(headers, "x-auth-token").ok_or(KeystoneError::Unauthorized)?;
        self.tokens.valid(&id, now).ok_or(KeystoneError::Unauthorized)
    }

    /// The token that a request asks about.
    fn subject(&self, headers: &HeaderMap) -> Result<&Token, KeystoneError> {
        let id = auth::token(headers, "x-subject-token").unwrap_or_default();
        self.tokens.find(&id).ok_or_else(|| KeystoneError::NotFound { kind: "token", id: short(&id) })
    }
}

/// Enough of a token to recognise it.
fn short(id: &str) -> String {
    id.chars().take(16).collect()
}

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/identity", get(versions))
        .route("/identity/", get(versions))
        .route("/identity/v3", get(version))
        .route("/identity/v3/", get(version))
        .route("/identity/v3/auth/tokens", post(log_in).get(show_token).delete(revoke_token))
        .merge(credentials::router())
        .merge(resources::router())
}

fn version_view(app: &App) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/", app.endpoints.identity)}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    })
}

async fn versions(State(app): State<Arc<App>>) -> Response {
    let mut response = reply(StatusCode::MULTIPLE_CHOICES, &json!({"versions": {"values": [version_view(&app)]}}));
    if let Ok(location) = HeaderValue::from_str(&format!("{}/", app.endpoints.identity)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

async fn version(State(app): State<Arc<App>>) -> Response {
    reply(StatusCode::OK, &json!({"version": version_view(&app)}))
}

async fn log_in(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, KeystoneError> {
    let body = serde_json::from_slice(&body).map_err(|error| {
        KeystoneError::BadRequest(format!(
            "Expecting to find valid JSON in request body: {error}. The server could not comply with the request \
             since it is either malformed or otherwise incorrect. The client is assumed to be in error."
        ))
    })?;
    let mut keystone = app.keystone();
    let token = keystone.log_in(&body, app.now())?;
    Ok(token_reply(&keystone, &token, StatusCode::CREATED, wants_catalog(query.as_deref())))
}

/// `GET`, and `HEAD`, for which the body is dropped later.
async fn show_token(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, KeystoneError> {
    const ACTION: &str = "identity:validate_token";
    let keystone = app.keystone();
    let caller = keystone.caller(&headers, app.now())?;
    let subject = keystone.subject(&headers)?;
    let allow_expired = query.as_deref().is_some_and(|query| query.split('&').any(|part| part == "allow_expired=1"));
    if subject.expires_at <= app.now() && !allow_expired {
        return Err(KeystoneError::NotFound { kind: "token", id: short(&subject.id) });
    }
    if subject.id != caller.id && !caller.roles.iter().any(|role| matches!(*role, "admin" | "service")) {
        return Err(KeystoneError::Forbidden(ACTION));
    }
    Ok(token_reply(&keystone, subject, StatusCode::OK, wants_catalog(query.as_deref())))
}

async fn revoke_token(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<StatusCode, KeystoneError> {
    const ACTION: &str = "identity:revoke_token";
    let mut keystone = app.keystone();
    let caller = keystone.caller(&headers, app.now())?;
    let subject = keystone.subject(&headers)?;
    if subject.user != caller.user && !caller.roles.contains(&"admin") {
        return Err(KeystoneError::Forbidden(ACTION));
    }
    let id = subject.id.clone();
    keystone.tokens.revoke(&id);
    Ok(StatusCode::NO_CONTENT)
}

fn wants_catalog(query: Option<&str>) -> bool {
    !query.unwrap_or_default().split('&').any(|part| part == "nocatalog" || part.starts_with("nocatalog="))
}

fn token_reply(keystone: &Keystone, token: &Token, status: StatusCode, with_catalog: bool) -> Response {
    let mut response = reply(status, &token.view(&keystone.directory, &keystone.catalog, with_catalog));
    if let Ok(id) = HeaderValue::from_str(&token.id) {
        response.headers_mut().insert("x-subject-token", id);
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("X-Auth-Token"));
    response
}
