//! Finds audits to run: by message, and by sweep for messages that were lost. Both lead to the same function.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watcher_bus::{Control, Received, Role, Work};
use watcher_domain::AuditId;
use watcher_fair::FairPermits;

use crate::Engine;

/// How many audits wait or run here at once; others are left in the database.
const MOST_WAITING: usize = 1000;

/// The audits that wait or run here, and what stops each.
type Running = Arc<Mutex<HashMap<AuditId, CancellationToken>>>;

/// The place of one audit among them, given up however its task ends.
struct Place {
    running: Running,
    id: AuditId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// A decision engine at work.
pub struct Service {
    engine: Arc<Engine>,
    permits: Arc<FairPermits>,
    running: Running,
    ended: Arc<Notify>,
    tasks: TaskTracker,
}

impl Service {
    /// A service over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        let options = &engine.options;
        let permits = FairPermits::new(options.max_audit_workers, options.max_project_audit_workers);
        Self { engine, permits, running: Arc::default(), ended: Arc::default(), tasks: TaskTracker::new() }
    }

    /// Works until `shutdown`, then waits for running audits to be given back.
    pub async fn run(self, shutdown: CancellationToken) {
        let options = &self.engine.options;
        let mut subscription = self.engine.bus.subscribe(Role::DecisionEngine);
        let (mut beats, mut checks) = (every(options.heartbeat_interval), every(options.check_interval));
        let mut next_look = Instant::now();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep_until(next_look) => next_look = self.look(&shutdown).await,
                () = self.ended.notified() => next_look = self.look(&shutdown).await,
                _ = beats.tick() => report(self.engine.beat().await, "a sign of life could not be given"),
                _ = checks.tick() => {
                    report(self.engine.supersede_old_plans().await.map(drop), "old action plans could not be superseded");
                }
                received = subscription.receive() => match received {
                    Received::Work(Work::RunAudit { audit_id }) => self.start(audit_id, &shutdown),
                    Received::Control(Control::AuditStopped { audit_id }) => self.stop(audit_id),
                    Received::Control(Control::ScheduleChanged) | Received::Behind => {
                        next_look = self.look(&shutdown).await;
                    }
                    Received::Work(Work::RunActionPlan { .. })
                    | Received::Control(Control::ActionPlanStopped { .. } | Control::PluginsChanged) => {}
                },
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Starts what is due; when to look again.
    async fn look(&self, shutdown: &CancellationToken) -> Instant {
        let options = &self.engine.options;
        let patience = options.sweep_interval.min(options.continuous_audit_interval);
        match self.engine.look().await {
            Ok(upcoming) => {
                upcoming.due.iter().for_each(|id| self.start(*id, shutdown));
                let next = upcoming.next.and_then(|next| (next - upcoming.now).to_std().ok());
                Instant::now() + next.map_or(patience, |next| next.min(patience))
            }
            Err(error) => {
                report(Err(error), "the sweep for due audits failed");
                Instant::now() + patience
            }
        }
    }

    /// Starts an audit in a task of its own; a second start of one that waits or runs here does nothing.
    fn start(&self, id: AuditId, shutdown: &CancellationToken) {
        let token = shutdown.child_token();
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.contains_key(&id) || running.len() >= MOST_WAITING {
                return;
            }
            running.insert(id, token.clone());
        }
        let place = Place { running: Arc::clone(&self.running), id };
        let (engine, permits, ended) = (Arc::clone(&self.engine), Arc::clone(&self.permits), Arc::clone(&self.ended));
        self.tasks.spawn(async move {
            let run = async {
                let permit = async { Ok(permits.acquire(engine.owner_of(id).await?).await) };
                match token.run_until_cancelled(permit).await {
                    Some(Ok(_permit)) => Box::pin(engine.run_audit(id, &token)).await,
                    Some(Err(error)) => Err(error),
                    None => Ok(()),
                }
            };
            let ran = AssertUnwindSafe(run).catch_unwind().await;
            drop(place);
            match ran {
                // Its next run may be due already, or others that waited.
                Ok(Ok(())) => ended.notify_one(),
                Ok(Err(error)) => could_not_run(id, &error),
                // Its lease lapses, and a sweep takes it up again.
                Err(panic) => could_not_run(id, &watcher_domain::Panic::new(panic.as_ref())),
            }
        });
    }

    fn stop(&self, id: AuditId) {
        if let Some(token) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            token.cancel();
        }
    }
}

fn could_not_run(id: AuditId, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(audit.id = %id, error, "audit {id} could not be run");
}

fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn report(result: Result<(), watcher_store::Error>, what: &'static str) {
    if let Err(error) = result {
        tracing::warn!(error = &error as &dyn std::error::Error, "{what}");
    }
}
