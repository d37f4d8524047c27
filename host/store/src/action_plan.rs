//! Action plans: rows, and the claims of appliers on them.

use std::collections::BTreeSet;

use uuid::Uuid;
use watcher_domain::{
    ActionPlan, ActionPlanEvent, ActionPlanId, ActionPlanState, AuditId, ProjectId, SnapshotId, StrategyId, Timestamp,
};

use crate::action;
use crate::error::{Error, Result};
use crate::page::{Page, Stored, sort_keys};
use crate::plan_component::{need, release};
use crate::reference::{Reference, Visibility};
use crate::select::Select;
use crate::store::{Lease, Tx};
use crate::table::Table;
use crate::value::{Place, StampsRow, json, said};

const TABLE: Table = Table {
    name: "action_plans",
    columns: "id, uuid, project_id, audit_id, strategy_id, state, global_efficacy, hostname, status_message, \
              strategy_digest, planner_digest, snapshot_id, created_at, updated_at, deleted_at",
    named: false,
};

sort_keys! {
    /// What action plans are sorted by.
    {
        Serial = "id",
        Uuid = "uuid",
        AuditSerial = "(SELECT a.id FROM audits a WHERE a.uuid = audit_id)",
        StrategySerial = "(SELECT s.id FROM strategies s WHERE s.uuid = strategy_id)",
        State = "state",
        GlobalEfficacy = "global_efficacy",
        Hostname = "hostname" null,
        StatusMessage = "status_message" null,
        CreatedAt = "created_at",
        UpdatedAt = "updated_at" null,
        DeletedAt = "deleted_at" null,
    }
}

/// Which action plans a list has.
#[derive(Debug, Clone, Default)]
pub struct ActionPlanFilter {
    /// Those of this audit.
    pub audit: Option<AuditId>,
    /// Those of this strategy.
    pub strategy: Option<StrategyId>,
    /// Those in this state.
    pub state: Option<ActionPlanState>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    uuid: Uuid,
    project_id: Option<String>,
    audit_id: Uuid,
    strategy_id: Uuid,
    state: String,
    global_efficacy: String,
    hostname: Option<String>,
    status_message: Option<String>,
    strategy_digest: Vec<u8>,
    planner_digest: Vec<u8>,
    snapshot_id: Option<Uuid>,
    #[sqlx(flatten)]
    stamps: StampsRow,
}

impl TryFrom<Row> for Stored<ActionPlan> {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: TABLE.name, id: row.id };
        let value = ActionPlan {
            id: ActionPlanId(row.uuid),
            project_id: row.project_id.map(ProjectId),
            audit_id: AuditId(row.audit_id),
            strategy_id: StrategyId(row.strategy_id),
            state: place.parse("state", &row.state)?,
            global_efficacy: place.json("global_efficacy", &row.global_efficacy)?,
            hostname: row.hostname,
            status_message: row.status_message,
            strategy_digest: place.digest("strategy_digest", &row.strategy_digest)?,
            planner_digest: place.digest("planner_digest", &row.planner_digest)?,
            snapshot_id: row.snapshot_id.map(SnapshotId),
            stamps: row.stamps.into(),
        };
        Ok(Self { serial: row.id, value })
    }
}

/// Inserts an action plan.
///
/// # Errors
/// [`Error::Reference`] if its audit or its strategy are not there.
pub async fn insert(tx: &mut Tx, plan: &ActionPlan) -> Result<()> {
    let sql = "INSERT INTO action_plans \
               (uuid, project_id, audit_id, strategy_id, state, global_efficacy, hostname, status_message, \
               strategy_digest, planner_digest, snapshot_id, created_at, updated_at, deleted_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    let efficacy = json(&plan.global_efficacy)?;
    let stamps = &plan.stamps;
    execute!(
        tx,
        sql,
        plan.id.0,
        plan.project_id.as_ref().map(|project| &project.0),
        plan.audit_id.0,
        plan.strategy_id.0,
        plan.state.as_str(),
        &efficacy,
        &plan.hostname,
        &plan.status_message,
        plan.strategy_digest.0.as_slice(),
        plan.planner_digest.0.as_slice(),
        plan.snapshot_id.map(|snapshot| snapshot.0),
        stamps.created_at,
        stamps.updated_at,
        stamps.deleted_at,
    )
    .map_err(|error| Error::on_insert(error, "action plan", plan.id.to_string()))?;
    need(tx, &BTreeSet::from([(plan.id, plan.strategy_digest), (plan.id, plan.planner_digest)])).await
}

/// The action plan, soft-deleted or not.
pub async fn get(tx: &mut Tx, id: ActionPlanId) -> Result<Option<Stored<ActionPlan>>> {
    TABLE.get::<Row, _>(tx, id.0).await
}

/// The action plan that a caller refers to; it has no name.
pub async fn find(
    tx: &mut Tx,
    reference: &Reference,
    show_deleted: bool,
    visible: &Visibility,
) -> Result<Option<Stored<ActionPlan>>> {
    TABLE.find::<Row, _>(tx, reference, show_deleted, visible).await
}

/// A page of action plans.
pub async fn list(
    tx: &mut Tx,
    filter: &ActionPlanFilter,
    page: &Page<Sort>,
    visible: &Visibility,
) -> Result<Vec<Stored<ActionPlan>>> {
    let select = TABLE
        .select()
        .filter_some("audit_id = ?", filter.audit.map(|audit| audit.0))
        .filter_some("strategy_id = ?", filter.strategy.map(|strategy| strategy.0))
        .filter_some("state = ?", filter.state.map(ActionPlanState::as_str));
    // An audit has few plans.
    let select = if filter.audit.is_some() { select.visible(visible) } else { select.visible_among_all(visible) };
    TABLE.list::<Row, _, _>(tx, select, page).await
}

/// Whether a plan that the caller sees is being applied.
pub async fn any_ongoing(tx: &mut Tx, visible: &Visibility) -> Result<bool> {
    let select = Select::new("id", TABLE.name).only("state = 'ONGOING'").not_deleted(false).visible(visible);
    Ok(!select.then("LIMIT 1").fetch_all::<(i64,)>(tx).await?.is_empty())
}

/// Moves a plan from `from` to `to`; `false` if it is not in `from`.
pub async fn transition(
    tx: &mut Tx,
    id: ActionPlanId,
    from: ActionPlanState,
    to: ActionPlanState,
    now: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE action_plans SET state = $3, updated_at = $4 WHERE uuid = $1 AND state = $2 AND deleted = 0";
    if execute!(tx, sql, id.0, from.as_str(), to.as_str(), now)? == 0 {
        return Ok(false);
    }
    release(tx, &[id], to).await?;
    Ok(true)
}

/// Says why a plan is as it is; `false` if it is not there any more.
pub async fn set_status_message(tx: &mut Tx, id: ActionPlanId, message: &str, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE action_plans SET status_message = $2, updated_at = $3 WHERE uuid = $1 AND deleted = 0";
    Ok(execute!(tx, sql, id.0, said(message), now)? == 1)
}

/// Takes a PENDING plan: it becomes ONGOING, on the host of `lease`, until `lease.until`. The term under which this claim may write, or
/// none if somebody else took it first.
pub async fn claim(tx: &mut Tx, id: ActionPlanId, lease: &Lease, now: Timestamp) -> Result<Option<i64>> {
    let sql = "UPDATE action_plans SET state = 'ONGOING', status_message = NULL, hostname = $2, lease_owner = $3, lease_until = $4, \
               lease_term = lease_term + 1, updated_at = $5 \
               WHERE uuid = $1 AND state = 'PENDING' AND deleted = 0 RETURNING lease_term";
    Ok(scalar!(tx, i64, sql, id.0, &lease.hostname, lease.owner, lease.until, now)?)
}

/// Keeps a claim until `until`; `false` if it does not hold any more.
pub async fn renew(tx: &mut Tx, id: ActionPlanId, term: i64, until: Timestamp) -> Result<bool> {
    let sql = "UPDATE action_plans SET lease_until = $3 \
               WHERE uuid = $1 AND lease_term = $2 AND state IN ('ONGOING', 'CANCELLING') AND deleted = 0";
    Ok(execute!(tx, sql, id.0, term, until)? == 1)
}

/// Ends a claim: the plan goes to `to`, with this status message or none. `false` if the claim does not hold any more, or the plan was
/// moved to where `to` cannot be reached from (it was stopped, and `to` is SUCCEEDED).
pub async fn finish(
    tx: &mut Tx,
    id: ActionPlanId,
    term: i64,
    to: ActionPlanState,
    status_message: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE action_plans SET state = $4, status_message = $5, lease_owner = NULL, lease_until = NULL, updated_at = $6 \
               WHERE uuid = $1 AND lease_term = $2 AND state = $3 AND deleted = 0";
    for from in [ActionPlanState::Ongoing, ActionPlanState::Cancelling] {
        let is_allowed = ActionPlanEvent::ALL.iter().any(|event| from.after(*event) == Ok(to));
        if is_allowed && execute!(tx, sql, id.0, term, from.as_str(), to.as_str(), status_message.map(said), now)? == 1
        {
            release(tx, &[id], to).await?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Plans that wait for a worker: of every project the one started first, then of every project the second, and so on.
pub async fn due(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<Vec<ActionPlanId>> {
    let sql = "SELECT uuid FROM (SELECT uuid, id, updated_at, \
               ROW_NUMBER() OVER (PARTITION BY project_id ORDER BY updated_at, id) AS place \
               FROM action_plans WHERE state = 'PENDING' AND deleted = 0 AND (lease_until IS NULL OR lease_until < $1)) AS due \
               ORDER BY place, updated_at, id LIMIT $2";
    Ok(scalars!(tx, Uuid, sql, now, i64::from(limit))?.into_iter().map(ActionPlanId).collect())
}

/// How many plans of a project wait or run: up to `most`, more are not counted.
pub async fn active(tx: &mut Tx, project: &ProjectId, most: u64) -> Result<u64> {
    let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM action_plans WHERE project_id = $1 \
               AND deleted = 0 AND state IN ('PENDING', 'ONGOING', 'CANCELLING') LIMIT $2) AS active";
    let count = scalar!(tx, i64, sql, &project.0, i64::try_from(most).unwrap_or(i64::MAX))?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Plans whose worker is gone: they are ONGOING or CANCELLING, and the lease has run out.
pub async fn lapsed(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<Vec<ActionPlanId>> {
    let sql = "SELECT uuid FROM action_plans WHERE state IN ('ONGOING', 'CANCELLING') AND deleted = 0 \
               AND (lease_until IS NULL OR lease_until < $1) ORDER BY id LIMIT $2";
    Ok(scalars!(tx, Uuid, sql, now, i64::from(limit))?.into_iter().map(ActionPlanId).collect())
}

/// Cancels the RECOMMENDED plans of an audit and their actions, because a newer run of it recommends something else; which.
pub async fn cancel_recommended_of_audit(
    tx: &mut Tx,
    audit: AuditId,
    status_message: &str,
    now: Timestamp,
) -> Result<Vec<ActionPlanId>> {
    let sql = "UPDATE action_plans SET state = 'CANCELLED', status_message = $2, updated_at = $3 \
               WHERE audit_id = $1 AND state = 'RECOMMENDED' AND deleted = 0 RETURNING uuid";
    let plans: Vec<_> = scalars!(tx, Uuid, sql, audit.0, status_message, now)?.into_iter().map(ActionPlanId).collect();
    for plan in &plans {
        action::cancel_pending_of_plan(tx, *plan, now).await?;
    }
    release(tx, &plans, ActionPlanState::Cancelled).await?;
    Ok(plans)
}

/// Supersedes RECOMMENDED plans that were made before `before`, at most `limit`, and says why; which.
pub async fn supersede(
    tx: &mut Tx,
    before: Timestamp,
    status_message: &str,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<ActionPlanId>> {
    let sql = "UPDATE action_plans SET state = 'SUPERSEDED', status_message = $2, updated_at = $3 WHERE id IN \
               (SELECT id FROM action_plans WHERE state = 'RECOMMENDED' AND deleted = 0 AND created_at < $1 ORDER BY id LIMIT $4) \
               AND state = 'RECOMMENDED' RETURNING uuid";
    let superseded = scalars!(tx, Uuid, sql, before, status_message, now, i64::from(limit))?;
    let plans: Vec<_> = superseded.into_iter().map(ActionPlanId).collect();
    release(tx, &plans, ActionPlanState::Superseded).await?;
    Ok(plans)
}

/// Lets a claim lapse at once; `false` if it does not hold any more.
pub async fn abandon(tx: &mut Tx, id: ActionPlanId, term: i64) -> Result<bool> {
    let sql = "UPDATE action_plans SET lease_owner = NULL, lease_until = NULL \
               WHERE uuid = $1 AND lease_term = $2 AND state IN ('ONGOING', 'CANCELLING') AND deleted = 0";
    Ok(execute!(tx, sql, id.0, term)? == 1)
}

/// Cancels the RECOMMENDED and PENDING plans of a strategy; which. Plans that run keep the component they were made with.
pub async fn cancel_of_strategy(
    tx: &mut Tx,
    strategy: StrategyId,
    status_message: &str,
    now: Timestamp,
) -> Result<Vec<ActionPlanId>> {
    let sql = "UPDATE action_plans SET state = 'CANCELLED', status_message = $2, updated_at = $3 \
               WHERE strategy_id = $1 AND state IN ('RECOMMENDED', 'PENDING') AND deleted = 0 RETURNING uuid";
    let cancelled = scalars!(tx, Uuid, sql, strategy.0, status_message, now)?;
    let plans: Vec<_> = cancelled.into_iter().map(ActionPlanId).collect();
    release(tx, &plans, ActionPlanState::Cancelled).await?;
    Ok(plans)
}

/// Lets the plans of one strategy have another; how many.
pub async fn repoint_strategy(tx: &mut Tx, old: StrategyId, new: StrategyId, now: Timestamp) -> Result<u64> {
    let sql = "UPDATE action_plans SET strategy_id = $2, updated_at = $3 WHERE strategy_id = $1 AND deleted = 0";
    Ok(execute!(tx, sql, old.0, new.0, now)?)
}

/// Soft-deletes a plan with its actions and indicators; `false` if there is none, or its state does not allow it.
pub async fn soft_delete(tx: &mut Tx, id: ActionPlanId, now: Timestamp) -> Result<bool> {
    let Some(found) = get(tx, id).await? else { return Ok(false) };
    let Ok(to) = found.state.after(ActionPlanEvent::Delete) else { return Ok(false) };
    let plan = "UPDATE action_plans SET state = $3, deleted = id, deleted_at = $4, updated_at = $4 \
                WHERE uuid = $1 AND state = $2 AND deleted = 0";
    if execute!(tx, plan, id.0, found.state.as_str(), to.as_str(), now)? == 0 {
        return Ok(false);
    }
    let actions = "UPDATE actions SET state = 'DELETED', deleted = id, deleted_at = $2, updated_at = $2 \
                   WHERE action_plan_id = $1 AND deleted = 0";
    execute!(tx, actions, id.0, now)?;
    let indicators = "UPDATE efficacy_indicators SET deleted = id, deleted_at = $2, updated_at = $2 \
                      WHERE action_plan_id = $1 AND deleted = 0";
    execute!(tx, indicators, id.0, now)?;
    release(tx, &[id], to).await?;
    Ok(true)
}
