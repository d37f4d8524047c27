//! What a project may keep in the registry, and what it keeps.

use serde_json::{Map, Value};
use watcher_domain::{ProjectId, Timestamp};

use crate::error::Result;
use crate::store::Tx;
use crate::value::{Place, json};

/// What a project keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Plugins.
    pub plugins: u64,
    /// Versions of all of them.
    pub versions: u64,
    /// Bytes of their components, counted for each version.
    pub bytes: u64,
    /// Projects that its plugins were offered to, counted for each plugin.
    pub members: u64,
}

/// Holds the row of a project until the transaction ends, so that what was counted still holds when it is written.
pub async fn lock_project(tx: &mut Tx, project: &ProjectId, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO plugin_quotas (project_id, limits, created_at) VALUES ($1, '{}', $2) \
               ON CONFLICT (project_id) DO UPDATE SET project_id = excluded.project_id";
    execute!(tx, sql, &project.0, now)?;
    Ok(())
}

/// The limits of a project that differ from the defaults, by name.
pub async fn limits(tx: &mut Tx, project: &ProjectId) -> Result<Map<String, Value>> {
    let found = scalar!(tx, String, "SELECT limits FROM plugin_quotas WHERE project_id = $1", &project.0)?;
    found.map_or_else(|| Ok(Map::new()), |text| Place { table: "plugin_quotas", id: 0 }.json("limits", &text))
}

/// Writes the limits of a project.
pub async fn set_limits(tx: &mut Tx, project: &ProjectId, limits: &Map<String, Value>, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO plugin_quotas (project_id, limits, created_at) VALUES ($1, $2, $3) \
               ON CONFLICT (project_id) DO UPDATE SET limits = excluded.limits, updated_at = excluded.created_at";
    let limits = json(limits)?;
    execute!(tx, sql, &project.0, &limits, now)?;
    Ok(())
}

/// Counts what a project keeps.
pub async fn usage(tx: &mut Tx, project: &ProjectId) -> Result<Usage> {
    let sql = "SELECT (SELECT count(*) FROM plugins WHERE project_id = $1 AND deleted = 0), \
               count(v.id), CAST(COALESCE(sum(c.size_bytes), 0) AS bigint), \
               (SELECT count(*) FROM plugin_members m JOIN plugins o ON o.uuid = m.plugin_id \
                WHERE o.project_id = $1 AND o.deleted = 0 AND m.offered) \
               FROM plugins p JOIN plugin_versions v ON v.plugin_id = p.uuid JOIN components c ON c.digest = v.digest \
               WHERE p.project_id = $1 AND p.deleted = 0 AND v.deleted = 0";
    let row: (i64, i64, i64, i64) =
        on_backend!(tx, |conn| sqlx::query_as(sql).bind(&project.0).fetch_one(conn).await?);
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    Ok(Usage { plugins: count(row.0), versions: count(row.1), bytes: count(row.2), members: count(row.3) })
}

/// Notes that a project began an upload, and forgets those before `since`.
pub async fn begin_upload(tx: &mut Tx, project: &ProjectId, since: Timestamp, now: Timestamp) -> Result<()> {
    execute!(tx, "DELETE FROM plugin_uploads WHERE project_id = $1 AND begun_at <= $2", &project.0, since)?;
    execute!(tx, "INSERT INTO plugin_uploads (project_id, begun_at) VALUES ($1, $2)", &project.0, now)?;
    Ok(())
}

/// How many uploads a project began after `since`.
pub async fn uploads_since(tx: &mut Tx, project: &ProjectId, since: Timestamp) -> Result<u64> {
    let sql = "SELECT count(*) FROM plugin_uploads WHERE project_id = $1 AND begun_at > $2";
    let count = scalar!(tx, i64, sql, &project.0, since)?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}
