//! Application credentials: made, listed, used and deleted by their owner.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::token::{Scope, time};
use super::{Keystone, KeystoneError};
use crate::app::{App, reply};
use crate::ids;

/// A credential of a user for one project.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) secret: String,
    pub(super) user: usize,
    pub(super) project: usize,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
struct CreateBody {
    application_credential: NewCredential,
}

#[derive(Debug, Deserialize)]
struct NewCredential {
    name: String,
    secret: Option<String>,
    expires_at: Option<String>,
}

/// Credentials kept at a time, over all users.
const MAX_CREDENTIALS: usize = 1000;

pub(super) fn router() -> Router<Arc<App>> {
    const LIST: &str = "/identity/v3/users/{user}/application_credentials";
    const ONE: &str = "/identity/v3/users/{user}/application_credentials/{credential}";
    Router::new().route(LIST, get(list).post(create)).route(ONE, get(show).delete(delete))
}

impl Keystone {
    fn view(&self, credential: &Credential, with_secret: bool) -> Value {
        let mut view = json!({
            "id": credential.id,
            "name": credential.name,
            "description": null,
            "project_id": self.directory.projects[credential.project].id,
            "expires_at": credential.expires_at.map(time),
            "unrestricted": false,
            "system": null,
        });
        if with_secret {
            view["secret"] = credential.secret.clone().into();
        }
        view
    }

    /// Index of the user, if it is the caller.
    fn owner(&self, headers: &HeaderMap, user: &str, now: DateTime<Utc>) -> Result<(usize, Scope), KeystoneError> {
        let caller = self.caller(headers, now)?;
        if self.directory.users[caller.user].id != user {
            return Err(KeystoneError::Forbidden("identity:application_credentials"));
        }
        Ok((caller.user, caller.scope))
    }

    fn position(&self, user: usize, id: &str) -> Result<usize, KeystoneError> {
        self.credentials
            .iter()
            .position(|credential| credential.user == user && credential.id == id)
            .ok_or_else(|| KeystoneError::NotFound { kind: "application_credential", id: id.to_owned() })
    }
}

async fn create(
    State(app): State<Arc<App>>,
    Path(user): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, KeystoneError> {
    let bad = |message: String| KeystoneError::BadRequest(message);
    let given: CreateBody = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
    let given = given.application_credential;
    let expires_at = match given.expires_at.as_deref() {
        None => None,
        Some(text) => {
            let with_zone = if text.ends_with('Z') { text.to_owned() } else { format!("{text}Z") };
            let parsed = DateTime::parse_from_rfc3339(&with_zone).map_err(|error| bad(error.to_string()))?;
            Some(parsed.to_utc())
        }
    };
    let mut keystone = app.keystone();
    let (owner, scope) = keystone.owner(&headers, &user, app.now())?;
    let Scope::Project(project) = scope else {
        return Err(bad("Invalid application credential: the token has no project.".to_owned()));
    };
    if keystone.credentials.iter().any(|credential| credential.user == owner && credential.name == given.name) {
        return Err(KeystoneError::Conflict { kind: "application_credential", name: given.name });
    }
    if keystone.credentials.len() >= MAX_CREDENTIALS {
        return Err(KeystoneError::Forbidden("identity:create_application_credential"));
    }
    keystone.issued += 1;
    let number = keystone.issued.to_string();
    let credential = Credential {
        id: ids::derived_hex("credential", &number),
        name: given.name,
        secret: given.secret.unwrap_or_else(|| ids::derived_hex("secret", &number)),
        user: owner,
        project,
        expires_at,
    };
    let body = json!({"application_credential": keystone.view(&credential, true)});
    keystone.credentials.push(credential);
    Ok(reply(StatusCode::CREATED, &body))
}

async fn list(
    State(app): State<Arc<App>>,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Result<Response, KeystoneError> {
    let keystone = app.keystone();
    let (owner, _) = keystone.owner(&headers, &user, app.now())?;
    let own = keystone.credentials.iter().filter(|credential| credential.user == owner);
    let views: Vec<Value> = own.map(|credential| keystone.view(credential, false)).collect();
    Ok(reply(
        StatusCode::OK,
        &json!({"application_credentials": views, "links": {"self": null, "next": null, "previous": null}}),
    ))
}

async fn show(
    State(app): State<Arc<App>>,
    Path((user, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, KeystoneError> {
    let keystone = app.keystone();
    let (owner, _) = keystone.owner(&headers, &user, app.now())?;
    let position = keystone.position(owner, &id)?;
    let view = keystone.view(&keystone.credentials[position], false);
    Ok(reply(StatusCode::OK, &json!({"application_credential": view})))
}

async fn delete(
    State(app): State<Arc<App>>,
    Path((user, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, KeystoneError> {
    let mut keystone = app.keystone();
    let (owner, _) = keystone.owner(&headers, &user, app.now())?;
    let position = keystone.position(owner, &id)?;
    keystone.credentials.remove(position);
    Ok(StatusCode::NO_CONTENT)
}
