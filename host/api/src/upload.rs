//! Bodies of uploads: a component as it is, or as a part beside its notes and signature.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, EXPECT};
use watcher_registry::{RegistryError, Upload};

use crate::body::{self, Pace};
use crate::error::{ApiError, Invalid};
use crate::multipart;
use crate::state::ApiOptions;

/// Most bytes of everything else than the component: notes, signature, boundaries and heads of parts.
const BESIDE: usize = 128 << 10;
/// Most bytes of the notes.
const LONGEST_NOTES: usize = 64 << 10;
/// Most bytes of a signature.
const LONGEST_SIGNATURE: usize = 16 << 10;
/// How fast an upload is taken: a usual plugin at once.
const PACE: Pace = Pace { at_once: 4 << 20, per_second: 16 << 20 };
/// How fast one is taken that is refused anyway.
const REFUSED: Pace = Pace { at_once: 0, per_second: 16 << 20 };

/// Reads an upload within its bounds of size and time.
pub(crate) async fn read(request: Request, options: &ApiOptions) -> Result<Upload, ApiError> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.to_owned();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let boundary = match media_type.as_str() {
        "application/wasm" => None,
        "multipart/form-data" => {
            let boundary = multipart::boundary(&content_type);
            let missing = || Invalid::Multipart("has no boundary in its content type".to_owned());
            Some(boundary.ok_or_else(missing)?.to_owned())
        }
        _ => return Err(ApiError::MediaType(media_type.chars().take(100).collect())),
    };
    let limit = options.upload_limit;
    let read = body::read(request, limit.saturating_add(if boundary.is_some() { BESIDE } else { 0 }), PACE);
    let body = tokio::time::timeout(options.upload_timeout, read).await.unwrap_or(Err(ApiError::TooSlow));
    let body = body.map_err(|error| match error {
        ApiError::TooLarge { .. } => ApiError::TooLarge { limit },
        other => other,
    })?;
    // Megabytes are searched and copied: away from the threads that serve others.
    let taken_apart = watcher_fair::chore(move || match boundary {
        None => Ok(Upload { component: component(&body), notes: None, signature: None }),
        Some(boundary) => from_parts(&body, &boundary, limit),
    });
    let upload = taken_apart.await.map_err(|error| ApiError::Registry(RegistryError::Check(error.into())))??;
    if upload.component.is_empty() {
        return Err(Invalid::MissingArgument("component").into());
    }
    Ok(upload)
}

/// Lets an upload arrive that is refused whatever it is: a client that is cut off while it sends may never see why. One that waits to be told to send
/// (`Expect: 100-continue`) is told at once.
pub(crate) async fn forget(request: Request, options: &ApiOptions) {
    if !request.headers().contains_key(EXPECT) {
        let limit = options.upload_limit.saturating_add(BESIDE);
        // Who takes longer is cut off.
        let _ = tokio::time::timeout(options.upload_timeout, body::forget(request, limit, REFUSED)).await;
    }
}

fn component(bytes: &Bytes) -> std::sync::Arc<[u8]> {
    bytes.as_ref().into()
}

fn from_parts(body: &Bytes, boundary: &str, limit: usize) -> Result<Upload, ApiError> {
    let mut upload = Upload { component: [].into(), notes: None, signature: None };
    let mut seen = Vec::new();
    for (name, part) in multipart::parse(body, boundary)? {
        if seen.contains(&name) {
            return Err(Invalid::RepeatedArgument(name).into());
        }
        match name.as_str() {
            "component" if part.len() > limit => return Err(ApiError::TooLarge { limit }),
            "component" => upload.component = component(&part),
            "notes" => upload.notes = Some(text("notes", &part, LONGEST_NOTES)?),
            "signature" => upload.signature = Some(text("signature", &part, LONGEST_SIGNATURE)?),
            _ => {
                return Err(Invalid::Multipart(format!(
                    "has a part {name:?}; there are component, notes and signature"
                ))
                .into());
            }
        }
        seen.push(name);
    }
    Ok(upload)
}

fn text(name: &str, part: &Bytes, limit: usize) -> Result<String, Invalid> {
    if part.len() > limit {
        return Err(Invalid::Multipart(format!("has a part {name} of more than {limit} bytes")));
    }
    match std::str::from_utf8(part) {
        Ok(text) if text.contains('\0') => Err(Invalid::Nul),
        Ok(text) => Invalid::refuse_steering_in_lines(name, text).map(|()| text.to_owned()),
        Err(_) => Err(Invalid::Multipart(format!("has a part {name} that is no UTF-8"))),
    }
}
