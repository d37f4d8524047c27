//! `DELETE /v1/plugins/{plugin}` and `DELETE /v1/plugins/{plugin}/versions/{version}`.

use axum::http::StatusCode;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, InUseProblems, ReadProblems, VersionPath};
use crate::policy::Rule;
use crate::v1::plugins::PluginPath;

/// Deletes a plugin with all its versions, unless an audit or an action plan needs it.
#[utoipa::path(
    delete, path = "/v1/plugins/{plugin}", operation_id = "delete_plugin", tag = "plugins",
    params(("plugin" = String, Path, description = "UUID"), Headers),
    responses((status = 204, description = "It is deleted"), ReadProblems, InUseProblems)
)]
pub(crate) async fn plugin(context: Context, path: PluginPath, arguments: Arguments) -> Result<StatusCode, ApiError> {
    arguments.done()?;
    let id = path.permitted(&context, Rule::PluginDelete).await?;
    context.api.registry.delete(&context.actor(), id).await.map_err(|error| path.told(error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a version with its bytes, unless an audit or an action plan needs it.
#[utoipa::path(
    delete, path = "/v1/plugins/{plugin}/versions/{version}", operation_id = "delete_plugin_version", tag = "plugins",
    params(VersionPath, Headers),
    responses((status = 204, description = "It is deleted"), ReadProblems, InUseProblems)
)]
pub(crate) async fn version(context: Context, path: PluginPath, arguments: Arguments) -> Result<StatusCode, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let found = path.find(&mut tx, &context, Rule::PluginDelete).await?;
    let digest = path.version(&mut tx, found.id).await?.version.digest.to_string();
    drop(tx);
    let deleted = context.api.registry.delete_version(&context.actor(), found.id, &digest).await;
    deleted.map_err(|error| path.told(error))?;
    Ok(StatusCode::NO_CONTENT)
}
