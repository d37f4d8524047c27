//! `POST /v1/plugins/{plugin}/versions/{version}/deactivate`, `…/reactivate` and `…/deprecate`.

use axum::Json;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use watcher_bus::Control;
use watcher_domain::plugin::VersionState;
use watcher_domain::{AuditState, PluginId};

use crate::arguments::Arguments;
use crate::body::{Body, Fields};
use crate::context::Context;
use crate::error::{ApiError, Invalid};
use crate::openapi::{ChangeProblems, Headers, ReadProblems, VersionPath, WriteProblems};
use crate::policy::Rule;
use crate::v1::plugins::PluginPath;
use crate::v1::plugins::view::PluginVersionView;
use crate::v1::{Detail, action_plans, audits};

/// Name of the body in messages.
const ARGUMENT: &str = "change";
/// Longest reason, in characters.
const LONGEST_REASON: usize = 1000;

/// Why a version is reactivated or deprecated.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `change` reads")]
pub(crate) struct VersionChange {
    /// For the log of events, which keeps the first 200 characters; at most 1000.
    reason: Option<String>,
}

/// What becomes of those who use the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Running {
    /// They go on.
    #[default]
    Finish,
    /// They are cancelled.
    Stop,
}

/// Why a version is deactivated, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `deactivate` reads")]
pub(crate) struct Deactivation {
    /// For the log of events, which keeps the first 200 characters, and for the status of what is stopped; at most 1000.
    reason: Option<String>,
    /// What becomes of audits and action plans that use it; `finish` if missing.
    #[schema(inline)]
    running: Option<Running>,
}

/// Deactivates a version: new audits and action plans refuse it. Those that run go on, or are cancelled (`"running": "stop"`), and those that wait
/// with them.
#[utoipa::path(
    post, path = "/v1/plugins/{plugin}/versions/{version}/deactivate", operation_id = "deactivate_plugin_version",
    tag = "plugins",
    params(VersionPath, Headers),
    request_body = Option<Deactivation>,
    responses((status = 200, description = "The version", body = PluginVersionView), ReadProblems, WriteProblems)
)]
pub(crate) async fn deactivate(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
    body: Body,
) -> Result<Json<PluginVersionView>, ApiError> {
    let (reason, running) = match &body.0 {
        None => (None, Running::Finish),
        Some(body) => {
            let fields = Fields::of(ARGUMENT, body, &["reason", "running"])?;
            (reason(&fields)?, running(&fields)?)
        }
    };
    let (plugin, view) = change(&context, &path, arguments, reason, VersionState::Deactivated).await?;
    if running == Running::Stop {
        stop(&context, &path, plugin, reason).await?;
    }
    Ok(view)
}

/// Lets a version run again that was deactivated or deprecated.
#[utoipa::path(
    post, path = "/v1/plugins/{plugin}/versions/{version}/reactivate", operation_id = "reactivate_plugin_version",
    tag = "plugins",
    params(VersionPath, Headers),
    request_body = Option<VersionChange>,
    responses((status = 200, description = "The version", body = PluginVersionView), ReadProblems, WriteProblems, ChangeProblems)
)]
pub(crate) async fn reactivate(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
    body: Body,
) -> Result<Json<PluginVersionView>, ApiError> {
    Ok(change(&context, &path, arguments, only_reason(&body)?, VersionState::Active).await?.1)
}

/// Deprecates a version: it runs only where no other active version of the plugin does, or where it is the default.
#[utoipa::path(
    post, path = "/v1/plugins/{plugin}/versions/{version}/deprecate", operation_id = "deprecate_plugin_version",
    tag = "plugins",
    params(VersionPath, Headers),
    request_body = Option<VersionChange>,
    responses((status = 200, description = "The version", body = PluginVersionView), ReadProblems, WriteProblems, ChangeProblems)
)]
pub(crate) async fn deprecate(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
    body: Body,
) -> Result<Json<PluginVersionView>, ApiError> {
    Ok(change(&context, &path, arguments, only_reason(&body)?, VersionState::Deprecated).await?.1)
}

fn only_reason(body: &Body) -> Result<Option<&str>, Invalid> {
    match &body.0 {
        None => Ok(None),
        Some(body) => reason(&Fields::of(ARGUMENT, body, &["reason"])?),
    }
}

fn reason<'a>(fields: &Fields<'a>) -> Result<Option<&'a str>, Invalid> {
    let reason = fields.text("reason")?;
    if reason.is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
        return Err(Invalid::Plugin(format!("The reason has more than {LONGEST_REASON} characters")));
    }
    if let Some(reason) = reason {
        Invalid::refuse_steering_in_lines("reason", reason)?;
    }
    Ok(reason)
}

fn running(fields: &Fields<'_>) -> Result<Running, Invalid> {
    match fields.text("running")? {
        None | Some("finish") => Ok(Running::Finish),
        Some("stop") => Ok(Running::Stop),
        Some(other) => {
            let value = Value::String(other.to_owned());
            Err(Invalid::input("running", &value, "Value should be one of: finish, stop"))
        }
    }
}

async fn change(
    context: &Context,
    path: &PluginPath,
    arguments: Arguments,
    reason: Option<&str>,
    state: VersionState,
) -> Result<(PluginId, Json<PluginVersionView>), ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let found = path.find(&mut tx, context, Rule::PluginDeactivate).await?;
    let digest = path.version(&mut tx, found.id).await?.version.digest.to_string();
    drop(tx);
    let (registry, actor) = (&context.api.registry, context.actor());
    let release = registry.set_state(&actor, found.id, &digest, state, reason).await;
    let release = release.map_err(|error| path.told(error))?;
    let view = PluginVersionView::new(&release.plugin, &release.version, context, Detail::Full);
    Ok((found.id, Json(view)))
}

/// Cancels what uses the version, and tells those who work on it.
async fn stop(context: &Context, path: &PluginPath, plugin: PluginId, reason: Option<&str>) -> Result<(), ApiError> {
    let stopped = context.api.registry.stop_users(&context.actor(), plugin, &path.part, reason).await;
    let stopped = stopped.map_err(|error| path.told(error))?;
    for (id, from) in &stopped.audits {
        audits::update::announce(context, *id, *from, AuditState::Cancelled);
    }
    if !stopped.audits.is_empty() {
        context.api.bus.publish(Control::ScheduleChanged);
    }
    for (id, from, to) in stopped.action_plans {
        action_plans::update::announce(context, id, from, to);
    }
    Ok(())
}
