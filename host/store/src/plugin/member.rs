//! Which projects a plugin was offered to, and which accepted it.

use std::collections::HashMap;

use uuid::Uuid;
use watcher_domain::plugin::MemberStatus;
use watcher_domain::{GoalId, PluginId, ProjectId, Timestamp};

use crate::error::{Error, Result};
use crate::select::Select;
use crate::store::Tx;
use crate::value::Place;

const COLUMNS: &str = "id, project_id, status, offered, created_at, updated_at";

/// A project that a plugin was offered to, or that accepted it by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Counts up as members are added.
    pub serial: i64,
    /// The project.
    pub project_id: ProjectId,
    /// What it said.
    pub status: MemberStatus,
    /// Whether the owner offered the plugin to it; else it accepted one that is for everybody.
    pub is_offered: bool,
    /// When it was offered or accepted.
    pub created_at: Timestamp,
    /// When the answer last changed.
    pub updated_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    project_id: String,
    status: String,
    offered: bool,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
}

impl TryFrom<Row> for Member {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: "plugin_members", id: row.id };
        Ok(Self {
            serial: row.id,
            project_id: ProjectId(row.project_id),
            status: place.parse("status", &row.status)?,
            is_offered: row.offered,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Offers a plugin to a project. One that has accepted it by itself stays so; `false` if it was offered before.
pub async fn offer(tx: &mut Tx, plugin: PluginId, project: &ProjectId, now: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO plugin_members (plugin_id, project_id, status, offered, created_at) \
               VALUES ($1, $2, 'pending', true, $3) \
               ON CONFLICT (plugin_id, project_id) DO UPDATE SET offered = true WHERE NOT plugin_members.offered";
    Ok(execute!(tx, sql, plugin.0, &project.0, now)? == 1)
}

/// Notes that a project accepted a plugin that is for everybody; `false` if it has.
pub async fn accept(tx: &mut Tx, plugin: PluginId, project: &ProjectId, now: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO plugin_members (plugin_id, project_id, status, offered, created_at) \
               VALUES ($1, $2, 'accepted', false, $3) \
               ON CONFLICT (plugin_id, project_id) DO UPDATE SET status = 'accepted', updated_at = excluded.created_at \
               WHERE plugin_members.status <> 'accepted'";
    Ok(execute!(tx, sql, plugin.0, &project.0, now)? == 1)
}

/// Notes what a member says; `false` if it is none, or has said so before.
pub async fn set_status(
    tx: &mut Tx,
    plugin: PluginId,
    project: &ProjectId,
    status: MemberStatus,
    now: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE plugin_members SET status = $3, updated_at = $4 \
               WHERE plugin_id = $1 AND project_id = $2 AND status <> $3";
    Ok(execute!(tx, sql, plugin.0, &project.0, status.as_str(), now)? == 1)
}

/// Takes a member out; `false` if it is none.
pub async fn remove_member(tx: &mut Tx, plugin: PluginId, project: &ProjectId) -> Result<bool> {
    let sql = "DELETE FROM plugin_members WHERE plugin_id = $1 AND project_id = $2";
    Ok(execute!(tx, sql, plugin.0, &project.0)? == 1)
}

/// Takes those out that a plugin was not offered to: they accepted what was for everybody.
pub async fn drop_not_offered(tx: &mut Tx, plugin: PluginId) -> Result<()> {
    execute!(tx, "DELETE FROM plugin_members WHERE plugin_id = $1 AND NOT offered", plugin.0)?;
    Ok(())
}

/// A project as a member of a plugin.
pub async fn find_member(tx: &mut Tx, plugin: PluginId, project: &ProjectId) -> Result<Option<Member>> {
    let select = Select::new(COLUMNS, "plugin_members").filter("plugin_id = ?", plugin.0);
    select.filter("project_id = ?", project.0.as_str()).first::<Row, _>(tx).await
}

/// What a project said to each of these plugins.
pub async fn memberships(
    tx: &mut Tx,
    plugins: &[PluginId],
    project: &ProjectId,
) -> Result<HashMap<PluginId, MemberStatus>> {
    let select = Select::new("id, plugin_id, status", "plugin_members").filter("project_id = ?", project.0.as_str());
    let rows = select.among("plugin_id", plugins.iter().map(|plugin| plugin.0)).fetch_all::<(i64, Uuid, String)>(tx);
    let status = |(id, plugin, status): (i64, Uuid, String)| {
        Ok((PluginId(plugin), Place { table: "plugin_members", id }.parse("status", &status)?))
    };
    rows.await?.into_iter().map(status).collect()
}

/// Lets the audits and audit templates that aim at one goal aim at another, in the projects that may be told of it: the owner of a plugin that
/// reaches it, those who may use that plugin, and everybody if it is for everybody; how many.
pub async fn repoint_goal(tx: &mut Tx, plugin: PluginId, old: GoalId, new: GoalId, now: Timestamp) -> Result<u64> {
    let mut count = 0;
    for table in ["audits", "audit_templates"] {
        let sql = format!(
            "UPDATE {table} SET goal_id = $2, updated_at = $3 WHERE goal_id = $1 AND deleted = 0 AND EXISTS \
             (SELECT 1 FROM plugins p WHERE p.uuid = $4 AND p.deleted = 0 AND (p.project_id = {table}.project_id \
              OR p.visibility IN ('community', 'public') OR (p.visibility = 'shared' AND EXISTS \
               (SELECT 1 FROM plugin_members m WHERE m.plugin_id = p.uuid AND m.project_id = {table}.project_id \
                AND m.status = 'accepted' AND m.offered))))"
        );
        count += execute!(tx, sqlx::AssertSqlSafe(sql), old.0, new.0, now, plugin.0)?;
    }
    Ok(count)
}

/// The projects that a plugin was offered to, or only one of them, first offered first; at most so many.
pub async fn members(tx: &mut Tx, plugin: PluginId, only: Option<&ProjectId>, limit: u32) -> Result<Vec<Member>> {
    let select = Select::new(COLUMNS, "plugin_members").filter("plugin_id = ?", plugin.0).only("offered");
    let select = select.filter_some("project_id = ?", only.map(|project| project.0.as_str()));
    select.then(&format!("ORDER BY id LIMIT {limit}")).all::<Row, _>(tx).await
}
