//! What all services share, the router over them, and what happens to every request before its service sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};
use watcher_cluster::ClusterFile;

use crate::clock::Clock;
use crate::cloud::{Cloud, Rules};
use crate::faults::{Faults, RequestEnd, ServiceName};
use crate::keystone::Keystone;
use crate::options::{Endpoints, SimulatorOptions};
use crate::prometheus::Store;
use crate::requests::RequestLog;
use crate::{admin, ids, keystone, nova, placement, prometheus};

/// State of a running simulator.
pub(crate) struct App {
    pub(crate) options: SimulatorOptions,
    pub(crate) endpoints: Endpoints,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) faults: Faults,
    pub(crate) requests: RequestLog,
    pub(crate) series: Store,
    file: ClusterFile,
    cloud: RwLock<Cloud>,
    keystone: Mutex<Keystone>,
}

impl App {
    pub(crate) fn new(
        file: ClusterFile,
        options: SimulatorOptions,
        endpoints: Endpoints,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let now = clock.now();
        Self {
            faults: Faults::new(&options.faults),
            requests: RequestLog::default(),
            series: Store::new(&file, &options, now),
            cloud: RwLock::new(Cloud::new(&file, rules(&options), now)),
            keystone: Mutex::new(Keystone::new(&options, &endpoints)),
            options,
            endpoints,
            clock,
            file,
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The cloud as it is now.
    pub(crate) fn cloud(&self) -> RwLockReadGuard<'_, Cloud> {
        let cloud = self.cloud.read().unwrap_or_else(PoisonError::into_inner);
        if !cloud.is_moving() {
            return cloud;
        }
        drop(cloud);
        drop(self.cloud_mut());
        self.cloud.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cloud as it is now, to change it.
    pub(crate) fn cloud_mut(&self) -> RwLockWriteGuard<'_, Cloud> {
        let mut cloud = self.cloud.write().unwrap_or_else(PoisonError::into_inner);
        cloud.settle(self.now());
        cloud
    }

    pub(crate) fn keystone(&self) -> MutexGuard<'_, Keystone> {
        self.keystone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Back to the cluster file and the faults of the start. Tokens stay valid.
    pub(crate) fn reset(&self) {
        let fresh = Cloud::new(&self.file, rules(&self.options), self.now());
        *self.cloud.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.faults.set(&self.options.faults);
        self.requests.clear();
    }
}

fn rules(options: &SimulatorOptions) -> Rules {
    Rules {
        live_migration: Duration::from_millis(options.live_migration_ms),
        cold_migration: Duration::from_millis(options.cold_migration_ms),
        enforce_capacity: options.enforce_capacity,
    }
}

/// All services.
pub(crate) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .merge(keystone::router())
        .merge(nova::router(app))
        .merge(placement::router(app))
        .merge(prometheus::router(app))
        .merge(admin::router())
        .fallback(
            |uri: Uri| async move { error(uri.path(), StatusCode::NOT_FOUND, "The resource could not be found.") },
        )
        .method_not_allowed_fallback(|uri: Uri| async move {
            error(uri.path(), StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed for this resource.")
        })
        .layer(middleware::from_fn_with_state(app.clone(), before_service))
        .layer(DefaultBodyLimit::max(app.options.max_body_bytes))
        .with_state(app.clone())
}

/// Marks a response that must not be sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DropConnection;

async fn before_service(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let template = request.extensions().get::<MatchedPath>().map(|matched| matched.as_str().to_owned());
    let service = ServiceName::of(&path);
    let number = app.requests.count(service, request.method(), template.as_deref());
    if let Some(service) = service {
        let fate = app.faults.on_request(Some(service), &path);
        if !fate.delay.is_zero() {
            tokio::time::sleep(fate.delay).await;
        }
        match fate.end {
            None => {}
            Some(RequestEnd::Drop) => {
                let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
                response.extensions_mut().insert(DropConnection);
                return response;
            }
            Some(RequestEnd::Error { status, message }) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return error(&path, status, &message);
            }
        }
    }
    let mut response = next.run(request).await;
    let id = format!("req-{}", ids::derived("request", &number.to_string()));
    if let Ok(id) = HeaderValue::from_str(&id) {
        if service == Some(ServiceName::Compute) {
            response.headers_mut().insert("x-compute-request-id", id.clone());
        }
        response.headers_mut().insert("x-openstack-request-id", id);
    }
    response
}

/// An error in the shape of the service that the path belongs to.
pub(crate) fn error(path: &str, status: StatusCode, message: &str) -> Response {
    let body = match ServiceName::of(path) {
        Some(ServiceName::Compute) => nova::error_body(status, message),
        Some(ServiceName::Placement) => placement::error_body(status, message, None),
        Some(ServiceName::Prometheus) => json!({"status": "error", "errorType": "internal", "error": message}),
        Some(ServiceName::Identity) | None => keystone::error_body(status, message),
    };
    reply(status, &body)
}

/// A JSON answer.
pub(crate) fn reply(status: StatusCode, body: &Value) -> Response {
    reply_with(status, body)
}

/// A JSON answer from a structure.
pub(crate) fn reply_with(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(text) => (status, [(http::header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
