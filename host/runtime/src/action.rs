//! Runs action handlers.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use watcher_domain::journal::ActionPhase;
use watcher_domain::ports::{ActionCall, ActionOutcome, ActionRunner, RunError};
use watcher_domain::{Account, Digest, Limits, PluginKind};

use crate::bindings::action::exports::watcher::action::action::Readiness;
use crate::call::{Call, Outside};
use crate::describe;
use crate::handler::Handler;
use crate::output;
use crate::runtime::{Runtime, declared};
use crate::strategy::{other_kind, text};
use crate::world::Prepared;

#[async_trait]
impl ActionRunner for Runtime {
    async fn call_action(&self, call: ActionCall) -> Result<ActionOutcome, RunError> {
        let loaded = self.load_kind(call.digest, PluginKind::Action, &call.account.project).await?;
        let (limits, phase) = (call.limits, call.phase);
        let (parameters, configuration) = (text(&call.parameters), text(&call.configuration));
        let handler = Handler::new(&call, Arc::clone(&self.clock), self.ids.as_ref(), Arc::clone(&self.paces));
        let data = Call::new(loaded.label(), limits, Outside::Handler(Box::new(handler)));
        let outcome = self
            .run(&loaded, data, &call.account, move |store, loaded| {
                Box::pin(async move {
                    let Prepared::Action(pre) = &loaded.prepared else { return Err(other_kind()) };
                    let plugin = pre.instantiate_async(&mut *store).await?;
                    store.data_mut().entered = true;
                    let handler = plugin.watcher_action_action();
                    let done = |result: Result<(), _>| result.map(|()| ActionOutcome::Done);
                    Ok(match phase {
                        ActionPhase::Validate => done(handler.call_validate_parameters(store, &parameters).await?),
                        ActionPhase::PreCondition => handler
                            .call_pre_condition(store, &parameters, &configuration)
                            .await?
                            .map(|readiness| match readiness {
                                Readiness::Ready => ActionOutcome::Done,
                                Readiness::Skip(reason) => ActionOutcome::Skip(output::sentence(&reason)),
                            }),
                        ActionPhase::Execute => done(handler.call_execute(store, &parameters, &configuration).await?),
                        ActionPhase::PostCondition => {
                            done(handler.call_post_condition(store, &parameters, &configuration).await?)
                        }
                        ActionPhase::Revert => done(handler.call_revert(store, &parameters, &configuration).await?),
                        ActionPhase::Abort => {
                            let stopped = handler.call_abort(store, &parameters, &configuration).await?;
                            stopped.map(|stopped| if stopped { ActionOutcome::Done } else { ActionOutcome::NotAborted })
                        }
                    })
                })
            })
            .await?;
        declared(outcome)
    }

    async fn describe_effect(&self, digest: Digest, parameters: Map<String, Value>) -> Result<Vec<Value>, RunError> {
        let loaded = self.load_kind(digest, PluginKind::Action, &None).await?;
        let limits = Limits { output_bytes: 16 << 20, ..describe::limits() };
        let parameters = text(&parameters);
        let effects = self
            .run(
                &loaded,
                Call::new(loaded.label(), limits, Outside::Nothing),
                &Account::default(),
                move |store, loaded| {
                    Box::pin(async move {
                        let Prepared::Action(pre) = &loaded.prepared else { return Err(other_kind()) };
                        let plugin = pre.instantiate_async(&mut *store).await?;
                        store.data_mut().entered = true;
                        plugin.watcher_action_action().call_describe_effect(store, &parameters).await
                    })
                },
            )
            .await?;
        match output::effects(&declared(effects)?, &limits) {
            Ok(effects) => Ok(effects),
            Err(bad) => Err(self.refused(&loaded, bad, &Account::default()).await),
        }
    }
}
