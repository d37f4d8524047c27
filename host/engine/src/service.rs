//! Finds audits to run: by message, and by sweep for messages that were lost. Both lead to the same function.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watcher_bus::{Control, Received, Role, Work};
use watcher_domain::{AuditId, AuditState};
use watcher_store::audit;

use crate::Engine;

/// How many due audits one sweep takes up; the rest is left to the next.
const SWEEP_LIMIT: u32 = 100;

/// A decision engine at work.
pub struct Service {
    engine: Arc<Engine>,
    permits: Arc<Semaphore>,
    running: Arc<Mutex<HashMap<AuditId, CancellationToken>>>,
    tasks: TaskTracker,
}

impl Service {
    /// A service over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        let permits = Arc::new(Semaphore::new(engine.options.max_audit_workers.max(1)));
        Self { engine, permits, running: Arc::default(), tasks: TaskTracker::new() }
    }

    /// Works until `shutdown`, then waits for running audits to be handed back.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut subscription = self.engine.bus.subscribe(Role::DecisionEngine);
        let mut sweeps = tokio::time::interval(self.engine.options.sweep_interval);
        sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = sweeps.tick() => self.sweep(&shutdown).await,
                received = subscription.receive() => match received {
                    Received::Work(Work::RunAudit { audit_id }) => self.start(audit_id, &shutdown),
                    Received::Control(Control::AuditStopped { audit_id }) => self.stop(audit_id),
                    Received::Work(Work::RunActionPlan { .. })
                    | Received::Control(Control::ActionPlanStopped { .. } | Control::PluginsChanged)
                    | Received::Behind => {}
                },
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Returns audits of workers that are gone to the queue, and starts what is due.
    async fn sweep(&self, shutdown: &CancellationToken) {
        match self.due().await {
            Ok(due) => due.into_iter().for_each(|id| self.start(id, shutdown)),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the sweep for due audits failed");
            }
        }
    }

    async fn due(&self) -> Result<Vec<AuditId>, watcher_store::Error> {
        let now = self.engine.clock.now();
        let mut tx = self.engine.store.begin().await?;
        let released = audit::release_expired(&mut tx, now).await?;
        let due = audit::due(&mut tx, now, SWEEP_LIMIT).await?;
        tx.commit().await?;
        for id in released {
            tracing::warn!(audit.id = %id, "audit {id} returns to the queue: the decision engine that had it is gone");
            self.engine.audit_event(id, Some(AuditState::Ongoing), AuditState::Pending);
        }
        Ok(due)
    }

    /// Starts an audit in a task of its own; a second start of one that waits or runs here does nothing.
    fn start(&self, id: AuditId, shutdown: &CancellationToken) {
        let token = shutdown.child_token();
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.contains_key(&id) || running.len() >= 10 * SWEEP_LIMIT as usize {
                return;
            }
            running.insert(id, token.clone());
        }
        let (engine, permits, running) =
            (Arc::clone(&self.engine), Arc::clone(&self.permits), Arc::clone(&self.running));
        self.tasks.spawn(async move {
            let work = async {
                let Ok(_permit) = permits.acquire().await else { return };
                if let Err(error) = engine.run_audit(id).await {
                    tracing::error!(audit.id = %id, error = &error as &dyn std::error::Error, "audit {id} could not be run");
                }
            };
            token.run_until_cancelled(Box::pin(work)).await;
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
    }

    fn stop(&self, id: AuditId) {
        if let Some(token) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            token.cancel();
        }
    }
}
