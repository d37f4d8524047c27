//! The token check in front of a service, as keystonemiddleware does it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::app::{App, reply};
use crate::cloud::Actor;
use crate::keystone;

/// The token of a request, if it has one that can be read.
pub(crate) fn token(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(ToOwned::to_owned)
}

/// Lets a request through if its token is valid, and says to the service whose it is.
pub(crate) async fn require_token(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    match actor(&app, request.headers()) {
        Some(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        None => unauthorized(&app),
    }
}

fn actor(app: &App, headers: &HeaderMap) -> Option<Actor> {
    let id = token(headers, "x-auth-token")?;
    app.keystone().actor(&id, app.now())
}

fn unauthorized(app: &App) -> Response {
    let body = keystone::error_body(StatusCode::UNAUTHORIZED, "The request you have made requires authentication.");
    let mut response = reply(StatusCode::UNAUTHORIZED, &body);
    let uri = format!("Keystone uri=\"{}/identity\"", app.endpoints.base);
    if let Ok(value) = HeaderValue::from_str(&uri) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}
