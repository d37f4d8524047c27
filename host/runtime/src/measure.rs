//! Runs that say what they used, for whoever compares plugins or versions of one.

use watcher_domain::PluginKind;
use watcher_domain::ports::{PlannerRun, RunError, StrategyOutcome, StrategyRun};
use watcher_domain::report::Usage;
use watcher_domain::solution::PlannedAction;

use crate::runtime::Runtime;

impl Runtime {
    /// As [`StrategyRunner::run_strategy`](watcher_domain::ports::StrategyRunner::run_strategy), with what both calls used together.
    pub async fn measure_strategy(&self, run: StrategyRun) -> Result<(StrategyOutcome, Usage), RunError> {
        let loaded = self.load_kind(run.digest, PluginKind::Strategy, &run.account.project).await?;
        let mut usage = Usage::default();
        let outcome = self.strategy(&loaded, &run, &mut usage).await?;
        Ok((outcome, usage))
    }

    /// As [`PlannerRunner::run_planner`](watcher_domain::ports::PlannerRunner::run_planner), with what the call used.
    pub async fn measure_planner(&self, run: PlannerRun) -> Result<(Vec<PlannedAction>, Usage), RunError> {
        let loaded = self.load_kind(run.digest, PluginKind::Planner, &run.account.project).await?;
        let mut usage = Usage::default();
        let plan = self.planner(&loaded, &run, &mut usage).await?;
        Ok((plan, usage))
    }
}
