//! Finds action plans to carry out: by message, and by sweep for messages that were lost.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watcher_bus::{Control, Received, Role, Work};
use watcher_domain::ActionPlanId;
use watcher_fair::FairPermits;
use watcher_store::action_plan;

use crate::Applier;

/// How many due plans one sweep takes up; the rest is left to the next.
const SWEEP_LIMIT: u32 = 100;

/// The plans that wait or run here, and what stops each.
type Running = Arc<Mutex<HashMap<ActionPlanId, CancellationToken>>>;

/// The place of one plan among them, given up however its task ends.
struct Place {
    running: Running,
    id: ActionPlanId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// An applier at work.
pub struct Service {
    applier: Arc<Applier>,
    permits: Arc<FairPermits>,
    running: Running,
    tasks: TaskTracker,
}

impl Service {
    /// A service over an applier.
    pub fn new(applier: Arc<Applier>) -> Self {
        let permits = FairPermits::new(applier.options.max_plans, applier.options.max_project_plans);
        Self { applier, permits, running: Arc::default(), tasks: TaskTracker::new() }
    }

    /// Works until `shutdown`; plans that run then are dropped where they are, and the next sweep of any applier ends them.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut subscription = self.applier.bus.subscribe(Role::Applier);
        let mut sweeps = tokio::time::interval(self.applier.options.sweep_interval);
        sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut beats = tokio::time::interval(self.applier.options.heartbeat_interval);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = sweeps.tick() => self.sweep(&shutdown).await,
                _ = beats.tick() => {
                    if let Err(error) = self.applier.beat().await {
                        tracing::warn!(error = &error as &dyn std::error::Error, "a sign of life could not be given");
                    }
                }
                received = subscription.receive() => match received {
                    Received::Work(Work::RunActionPlan { action_plan_id }) => self.start(action_plan_id, &shutdown),
                    Received::Control(Control::ActionPlanStopped { action_plan_id }) => self.stop(action_plan_id),
                    Received::Work(Work::RunAudit { .. })
                    | Received::Control(Control::AuditStopped { .. } | Control::ScheduleChanged | Control::PluginsChanged)
                    | Received::Behind => {}
                },
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn sweep(&self, shutdown: &CancellationToken) {
        match self.due().await {
            Ok(due) => due.into_iter().for_each(|id| self.start(id, shutdown)),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the sweep for due action plans failed");
            }
        }
    }

    async fn due(&self) -> Result<Vec<ActionPlanId>, watcher_store::Error> {
        let now = self.applier.clock.now();
        let mut tx = self.applier.store.read().await?;
        let lapsed = action_plan::lapsed(&mut tx, now, SWEEP_LIMIT).await?;
        let due = action_plan::due(&mut tx, now, SWEEP_LIMIT).await?;
        drop(tx);
        for id in lapsed {
            if !self.running.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id) {
                self.applier.bury(id).await?;
            }
        }
        Ok(due)
    }

    /// Starts a plan in a task of its own; a second start of one that waits or runs here does nothing.
    fn start(&self, id: ActionPlanId, shutdown: &CancellationToken) {
        let stop = CancellationToken::new();
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.contains_key(&id) || running.len() >= 10 * SWEEP_LIMIT as usize {
                return;
            }
            running.insert(id, stop.clone());
        }
        let place = Place { running: Arc::clone(&self.running), id };
        let (applier, permits, shutdown) = (Arc::clone(&self.applier), Arc::clone(&self.permits), shutdown.clone());
        self.tasks.spawn(async move {
            let _place = place;
            let run = async {
                let permit = async { Ok(permits.acquire(applier.owner_of(id).await?).await) };
                match shutdown.run_until_cancelled(permit).await {
                    Some(Ok(_permit)) => Box::pin(applier.run_plan(id, stop, &shutdown)).await,
                    Some(Err(error)) => Err(error),
                    None => Ok(()),
                }
            };
            match AssertUnwindSafe(run).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => report(id, &error),
                // Its lease lapses, and a sweep ends it.
                Err(panic) => report(id, &watcher_domain::Panic::new(panic.as_ref())),
            }
        });
    }

    fn stop(&self, id: ActionPlanId) {
        if let Some(token) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            token.cancel();
        }
    }
}

fn report(id: ActionPlanId, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(action_plan.id = %id, error, "action plan {id} could not be carried out");
}
