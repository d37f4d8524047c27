//! What a decision engine does from time to time beside running audits: it supersedes old action plans, and gives signs of life.

use watcher_bus::Event;
use watcher_domain::service::DECISION_ENGINE;
use watcher_domain::{ActionPlanId, ActionPlanState};
use watcher_store::{action_plan, service};

use crate::Engine;

/// Plans that are superseded in one transaction.
const BATCH: u32 = 500;
/// Transactions of one look; what is left is for the next.
const BATCHES: usize = 100;

impl Engine {
    /// Supersedes RECOMMENDED action plans that are older than the expiry; which.
    pub async fn supersede_old_plans(&self) -> Result<Vec<ActionPlanId>, watcher_store::Error> {
        let expiry = self.options.action_plan_expiry;
        let now = self.clock.now();
        let before = chrono::TimeDelta::from_std(expiry).ok().and_then(|expiry| now.checked_sub_signed(expiry));
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

    /// Gives a sign of life.
    pub async fn beat(&self) -> Result<(), watcher_store::Error> {
        let mut tx = self.store.begin().await?;
        service::heartbeat(&mut tx, DECISION_ENGINE, &self.options.hostname, self.clock.now()).await?;
        tx.commit().await
    }
}
