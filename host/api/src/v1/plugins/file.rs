//! `GET /v1/plugins/{plugin}/versions/{version}/file`.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{self, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use watcher_domain::Digest;
use watcher_fair::Permit;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems, VersionPath};
use crate::policy::Rule;
use crate::v1::plugins::{PluginPath, told};

/// RFC 9530.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// Bytes that are handed to the connection at a time: it takes the next when it has sent what it has.
const PIECE: usize = 256 << 10;

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
    let Context { api, caller, place, .. } = context;
    // Other requests of the project go on while this one waits for its turn.
    drop(place);
    let place = api.places.downloads.acquire(caller.project_id).await;
    let read = api.registry.components().read(digest).await;
    let bytes = read.map_err(|error| told(error.into(), ""))?.ok_or(ApiError::Dangling("plugin version"))?;
    let mut response = Body::new(Download { left: bytes.into(), _place: place }).into_response();
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

/// A component that is being sent.
struct Download {
    left: Bytes,
    /// Kept until the client has taken everything.
    _place: Permit,
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.left.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
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
