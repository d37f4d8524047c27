//! Who did what to a plugin. Rows are added in the transaction that does it, and never changed.

use serde_json::Value;
use uuid::Uuid;
use watcher_domain::{Digest, PluginId, ProjectId, Timestamp};

use crate::error::{Error, Result};
use crate::page::SortDir;
use crate::select::Select;
use crate::store::Tx;
use crate::value::{Place, json};

/// Something that somebody does now.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent<'a> {
    /// To which plugin.
    pub plugin: PluginId,
    /// The project of whoever does it, if they act for one.
    pub project: Option<&'a ProjectId>,
    /// The user, if they are known.
    pub user: Option<&'a str>,
    /// What they do.
    pub event: &'a str,
    /// With which version, if it is about one.
    pub digest: Option<Digest>,
    /// What else there is to say.
    pub detail: Value,
}

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Counts up.
    pub serial: i64,
    /// To which plugin.
    pub plugin_id: PluginId,
    /// The project of whoever did it.
    pub project_id: Option<ProjectId>,
    /// The user.
    pub user_id: Option<String>,
    /// What they did.
    pub event: String,
    /// With which version.
    pub digest: Option<Digest>,
    /// What else there is to say.
    pub detail: Value,
    /// When.
    pub happened_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    plugin_id: Uuid,
    project_id: Option<String>,
    user_id: Option<String>,
    event: String,
    digest: Option<Vec<u8>>,
    detail: String,
    happened_at: Timestamp,
}

impl TryFrom<Row> for EventRow {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: "plugin_events", id: row.id };
        Ok(Self {
            serial: row.id,
            plugin_id: PluginId(row.plugin_id),
            project_id: row.project_id.map(ProjectId),
            user_id: row.user_id,
            event: row.event,
            digest: row.digest.map(|digest| place.digest("digest", &digest)).transpose()?,
            detail: place.json("detail", &row.detail)?,
            happened_at: row.happened_at,
        })
    }
}

/// Writes down what somebody does.
pub async fn insert_event(tx: &mut Tx, event: &NewEvent<'_>, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO plugin_events (plugin_id, project_id, user_id, event, digest, detail, happened_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (project, detail) = (event.project.map(|project| &project.0), json(&event.detail)?);
    let digest = event.digest.as_ref().map(|digest| digest.0.as_slice());
    execute!(tx, sql, event.plugin.0, project, event.user, event.event, digest, &detail, now)?;
    Ok(())
}

/// Which events somebody sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventFilter {
    /// All.
    All,
    /// What was done to the plugin of this project, and what others said to its offers. What they do for themselves is theirs.
    Owner(ProjectId),
    /// Those of one project.
    Project(ProjectId),
}

/// A page of the events of a plugin, in the order in which they happened. `marker` is the number of the last one of the page before.
pub async fn events(
    tx: &mut Tx,
    plugin: PluginId,
    filter: &EventFilter,
    marker: Option<i64>,
    dir: SortDir,
    limit: u32,
) -> Result<Vec<EventRow>> {
    let columns = "id, plugin_id, project_id, user_id, event, digest, detail, happened_at";
    let select = Select::new(columns, "plugin_events").filter("plugin_id = ?", plugin.0);
    let select = match filter {
        EventFilter::All => select,
        EventFilter::Owner(project) => {
            select.filter("(project_id = ? OR event NOT IN ('accepted', 'dropped', 'granted'))", project.0.as_str())
        }
        EventFilter::Project(project) => select.filter("project_id = ?", project.0.as_str()),
    };
    let (select, direction) = match dir {
        SortDir::Asc => (select.filter_some("id > ?", marker), "ASC"),
        SortDir::Desc => (select.filter_some("id < ?", marker), "DESC"),
    };
    select.then(&format!("ORDER BY id {direction} LIMIT {limit}")).all::<Row, _>(tx).await
}
