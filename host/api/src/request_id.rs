//! Request ids: every answer carries `x-openstack-request-id`, and the log names it.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::state::ApiState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// Gives a request an id, or keeps the one it was sent with if that has the form `req-<uuid>`.
pub(crate) async fn identify(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| is_request_id(id));
    let id = sent.map_or_else(|| format!("req-{}", api.ids.uuid()), str::to_owned);
    let span = tracing::info_span!(
        "api.request",
        request.id = %id,
        http.method = %request.method(),
        http.path = %request.uri().path(),
    );
    let mut response = next.run(request).instrument(span).await;
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn is_request_id(id: &str) -> bool {
    id.strip_prefix("req-").is_some_and(|uuid| uuid.len() == 36 && Uuid::try_parse(uuid).is_ok())
}
