//! `POST /v1/plugins/{plugin}/versions/{version}/deactivate`, `…/reactivate` and `…/deprecate`.

use axum::Json;
use serde::Deserialize;
use utoipa::ToSchema;
use watcher_domain::plugin::VersionState;

use crate::arguments::Arguments;
use crate::body::{Body, Fields};
use crate::context::Context;
use crate::error::{ApiError, Invalid};
use crate::openapi::{Headers, ReadProblems, VersionPath, WriteProblems};
use crate::policy::Rule;
use crate::v1::Detail;
use crate::v1::plugins::PluginPath;
use crate::v1::plugins::view::PluginVersionView;

/// Name of the body in messages.
const ARGUMENT: &str = "change";
/// Longest reason, in characters.
const LONGEST_REASON: usize = 1000;

/// Why a version is moved to another state.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `change` reads")]
pub(crate) struct VersionChange {
    /// For the log of events; at most 1000 characters.
    reason: Option<String>,
}

/// Deactivates a version: new audits and action plans refuse it, those that run go on.
#[utoipa::path(
    post, path = "/v1/plugins/{plugin}/versions/{version}/deactivate", operation_id = "deactivate_plugin_version",
    tag = "plugins",
    params(VersionPath, Headers),
    request_body = Option<VersionChange>,
    responses((status = 200, description = "The version", body = PluginVersionView), ReadProblems, WriteProblems)
)]
pub(crate) async fn deactivate(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
    body: Body,
) -> Result<Json<PluginVersionView>, ApiError> {
    change(&context, &path, arguments, &body, VersionState::Deactivated).await
}

/// Lets a version run again that was deactivated or deprecated.
#[utoipa::path(
    post, path = "/v1/plugins/{plugin}/versions/{version}/reactivate", operation_id = "reactivate_plugin_version",
    tag = "plugins",
    params(VersionPath, Headers),
    request_body = Option<VersionChange>,
    responses((status = 200, description = "The version", body = PluginVersionView), ReadProblems, WriteProblems)
)]
pub(crate) async fn reactivate(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
    body: Body,
) -> Result<Json<PluginVersionView>, ApiError> {
    change(&context, &path, arguments, &body, VersionState::Active).await
}

/// Deprecates a version: it runs only where no other active version of the plugin does, or where it is the default.
#[utoipa::path(
    post, path = "/v1/plugins/{plugin}/versions/{version}/deprecate", operation_id = "deprecate_plugin_version",
    tag = "plugins",
    params(VersionPath, Headers),
    request_body = Option<VersionChange>,
    responses((status = 200, description = "The version", body = PluginVersionView), ReadProblems, WriteProblems)
)]
pub(crate) async fn deprecate(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
    body: Body,
) -> Result<Json<PluginVersionView>, ApiError> {
    change(&context, &path, arguments, &body, VersionState::Deprecated).await
}

async fn change(
    context: &Context,
    path: &PluginPath,
    arguments: Arguments,
    body: &Body,
    state: VersionState,
) -> Result<Json<PluginVersionView>, ApiError> {
    arguments.done()?;
    let reason = match &body.0 {
        None => None,
        Some(body) => Fields::of(ARGUMENT, body, &["reason"])?.text("reason")?.map(str::to_owned),
    };
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
        return Err(Invalid::Plugin(format!("The reason has more than {LONGEST_REASON} characters")).into());
    }
    let mut tx = context.api.store.read().await?;
    let found = path.find(&mut tx, context, Rule::PluginDeactivate).await?;
    let digest = path.version(&mut tx, found.id).await?.version.digest.to_string();
    drop(tx);
    let (registry, actor) = (&context.api.registry, context.actor());
    let release = registry.set_state(&actor, found.id, &digest, state, reason.as_deref()).await;
    let release = release.map_err(|error| path.told(error))?;
    Ok(Json(PluginVersionView::new(&release.plugin, &release.version, context, Detail::Full)))
}
