//! Audits: rows, and the claims of decision engines on them.

use uuid::Uuid;
use watcher_domain::{Audit, AuditEvent, AuditId, AuditState, AuditType, GoalId, ProjectId, StrategyId, Timestamp};

use crate::error::{Error, Result};
use crate::page::{Page, Stored, sort_keys};
use crate::reference::{Reference, Visibility};
use crate::store::{Lease, Tx};
use crate::table::Table;
use crate::value::{Place, StampsRow, json, said};

const TABLE: Table = Table {
    name: "audits",
    columns: "id, uuid, project_id, name, audit_type, state, parameters, \"interval\", goal_id, strategy_id, scope, \
              auto_trigger, force, next_run_time, hostname, start_time, end_time, status_message, \
              created_at, updated_at, deleted_at",
    named: true,
};

sort_keys! {
    /// What audits are sorted by.
    {
        Serial = "id",
        Uuid = "uuid",
        Name = "name",
        AuditType = "audit_type",
        State = "state",
        Parameters = "parameters",
        Interval = "\"interval\"" null,
        GoalSerial = "(SELECT g.id FROM goals g WHERE g.uuid = goal_id)",
        StrategySerial = "(SELECT s.id FROM strategies s WHERE s.uuid = strategy_id)" null,
        Scope = "scope",
        AutoTrigger = "auto_trigger",
        Force = "force",
        NextRunTime = "next_run_time" null,
        Hostname = "hostname" null,
        StartTime = "start_time" null,
        EndTime = "end_time" null,
        StatusMessage = "status_message" null,
        CreatedAt = "created_at",
        UpdatedAt = "updated_at" null,
        DeletedAt = "deleted_at" null,
    }
}

/// Which audits a list has.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Those with this goal.
    pub goal: Option<GoalId>,
    /// Those with this strategy.
    pub strategy: Option<StrategyId>,
    /// Those in this state.
    pub state: Option<AuditState>,
    /// Those of this type.
    pub audit_type: Option<AuditType>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    uuid: Uuid,
    project_id: Option<String>,
    name: String,
    audit_type: String,
    state: String,
    parameters: String,
    interval: Option<String>,
    goal_id: Uuid,
    strategy_id: Option<Uuid>,
    scope: String,
    auto_trigger: bool,
    force: bool,
    next_run_time: Option<Timestamp>,
    hostname: Option<String>,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    status_message: Option<String>,
    #[sqlx(flatten)]
    stamps: StampsRow,
}

impl TryFrom<Row> for Stored<Audit> {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: TABLE.name, id: row.id };
        let value = Audit {
            id: AuditId(row.uuid),
            project_id: row.project_id.map(ProjectId),
            name: row.name,
            audit_type: place.parse("audit_type", &row.audit_type)?,
            state: place.parse("state", &row.state)?,
            parameters: place.json("parameters", &row.parameters)?,
            interval: row.interval,
            goal_id: GoalId(row.goal_id),
            strategy_id: row.strategy_id.map(StrategyId),
            scope: place.json("scope", &row.scope)?,
            auto_trigger: row.auto_trigger,
            force: row.force,
            next_run_time: row.next_run_time,
            hostname: row.hostname,
            start_time: row.start_time,
            end_time: row.end_time,
            status_message: row.status_message,
            stamps: row.stamps.into(),
        };
        Ok(Self { serial: row.id, value })
    }
}

/// Inserts an audit.
///
/// # Errors
/// [`Error::Conflict`] if its project has one of this name that is not deleted; [`Error::Reference`] if goal or strategy are not there.
pub async fn insert(tx: &mut Tx, audit: &Audit) -> Result<()> {
    let sql = "INSERT INTO audits \
               (uuid, project_id, name, audit_type, state, parameters, \"interval\", goal_id, strategy_id, scope, \
               auto_trigger, force, next_run_time, hostname, start_time, end_time, status_message, created_at, \
               updated_at, deleted_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";
    let (parameters, scope) = (json(&audit.parameters)?, json(&audit.scope)?);
    let stamps = &audit.stamps;
    execute!(
        tx,
        sql,
        audit.id.0,
        audit.project_id.as_ref().map(|project| &project.0),
        &audit.name,
        audit.audit_type.as_str(),
        audit.state.as_str(),
        &parameters,
        &audit.interval,
        audit.goal_id.0,
        audit.strategy_id.map(|strategy| strategy.0),
        &scope,
        audit.auto_trigger,
        audit.force,
        audit.next_run_time,
        &audit.hostname,
        audit.start_time,
        audit.end_time,
        &audit.status_message,
        stamps.created_at,
        stamps.updated_at,
        stamps.deleted_at,
    )
    .map_err(|error| Error::on_insert(error, "audit", &audit.name))?;
    Ok(())
}

/// The audit, soft-deleted or not.
pub async fn get(tx: &mut Tx, id: AuditId) -> Result<Option<Stored<Audit>>> {
    TABLE.get::<Row, _>(tx, id.0).await
}

/// The audit that a caller refers to.
pub async fn find(
    tx: &mut Tx,
    reference: &Reference,
    show_deleted: bool,
    visible: &Visibility,
) -> Result<Option<Stored<Audit>>> {
    TABLE.find::<Row, _>(tx, reference, show_deleted, visible).await
}

/// A page of audits.
pub async fn list(
    tx: &mut Tx,
    filter: &AuditFilter,
    page: &Page<Sort>,
    visible: &Visibility,
) -> Result<Vec<Stored<Audit>>> {
    let select = TABLE
        .select()
        .filter_some("goal_id = ?", filter.goal.map(|goal| goal.0))
        .filter_some("strategy_id = ?", filter.strategy.map(|strategy| strategy.0))
        .filter_some("state = ?", filter.state.map(AuditState::as_str))
        .filter_some("audit_type = ?", filter.audit_type.map(AuditType::as_str))
        .visible_among_all(visible);
    TABLE.list::<Row, _, _>(tx, select, page).await
}

/// Writes what a client may change of an audit: all but its owner. `false` if it is not there any more, or was changed since `audit` was
/// read (its `updated_at` is another). Whether its state may change so is for the caller to know. Another interval lets
/// [`schedule`](crate::schedule) work its next run out again.
///
/// # Errors
/// As [`insert`].
pub async fn update(tx: &mut Tx, audit: &Audit, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE audits SET name = $2, audit_type = $3, state = $4, parameters = $5, \"interval\" = $6, \
               goal_id = $7, strategy_id = $8, scope = $9, auto_trigger = $10, force = $11, next_run_time = $12, \
               hostname = $13, start_time = $14, end_time = $15, status_message = $16, updated_at = $17, \
               scheduled_at = CASE WHEN \"interval\" IS NOT DISTINCT FROM $6 THEN scheduled_at END \
               WHERE uuid = $1 AND deleted = 0 AND updated_at IS NOT DISTINCT FROM $18";
    let (parameters, scope) = (json(&audit.parameters)?, json(&audit.scope)?);
    let rows = execute!(
        tx,
        sql,
        audit.id.0,
        &audit.name,
        audit.audit_type.as_str(),
        audit.state.as_str(),
        &parameters,
        &audit.interval,
        audit.goal_id.0,
        audit.strategy_id.map(|strategy| strategy.0),
        &scope,
        audit.auto_trigger,
        audit.force,
        audit.next_run_time,
        &audit.hostname,
        audit.start_time,
        audit.end_time,
        &audit.status_message,
        now,
        audit.stamps.updated_at,
    )
    .map_err(|error| Error::on_insert(error, "audit", &audit.name))?;
    Ok(rows == 1)
}

/// Moves an audit from `from` to `to`, by somebody's wish; `false` if it is not in `from`. Whoever runs it loses its claim, and the next
/// run of a CONTINUOUS audit is worked out again.
pub async fn transition(tx: &mut Tx, id: AuditId, from: AuditState, to: AuditState, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE audits SET state = $3, updated_at = $4, scheduled_at = NULL, lease_owner = NULL, lease_until = NULL, \
               lease_term = lease_term + 1 WHERE uuid = $1 AND state = $2 AND deleted = 0";
    Ok(execute!(tx, sql, id.0, from.as_str(), to.as_str(), now)? == 1)
}

/// The same, and says why in the status message.
pub async fn stop(
    tx: &mut Tx,
    id: AuditId,
    from: AuditState,
    to: AuditState,
    status_message: &str,
    now: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE audits SET state = $3, status_message = $4, updated_at = $5, scheduled_at = NULL, lease_owner = NULL, \
               lease_until = NULL, lease_term = lease_term + 1 WHERE uuid = $1 AND state = $2 AND deleted = 0";
    Ok(execute!(tx, sql, id.0, from.as_str(), to.as_str(), status_message, now)? == 1)
}

/// Marks an EVENT audit whose webhook was called as due; `false` if it is none, or not PENDING or SUCCEEDED. A call while one waits
/// already is one with it: the run begins after both.
pub async fn trigger(tx: &mut Tx, id: AuditId, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE audits SET triggered_at = COALESCE(triggered_at, $2) \
               WHERE uuid = $1 AND deleted = 0 AND audit_type = 'EVENT' AND state IN ('PENDING', 'SUCCEEDED')";
    Ok(execute!(tx, sql, id.0, now)? == 1)
}

/// Drops the trigger of an EVENT audit that cannot run now, and says why; `false` if it has none that waits.
pub async fn drop_trigger(tx: &mut Tx, id: AuditId, status_message: &str, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE audits SET triggered_at = NULL, status_message = $2, updated_at = $3 WHERE uuid = $1 AND deleted = 0 \
               AND audit_type = 'EVENT' AND state IN ('PENDING', 'SUCCEEDED') AND triggered_at IS NOT NULL";
    Ok(execute!(tx, sql, id.0, status_message, now)? == 1)
}

/// What lets an audit be claimed: ONESHOT while it is PENDING, EVENT once it was triggered, CONTINUOUS when its time has come.
macro_rules! claimable {
    ($now:literal) => {
        concat!(
            "deleted = 0 AND lease_owner IS NULL AND (audit_type = 'ONESHOT' AND state = 'PENDING' \
             OR audit_type = 'EVENT' AND state IN ('PENDING', 'SUCCEEDED') AND triggered_at IS NOT NULL \
             OR audit_type = 'CONTINUOUS' AND state IN ('PENDING', 'ONGOING') AND scheduled_at IS NOT NULL \
             AND next_run_time <= ",
            $now,
            ")"
        )
    };
}

/// Takes an audit that is due: it becomes ONGOING, on the host of `lease`, until `lease.until`. The term under which this claim may
/// write, or none if it is not due, or somebody else took it first.
pub async fn claim(tx: &mut Tx, id: AuditId, lease: &Lease, now: Timestamp) -> Result<Option<i64>> {
    let sql = concat!(
        "UPDATE audits SET state = 'ONGOING', hostname = $2, lease_owner = $3, lease_until = $4, \
         lease_term = lease_term + 1, triggered_at = NULL, updated_at = $5 WHERE uuid = $1 AND ",
        claimable!("$5"),
        " RETURNING lease_term"
    );
    Ok(scalar!(tx, i64, sql, id.0, &lease.hostname, lease.owner, lease.until, now)?)
}

/// Keeps a claim until `until`; `false` if it does not hold any more.
pub async fn renew(tx: &mut Tx, id: AuditId, term: i64, until: Timestamp) -> Result<bool> {
    let sql =
        "UPDATE audits SET lease_until = $3 WHERE uuid = $1 AND lease_term = $2 AND state = 'ONGOING' AND deleted = 0";
    Ok(execute!(tx, sql, id.0, term, until)? == 1)
}

/// Ends a claim: the audit goes from ONGOING to `to`, with this status message or none. `false` if the claim does not hold any more.
pub async fn finish(
    tx: &mut Tx,
    id: AuditId,
    term: i64,
    to: AuditState,
    status_message: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE audits SET state = $3, status_message = $4, lease_owner = NULL, lease_until = NULL, lost_runs = 0, updated_at = $5 \
               WHERE uuid = $1 AND lease_term = $2 AND state = 'ONGOING' AND deleted = 0";
    Ok(execute!(tx, sql, id.0, term, to.as_str(), status_message.map(said), now)? == 1)
}

/// How often an audit was begun since its last run that came to an end, and its worker was gone before that.
pub async fn lost_runs(tx: &mut Tx, id: AuditId) -> Result<u64> {
    let count = scalar!(tx, i64, "SELECT lost_runs FROM audits WHERE uuid = $1", id.0)?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Gives a claim up: whoever comes next may claim the audit at once. ONESHOT and EVENT audits return to the queue; a CONTINUOUS one stays
/// ONGOING and waits for its next time. `false` if the claim does not hold any more.
pub async fn release(tx: &mut Tx, id: AuditId, term: i64, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE audits SET state = CASE WHEN audit_type = 'CONTINUOUS' THEN state ELSE 'PENDING' END, \
               triggered_at = CASE WHEN audit_type = 'EVENT' THEN $3 END, scheduled_at = NULL, lease_owner = NULL, \
               lease_until = NULL, updated_at = $3 \
               WHERE uuid = $1 AND lease_term = $2 AND state = 'ONGOING' AND lease_owner IS NOT NULL AND deleted = 0";
    Ok(execute!(tx, sql, id.0, term, now)? == 1)
}

/// Takes audits from workers that are gone: their lease has run out. ONESHOT and EVENT audits return to the queue, and are told; a
/// CONTINUOUS one stays ONGOING and waits for its next time.
pub async fn release_expired(tx: &mut Tx, now: Timestamp) -> Result<Vec<AuditId>> {
    let between_runs = "UPDATE audits SET lease_owner = NULL, lease_until = NULL, scheduled_at = NULL, \
                        lost_runs = lost_runs + 1, updated_at = $1 WHERE state = 'ONGOING' AND audit_type = 'CONTINUOUS' AND deleted = 0 AND lease_until < $1";
    execute!(tx, between_runs, now)?;
    let sql = "UPDATE audits SET state = 'PENDING', lease_owner = NULL, lease_until = NULL, lost_runs = lost_runs + 1, updated_at = $1, \
               triggered_at = CASE WHEN audit_type = 'EVENT' THEN $1 END \
               WHERE state = 'ONGOING' AND audit_type IN ('ONESHOT', 'EVENT') AND deleted = 0 \
               AND (lease_until IS NULL OR lease_until < $1) RETURNING uuid";
    Ok(scalars!(tx, Uuid, sql, now)?.into_iter().map(AuditId).collect())
}

/// Audits that wait for a worker and for nothing else: the oldest of every project, then the second of every project, and so on.
/// CONTINUOUS ones that were scheduled before `since` do not count.
pub async fn due(tx: &mut Tx, now: Timestamp, since: Timestamp, limit: u32) -> Result<Vec<AuditId>> {
    let sql = concat!(
        "SELECT uuid FROM (SELECT uuid, id, COALESCE(next_run_time, created_at) AS waits_since, \
         ROW_NUMBER() OVER (PARTITION BY project_id ORDER BY COALESCE(next_run_time, created_at), id) AS place \
         FROM audits WHERE ",
        claimable!("$1"),
        " AND (audit_type <> 'CONTINUOUS' OR scheduled_at >= $2 AND (start_time IS NULL OR start_time <= $1))) AS due \
         ORDER BY place, waits_since, id LIMIT $3"
    );
    Ok(scalars!(tx, Uuid, sql, now, since, i64::from(limit))?.into_iter().map(AuditId).collect())
}

/// How many audits of a project wait, run, or may run again: up to `most`, more are not counted.
pub async fn active(tx: &mut Tx, project: &ProjectId, most: u64) -> Result<u64> {
    let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM audits WHERE project_id = $1 \
               AND deleted = 0 AND (state IN ('PENDING', 'ONGOING', 'SUSPENDED') OR audit_type = 'EVENT' AND state = 'SUCCEEDED') \
               LIMIT $2) AS active";
    let count = scalar!(tx, i64, sql, &project.0, i64::try_from(most).unwrap_or(i64::MAX))?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Soft-deletes an audit; `false` if there is none, or its state does not allow it.
pub async fn soft_delete(tx: &mut Tx, id: AuditId, now: Timestamp) -> Result<bool> {
    let Some(found) = get(tx, id).await? else { return Ok(false) };
    let Ok(to) = found.state.after(AuditEvent::Delete) else { return Ok(false) };
    let sql = "UPDATE audits SET state = $3, deleted = id, deleted_at = $4, updated_at = $4 \
               WHERE uuid = $1 AND state = $2 AND deleted = 0";
    Ok(execute!(tx, sql, id.0, found.state.as_str(), to.as_str(), now)? == 1)
}

/// Lets the audits of one goal have another; how many.
pub async fn repoint_goal(tx: &mut Tx, old: GoalId, new: GoalId, now: Timestamp) -> Result<u64> {
    let sql = "UPDATE audits SET goal_id = $2, updated_at = $3 WHERE goal_id = $1 AND deleted = 0";
    Ok(execute!(tx, sql, old.0, new.0, now)?)
}

/// Lets the audits of one strategy have another; how many.
pub async fn repoint_strategy(tx: &mut Tx, old: StrategyId, new: StrategyId, now: Timestamp) -> Result<u64> {
    let sql = "UPDATE audits SET strategy_id = $2, updated_at = $3 WHERE strategy_id = $1 AND deleted = 0";
    Ok(execute!(tx, sql, old.0, new.0, now)?)
}

/// Cancels the PENDING and ONGOING audits of a goal; which.
pub async fn cancel_of_goal(tx: &mut Tx, goal: GoalId, status_message: &str, now: Timestamp) -> Result<Vec<AuditId>> {
    let sql = "UPDATE audits SET state = 'CANCELLED', status_message = $2, updated_at = $3 \
               WHERE goal_id = $1 AND state IN ('PENDING', 'ONGOING') AND deleted = 0 RETURNING uuid";
    Ok(scalars!(tx, Uuid, sql, goal.0, status_message, now)?.into_iter().map(AuditId).collect())
}

/// Cancels the PENDING and ONGOING audits of a strategy; which.
pub async fn cancel_of_strategy(
    tx: &mut Tx,
    strategy: StrategyId,
    status_message: &str,
    now: Timestamp,
) -> Result<Vec<AuditId>> {
    let sql = "UPDATE audits SET state = 'CANCELLED', status_message = $2, updated_at = $3 \
               WHERE strategy_id = $1 AND state IN ('PENDING', 'ONGOING') AND deleted = 0 RETURNING uuid";
    Ok(scalars!(tx, Uuid, sql, strategy.0, status_message, now)?.into_iter().map(AuditId).collect())
}
