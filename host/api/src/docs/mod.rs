//! `/docs`: the description of the API as a page to read, made from the same document that tools read.
//!
//! The page needs nothing from any other host and runs no script; its policy tells the browser so.

mod page;

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};

use crate::openapi;
use crate::openapi::ReadProblems;

const STYLE: &str = include_str!("style.css");
/// Only the one style sheet that is in the page, which its hash names.
const POLICY: &str = "default-src 'none'; style-src 'sha256-Q/4JKGFN/pkJ/pdLkzcpYxotfMdCvVBUjYy/Mu0CcfY='; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// This description as a page to read. Needs no token.
#[utoipa::path(
    get, path = "/docs", operation_id = "read_description", tag = "versions", security(()),
    responses((status = 200, description = "A page", body = String, content_type = "text/html"), ReadProblems)
)]
pub(crate) async fn serve() -> Response {
    static PAGE: LazyLock<Result<String, serde_json::Error>> =
        LazyLock::new(|| openapi::document().map(|document| page::render(&document, STYLE)));
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    match &*PAGE {
        Ok(page) => (headers, page.as_str()).into_response(),
        Err(error) => {
            tracing::error!(%error, "the description of the API could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
