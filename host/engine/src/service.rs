//! Finds audits to run: by message, and by sweep for messages that were lost. Both lead to the same function.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watcher_bus::{Control, Received, Role, Work};
use watcher_domain::AuditId;
use watcher_fair::{Debts, FairPermits, Owner, Permit, Place, Places, Rates};

use crate::Engine;

/// How many audits wait or run here at once; others are left in the database.
const MOST_WAITING: usize = 1000;
/// How many of those are of one project.
const MOST_OF_PROJECT: usize = 100;
/// Later than anything waits for.
const FAR: Duration = Duration::from_hours(24);

/// The audits that wait or run here, and what stops each.
type Running = Places<AuditId, CancellationToken>;

/// A decision engine at work.
pub struct Service {
    engine: Arc<Engine>,
    permits: Arc<FairPermits>,
    /// Runs that failed by the fault of their plugin.
    failures: Arc<Rates>,
    /// What runs stored.
    stored: Arc<Debts>,
    running: Arc<Running>,
    ended: Arc<Notify>,
    tasks: TaskTracker,
}

impl Service {
    /// A service over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        let options = &engine.options;
        let permits = FairPermits::new(options.max_audit_workers, options.max_project_audit_workers);
        let running = Places::new(MOST_WAITING, MOST_OF_PROJECT);
        let (failures, stored) = <(Arc<Rates>, Arc<Debts>)>::default();
        Self { engine, permits, failures, stored, running, ended: Arc::default(), tasks: TaskTracker::new() }
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
                () = self.running.freed() => next_look = self.look(&shutdown).await,
                _ = beats.tick() => report(self.engine.beat().await, "a sign of life could not be given"),
                _ = checks.tick() => {
                    report(self.engine.supersede_old_plans().await.map(drop), "old action plans could not be superseded");
                    report(self.engine.drop_recordings().await.map(drop), "old recordings could not be dropped");
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
        let Some(place) = self.running.enter(id, token.clone()) else { return };
        let turns = Turns {
            engine: Arc::clone(&self.engine),
            permits: Arc::clone(&self.permits),
            failures: Arc::clone(&self.failures),
            stored: Arc::clone(&self.stored),
        };
        let ended = Arc::clone(&self.ended);
        self.tasks.spawn(async move {
            match AssertUnwindSafe(turns.run(id, place, &token)).catch_unwind().await {
                // Its next run may be due already.
                Ok(Ok(true)) => ended.notify_one(),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => could_not_run(id, &error),
                // Its lease lapses, and a sweep takes it up again.
                Err(panic) => could_not_run(id, &watcher_domain::Panic::new(panic.as_ref())),
            }
        });
    }

    fn stop(&self, id: AuditId) {
        if let Some(token) = self.running.stop_of(&id) {
            token.cancel();
        }
    }
}

/// Whose turn it is to run an audit.
struct Turns {
    engine: Arc<Engine>,
    permits: Arc<FairPermits>,
    failures: Arc<Rates>,
    stored: Arc<Debts>,
}

impl Turns {
    /// Waits for the audit's turn and runs it; whether to look what is due when it has ended.
    async fn run(
        &self,
        id: AuditId,
        place: Place<AuditId, CancellationToken>,
        token: &CancellationToken,
    ) -> Result<bool, watcher_store::Error> {
        let turn = async {
            let owner = self.engine.owner_of(id).await?;
            let Some(place) = place.of(owner.clone()) else { return Ok::<_, watcher_store::Error>(None) };
            Ok(Some((self.permit(&owner).await, owner, place)))
        };
        let Some(turn) = token.run_until_cancelled(turn).await else { return Ok(false) };
        let Some((_permit, owner, _place)) = turn? else { return Ok(false) };
        let ran = Box::pin(self.engine.run_audit(id, token)).await?;
        self.stored.charge(&owner, ran.stored.bytes, ran.stored.per_hour, Instant::now());
        if ran.failed_by_plugin {
            let now = Instant::now();
            // However far ahead: it is how long the next ones wait.
            self.failures.turn(&owner, self.engine.options.plugin_failures_per_minute, now, now + FAR);
        }
        Ok(ran.is_continuous)
    }

    /// A permit for a project whose plugins did not fail too often of late, and whose audits did not store too much: others are not held up by runs that
    /// fail at once, again and again, and have room left in the database.
    async fn permit(&self, owner: &Owner) -> Permit {
        loop {
            let permit = self.permits.acquire(owner.clone()).await;
            let now = Instant::now();
            let failures = self.failures.next(owner, self.engine.options.plugin_failures_per_minute, now);
            let next = failures.unwrap_or(now).max(self.stored.next(owner, now));
            if next <= now {
                return permit;
            }
            drop(permit);
            tracing::debug!(
                project.id = owner.as_ref().map(|project| project.0.as_str()),
                "an audit waits for {} s: its project's plugins failed too often, or its audits stored too much",
                (next - now).as_secs()
            );
            tokio::time::sleep_until(next).await;
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
