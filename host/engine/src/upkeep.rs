//! What a decision engine does from time to time beside running audits: it supersedes old action plans, drops old recordings, and gives signs of life.

use chrono::TimeDelta;
use watcher_bus::Event;
use watcher_domain::service::DECISION_ENGINE;
use watcher_domain::{ActionPlanId, ActionPlanState, Timestamp};
use watcher_store::{Tx, action_plan, recording, service, snapshot};

use crate::Engine;

/// Plans that are superseded in one transaction.
const BATCH: u32 = 500;
/// Transactions of one look; what is left is for the next.
const BATCHES: usize = 100;
/// Recordings or snapshots, megabytes each, that are dropped in one transaction.
const DROPPED: u32 = 20;
/// How long ago a snapshot may have been used for an audit to name it as it is. Later it is noted that it is used again.
pub(crate) const SNAPSHOT_USED: TimeDelta = TimeDelta::hours(12);
/// How long after its last use a snapshot that no recording names is dropped: much longer, so that no audit finds one that is just being dropped.
const SNAPSHOT_KEPT: TimeDelta = TimeDelta::hours(24);

/// What is not kept any longer.
#[derive(Clone, Copy)]
enum Spent {
    /// Recordings from before a time.
    Old(Timestamp),
    /// Recordings of projects that have more than so many bytes of them.
    Beyond(u64),
    /// Snapshots that no recording names and that were not used since a time.
    Unused(Timestamp),
}

impl Spent {
    async fn drop_some(self, tx: &mut Tx) -> Result<u64, watcher_store::Error> {
        match self {
            Self::Old(before) => recording::drop_old(tx, before, DROPPED).await,
            Self::Beyond(bytes) => recording::drop_beyond(tx, bytes, DROPPED).await,
            Self::Unused(since) => snapshot::drop_unused(tx, since, DROPPED).await,
        }
    }
}

impl Engine {
    /// Supersedes RECOMMENDED action plans that are older than the expiry; which.
    pub async fn supersede_old_plans(&self) -> Result<Vec<ActionPlanId>, watcher_store::Error> {
        let expiry = self.options.action_plan_expiry;
        let now = self.clock.now();
        let before = TimeDelta::from_std(expiry).ok().and_then(|expiry| now.checked_sub_signed(expiry));
        let Some(before) = before.filter(|_| !expiry.is_zero()) else { return Ok(Vec::new()) };
        let message = format!("nobody started the action plan within {} s", expiry.as_secs());
        let mut all = Vec::new();
        for _ in 0..BATCHES {
            let mut tx = self.store.begin().await?;
            let superseded = action_plan::supersede(&mut tx, before, &message, now, BATCH).await?;
            tx.commit().await?;
            for &action_plan_id in &superseded {
                let (old, state) = (Some(ActionPlanState::Recommended), ActionPlanState::Superseded);
                tracing::info!(action_plan.id = %action_plan_id, "action plan {action_plan_id} is superseded: {message}");
                self.bus.publish(Event::ActionPlan { action_plan_id, old, state });
            }
            let is_last = superseded.len() < BATCH as usize;
            all.extend(superseded);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// Drops recordings that are older than they are kept, or more than a project may have, and snapshots that no recording names any more; how many of
    /// both.
    pub async fn drop_recordings(&self) -> Result<u64, watcher_store::Error> {
        let options = &self.options;
        let now = self.clock.now();
        let kept = TimeDelta::from_std(options.recordings_kept).ok().filter(|kept| !kept.is_zero());
        let mut dropped = 0;
        if let Some(before) = kept.and_then(|kept| now.checked_sub_signed(kept)) {
            dropped += self.drop_all(Spent::Old(before)).await?;
        }
        dropped += self.drop_all(Spent::Beyond(options.recordings_kept_bytes)).await?;
        dropped += self.drop_all(Spent::Unused(now - SNAPSHOT_KEPT)).await?;
        if dropped > 0 {
            tracing::info!("{dropped} old recordings and snapshots are dropped");
        }
        Ok(dropped)
    }

    /// Drops rows in transactions of their own until there are no more to drop; how many.
    async fn drop_all(&self, what: Spent) -> Result<u64, watcher_store::Error> {
        let mut all = 0;
        for _ in 0..BATCHES {
            let mut tx = self.store.begin().await?;
            let dropped = what.drop_some(&mut tx).await?;
            tx.commit().await?;
            all += dropped;
            if dropped < u64::from(DROPPED) {
                break;
            }
        }
        Ok(all)
    }

    /// Gives a sign of life.
    pub async fn beat(&self) -> Result<(), watcher_store::Error> {
        let mut tx = self.store.begin().await?;
        service::heartbeat(&mut tx, DECISION_ENGINE, &self.options.hostname, self.clock.now()).await?;
        tx.commit().await
    }
}
