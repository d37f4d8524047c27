//! What still needs a version, and what is to be stopped with one.

use uuid::Uuid;
use watcher_domain::{ActionPlanId, AuditId, Digest, PluginId, ProjectId};

use crate::error::Result;
use crate::store::Tx;

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

/// Audits and action plans that have not ended and need a plugin, or only one version of it; at most so many. A plan keeps
/// the digest of what it runs, not where it came from: while another plugin has the same bytes, it needs neither.
pub async fn users(tx: &mut Tx, plugin: PluginId, digest: Option<Digest>, limit: u32) -> Result<Vec<User>> {
    // Without a digest, all versions of the plugin.
    let versions = "(SELECT v.digest FROM plugin_versions v WHERE v.plugin_id = $1 AND ($2 IS NULL OR v.digest = $2) \
                    AND NOT EXISTS (SELECT 1 FROM plugin_versions o WHERE o.digest = v.digest AND o.plugin_id <> v.plugin_id))";
    let audits = "SELECT a.uuid, a.project_id, a.state FROM audits a JOIN strategies s ON s.uuid = a.strategy_id \
                  WHERE a.deleted = 0 AND a.state IN ('PENDING', 'ONGOING', 'SUSPENDED') AND s.plugin_id = $1 \
                  AND ($2 IS NULL OR s.digest = $2) ORDER BY a.id LIMIT $3";
    let plans = format!(
        "SELECT p.uuid, p.project_id, p.state FROM action_plans p \
         WHERE p.deleted = 0 AND p.state IN ('RECOMMENDED', 'PENDING', 'ONGOING', 'CANCELLING') AND \
         (p.strategy_digest IN {versions} OR p.planner_digest IN {versions} OR EXISTS \
          (SELECT 1 FROM actions a WHERE a.action_plan_id = p.uuid AND a.deleted = 0 AND a.digest IN {versions})) \
         ORDER BY p.id LIMIT $3"
    );
    let mut found = Vec::new();
    let digest = digest.as_ref().map(|digest| digest.0.as_slice());
    for (noun, sql) in [("audit", audits.to_owned()), ("action plan", plans)] {
        let rows: Vec<(Uuid, Option<String>, String)> =
            on_backend!(tx, |conn| sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(plugin.0)
                .bind(digest)
                .bind(i64::from(limit))
                .fetch_all(conn)
                .await?);
        found.extend(rows.into_iter().map(|(id, project, state)| User {
            noun,
            id,
            project_id: project.map(ProjectId),
            is_running: noun == "action plan" && matches!(state.as_str(), "ONGOING" | "CANCELLING"),
        }));
    }
    Ok(found)
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

/// A page of the action plans that are carried out or wait for it, and have an action that this component handles, after that number; with
/// the number of each.
pub async fn plans_handled_by(tx: &mut Tx, digest: Digest, after: i64, limit: u32) -> Result<Vec<(i64, ActionPlanId)>> {
    let sql = "SELECT p.id, p.uuid FROM action_plans p WHERE p.state IN ('PENDING', 'ONGOING') AND p.deleted = 0 AND p.id > $2 \
               AND EXISTS (SELECT 1 FROM actions a WHERE a.action_plan_id = p.uuid AND a.deleted = 0 AND a.digest = $1) \
               ORDER BY p.id LIMIT $3";
    let rows: Vec<(i64, Uuid)> = on_backend!(tx, |conn| sqlx::query_as(sql)
        .bind(digest.0.as_slice())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?);
    Ok(rows.into_iter().map(|(serial, id)| (serial, ActionPlanId(id))).collect())
}
