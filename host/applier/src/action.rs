//! One action, from PENDING to its end: validate, pre-condition, execute, post-condition, and revert of what failed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use watcher_bus::Event;
use watcher_domain::cloud::{GrantedVersion, Permission};
use watcher_domain::failure::wait_before_retry;
use watcher_domain::journal::{ActionPhase, JournalError};
use watcher_domain::plugin::{ActionSpecifics, Specifics};
use watcher_domain::ports::{ActionCall, ActionOutcome, RunError};
use watcher_domain::schema::Schema;
use watcher_domain::{Account, Action, ActionEvent, ActionState, InvalidTransition, Limits, PluginId};
use watcher_fair::aside;
use watcher_store::{action, plugin};

use crate::Applier;
use crate::journal::StoreJournal;
use crate::plan::Claimed;

/// Why the walk of a plan cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// The plan is not ours any more.
    #[error("the action plan was taken over by another applier")]
    Fenced,
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] watcher_store::Error),
    /// A state machine was asked for the impossible: a row changed under us.
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
}

/// An action with what its handler needs.
struct Prepared {
    action: Action,
    parameters: Map<String, Value>,
    configuration: Map<String, Value>,
    permission: Permission,
    limits: Limits,
    account: Account,
    term: i64,
}

/// What handles actions of one type in a plan that runs.
pub(crate) struct Handler {
    pub(crate) plugin: PluginId,
    /// Read once for all actions, or why they cannot be.
    schemas: OnceCell<Arc<Result<Schemas, String>>>,
}

impl Handler {
    /// The component as a version of this plugin.
    pub(crate) fn new(plugin: PluginId) -> Self {
        Self { plugin, schemas: OnceCell::new() }
    }
}

/// What a handler's parameters and configuration are held against.
struct Schemas {
    parameters: Schema,
    /// With defaults.
    configuration: Map<String, Value>,
}

impl Schemas {
    fn read(
        parameters: &Value,
        configuration: &Value,
        given: Map<String, Value>,
        action_type: &str,
    ) -> Result<Self, String> {
        let parameters = Schema::new(parameters).map_err(|error| error.to_string())?;
        let configuration = Schema::new(configuration)
            .map_err(|error| error.to_string())?
            .complete(given)
            .map_err(|misfit| format!("configuration of {action_type}: {misfit}"))?;
        Ok(Self { parameters, configuration })
    }
}

/// How an execution ended.
enum Executed {
    Done,
    Failed { phase: &'static str, reason: String },
    Aborted,
}

/// Waits; whether nobody stopped that.
async fn wait(time: Duration, stop: Option<&CancellationToken>) -> bool {
    let waited = tokio::time::sleep(time);
    if let Some(stop) = stop {
        return stop.run_until_cancelled(waited).await.is_some();
    }
    waited.await;
    true
}

impl Applier {
    /// Takes one action to its end and returns the state it ended in. `handler` handles it; `stop` asks it not to begin, or to abort.
    #[tracing::instrument(name = "action.run", skip_all, fields(action.id = %action.id, action.type = action.action_type))]
    pub(crate) async fn run_action(
        &self,
        action: &Action,
        handler: Option<&Handler>,
        claimed: &Claimed,
        stop: &CancellationToken,
    ) -> Result<ActionState, Interrupted> {
        if stop.is_cancelled() {
            return self.end(action, ActionState::Pending, ActionEvent::Cancel, None).await;
        }
        let prepared = match self.prepare(action, handler, claimed).await? {
            Ok(prepared) => prepared,
            Err(reason) => return self.fail(action, ActionState::Pending, "validation", &reason).await,
        };
        for (phase, name) in [(ActionPhase::Validate, "validation"), (ActionPhase::PreCondition, "pre_condition")] {
            match self.call(&prepared, phase, Some(stop)).await? {
                Ok(ActionOutcome::Done | ActionOutcome::NotAborted) => {}
                Ok(ActionOutcome::Skip(reason)) => {
                    let message = format!("Action was skipped automatically: {reason}");
                    return self.end(action, ActionState::Pending, ActionEvent::Skip, Some(&message)).await;
                }
                Err(reason) => return self.fail(action, ActionState::Pending, name, &reason).await,
            }
        }
        let state = self.end(action, ActionState::Pending, ActionEvent::Start, None).await?;
        if state != ActionState::Ongoing {
            return Ok(state);
        }
        match self.execute(&prepared, stop).await? {
            Executed::Done => self.end_running(action, stop, ActionEvent::Finish, None).await,
            Executed::Aborted => self.end_running(action, stop, ActionEvent::Cancel, None).await,
            Executed::Failed { phase, reason } => {
                let reverted = match self.call(&prepared, ActionPhase::Revert, None).await? {
                    Ok(_) => "the resource was brought back to where it was".to_owned(),
                    Err(error) => format!("bringing the resource back failed too: {error}"),
                };
                let message = format!("Action failed in {phase}: {reason}; {reverted}");
                self.end_running(action, stop, ActionEvent::Fail, Some(&message)).await
            }
        }
    }

    /// Finds the handler that the plan was made with, what the plan's project lets it ask of the cloud, and checks the parameters against its
    /// schema.
    async fn prepare(
        &self,
        action: &Action,
        handler: Option<&Handler>,
        claimed: &Claimed,
    ) -> Result<Result<Prepared, String>, Interrupted> {
        let project = claimed.plan.project_id.as_ref();
        let mut tx = self.store.read().await?;
        // Several plugins can have one component, and each was let do something of its own. One that was deactivated since the plan began goes on.
        let version = match handler {
            Some(handler) => plugin::version_of(&mut tx, handler.plugin, action.digest).await?,
            None => None,
        };
        let (Some(handler), Some(version)) = (handler, version) else {
            return Ok(Err(format!("the handler {} of {} is not installed", action.digest, action.action_type)));
        };
        let granted = match (&version.project_id, project) {
            (Some(_), Some(project)) => {
                plugin::grant_of(&mut tx, version.plugin_id, project).await?.map(|(grant, _)| grant)
            }
            (Some(_), None) | (None, _) => None,
        };
        let limits = match project {
            Some(project) => self.options.limits.with(&plugin::limits(&mut tx, project).await?),
            None => self.options.limits,
        };
        drop(tx);
        if version.project_id.is_some()
            && let Err(error) = self.guard.may_run(project, version.digest).await
        {
            return Ok(Err(format!("the handler of {} may not be run: {error}", action.action_type)));
        }
        let Specifics::Action(ActionSpecifics { parameters_schema, requests }) = &version.description.specifics else {
            return Ok(Err(format!("plugin {} is not an action handler", action.digest)));
        };
        let given = version.configured_as().and_then(|name| self.options.configuration.get(name));
        let given = given.cloned().unwrap_or_default();
        let schemas = (parameters_schema.clone(), version.description.configuration_schema.clone(), given);
        let action_type = action.action_type.clone();
        let read = || aside(move || Arc::new(Schemas::read(&schemas.0, &schemas.1, schemas.2, &action_type)));
        let schemas = Arc::clone(handler.schemas.get_or_init(read).await);
        let given = action.input_parameters.clone();
        let completed = aside(move || {
            let Schemas { parameters, configuration } = schemas.as_ref().as_ref().map_err(Clone::clone)?;
            let parameters = parameters.complete_loosely(given).map_err(|misfit| misfit.to_string())?;
            Ok((parameters, configuration.clone()))
        })
        .await;
        Ok(completed.map(|(parameters, configuration)| Prepared {
            action: action.clone(),
            parameters,
            configuration,
            permission: if version.project_id.is_none() {
                Permission::built_in(requests.clone())
            } else {
                let this = GrantedVersion { version: version.description.version.clone(), digest: version.digest };
                Permission::granted(requests.clone(), granted, this)
            },
            limits: limits.action,
            account: limits.account(project.cloned()),
            term: claimed.term,
        }))
    }

    /// Calls one export, and again as long as its failure says that it may work later and none of its requests can have changed anything. The inner
    /// error is a reason for the user; the outer one ends the walk. Nothing is tried again after `stop`.
    async fn call(
        &self,
        prepared: &Prepared,
        phase: ActionPhase,
        stop: Option<&CancellationToken>,
    ) -> Result<Result<ActionOutcome, String>, Interrupted> {
        let id = prepared.action.id;
        let mut tries = 1;
        loop {
            let journal = Arc::new(self.journal(prepared, phase));
            let outcome = self.handlers.call_action(self.action_call(prepared, phase, Arc::clone(&journal))).await;
            let error = match outcome {
                Ok(outcome) => return Ok(Ok(outcome)),
                Err(RunError::Journal(JournalError::Fenced)) => return Err(Interrupted::Fenced),
                Err(error) => error,
            };
            tracing::warn!(
                action.id = %id,
                phase = phase.as_str(),
                blame = ?error.fault(),
                error = &error as &dyn std::error::Error,
                "action {id} failed in {phase}"
            );
            let is_last = !error.is_retryable() || tries > self.options.retries || journal.may_have_changed_something();
            if is_last || !wait(wait_before_retry(self.options.retry_wait, tries), stop).await {
                return Ok(Err(if tries > 1 {
                    format!("{error}; it was tried {tries} times")
                } else {
                    error.to_string()
                }));
            }
            journal.forget().await?;
            tries += 1;
        }
    }

    fn journal(&self, prepared: &Prepared, phase: ActionPhase) -> StoreJournal {
        StoreJournal::new(self.store.clone(), Arc::clone(&self.clock), prepared.action.id, phase, prepared.term)
    }

    fn action_call(&self, prepared: &Prepared, phase: ActionPhase, journal: Arc<StoreJournal>) -> ActionCall {
        ActionCall {
            digest: prepared.action.digest,
            phase,
            parameters: prepared.parameters.clone(),
            configuration: prepared.configuration.clone(),
            permission: prepared.permission.clone(),
            cloud: Arc::clone(&self.cloud),
            journal,
            limits: prepared.limits,
            account: prepared.account.clone(),
        }
    }

    /// Executes and looks at the effect. When the plan is stopped meanwhile, `abort` runs beside `execute`: if it stops the action, the
    /// execution is dropped; if not, the execution goes on to its own end.
    async fn execute(&self, prepared: &Prepared, stop: &CancellationToken) -> Result<Executed, Interrupted> {
        let execute = self.call(prepared, ActionPhase::Execute, Some(stop));
        // Polled beside the execution from its first step on: an execution that holds the one write connection of SQLite must go on.
        let mut abort = Box::pin(async {
            stop.cancelled().await;
            self.end(&prepared.action, ActionState::Ongoing, ActionEvent::Abort, None).await?;
            self.call(prepared, ActionPhase::Abort, None).await
        });
        tokio::pin!(execute);
        let executed = tokio::select! {
            executed = &mut execute => {
                let executed = executed?;
                // An execution that is being aborted may notice first that its work was stopped.
                if executed.is_err() && stop.is_cancelled() && matches!(abort.as_mut().await?, Ok(ActionOutcome::Done)) {
                    return Ok(Executed::Aborted);
                }
                executed
            }
            aborted = &mut abort => match aborted? {
                Ok(ActionOutcome::Done) => return Ok(Executed::Aborted),
                Ok(ActionOutcome::NotAborted | ActionOutcome::Skip(_)) | Err(_) => execute.await?,
            },
        };
        // Whoever is not polled any more must not hold what others wait for: the one write connection of SQLite, for one.
        drop(abort);
        if let Err(reason) = executed {
            return Ok(Executed::Failed { phase: "execute", reason });
        }
        match self.call(prepared, ActionPhase::PostCondition, Some(stop)).await? {
            Ok(_) => Ok(Executed::Done),
            Err(reason) => Ok(Executed::Failed { phase: "post_condition", reason }),
        }
    }

    async fn fail(
        &self,
        action: &Action,
        from: ActionState,
        phase: &str,
        reason: &str,
    ) -> Result<ActionState, Interrupted> {
        let message = format!("Action failed in {phase}: {reason}");
        self.end(action, from, ActionEvent::Fail, Some(&message)).await
    }

    /// Ends an action whose handler ran: it is ONGOING, or CANCELLING if the plan was stopped meanwhile.
    async fn end_running(
        &self,
        action: &Action,
        stop: &CancellationToken,
        event: ActionEvent,
        message: Option<&str>,
    ) -> Result<ActionState, Interrupted> {
        if stop.is_cancelled() {
            let state = self.end(action, ActionState::Cancelling, event, message).await?;
            if state.is_ended() {
                return Ok(state);
            }
        }
        self.end(action, ActionState::Ongoing, event, message).await
    }

    /// Moves an action by compare-and-swap and tells it. If its row is not in `from` any more, somebody else moved it: what they made
    /// of it is returned.
    async fn end(
        &self,
        action: &Action,
        from: ActionState,
        event: ActionEvent,
        message: Option<&str>,
    ) -> Result<ActionState, Interrupted> {
        let to = from.after(event)?;
        let mut tx = self.store.begin().await?;
        if action::transition(&mut tx, action.id, from, to, message, self.clock.now()).await? {
            tx.commit().await?;
            let (action_id, action_plan_id) = (action.id, action.action_plan_id);
            tracing::info!(action.id = %action_id, state = to.as_str(), "action {action_id} is {to}");
            self.bus.publish(Event::Action { action_id, action_plan_id, old: from, state: to });
            return Ok(to);
        }
        let found = action::get(&mut tx, action.id).await?;
        Ok(found.map_or(ActionState::Deleted, |found| found.value.state))
    }
}
