//! The way of a request: request id, CORS, one way to write its path, who calls, microversion, operation.

use axum::Router;
use axum::extract::Request;
use axum::http::header::ALLOW;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower::util::MapRequest;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::error::{ApiError, fault};
use crate::state::{ApiOptions, ApiState};
use crate::{auth, microversion, openapi, path, request_id, v1, versions};

/// The API as a service.
pub fn router(state: ApiState) -> Router {
    let operations = Router::new()
        .route("/", get(versions::root))
        .route("/v1", get(versions::v1))
        .route("/openapi.json", get(openapi::serve))
        .merge(v1::routes())
        .fallback(|| async { ApiError::NoSuchPath })
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(microversion::negotiate))
        .layer(from_fn_with_state(state.clone(), auth::authenticate))
        .with_state(state.clone());
    let mut way = Router::new()
        .fallback_service(MapRequest::new(operations, path::normalise))
        .layer(from_fn(methods_of_no_operation));
    if let Some(cors) = cors(&state.options) {
        way = way.layer(cors);
    }
    way.layer(CatchPanicLayer::custom(panicked)).layer(from_fn_with_state(state, request_id::identify))
}

/// HEAD is no operation anywhere, and OPTIONS says nothing where CORS did not answer it.
async fn methods_of_no_operation(request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS {
        return StatusCode::OK.into_response();
    }
    if request.method() == Method::HEAD {
        return match v1::methods(&path::canonical(request.uri().path())) {
            Some(allow) => (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, allow)]).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        };
    }
    next.run(request).await
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

fn cors(options: &ApiOptions) -> Option<CorsLayer> {
    const SENT: [&str; 9] = [
        "content-type",
        "openstack-api-version",
        "x-auth-token",
        "x-identity-status",
        "x-openstack-request-id",
        "x-roles",
        "x-service-catalog",
        "x-tenant-id",
        "x-user-id",
    ];
    const EXPOSED: [&str; 8] = [
        "location",
        "openstack-api-maximum-version",
        "openstack-api-minimum-version",
        "openstack-api-version",
        "x-auth-token",
        "x-openstack-request-id",
        "x-service-token",
        "x-subject-token",
    ];
    let origin = match &options.allowed_origins[..] {
        [] => return None,
        all if all.iter().any(|origin| origin == "*") => AllowOrigin::any(),
        some => AllowOrigin::list(some.iter().filter_map(|origin| HeaderValue::try_from(origin).ok())),
    };
    Some(
        CorsLayer::new()
            .allow_origin(origin)
            .allow_headers(SENT.map(HeaderName::from_static))
            .expose_headers(EXPOSED.map(HeaderName::from_static))
            .allow_methods([Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH]),
    )
}
