//! Who did what to a plugin. Rows are added in the transaction that does it, and never changed. Of what a project took up and gave up again, old rows go.

use std::time::Duration;

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

/// How far back events count against what a project may do.
pub const COUNTED: Duration = Duration::from_hours(1);
/// Acceptances of a plugin by a project, and their ends, that are kept; those that still [count](COUNTED) are kept besides.
pub const ANSWERS_KEPT: u32 = 100;

/// Writes down what somebody does.
pub async fn insert_event(tx: &mut Tx, event: &NewEvent<'_>, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO plugin_events (plugin_id, project_id, user_id, event, digest, detail, happened_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (project, detail) = (event.project.map(|project| &project.0), json(&event.detail)?);
    let digest = event.digest.as_ref().map(|digest| digest.0.as_slice());
    execute!(tx, sql, event.plugin.0, project, event.user, event.event, digest, &detail, now)?;
    // Thousands of projects may accept a plugin and drop it again as often as they like.
    if let ("accepted" | "dropped", Some(project)) = (event.event, project) {
        let old = "DELETE FROM plugin_events WHERE plugin_id = $1 AND project_id = $2 AND event IN ('accepted', 'dropped') \
                   AND happened_at <= $3 AND id <= (SELECT e.id FROM plugin_events e WHERE e.plugin_id = $1 AND e.project_id = $2 \
                   AND e.event IN ('accepted', 'dropped') ORDER BY e.id DESC LIMIT 1 OFFSET $4)";
        execute!(tx, old, event.plugin.0, project, now - COUNTED, i64::from(ANSWERS_KEPT))?;
    }
    Ok(())
}

/// How many events a project wrote after `since`.
pub async fn events_since(tx: &mut Tx, project: &ProjectId, since: Timestamp) -> Result<u64> {
    let sql = "SELECT count(*) FROM plugin_events WHERE project_id = $1 AND happened_at > $2";
    let count = scalar!(tx, i64, sql, &project.0, since)?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

const COLUMNS: &str = "id, plugin_id, project_id, user_id, event, digest, detail, happened_at";
/// What projects do for themselves.
const FOR_THEMSELVES: &str = "'accepted', 'dropped', 'granted'";

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
    let (after, direction) = match dir {
        SortDir::Asc => ("id > ?", "ASC"),
        SortDir::Desc => ("id < ?", "DESC"),
    };
    let then = format!("ORDER BY id {direction} LIMIT {limit}");
    let of = |project: Option<&ProjectId>| {
        let select = Select::new(COLUMNS, "plugin_events").filter("plugin_id = ?", plugin.0);
        select.filter_some("project_id = ?", project.map(|project| project.0.as_str())).filter_some(after, marker)
    };
    let mut rows: Vec<EventRow> = match filter {
        EventFilter::All => return of(None).then(&then).all::<Row, _>(tx).await,
        EventFilter::Project(project) => return of(Some(project)).then(&then).all::<Row, _>(tx).await,
        // Each part has an index of its own, so that nobody reads through what all others did for themselves.
        EventFilter::Owner(project) => {
            of(Some(project)).only(&format!("event IN ({FOR_THEMSELVES})")).then(&then).all::<Row, _>(tx).await?
        }
    };
    rows.extend(of(None).only(&format!("event NOT IN ({FOR_THEMSELVES})")).then(&then).all::<Row, EventRow>(tx).await?);
    match dir {
        SortDir::Asc => rows.sort_by_key(|row| row.serial),
        SortDir::Desc => rows.sort_by_key(|row| std::cmp::Reverse(row.serial)),
    }
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(rows)
}
