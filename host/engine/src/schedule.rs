//! When CONTINUOUS audits run: works schedules out, ends audits whose time is over, finds runs that are due.

use watcher_domain::interval::Interval;
use watcher_domain::{Audit, AuditEvent, AuditId, AuditState, Timestamp};
use watcher_store::schedule::{self, Unscheduled};
use watcher_store::{Tx, audit};

use crate::Engine;

/// Audits that are looked at in one step of a look.
const BATCH: u32 = 100;
/// Steps of one look; what is left is for the next.
const BATCHES: usize = 100;

/// What one look at the schedules found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcoming {
    /// When it looked.
    pub now: Timestamp,
    /// Audits that are due, ONESHOT and EVENT ones too.
    pub due: Vec<AuditId>,
    /// When something will be due, or end, for certain.
    pub next: Option<Timestamp>,
}

impl Engine {
    /// Takes audits from workers that are gone, ends those whose end time has passed, works out schedules that are missing, and says what
    /// is due. Whatever else is asked of a schedule — a new interval, a suspension, a restart — ends up here as a missing one.
    pub async fn look(&self) -> Result<Upcoming, watcher_store::Error> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let released = audit::release_expired(&mut tx, now).await?;
        let mut moved: Vec<_> = released.iter().map(|&id| (id, AuditState::Ongoing, AuditState::Pending)).collect();
        for (id, from) in schedule::expire(&mut tx, now).await? {
            moved.push((id, from, AuditState::Succeeded));
        }
        for _ in 0..BATCHES {
            let unscheduled = schedule::unscheduled(&mut tx, now, self.started_at, BATCH).await?;
            for audit in &unscheduled {
                moved.extend(self.schedule(&mut tx, audit, now).await?);
            }
            if unscheduled.len() < BATCH as usize {
                break;
            }
        }
        tx.commit().await?;
        // However many wait, nobody who writes is held up.
        let mut tx = self.store.read().await?;
        let due = audit::due(&mut tx, now, self.started_at, BATCH).await?;
        let next = schedule::next_time(&mut tx, now).await?;
        drop(tx);
        for id in released {
            tracing::warn!(audit.id = %id, "audit {id} returns to the queue: the decision engine that had it is gone");
        }
        for (id, from, to) in moved {
            tracing::info!(audit.id = %id, "audit {id} moved from {from} to {to}");
            self.audit_event(id, Some(from), to);
        }
        Ok(Upcoming { now, due, next })
    }

    /// Works one schedule out. An audit that has no later time ends; one whose interval makes no sense fails.
    async fn schedule(
        &self,
        tx: &mut Tx,
        audit: &Unscheduled,
        now: Timestamp,
    ) -> Result<Option<(AuditId, AuditState, AuditState)>, watcher_store::Error> {
        let text = audit.interval.as_deref().unwrap_or_default();
        let (event, why) = match text.parse::<Interval>() {
            Ok(interval) => match interval.resume(audit.next_run_time, now) {
                Some(next) => {
                    schedule::set(tx, audit, next, &self.options.hostname, now).await?;
                    return Ok(None);
                }
                None => (AuditEvent::Expire, format!("interval {text} has no later time")),
            },
            Err(error) => (AuditEvent::Fail, error.to_string()),
        };
        let Ok(to) = audit.state.after(event) else { return Ok(None) };
        let ended = audit::stop(tx, audit.id, audit.state, to, &why, now).await?;
        Ok(ended.then_some((audit.id, audit.state, to)))
    }
}

/// When an audit runs next after the run that was planned last.
pub(crate) fn after_run(audit: &Audit, now: Timestamp) -> Option<Timestamp> {
    audit.interval.as_deref()?.parse::<Interval>().ok()?.after_run(audit.next_run_time, now)
}
