//! Plugin quotas: how much a project may keep in the registry and its runs may use, and what it keeps.

pub(crate) mod usage;

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use watcher_domain::{Limits, ProjectId, RunLimits};
use watcher_registry::{Standing, is_limit};

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
    Router::new()
        .route("/v1/plugin_quotas/{project}", get(show).put(update))
        .route("/v1/plugin_quotas/{project}/usage", get(usage::show))
}

/// Limits of one call of a plugin: those of the configuration, under the same names.
macro_rules! call_limits {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Limits of one call of a plugin.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
        pub(crate) struct CallLimits { $($(#[$doc])* $name: u64,)* }

        impl From<&Limits> for CallLimits {
            fn from(limits: &Limits) -> Self {
                let &Limits { $($name,)* } = limits;
                Self { $($name,)* }
            }
        }

        /// Limits of one call by name; those that are not there stay as they are.
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "describes what `update` reads")]
        pub(crate) struct CallLimitChanges { $($name: Option<u64>,)* }
    };
}

call_limits! {
    /// Memory and tables of the instance together, in bytes.
    memory_bytes,
    /// Units of computation.
    fuel,
    /// Wall-clock time in milliseconds.
    deadline_ms,
    /// Bytes passed from plugin to host in one call of an import.
    host_call_fuel,
    /// Calls of imports.
    host_calls,
    /// Handles that the instance holds.
    resources,
    /// Bytes of the result as the host keeps it: its texts, and 72 for each value in parameters of actions.
    output_bytes,
    /// Actions in a solution.
    actions,
    /// Bytes written to the log.
    log_bytes,
    /// Requests to the cloud.
    requests,
    /// Bytes of an action's calls to the outside and their answers, which are kept for when it has to go on after a crash.
    journal_bytes,
    /// Bytes of the metrics and scores that a strategy sees, which the recording of its run keeps.
    recording_bytes,
}

/// How much a project may keep and its runs may use, and what it keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginQuotaView {
    project_id: String,
    limits: PluginLimits,
    usage: PluginAmounts,
}

/// Limits of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginLimits {
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
    /// Changes of plugins made within an hour.
    changes_per_hour: u64,
    /// Bytes of one component.
    component_bytes: u64,
    /// Calls of plugins at a time; more wait.
    concurrent_calls: u64,
    /// Requests of action handlers to the cloud within any minute; those that are too early wait.
    requests_per_minute: u64,
    /// Bytes of action plans and of what strategies saw that its audits store within an hour; after more, its next audits wait.
    stored_bytes_per_hour: u64,
    /// Audits that wait, run, or may run again: those that are PENDING, ONGOING or SUSPENDED, and those of type EVENT that SUCCEEDED.
    active_audits: u64,
    /// Action plans that wait or run: those that are PENDING, ONGOING or CANCELLING.
    active_plans: u64,
    /// One call of a strategy or planner.
    decision: CallLimits,
    /// One call of an action handler.
    action: CallLimits,
    /// One call of a scoring engine.
    scoring: CallLimits,
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
    /// Changes of plugins made within an hour.
    changes_per_hour: u64,
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
    changes_per_hour: Option<u64>,
    component_bytes: Option<u64>,
    concurrent_calls: Option<u64>,
    requests_per_minute: Option<u64>,
    stored_bytes_per_hour: Option<u64>,
    active_audits: Option<u64>,
    active_plans: Option<u64>,
    decision: Option<CallLimitChanges>,
    action: Option<CallLimitChanges>,
    scoring: Option<CallLimitChanges>,
}

fn view(project: ProjectId, standing: &Standing) -> PluginQuotaView {
    let Standing { limits, runs, usage, uploads, changes } = standing;
    PluginQuotaView {
        project_id: project.0,
        limits: PluginLimits {
            plugins: limits.plugins,
            versions: limits.versions,
            bytes: limits.bytes,
            members: limits.members,
            uploads_per_hour: limits.uploads_per_hour,
            changes_per_hour: limits.changes_per_hour,
            component_bytes: limits.component_bytes,
            concurrent_calls: runs.shares.concurrent_calls,
            requests_per_minute: runs.shares.requests_per_minute,
            stored_bytes_per_hour: runs.shares.stored_bytes_per_hour,
            active_audits: runs.shares.active_audits,
            active_plans: runs.shares.active_plans,
            decision: (&runs.decision).into(),
            action: (&runs.action).into(),
            scoring: (&runs.scoring).into(),
        },
        usage: PluginAmounts {
            plugins: usage.plugins,
            versions: usage.versions,
            bytes: usage.bytes,
            members: usage.members,
            uploads_per_hour: *uploads,
            changes_per_hour: *changes,
        },
    }
}

/// The project, whether there is one of this id or not: nobody learns which there are.
fn project(Ident(text): Ident) -> Result<ProjectId, Invalid> {
    plugins::project("project", &text)
}

/// The project, if the caller may see how it stands.
fn readable(context: &Context, ident: Ident) -> Result<ProjectId, ApiError> {
    let project = project(ident)?;
    context.enforce_on(Rule::PluginQuotaGet, target::project(&project))?;
    let actor = context.actor();
    if !actor.is_admin && actor.project.as_ref() != Some(&project) {
        return Err(ApiError::Forbidden(Rule::PluginQuotaGet));
    }
    Ok(project)
}

/// How much a project may keep and its runs may use, and what it keeps. Others than administrators see their own.
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
    let project = readable(&context, ident)?;
    let standing = context.api.registry.standing(&project).await.map_err(|error| told(error, ""))?;
    Ok(Json(view(project, &standing)))
}

/// The limits that a body names, those of calls as `decision.fuel`.
fn named(limits: Map<String, Value>) -> Result<Vec<(String, Value)>, Invalid> {
    let mut named = Vec::new();
    for (name, value) in limits {
        let within = |limit: &str| format!("{name}.{limit}");
        match value {
            value if !RunLimits::CALLS.contains(&name.as_str()) => named.push((name, value)),
            Value::Object(inner) => named.extend(inner.into_iter().map(|(limit, value)| (within(&limit), value))),
            Value::Null => named.extend(Limits::NAMES.iter().map(|limit| (within(limit), Value::Null))),
            other => return Err(Invalid::input(name, &other, "It is no object")),
        }
    }
    Ok(named)
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
    let limits = named(limits)?;
    let unknown: Vec<String> = limits.iter().map(|(name, _)| name).filter(|name| !is_limit(name)).cloned().collect();
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
