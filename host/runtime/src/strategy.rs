//! Runs strategies.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use watcher_domain::PluginKind;
use watcher_domain::ports::{RunError, StrategyOutcome, StrategyRun, StrategyRunner};
use watcher_domain::report::Usage;

use crate::call::{Call, Decision, Outside};
use crate::components::Loaded;
use crate::handler::Paces;
use crate::output;
use crate::runtime::{Runtime, aside, declared};
use crate::world::Prepared;

/// A JSON text of an object.
pub(crate) fn text(object: &Map<String, Value>) -> String {
    serde_json::to_string(object).unwrap_or_else(|_| "{}".to_owned())
}

fn call(loaded: &Loaded, run: &StrategyRun, paces: &Arc<Paces>) -> Call {
    Call::new(loaded.label(), run.limits, Outside::Decision(Box::new(Decision::of_strategy(run, Arc::clone(paces)))))
}

/// The engine's answer to a component of another kind, which `load_kind` never lets through.
pub(crate) fn other_kind() -> wasmtime::Error {
    wasmtime::Error::msg("the component is of another kind")
}

#[async_trait]
impl StrategyRunner for Runtime {
    async fn run_strategy(&self, run: StrategyRun) -> Result<StrategyOutcome, RunError> {
        let loaded = self.load_kind(run.digest, PluginKind::Strategy, &run.account.project).await?;
        self.strategy(&loaded, &run, &mut Usage::default()).await
    }
}

impl Runtime {
    /// Runs `execute`, then `global-efficacy`, and adds what they used.
    pub(crate) async fn strategy(
        &self,
        loaded: &Arc<Loaded>,
        run: &StrategyRun,
        usage: &mut Usage,
    ) -> Result<StrategyOutcome, RunError> {
        let limits = run.limits;
        let (parameters, configuration) = (text(&run.parameters), text(&run.configuration));
        let decided = self
            .run_metered(loaded, call(loaded, run, &self.paces), &run.account, usage, |store, loaded| {
                Box::pin(async move {
                    let Prepared::Strategy(pre) = &loaded.prepared else { return Err(other_kind()) };
                    let plugin = pre.instantiate_async(&mut *store).await?;
                    store.data_mut().entered = true;
                    plugin.watcher_strategy_strategy().call_execute(store, &parameters, &configuration).await
                })
            })
            .await?;
        let decided = declared(decided)?;
        let solution = match aside(output::size(&decided), move || output::solution(decided, &limits)).await? {
            Ok(solution) => solution,
            Err(bad) => return Err(self.refused(loaded, bad, &run.account).await),
        };
        let indicators = solution.efficacy_indicators.clone();
        let sums = self
            .run_metered(loaded, call(loaded, run, &self.paces), &run.account, usage, |store, loaded| {
                Box::pin(async move {
                    let Prepared::Strategy(pre) = &loaded.prepared else { return Err(other_kind()) };
                    let plugin = pre.instantiate_async(&mut *store).await?;
                    store.data_mut().entered = true;
                    plugin.watcher_strategy_strategy().call_global_efficacy(store, &indicators).await
                })
            })
            .await?;
        match output::global_efficacy(declared(sums)?, &limits) {
            Ok(global_efficacy) => Ok(StrategyOutcome { solution, global_efficacy }),
            Err(bad) => Err(self.refused(loaded, bad, &run.account).await),
        }
    }
}
