//! `GET /v1/plugin_quotas/{project}/usage`.

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use watcher_registry::PluginUsage;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::{ApiError, Invalid};
use crate::openapi::{Headers, ReadProblems};
use crate::v1::Ident;
use crate::v1::plugins::told;

/// How many days are shown where the client does not say, and most that it may ask for.
const DAYS: u32 = 30;
const MOST_DAYS: u32 = 92;

/// What plugins used for a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginUsagePage {
    project_id: String,
    /// By day and plugin, the latest day first; at most 1000.
    usage: Vec<PluginUsageView>,
}

/// What one plugin used for a project on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginUsageView {
    /// The day in UTC.
    day: String,
    /// The component.
    digest: String,
    /// Kind of the plugin; none if the component is not there any more.
    kind: Option<String>,
    /// Its name.
    name: Option<String>,
    /// Its version.
    version: Option<String>,
    /// Calls.
    calls: u64,
    /// Those that hit a limit.
    limited: u64,
    /// Those that crashed or returned something invalid.
    crashed: u64,
    /// Those that were ended because nobody waited any longer.
    dropped: u64,
    /// Units of computation.
    fuel: u64,
    /// Time within calls in microseconds, waiting included.
    duration_us: u64,
    /// Most memory of one call, in bytes.
    memory_bytes: u64,
    /// Requests to the cloud.
    requests: u64,
}

impl From<PluginUsage> for PluginUsageView {
    fn from(PluginUsage { usage, plugin }: PluginUsage) -> Self {
        let (kind, name, version) = plugin.map_or((None, None, None), |(kind, name, version)| {
            (Some(kind.as_str().to_owned()), Some(name), Some(version))
        });
        Self {
            day: usage.day,
            digest: usage.digest.to_string(),
            kind,
            name,
            version,
            calls: usage.calls,
            limited: usage.limited,
            crashed: usage.crashed,
            dropped: usage.dropped,
            fuel: usage.fuel,
            duration_us: usage.duration_us,
            memory_bytes: usage.memory_bytes,
            requests: usage.requests,
        }
    }
}

fn days(arguments: &mut Arguments) -> Result<u32, Invalid> {
    let Some(text) = arguments.take("days")? else { return Ok(DAYS) };
    let number = text.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days));
    number.ok_or_else(|| Invalid::input("days", &Value::String(text), format!("It is no number from 1 to {MOST_DAYS}")))
}

/// What plugins used for a project, by day and plugin, counted in steps of some seconds. Others than administrators see their own.
#[utoipa::path(
    get, path = "/v1/plugin_quotas/{project}/usage", operation_id = "show_plugin_usage", tag = "plugins",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("days" = Option<u32>, Query, minimum = 1, maximum = 92, description = "How many days until today; 30 if it is not there"),
        Headers
    ),
    responses((status = 200, description = "What was used", body = PluginUsagePage), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    ident: Ident,
    mut arguments: Arguments,
) -> Result<Json<PluginUsagePage>, ApiError> {
    let days = days(&mut arguments)?;
    arguments.done()?;
    let project = super::readable(&context, ident)?;
    let used = context.api.registry.used(&project, days).await.map_err(|error| told(error, ""))?;
    Ok(Json(PluginUsagePage { project_id: project.0, usage: used.into_iter().map(PluginUsageView::from).collect() }))
}
