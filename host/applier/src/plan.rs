//! One action plan: claim it, walk its graph, end it.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;
use watcher_bus::Event;
use watcher_domain::{
    Action, ActionPlan, ActionPlanEvent, ActionPlanId, ActionPlanState, ActionState, Digest, InvalidTransition, Panic,
    ProjectId, Timestamp,
};
use watcher_fair::chore;
use watcher_store::{Lease, Tx, Visibility, action, action_plan, journal, plugin, strategy};

use crate::Applier;
use crate::action::{Handler, Interrupted};
use crate::graph::{ExecutionRule, Graph, InvalidGraph};

/// Why a plan could not be carried out as a whole; what a single action did wrong is in its own row.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Its actions do not form a graph.
    #[error("the action plan is inconsistent: {0}")]
    Graph(#[from] InvalidGraph),
    /// A handler that it needs may not be run.
    #[error(
        "the handler of {action_type} may not be run: it was deactivated or deleted, or is not shared with this project any more"
    )]
    Refused {
        /// The type of action.
        action_type: String,
    },
    /// It was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The service has a bug.
    #[error("the applier crashed while it carried out the action plan, and its log says why")]
    Crashed(#[source] Panic),
}

impl From<watcher_store::Error> for PlanError {
    fn from(error: watcher_store::Error) -> Self {
        Self::Interrupted(Interrupted::Store(error))
    }
}

impl From<InvalidTransition> for PlanError {
    fn from(error: InvalidTransition) -> Self {
        Self::Interrupted(Interrupted::Transition(error))
    }
}

/// A plan that this applier may work on, under a term of its lease.
pub(crate) struct Claimed {
    pub(crate) plan: ActionPlan,
    pub(crate) term: i64,
}

/// The plugins that the handlers of a plan are run through, by their digests.
pub(crate) type Handlers = HashMap<Digest, Handler>;

/// How the actions of a plan ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    succeeded: usize,
    failed: usize,
    skipped: usize,
    cancelled: usize,
}

impl Tally {
    const fn count(&mut self, state: ActionState) {
        match state {
            ActionState::Succeeded => self.succeeded += 1,
            ActionState::Failed => self.failed += 1,
            ActionState::Skipped => self.skipped += 1,
            ActionState::Cancelled | ActionState::Deleted => self.cancelled += 1,
            ActionState::Pending | ActionState::Ongoing | ActionState::Cancelling => {}
        }
    }

    /// What the plan's status message says, if there is something to say.
    fn message(&self) -> Option<String> {
        match (self.failed, self.skipped) {
            (0, 0) => None,
            (0, _) => Some("One or more actions were skipped.".to_owned()),
            (1, _) => {
                Some(format!("1 action failed, {} succeeded, {} were not started", self.succeeded, self.cancelled))
            }
            (failed, _) => Some(format!(
                "{failed} actions failed, {} succeeded, {} were not started",
                self.succeeded, self.cancelled
            )),
        }
    }
}

/// Finds the plugins that the handlers of a plan are run through, and refuses a plan whose handlers its project may not run now. Asked once, when it
/// begins: a plan that runs is not held up by what is deactivated meanwhile, nor run through another plugin that has the same component.
async fn find_handlers(tx: &mut Tx, plan: &ActionPlan, actions: &[Action]) -> Result<Handlers, PlanError> {
    let visible = Visibility::of(plan.project_id.as_ref());
    let mut handlers = Handlers::new();
    for action in actions.iter().filter(|action| !action.state.is_ended()) {
        let digest = action.digest;
        if handlers.contains_key(&digest) {
            continue;
        }
        let Some(nearest) = plugin::runnable(tx, digest, &visible).await? else {
            return Err(PlanError::Refused { action_type: action.action_type.clone() });
        };
        handlers.insert(digest, Handler::new(nearest.plugin_id));
    }
    Ok(handlers)
}

/// Ends the actions of a plan that nobody carries out any more. Nobody knows what came of those that ran, so they are FAILED and not run
/// again; what has not started is CANCELLED.
async fn end_actions(
    tx: &mut Tx,
    plan: ActionPlanId,
    reason: &str,
    now: Timestamp,
) -> Result<(), watcher_store::Error> {
    let lost = format!("{reason}; nobody knows what came of this action: look at its resource");
    for action in action::list_of_plan(tx, plan).await? {
        match action.state {
            ActionState::Ongoing | ActionState::Cancelling => {
                action::transition(tx, action.id, action.state, ActionState::Failed, Some(&lost), now).await?;
            }
            ActionState::Pending
            | ActionState::Succeeded
            | ActionState::Failed
            | ActionState::Cancelled
            | ActionState::Skipped
            | ActionState::Deleted => {}
        }
    }
    action::cancel_pending_of_plan(tx, plan, now).await?;
    journal::forget_plan(tx, plan).await
}

impl Applier {
    /// Carries out a plan, if it is PENDING and nobody else takes it first. `stop` is for a plan that somebody cancels; on `shutdown` it is
    /// dropped where it is, and left to whoever buries it.
    #[tracing::instrument(name = "action_plan.run", skip_all, fields(action_plan.id = %id))]
    pub async fn run_plan(
        &self,
        id: ActionPlanId,
        stop: CancellationToken,
        shutdown: &CancellationToken,
    ) -> Result<(), watcher_store::Error> {
        let Some(claimed) = self.claim(id).await? else { return Ok(()) };
        let walk = AssertUnwindSafe(Box::pin(self.walk(&claimed, &stop))).catch_unwind();
        let walk =
            walk.map(|walked| walked.unwrap_or_else(|panic| Err(PlanError::Crashed(Panic::new(panic.as_ref())))));
        let Some(walked) = shutdown.run_until_cancelled(Box::pin(self.hold(&claimed, &stop, walk))).await else {
            return self.abandon(&claimed).await;
        };
        match walked {
            Some(Ok(tally)) => self.finish(&claimed, tally).await,
            Some(Err(PlanError::Interrupted(Interrupted::Fenced))) | None => {
                tracing::warn!(action_plan.id = %id, "action plan {id} was taken over by another applier");
                Ok(())
            }
            Some(Err(error)) => self.give_up(&claimed, &error).await,
        }
    }

    /// The project whose plan it is.
    pub(crate) async fn owner_of(&self, id: ActionPlanId) -> Result<Option<ProjectId>, watcher_store::Error> {
        let mut tx = self.store.read().await?;
        Ok(action_plan::get(&mut tx, id).await?.and_then(|plan| plan.value.project_id))
    }

    /// Whether it has many actions.
    pub(crate) async fn is_large(&self, id: ActionPlanId) -> Result<bool, watcher_store::Error> {
        let mut tx = self.store.read().await?;
        action::has_many(&mut tx, id).await
    }

    /// Lets the lease lapse at once, so that nobody waits for its end.
    async fn abandon(&self, claimed: &Claimed) -> Result<(), watcher_store::Error> {
        let mut tx = self.store.begin().await?;
        action_plan::abandon(&mut tx, claimed.plan.id, claimed.term).await?;
        tx.commit().await
    }

    async fn claim(&self, id: ActionPlanId) -> Result<Option<Claimed>, watcher_store::Error> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let lease = Lease {
            owner: self.worker,
            hostname: self.options.hostname.clone(),
            until: now + self.options.lease,
            term: 0,
        };
        let Some(term) = action_plan::claim(&mut tx, id, &lease, now).await? else { return Ok(None) };
        let Some(plan) = action_plan::get(&mut tx, id).await? else { return Ok(None) };
        tx.commit().await?;
        self.plan_event(id, ActionPlanState::Pending, ActionPlanState::Ongoing);
        Ok(Some(Claimed { plan: plan.value, term }))
    }

    /// Keeps the lease while the plan is walked, and notices a cancellation whose message was lost. `None`: the plan is lost.
    async fn hold<T>(&self, claimed: &Claimed, stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
        // Both are polled side by side: work that holds the one write connection of SQLite must go on while the renewal waits for it.
        let lost = async {
            let mut ticks = tokio::time::interval(self.options.lease / 3);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            ticks.tick().await;
            loop {
                ticks.tick().await;
                match self.renew(claimed).await {
                    Ok(Some(ActionPlanState::Cancelling)) => stop.cancel(),
                    Ok(Some(_)) => {}
                    Ok(None) => return,
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "a lease could not be renewed");
                    }
                }
            }
        };
        tokio::select! {
            result = work => Some(result),
            () = lost => None,
        }
    }

    async fn renew(&self, claimed: &Claimed) -> Result<Option<ActionPlanState>, watcher_store::Error> {
        let mut tx = self.store.begin().await?;
        let until: Timestamp = self.clock.now() + self.options.lease;
        let held = action_plan::renew(&mut tx, claimed.plan.id, claimed.term, until).await?;
        let state = action_plan::get(&mut tx, claimed.plan.id).await?.map(|plan| plan.value.state);
        tx.commit().await?;
        Ok(state.filter(|_| held))
    }

    /// Starts actions as the graph allows, several at once, until all have ended.
    async fn walk(&self, claimed: &Claimed, stop: &CancellationToken) -> Result<Tally, PlanError> {
        let mut tx = self.store.read().await?;
        let actions = action::list_of_plan(&mut tx, claimed.plan.id).await?;
        let strategy = strategy::get(&mut tx, claimed.plan.strategy_id).await?;
        let handlers = find_handlers(&mut tx, &claimed.plan, &actions).await?;
        drop(tx);
        let mut tx = self.store.begin().await?;
        for (digest, handler) in &handlers {
            plugin::run_through(&mut tx, claimed.plan.id, *digest, handler.plugin).await?;
        }
        tx.commit().await?;
        let rule = strategy
            .and_then(|strategy| self.options.action_execution_rule.get(&strategy.value.name).copied())
            .unwrap_or_default();
        // A plan may have millions of edges.
        let built = chore(move || (Graph::new(&actions), actions)).await;
        let (graph, actions) = built.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()));
        let mut graph = graph?;
        let mut tally = Tally::default();
        for action in &actions {
            tally.count(action.state);
        }
        // Children of `stop`: a failed action ends the start of new ones without aborting those that run.
        let halt = stop.child_token();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.options.max_workers.max(1) {
                let Some(next) = graph.start() else { break };
                let (action, stop) = (&actions[next], if halt.is_cancelled() { &halt } else { stop });
                let handler = handlers.get(&action.digest);
                running.push(async move { (next, self.run_action(action, handler, claimed, stop).await) });
            }
            let Some((ended, state)) = running.next().await else { break };
            let state = state?;
            tally.count(state);
            graph.end(ended);
            if state == ActionState::Failed && rule == ExecutionRule::Any {
                halt.cancel();
            }
        }
        drop(running);
        drop(chore(move || drop((graph, actions))));
        Ok(tally)
    }

    async fn finish(&self, claimed: &Claimed, tally: Tally) -> Result<(), watcher_store::Error> {
        let id = claimed.plan.id;
        let mut tx = self.store.begin().await?;
        let Some(found) = action_plan::get(&mut tx, id).await? else { return Ok(()) };
        let from = found.value.state;
        let event = match (tally.failed, from) {
            (_, ActionPlanState::Cancelling) => ActionPlanEvent::FinishCancel,
            (0, _) => ActionPlanEvent::Finish,
            (_, _) => ActionPlanEvent::Fail,
        };
        let Ok(to) = from.after(event) else {
            tracing::warn!(action_plan.id = %id, state = from.as_str(), "action plan {id} was moved while it ran");
            return Ok(());
        };
        // Who stopped the plan may have said why.
        let reason = found.value.status_message.filter(|_| from == ActionPlanState::Cancelling);
        let message = reason.or_else(|| tally.message());
        if action_plan::finish(&mut tx, id, claimed.term, to, message.as_deref(), self.clock.now()).await? {
            tx.commit().await?;
            tracing::info!(action_plan.id = %id, state = to.as_str(), "action plan {id} is {to}");
            self.plan_event(id, from, to);
        }
        Ok(())
    }

    /// Ends a plan whose walk broke off, and the plan says why.
    async fn give_up(&self, claimed: &Claimed, error: &PlanError) -> Result<(), watcher_store::Error> {
        let id = claimed.plan.id;
        tracing::error!(action_plan.id = %id, error = error as &dyn std::error::Error, "action plan {id} failed");
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let message = error.to_string();
        end_actions(&mut tx, id, &message, now).await?;
        if action_plan::finish(&mut tx, id, claimed.term, ActionPlanState::Failed, Some(&message), now).await? {
            tx.commit().await?;
            self.plan_event(id, ActionPlanState::Ongoing, ActionPlanState::Failed);
        }
        Ok(())
    }

    /// Ends a plan whose applier is gone.
    pub(crate) async fn bury(&self, id: ActionPlanId) -> Result<(), watcher_store::Error> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let Some(plan) = action_plan::get(&mut tx, id).await? else { return Ok(()) };
        let Ok(to) = plan.value.state.after(ActionPlanEvent::Fail) else { return Ok(()) };
        let host = plan.value.hostname.as_deref().unwrap_or("unknown");
        let reason = format!("the applier on host {host} stopped while it carried out the action plan");
        let from = plan.value.state;
        if !action_plan::transition(&mut tx, id, from, to, now).await? {
            return Ok(());
        }
        action_plan::set_status_message(&mut tx, id, &reason, now).await?;
        end_actions(&mut tx, id, &reason, now).await?;
        tx.commit().await?;
        tracing::error!(action_plan.id = %id, "action plan {id} failed: {reason}");
        self.plan_event(id, from, to);
        Ok(())
    }

    fn plan_event(&self, action_plan_id: ActionPlanId, old: ActionPlanState, state: ActionPlanState) {
        self.bus.publish(Event::ActionPlan { action_plan_id, old: Some(old), state });
    }
}
