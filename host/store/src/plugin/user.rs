//! What still needs a version, and what is to be stopped with one.

use uuid::Uuid;
use watcher_domain::{ActionPlanId, AuditId, Digest, PluginId, ProjectId};

use super::running::runs_through;
use crate::error::Result;
use crate::plan_component::UNENDED;
use crate::reference::Visibility;
use crate::store::Tx;
use crate::value::Place;

/// An audit or an action plan that needs a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `audit` or `action plan`.
    pub noun: &'static str,
    /// Its UUID.
    pub id: Uuid,
    /// Its project.
    pub project_id: Option<ProjectId>,
    /// Whether it is being worked on: an action plan that is carried out.
    pub is_running: bool,
}

/// Audits and action plans that have not ended and need a plugin, or only one version of it: at most so many audits, those of the plugin's owner
/// first, and at most so many plans of each project and version, those that are carried out first.
///
/// A plan keeps the digest of what it runs; which plugin its handlers are run through is [written down](run_through) when it begins. Before that, and for its strategy
/// and planner, it needs the plugin through which its project [runs it](runs_through). Others with the same bytes are nothing to it.
pub async fn users(tx: &mut Tx, plugin: PluginId, digest: Option<Digest>, limit: u32) -> Result<Vec<User>> {
    let sql = "SELECT a.uuid, a.project_id FROM audits a JOIN strategies s ON s.uuid = a.strategy_id \
               WHERE a.deleted = 0 AND a.state IN ('PENDING', 'ONGOING', 'SUSPENDED') AND s.plugin_id = $1 \
               AND ($2 IS NULL OR s.digest = $2) \
               ORDER BY CASE WHEN a.project_id = s.project_id THEN 0 ELSE 1 END, a.id LIMIT $3";
    let bytes = digest.as_ref().map(|digest| digest.0.as_slice());
    let audits: Vec<(Uuid, Option<String>)> = on_backend!(tx, |conn| sqlx::query_as(sql)
        .bind(plugin.0)
        .bind(bytes)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?);
    let audit = |(id, project): (Uuid, Option<String>)| User {
        noun: "audit",
        id,
        project_id: project.map(ProjectId),
        is_running: false,
    };
    let mut found: Vec<User> = audits.into_iter().map(audit).collect();
    for (project, digest) in planned(tx, plugin, digest).await? {
        let nearest = runs_through(tx, plugin, digest, &Visibility::of(project.as_ref())).await?;
        for user in plans_of(tx, project.as_ref(), digest, (plugin, nearest), limit).await? {
            // A plan may need several versions.
            if !found.contains(&user) {
                found.push(user);
            }
        }
    }
    Ok(found)
}

/// Which projects have plans that have not ended and run the bytes of a plugin, or only of one version of it, and which version.
async fn planned(tx: &mut Tx, plugin: PluginId, digest: Option<Digest>) -> Result<Vec<(Option<ProjectId>, Digest)>> {
    let sql = format!(
        "SELECT DISTINCT v.id, p.project_id, v.digest FROM plugin_versions v JOIN plan_components c ON c.digest = v.digest \
         JOIN action_plans p ON p.uuid = c.action_plan_id \
         WHERE v.plugin_id = $1 AND v.deleted = 0 AND ($2 IS NULL OR v.digest = $2) AND {UNENDED} ORDER BY v.id, p.project_id"
    );
    let digest = digest.as_ref().map(|digest| digest.0.as_slice());
    let rows: Vec<(i64, Option<String>, Vec<u8>)> = on_backend!(tx, |conn| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(plugin.0)
        .bind(digest)
        .fetch_all(conn)
        .await?);
    let read = |(id, project, digest): (i64, Option<String>, Vec<u8>)| {
        Ok((project.map(ProjectId), Place { table: "plugin_versions", id }.digest("digest", &digest)?))
    };
    rows.into_iter().map(read).collect()
}

/// Plans of a project, or of nobody, that have not ended and run these bytes through a plugin, or through nobody knows which if that is the `nearest` to the project; at
/// most so many, those that are carried out first.
async fn plans_of(
    tx: &mut Tx,
    project: Option<&ProjectId>,
    digest: Digest,
    (plugin, nearest): (PluginId, bool),
    limit: u32,
) -> Result<Vec<User>> {
    let sql = format!(
        "SELECT p.uuid, p.state FROM plan_components c JOIN action_plans p ON p.uuid = c.action_plan_id \
         WHERE c.digest = $2 AND {UNENDED} AND p.project_id IS NOT DISTINCT FROM $1 AND (c.plugin_id = $4 OR c.plugin_id IS NULL AND $5) \
         ORDER BY CASE WHEN p.state IN ('ONGOING', 'CANCELLING') THEN 0 ELSE 1 END, p.id LIMIT $3"
    );
    let rows: Vec<(Uuid, String)> = on_backend!(tx, |conn| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(project.map(|project| project.0.as_str()))
        .bind(digest.0.as_slice())
        .bind(i64::from(limit))
        .bind(plugin.0)
        .bind(nearest)
        .fetch_all(conn)
        .await?);
    let plan = |(id, state): (Uuid, String)| User {
        noun: "action plan",
        id,
        project_id: project.cloned(),
        is_running: matches!(state.as_str(), "ONGOING" | "CANCELLING"),
    };
    Ok(rows.into_iter().map(plan).collect())
}

/// A page of the audits that run a version of a strategy or wait for it, after that number; with the number of each.
///
/// An audit refers to a strategy, whose row has the version that new runs take. Nobody writes down which one a run took: a run that began before
/// the row was last changed may have any.
pub async fn audits_of_strategy(
    tx: &mut Tx,
    plugin: PluginId,
    digest: Digest,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, AuditId)>> {
    // Rows of built-in strategies name no plugin.
    let sql = "SELECT a.id, a.uuid FROM audits a JOIN strategies s ON s.uuid = a.strategy_id \
               WHERE a.deleted = 0 AND a.id > $3 AND (s.plugin_id = $1 OR s.plugin_id IS NULL AND s.digest = $2 \
               AND EXISTS (SELECT 1 FROM plugins p WHERE p.uuid = $1 AND p.project_id IS NULL)) \
               AND (a.state IN ('PENDING', 'ONGOING') AND s.digest = $2 \
               OR a.state = 'ONGOING' AND a.lease_owner IS NOT NULL AND a.updated_at <= s.updated_at) ORDER BY a.id LIMIT $4";
    let rows: Vec<(i64, Uuid)> = on_backend!(tx, |conn| sqlx::query_as(sql)
        .bind(plugin.0)
        .bind(digest.0.as_slice())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?);
    Ok(rows.into_iter().map(|(serial, id)| (serial, AuditId(id))).collect())
}

/// A page of the audits that a decision engine works on now, after that number; with the number of each.
pub async fn audits_at_work(tx: &mut Tx, after: i64, limit: u32) -> Result<Vec<(i64, AuditId)>> {
    let sql = "SELECT id, uuid FROM audits WHERE state = 'ONGOING' AND lease_owner IS NOT NULL AND deleted = 0 AND id > $1 \
               ORDER BY id LIMIT $2";
    let rows: Vec<(i64, Uuid)> =
        on_backend!(tx, |conn| sqlx::query_as(sql).bind(after).bind(i64::from(limit)).fetch_all(conn).await?);
    Ok(rows.into_iter().map(|(serial, id)| (serial, AuditId(id))).collect())
}

/// An action plan that is carried out or waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handled {
    /// Its number.
    pub serial: i64,
    /// Its UUID.
    pub id: ActionPlanId,
    /// The plugin through which it runs the handler; none before it begins.
    pub plugin: Option<PluginId>,
}

/// A page of the action plans that are carried out or wait for it, and need this component of a handler, after that number.
pub async fn plans_handled_by(tx: &mut Tx, digest: Digest, after: i64, limit: u32) -> Result<Vec<Handled>> {
    let sql = "SELECT p.id, p.uuid, c.plugin_id FROM plan_components c JOIN action_plans p ON p.uuid = c.action_plan_id \
               WHERE c.digest = $1 AND p.state IN ('PENDING', 'ONGOING') AND p.deleted = 0 AND p.id > $2 ORDER BY p.id LIMIT $3";
    let rows: Vec<(i64, Uuid, Option<Uuid>)> = on_backend!(tx, |conn| sqlx::query_as(sql)
        .bind(digest.0.as_slice())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?);
    let handled = |(serial, id, plugin): (i64, Uuid, Option<Uuid>)| Handled {
        serial,
        id: ActionPlanId(id),
        plugin: plugin.map(PluginId),
    };
    Ok(rows.into_iter().map(handled).collect())
}

/// Writes down that a plan, which begins, runs a handler's component through a plugin.
pub async fn run_through(tx: &mut Tx, plan: ActionPlanId, digest: Digest, plugin: PluginId) -> Result<()> {
    let sql = "UPDATE plan_components SET plugin_id = $3 WHERE action_plan_id = $1 AND digest = $2";
    execute!(tx, sql, plan.0, digest.0.as_slice(), plugin.0)?;
    Ok(())
}
