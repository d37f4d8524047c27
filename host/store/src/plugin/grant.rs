//! What projects let plugins ask of their clouds.

use watcher_domain::cloud::{Grant, GrantedVersions};
use watcher_domain::{PluginId, ProjectId, Timestamp};

use crate::error::Result;
use crate::store::Tx;
use crate::value::{Place, json};

/// What a project lets a plugin ask; none if it never said.
pub async fn grant_of(tx: &mut Tx, plugin: PluginId, project: &ProjectId) -> Result<Option<(Grant, Timestamp)>> {
    let sql = "SELECT id, requests, versions, COALESCE(updated_at, created_at) AS since FROM plugin_grants \
               WHERE plugin_id = $1 AND project_id = $2";
    let row: Option<(i64, String, Option<String>, Timestamp)> =
        on_backend!(tx, |conn| sqlx::query_as(sql).bind(plugin.0).bind(&project.0).fetch_optional(conn).await?);
    let Some((id, requests, versions, since)) = row else { return Ok(None) };
    let place = Place { table: "plugin_grants", id };
    let versions = match versions {
        Some(versions) => GrantedVersions::These(place.json("versions", &versions)?),
        None => GrantedVersions::Any,
    };
    Ok(Some((Grant { requests: place.json("requests", &requests)?, versions }, since)))
}

/// Writes what a project lets a plugin ask.
pub async fn set_grant(
    tx: &mut Tx,
    plugin: PluginId,
    project: &ProjectId,
    grant: &Grant,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO plugin_grants (plugin_id, project_id, requests, versions, created_at) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (plugin_id, project_id) DO UPDATE SET requests = excluded.requests, versions = excluded.versions, \
               updated_at = excluded.created_at";
    let requests = json(&grant.requests)?;
    let versions = match &grant.versions {
        GrantedVersions::Any => None,
        GrantedVersions::These(versions) => Some(json(versions)?),
    };
    execute!(tx, sql, plugin.0, &project.0, &requests, &versions, now)?;
    Ok(())
}
