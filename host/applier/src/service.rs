//! Finds action plans to carry out: by message, and by sweep for messages that were lost.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watcher_bus::{Control, Received, Role, Work};
use watcher_domain::ActionPlanId;
use watcher_fair::{FairPermits, Places};
use watcher_store::action_plan;

use crate::Applier;

/// How many due plans one sweep takes up; the rest is left to the next.
const SWEEP_LIMIT: u32 = 100;

/// How many plans wait or run here at once; others are left in the database.
const MOST_WAITING: usize = 1000;
/// How many of those are of one project.
const MOST_OF_PROJECT: usize = 100;
/// How many plans of many actions are carried out at once, one of each project.
const MOST_LARGE: usize = 4;

/// The plans that wait or run here, and what stops each.
type Running = Places<ActionPlanId, CancellationToken>;

/// An applier at work.
pub struct Service {
    applier: Arc<Applier>,
    permits: Arc<FairPermits>,
    /// Those with many actions need one of these as well: their actions are in memory.
    large: Arc<FairPermits>,
    running: Arc<Running>,
    tasks: TaskTracker,
}

impl Service {
    /// A service over an applier.
    pub fn new(applier: Arc<Applier>) -> Self {
        let permits = FairPermits::new(applier.options.max_plans, applier.options.max_project_plans);
        let running = Places::new(MOST_WAITING, MOST_OF_PROJECT);
        let large = FairPermits::new(MOST_LARGE, 1);
        Self { applier, permits, large, running, tasks: TaskTracker::new() }
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
                () = self.running.freed() => self.sweep(&shutdown).await,
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
            if self.running.stop_of(&id).is_none() {
                self.applier.bury(id).await?;
            }
        }
        Ok(due)
    }

    /// Starts a plan in a task of its own; a second start of one that waits or runs here does nothing.
    fn start(&self, id: ActionPlanId, shutdown: &CancellationToken) {
        let stop = CancellationToken::new();
        let Some(place) = self.running.enter(id, stop.clone()) else { return };
        let (applier, shutdown) = (Arc::clone(&self.applier), shutdown.clone());
        let (permits, large) = (Arc::clone(&self.permits), Arc::clone(&self.large));
        self.tasks.spawn(async move {
            let run = async {
                let turn = async {
                    let owner = applier.owner_of(id).await?;
                    let Some(place) = place.of(owner.clone()) else { return Ok::<_, watcher_store::Error>(None) };
                    let is_large = applier.is_large(id).await?;
                    let large = if is_large { Some(large.acquire(owner.clone()).await) } else { None };
                    Ok(Some((permits.acquire(owner).await, large, place)))
                };
                match shutdown.run_until_cancelled(turn).await {
                    Some(Ok(Some(_turn))) => Box::pin(applier.run_plan(id, stop, &shutdown)).await,
                    Some(Err(error)) => Err(error),
                    Some(Ok(None)) | None => Ok(()),
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
        if let Some(token) = self.running.stop_of(&id) {
            token.cancel();
        }
    }
}

fn report(id: ActionPlanId, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(action_plan.id = %id, error, "action plan {id} could not be carried out");
}
