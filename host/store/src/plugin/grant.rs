//! What projects let plugins ask of their clouds.

use watcher_domain::cloud::Grant;
use watcher_domain::{PluginId, ProjectId, Timestamp};

use crate::error::Result;
use crate::store::Tx;
use crate::value::{Place, json};

/// What a project lets a plugin ask; none if it never said.
pub async fn grant_of(tx: &mut Tx, plugin: PluginId, project: &ProjectId) -> Result<Option<(Grant, Timestamp)>> {
    let sql = "SELECT id, requests, COALESCE(updated_at, created_at) AS since FROM plugin_grants \
               WHERE plugin_id = $1 AND project_id = $2";
    let row: Option<(i64, String, Timestamp)> =
        on_backend!(tx, |conn| sqlx::query_as(sql).bind(plugin.0).bind(&project.0).fetch_optional(conn).await?);
    let Some((id, requests, since)) = row else { return Ok(None) };
    Ok(Some((Place { table: "plugin_grants", id }.json("requests", &requests)?, since)))
}

/// Writes what a project lets a plugin ask.
pub async fn set_grant(
    tx: &mut Tx,
    plugin: PluginId,
    project: &ProjectId,
    grant: &Grant,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO plugin_grants (plugin_id, project_id, requests, created_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (plugin_id, project_id) DO UPDATE SET requests = excluded.requests, updated_at = excluded.created_at";
    let requests = json(grant)?;
    execute!(tx, sql, plugin.0, &project.0, &requests, now)?;
    Ok(())
}
