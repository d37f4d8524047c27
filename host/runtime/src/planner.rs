//! Runs planners.

use std::sync::Arc;

use async_trait::async_trait;
use watcher_domain::ports::{PlannerRun, PlannerRunner, RunError};
use watcher_domain::report::Usage;
use watcher_domain::{PlannedAction, PluginKind, SolutionAction};

use crate::bindings::planner::watcher::strategy::strategy as wit;
use crate::call::{Call, Decision, Outside};
use crate::components::Loaded;
use crate::output;
use crate::runtime::{Runtime, aside, declared};
use crate::strategy::{other_kind, text};
use crate::world::Prepared;

/// What an action takes as text, about.
const TYPICAL_BYTES: usize = 256;

/// An action as a planner gets it: the resource beside the parameters, as the strategy gave them.
fn given(action: &SolutionAction) -> wit::SolutionAction {
    let mut parameters = action.input_parameters.clone();
    let resource_id = action.resource_id().to_owned();
    if !resource_id.is_empty() {
        parameters.shift_remove("resource_id");
    }
    wit::SolutionAction { action_type: action.action_type.clone(), resource_id, input_parameters: text(&parameters) }
}

#[async_trait]
impl PlannerRunner for Runtime {
    async fn run_planner(&self, run: PlannerRun) -> Result<Vec<PlannedAction>, RunError> {
        let loaded = self.load_kind(run.digest, PluginKind::Planner, &run.account.project).await?;
        self.planner(&loaded, &run, &mut Usage::default()).await
    }
}

impl Runtime {
    /// Runs `schedule`, and adds what it used.
    pub(crate) async fn planner(
        &self,
        loaded: &Arc<Loaded>,
        run: &PlannerRun,
        usage: &mut Usage,
    ) -> Result<Vec<PlannedAction>, RunError> {
        let limits = run.limits;
        let configuration = text(&run.configuration);
        let actions = Arc::clone(&run.actions);
        let count = actions.len();
        let actions = aside(count * TYPICAL_BYTES, move || actions.iter().map(given).collect::<Vec<_>>()).await?;
        let call = Call::new(loaded.label(), limits, Outside::Decision(Box::new(Decision::of_planner(run))));
        let planned = self
            .run_metered(loaded, call, &run.account, usage, |store, loaded| {
                Box::pin(async move {
                    let Prepared::Planner(pre) = &loaded.prepared else { return Err(other_kind()) };
                    let plugin = pre.instantiate_async(&mut *store).await?;
                    store.data_mut().entered = true;
                    plugin.watcher_planner_planner().call_schedule(store, &actions, &configuration).await
                })
            })
            .await?;
        let planned = declared(planned)?;
        match aside(output::plan_size(&planned), move || output::plan(planned, count, &limits)).await? {
            Ok(plan) => Ok(plan),
            Err(bad) => Err(self.refused(loaded, bad, &run.account).await),
        }
    }
}
