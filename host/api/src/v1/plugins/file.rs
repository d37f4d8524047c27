//! `GET /v1/plugins/{plugin}/versions/{version}/file`.

use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use watcher_domain::Digest;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems, VersionPath};
use crate::policy::Rule;
use crate::v1::plugins::{PluginPath, told};

/// RFC 9530.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The component of a version, byte by byte as it was uploaded.
#[utoipa::path(
    get, path = "/v1/plugins/{plugin}/versions/{version}/file", operation_id = "download_plugin_version", tag = "plugins",
    params(VersionPath, Headers),
    responses(
        (status = 200, description = "The component", body = String, content_type = "application/wasm",
         headers(
            ("Content-Digest" = String, description = "`sha-256=:…:`, as RFC 9530 writes it"),
            ("ETag" = String, description = "The digest as this API writes it, in quotes"),
         )),
        ReadProblems,
    )
)]
pub(crate) async fn download(context: Context, path: PluginPath, arguments: Arguments) -> Result<Response, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let found = path.find(&mut tx, &context, Rule::PluginDownload).await?;
    let digest = path.version(&mut tx, found.id).await?.version.digest;
    drop(tx);
    let read = context.api.registry.components().read(digest).await;
    let bytes = read.map_err(|error| told(error.into(), ""))?.ok_or(ApiError::Dangling("plugin version"))?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/wasm"));
    let texts = [(ETAG, format!("\"{digest}\"")), (CONTENT_DIGEST, format!("sha-256=:{}:", base64(digest)))];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// Base 64 with padding (RFC 4648).
fn base64(digest: Digest) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(44);
    for chunk in digest.0.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[bits >> (18 - 6 * place) & 63];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_as_other_programs_write_them() {
        let mut bytes = [0; 32];
        bytes[..3].copy_from_slice(b"Man");
        assert_eq!(base64(Digest(bytes)), "TWFuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        assert_eq!(base64(Digest([255; 32])), "//////////////////////////////////////////8=");
    }
}
