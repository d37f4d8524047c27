//! `GET /v1/plugins/{plugin}/events`.

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use watcher_domain::ProjectId;
use watcher_store::plugin::{self, EventFilter, EventRow};

use crate::arguments::{Arguments, Marker};
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, PageArguments, ReadProblems};
use crate::policy::Rule;
use crate::time;
use crate::v1::plugins::PluginPath;

/// Something that somebody did to a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct PluginEventView {
    id: i64,
    /// `uploaded`, `updated`, `deactivated`, `stopped` (what used a deactivated version), `reactivated`, `deprecated`,
    /// `version_deleted`, `deleted`, `member_offered`, `member_withdrawn`, `member_accepted`, `member_rejected`, `member_undecided`, `accepted`, `dropped`, `granted` or `signed`.
    event: String,
    /// The project of whoever did it.
    project_id: Option<String>,
    /// The user who did it.
    user_id: Option<String>,
    /// The version that it is about.
    digest: Option<String>,
    /// What else there is to say, by event.
    #[schema(value_type = Object)]
    detail: Value,
    happened_at: String,
}

impl From<&EventRow> for PluginEventView {
    fn from(row: &EventRow) -> Self {
        Self {
            id: row.serial,
            event: row.event.clone(),
            project_id: row.project_id.as_ref().map(|project| project.0.clone()),
            user_id: row.user_id.clone(),
            digest: row.digest.map(|digest| digest.to_string()),
            detail: row.detail.clone(),
            happened_at: time::with_offset(row.happened_at),
        }
    }
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct PluginEventPage {
    events: Vec<PluginEventView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Who did what to a plugin, in the order in which it happened. The owner sees what was done to the plugin and what others said to its
/// offers; other projects see what they did themselves.
#[utoipa::path(
    get, path = "/v1/plugins/{plugin}/events", operation_id = "list_plugin_events", tag = "plugins",
    params(("plugin" = String, Path, description = "UUID"), Headers, PageArguments),
    responses((status = 200, description = "A page of events", body = PluginEventPage), ReadProblems)
)]
pub(crate) async fn list(
    context: Context,
    path: PluginPath,
    mut arguments: Arguments,
) -> Result<Json<PluginEventPage>, ApiError> {
    let paging = arguments.take_paging(Marker::Number)?;
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let found = path.find(&mut tx, &context, Rule::PluginEvents).await?;
    let listing = paging.check(super::versions::KEYS, &context.api.options)?;
    let actor = context.actor();
    let own = actor.project.unwrap_or_else(|| ProjectId(String::new()));
    let filter = if actor.is_admin {
        EventFilter::All
    } else if found.project_id.as_ref() == Some(&own) {
        EventFilter::Owner(own)
    } else {
        EventFilter::Project(own)
    };
    let marker = listing.marker.as_ref().map(|text| text.parse().unwrap_or(i64::MAX));
    let rows = plugin::events(&mut tx, found.id, &filter, marker, listing.dir, listing.limit).await?;
    let last = rows.last().map(|row| row.serial);
    let next = listing.next(&context.base, &format!("plugins/{}/events", found.id), rows.len(), last);
    Ok(Json(PluginEventPage { events: rows.iter().map(PluginEventView::from).collect(), next }))
}
