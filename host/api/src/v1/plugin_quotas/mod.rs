//! Plugin quotas: how much a project may keep in the registry, and keeps.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use watcher_domain::ProjectId;
use watcher_registry::{Quotas, Standing};

use crate::arguments::Arguments;
use crate::body::{Body, Fields};
use crate::context::Context;
use crate::error::{ApiError, Invalid};
use crate::openapi::{Headers, ReadProblems, WriteProblems};
use crate::policy::Rule;
use crate::state::ApiState;
use crate::target;
use crate::v1::Ident;
use crate::v1::plugins::{self, told};

/// Name of the body in messages.
const ARGUMENT: &str = "plugin_quota";

pub(crate) fn routes() -> Router<ApiState> {
    Router::new().route("/v1/plugin_quotas/{project}", get(show).put(update))
}

/// How much a project may keep, and keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginQuotaView {
    project_id: String,
    limits: PluginAmounts,
    usage: PluginAmounts,
}

/// Amounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginAmounts {
    /// Plugins.
    plugins: u64,
    /// Versions of all of them.
    versions: u64,
    /// Bytes of their components.
    bytes: u64,
    /// Projects that they are offered to, counted for each plugin.
    members: u64,
    /// Uploads begun within an hour.
    uploads_per_hour: u64,
}

/// Limits to change; null goes back to the default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `update` reads")]
pub(crate) struct NewPluginLimits {
    /// By name.
    limits: PluginLimitChanges,
}

/// Limits by name; those that are not there stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `update` reads")]
pub(crate) struct PluginLimitChanges {
    plugins: Option<u64>,
    versions: Option<u64>,
    bytes: Option<u64>,
    members: Option<u64>,
    uploads_per_hour: Option<u64>,
}

fn view(project: ProjectId, standing: &Standing) -> PluginQuotaView {
    let Standing { limits, usage, uploads } = standing;
    PluginQuotaView {
        project_id: project.0,
        limits: PluginAmounts {
            plugins: limits.plugins,
            versions: limits.versions,
            bytes: limits.bytes,
            members: limits.members,
            uploads_per_hour: limits.uploads_per_hour,
        },
        usage: PluginAmounts {
            plugins: usage.plugins,
            versions: usage.versions,
            bytes: usage.bytes,
            members: usage.members,
            uploads_per_hour: *uploads,
        },
    }
}

/// The project, whether there is one of this id or not: nobody learns which there are.
fn project(Ident(text): Ident) -> Result<ProjectId, Invalid> {
    plugins::project("project", &text)
}

/// How much a project may keep, and keeps. Others than administrators see their own.
#[utoipa::path(
    get, path = "/v1/plugin_quotas/{project}", operation_id = "show_plugin_quota", tag = "plugins",
    params(("project" = String, Path, description = "Id of the project"), Headers),
    responses((status = 200, description = "Limits and usage", body = PluginQuotaView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    ident: Ident,
    arguments: Arguments,
) -> Result<Json<PluginQuotaView>, ApiError> {
    arguments.done()?;
    let project = project(ident)?;
    context.enforce_on(Rule::PluginQuotaGet, target::project(&project))?;
    let actor = context.actor();
    if !actor.is_admin && actor.project.as_ref() != Some(&project) {
        return Err(ApiError::Forbidden(Rule::PluginQuotaGet));
    }
    let standing = context.api.registry.standing(&project).await.map_err(|error| told(error, ""))?;
    Ok(Json(view(project, &standing)))
}

/// Changes limits of a project.
#[utoipa::path(
    put, path = "/v1/plugin_quotas/{project}", operation_id = "update_plugin_quota", tag = "plugins",
    params(("project" = String, Path, description = "Id of the project"), Headers),
    request_body = NewPluginLimits,
    responses((status = 200, description = "Limits and usage", body = PluginQuotaView), ReadProblems, WriteProblems)
)]
pub(crate) async fn update(
    context: Context,
    ident: Ident,
    arguments: Arguments,
    body: Body,
) -> Result<Json<PluginQuotaView>, ApiError> {
    arguments.done()?;
    let body = body.required(ARGUMENT)?;
    let fields = Fields::of(ARGUMENT, &body, &["limits"])?;
    fields.mandatory("limits")?;
    let limits = fields.object("limits")?.cloned();
    let limits = limits.ok_or_else(|| Invalid::input("limits", &Value::Null, "It is no object"))?;
    let unknown: Vec<String> = limits.keys().filter(|name| !Quotas::NAMES.contains(&name.as_str())).cloned().collect();
    if !unknown.is_empty() {
        return Err(Invalid::UnknownAttribute { argument: "limits", names: unknown }.into());
    }
    let change = |(name, value): (String, Value)| match (&value, value.as_u64()) {
        (Value::Null, _) => Ok((name, None)),
        // What the databases keep as a whole number.
        (_, Some(limit)) if i64::try_from(limit).is_ok() => Ok((name, Some(limit))),
        _ => Err(Invalid::input(name, &value, "It is no whole number from 0 to 9223372036854775807")),
    };
    let changes = limits.into_iter().map(change).collect::<Result<Vec<_>, _>>()?;
    let project = project(ident)?;
    context.enforce_on(Rule::PluginQuotaUpdate, target::project(&project))?;
    let standing = context.api.registry.set_limits(&project, &changes).await.map_err(|error| told(error, ""))?;
    Ok(Json(view(project, &standing)))
}
