//! When CONTINUOUS audits run next.
//!
//! `next_run_time` says when, `scheduled_at` since when that holds. An audit without `scheduled_at`, or with one from before a decision
//! engine started, has no schedule: its decision engine works one out, with times that passed meanwhile left out. Between its runs a
//! CONTINUOUS audit has no lease; claims are those of [`audit`](crate::audit).

use uuid::Uuid;
use watcher_domain::{AuditEvent, AuditId, AuditState, Timestamp};

use crate::error::Result;
use crate::store::Tx;

/// A CONTINUOUS audit that has no schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unscheduled {
    /// Which.
    pub id: AuditId,
    /// Where it stands.
    pub state: AuditState,
    /// Seconds, or a cron text.
    pub interval: Option<String>,
    /// When it was to run before.
    pub next_run_time: Option<Timestamp>,
}

/// What counts as waiting for its time.
macro_rules! waiting {
    () => {
        "audit_type = 'CONTINUOUS' AND state IN ('PENDING', 'ONGOING') AND deleted = 0 AND lease_owner IS NULL"
    };
}

/// CONTINUOUS audits that may run, and have no schedule from `since` or later.
pub async fn unscheduled(tx: &mut Tx, now: Timestamp, since: Timestamp, limit: u32) -> Result<Vec<Unscheduled>> {
    let sql = concat!(
        "SELECT uuid, state, \"interval\", next_run_time FROM audits WHERE ",
        waiting!(),
        " AND (start_time IS NULL OR start_time <= $1) AND (scheduled_at IS NULL OR scheduled_at < $2) ORDER BY id LIMIT $3"
    );
    let rows = on_backend!(tx, |conn| {
        sqlx::query_as::<_, (Uuid, String, Option<String>, Option<Timestamp>)>(sql)
            .bind(now)
            .bind(since)
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await
    })?;
    let read = |(id, state, interval, next_run_time): (Uuid, String, _, _)| {
        let state = if state == AuditState::Pending.as_str() { AuditState::Pending } else { AuditState::Ongoing };
        Unscheduled { id: AuditId(id), state, interval, next_run_time }
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Sets when an audit runs next, on the host given; `false` if it is not waiting any more, or its interval is another.
pub async fn set(
    tx: &mut Tx,
    audit: &Unscheduled,
    next_run_time: Timestamp,
    hostname: &str,
    now: Timestamp,
) -> Result<bool> {
    let sql = concat!(
        "UPDATE audits SET next_run_time = $2, hostname = $3, scheduled_at = $4, updated_at = $4 WHERE uuid = $1 AND ",
        waiting!(),
        " AND \"interval\" IS NOT DISTINCT FROM $5"
    );
    Ok(execute!(tx, sql, audit.id.0, next_run_time, hostname, now, &audit.interval)? == 1)
}

/// Ends a run of an audit that runs again at `next_run_time`; it stays ONGOING. Without a next time it loses its schedule. `false` if the
/// claim does not hold any more.
pub async fn end_run(
    tx: &mut Tx,
    id: AuditId,
    term: i64,
    next_run_time: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE audits SET next_run_time = $3, status_message = NULL, lease_owner = NULL, lease_until = NULL, lost_runs = 0, updated_at = $4, \
               scheduled_at = CASE WHEN $3 IS NOT NULL THEN scheduled_at END \
               WHERE uuid = $1 AND lease_term = $2 AND state = 'ONGOING' AND lease_owner IS NOT NULL AND deleted = 0";
    Ok(execute!(tx, sql, id.0, term, next_run_time, now)? == 1)
}

/// Leaves out the run that was planned for `planned`, and says why; `false` if that is not its next run any more.
pub async fn postpone(
    tx: &mut Tx,
    id: AuditId,
    planned: Option<Timestamp>,
    next_run_time: Option<Timestamp>,
    status_message: &str,
    now: Timestamp,
) -> Result<bool> {
    let sql = concat!(
        "UPDATE audits SET next_run_time = $3, status_message = $4, updated_at = $5, \
         scheduled_at = CASE WHEN $3 IS NOT NULL THEN scheduled_at END WHERE uuid = $1 AND ",
        waiting!(),
        " AND next_run_time IS NOT DISTINCT FROM $2"
    );
    Ok(execute!(tx, sql, id.0, planned, next_run_time, status_message, now)? == 1)
}

/// Ends the audits whose end time has come and that do not run just now; which, and where they were.
pub async fn expire(tx: &mut Tx, now: Timestamp) -> Result<Vec<(AuditId, AuditState)>> {
    let sql = concat!(
        "UPDATE audits SET state = $2, scheduled_at = NULL, updated_at = $1 WHERE state = $3 AND end_time <= $1 AND ",
        waiting!(),
        " RETURNING uuid"
    );
    let mut ended = Vec::new();
    for from in [AuditState::Pending, AuditState::Ongoing] {
        let Ok(to) = from.after(AuditEvent::Expire) else { continue };
        let ids = scalars!(tx, Uuid, sql, now, to.as_str(), from.as_str())?;
        ended.extend(ids.into_iter().map(|id| (AuditId(id), from)));
    }
    Ok(ended)
}

/// The first time after `now` at which a CONTINUOUS audit runs, may begin to, or ends.
pub async fn next_time(tx: &mut Tx, now: Timestamp) -> Result<Option<Timestamp>> {
    let sql = concat!(
        "SELECT t FROM (SELECT CASE WHEN start_time > $1 THEN start_time ELSE next_run_time END AS t FROM audits WHERE ",
        waiting!(),
        " UNION ALL SELECT end_time FROM audits WHERE ",
        waiting!(),
        ") AS times WHERE t > $1 ORDER BY t LIMIT 1"
    );
    Ok(scalar!(tx, Timestamp, sql, now)?)
}
