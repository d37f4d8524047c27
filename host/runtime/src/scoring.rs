//! Runs scoring engines.

use std::sync::Arc;

use async_trait::async_trait;
use watcher_domain::PluginKind;
use watcher_domain::ports::{RunError, ScoringRun, ScoringRunner};
use watcher_domain::report::Usage;

use crate::call::{Call, Decision, Outside};
use crate::components::Loaded;
use crate::output;
use crate::runtime::{Runtime, aside, declared};
use crate::strategy::{other_kind, text};
use crate::world::Prepared;

#[async_trait]
impl ScoringRunner for Runtime {
    async fn run_scoring(&self, run: ScoringRun) -> Result<Vec<String>, RunError> {
        let loaded = self.load_kind(run.digest, PluginKind::ScoringEngine, &run.account.project).await?;
        self.scoring(&loaded, &run, &mut Usage::default()).await
    }
}

impl Runtime {
    /// Runs `calculate-scores`, and adds what it used.
    pub(crate) async fn scoring(
        &self,
        loaded: &Arc<Loaded>,
        run: &ScoringRun,
        usage: &mut Usage,
    ) -> Result<Vec<String>, RunError> {
        let limits = run.limits;
        let call = Call::new(loaded.label(), limits, Outside::Decision(Box::new(Decision::of_scoring(run))));
        let (features, configuration) = (run.features.clone(), text(&run.configuration));
        let count = features.len();
        let scores = self
            .run_metered(loaded, call, &run.account, usage, |store, loaded| {
                Box::pin(async move {
                    let Prepared::ScoringEngine(pre) = &loaded.prepared else { return Err(other_kind()) };
                    let plugin = pre.instantiate_async(&mut *store).await?;
                    store.data_mut().entered = true;
                    let engine = plugin.watcher_scoring_engine_scoring_engine();
                    engine.call_calculate_scores(store, &features, &configuration).await
                })
            })
            .await?;
        let scores = declared(scores)?;
        let bytes = scores.iter().map(String::len).sum();
        match aside(bytes, move || output::scores(scores, count, &limits)).await? {
            Ok(scores) => Ok(scores),
            Err(bad) => Err(self.refused(loaded, bad, &run.account).await),
        }
    }
}
