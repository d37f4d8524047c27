//! `/v1/plugins/{plugin}/versions/{version}/signatures`: who vouches for a version.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::arguments::Arguments;
use crate::body::{Body, Fields};
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{ChangeProblems, Headers, ReadProblems, VersionPath, WriteProblems};
use crate::policy::Rule;
use crate::v1::plugins::PluginPath;

/// Name of the body in messages.
const ARGUMENT: &str = "signature";

/// The signatures over a version's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginSignatureList {
    /// First added first.
    signatures: Vec<PluginSignatureView>,
}

/// An ed25519 signature over the text of the digest, `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginSignatureView {
    /// Id of the key: the first 16 hexadecimal digits of the SHA-256 of the public key.
    key: String,
    /// Base64 of its 64 bytes.
    signature: String,
}

fn list(signatures: &[watcher_registry::Signature]) -> Json<PluginSignatureList> {
    let view = |signature: &watcher_registry::Signature| {
        let text = json!(signature);
        let member = |name: &str| text[name].as_str().unwrap_or_default().to_owned();
        PluginSignatureView { key: member("key"), signature: member("signature") }
    };
    Json(PluginSignatureList { signatures: signatures.iter().map(view).collect() })
}

/// The signatures over a version.
#[utoipa::path(
    get, path = "/v1/plugins/{plugin}/versions/{version}/signatures", operation_id = "list_plugin_signatures", tag = "plugins",
    params(VersionPath, Headers),
    responses((status = 200, description = "The signatures", body = PluginSignatureList), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
) -> Result<Json<PluginSignatureList>, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let plugin = path.find(&mut tx, &context, Rule::PluginGet).await?;
    let version = path.version(&mut tx, plugin.id).await?;
    let signatures = watcher_registry::signatures(&mut tx, version.version.digest, plugin.project_id.as_ref()).await;
    Ok(list(&signatures.map_err(|error| path.told(error))?))
}

/// Adds a signature to a version; one by the same key takes its place. Whether it counts is asked when one is needed.
#[utoipa::path(
    post, path = "/v1/plugins/{plugin}/versions/{version}/signatures", operation_id = "sign_plugin", tag = "plugins",
    params(VersionPath, Headers),
    request_body = PluginSignatureView,
    responses((status = 200, description = "The signatures", body = PluginSignatureList), ReadProblems, WriteProblems, ChangeProblems)
)]
pub(crate) async fn add(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
    body: Body,
) -> Result<Json<PluginSignatureList>, ApiError> {
    arguments.done()?;
    let body = body.required(ARGUMENT)?;
    let fields = Fields::of(ARGUMENT, &body, &["key", "signature"])?;
    fields.mandatory("key")?;
    fields.mandatory("signature")?;
    let mut tx = context.api.store.read().await?;
    let plugin = path.find(&mut tx, &context, Rule::PluginSign).await?;
    let version = path.version(&mut tx, plugin.id).await?.version.digest.to_string();
    drop(tx);
    let signed = context.api.registry.sign(&context.actor(), plugin.id, &version, &body.to_string()).await;
    Ok(list(&signed.map_err(|error| path.told(error))?))
}
