//! The way of a request: request id, CORS, one way to write its path, who calls, microversion, operation.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::ALLOW;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower::util::MapRequest;
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::{ApiError, fault};
use crate::state::ApiState;
use crate::{auth, cors, docs, microversion, openapi, path, recent, request_id, v1, versions};

/// The API as a service.
pub fn router(state: ApiState) -> Router {
    let operations = Router::new()
        .route("/", get(versions::root))
        .route("/v1", get(versions::v1))
        .route("/openapi.json", get(openapi::serve))
        .route("/docs", get(docs::serve))
        .merge(v1::routes())
        .fallback(|| async { ApiError::NoSuchPath })
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state((state.clone(), Arc::new(recent::Recent::default())), recent::answer))
        .layer(from_fn(microversion::negotiate))
        .layer(from_fn_with_state(state.clone(), auth::authenticate))
        .with_state(state.clone());
    let cors = Arc::new(state.options.cors.clone());
    Router::new()
        .fallback_service(MapRequest::new(operations, path::normalise))
        .layer(from_fn(head_is_no_operation))
        .layer(from_fn_with_state(cors, cors::share))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state, request_id::identify))
}

/// HEAD is no operation anywhere.
async fn head_is_no_operation(request: Request, next: Next) -> Response {
    if request.method() != Method::HEAD {
        return next.run(request).await;
    }
    match v1::methods(&path::canonical(request.uri().path())) {
        Some(allow) => (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, allow)]).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn method_not_allowed(uri: Uri) -> ApiError {
    match v1::methods(uri.path()) {
        Some(allow) => ApiError::MethodNotAllowed { allow },
        None => ApiError::NoSuchPath,
    }
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request handler panicked");
    fault(StatusCode::INTERNAL_SERVER_ERROR, "The service failed to answer this request. Its log says why.")
}
