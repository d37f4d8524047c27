//! Cross-origin requests: which pages of other origins may call this API from a browser.
//!
//! # Source
//! The middleware of oslo that the original uses, with its headers: a request that is not allowed is answered all the same, but without
//! the headers that let a browser show the answer to the page.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Request headers that need no leave.
const SIMPLE: [&str; 8] = [
    "Accept",
    "Accept-Language",
    "Content-Type",
    "Cache-Control",
    "Content-Language",
    "Expires",
    "Last-Modified",
    "Pragma",
];

/// What pages of other origins may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsOptions {
    /// Origins (`https://host:port`, no slash at the end) whose pages may call; `*` for all. Empty: none.
    pub allowed_origin: Vec<String>,
    /// Whether browsers may send cookies and the like.
    pub allow_credentials: bool,
    /// Headers of answers that a page may read.
    pub expose_headers: Vec<String>,
    /// Seconds for which a browser may remember a preflight's answer; 0 says nothing about it.
    pub max_age_s: u32,
    /// Methods that a page may use.
    pub allow_methods: Vec<String>,
    /// Headers that a page may send, besides the simple ones.
    pub allow_headers: Vec<String>,
}

impl Default for CorsOptions {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            allowed_origin: Vec::new(),
            allow_credentials: true,
            expose_headers: list(&["X-Auth-Token", "X-Subject-Token", "X-Service-Token", "X-OpenStack-Request-ID"]),
            max_age_s: 3600,
            allow_methods: list(&["GET", "PUT", "POST", "DELETE", "PATCH"]),
            allow_headers: list(&[
                "X-Auth-Token",
                "X-Identity-Status",
                "X-Roles",
                "X-Service-Catalog",
                "X-User-Id",
                "X-Tenant-Id",
                "X-OpenStack-Request-ID",
                // Without it a page is bound to microversion 1.0.
                "OpenStack-API-Version",
            ]),
        }
    }
}

impl CorsOptions {
    /// The origin as answers name it, if its pages may call.
    fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        if self.allowed_origin.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
            return Some(origin.clone());
        }
        self.allowed_origin.iter().any(|allowed| allowed == "*").then(|| HeaderValue::from_static("*"))
    }

    /// What a preflight is answered, beyond its status.
    fn preflight(&self, asked: &HeaderMap) -> Option<HeaderMap> {
        let origin = self.origin(asked)?;
        let method = asked.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        if !self.allow_methods.iter().any(|allowed| allowed.as_bytes() == method.as_bytes()) {
            return None;
        }
        let mut sent = Vec::new();
        for value in asked.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
            sent.extend(value.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()));
        }
        let known = |name: &str| {
            let mut allowed = self.allow_headers.iter().map(String::as_str).chain(SIMPLE);
            allowed.any(|allowed| allowed.eq_ignore_ascii_case(name))
        };
        if !sent.iter().all(|name| known(name)) {
            return None;
        }
        let mut answer = self.of_every_answer(origin);
        answer.insert(VARY, HeaderValue::from_static("Origin"));
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        if self.max_age_s > 0 {
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age_s));
        }
        insert_list(&mut answer, ACCESS_CONTROL_ALLOW_HEADERS, &sent.join(","));
        Some(answer)
    }

    fn of_every_answer(&self, origin: HeaderValue) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.allow_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        headers
    }
}

fn insert_list(headers: &mut HeaderMap, name: HeaderName, list: &str) {
    if let Some(value) = HeaderValue::try_from(list).ok().filter(|value| !value.is_empty()) {
        headers.insert(name, value);
    }
}

/// Answers preflights, and tells browsers who may see the other answers.
pub(crate) async fn share(State(options): State<Arc<CorsOptions>>, request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS {
        let headers = options.preflight(request.headers()).unwrap_or_default();
        return (StatusCode::OK, headers).into_response();
    }
    let origin = options.origin(request.headers());
    let mut response = next.run(request).await;
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.extend(options.of_every_answer(origin));
        insert_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &options.expose_headers.join(","));
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    response
}
