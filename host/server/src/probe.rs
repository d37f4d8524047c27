//! What the API asks of the decision engine while a client waits, answered in the same process.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use tokio::sync::Mutex;
use watcher_api::{Probe, ProbeError, Requirements};
use watcher_cluster::{AuditScope, ComputeModel};
use watcher_domain::plugin::Specifics;
use watcher_domain::ports::{Collector, Datasource, Snapshot};
use watcher_domain::{Clock, Strategy};
use watcher_store::{Store, plugin};

/// How long one collected model answers for, so that many who look at once cost the cloud one collection.
const FRESH: TimeDelta = TimeDelta::seconds(5);

/// The decision engine of this process.
pub struct EngineProbe {
    store: Store,
    collector: Arc<dyn Collector>,
    datasource: Arc<dyn Datasource>,
    clock: Arc<dyn Clock>,
    /// The last model; held while another is collected.
    last: Mutex<Option<Arc<Snapshot>>>,
}

impl EngineProbe {
    /// A probe that has collected nothing yet.
    pub fn new(
        store: Store,
        collector: Arc<dyn Collector>,
        datasource: Arc<dyn Datasource>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, collector, datasource, clock, last: Mutex::default() }
    }

    /// The whole cluster, at most [`FRESH`] old.
    async fn snapshot(&self) -> Result<Arc<Snapshot>, ProbeError> {
        let mut last = self.last.lock().await;
        if let Some(snapshot) = last.as_ref().filter(|snapshot| self.clock.now() - snapshot.as_of <= FRESH) {
            return Ok(Arc::clone(snapshot));
        }
        let collected = self.collector.collect(&AuditScope::default()).await;
        let snapshot = Arc::new(collected.map_err(|error| ProbeError(error.to_string()))?);
        *last = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }
}

#[async_trait]
impl Probe for EngineProbe {
    async fn requirements(&self, strategy: &Strategy) -> Result<Requirements, ProbeError> {
        let failed = |error: watcher_store::Error| ProbeError(error.to_string());
        let mut tx = self.store.read().await.map_err(failed)?;
        let version = plugin::version(&mut tx, strategy.digest).await.map_err(failed)?;
        let metrics = match version.map(|version| version.description.specifics) {
            Some(Specifics::Strategy(specifics)) => specifics.metrics,
            _ => Vec::new(),
        };
        let metrics: Vec<(String, bool)> =
            metrics.into_iter().map(|metric| (metric.clone(), self.datasource.has(&metric))).collect();
        Ok(Requirements {
            datasource: (!metrics.is_empty()).then(|| "prometheus".to_owned()),
            metrics,
            compute_model: true,
            storage_model: false,
            baremetal_model: false,
        })
    }

    async fn compute_model(&self, scope: &AuditScope) -> Result<Arc<ComputeModel>, ProbeError> {
        let snapshot = self.snapshot().await?;
        let scope = scope.clone();
        let scoped = watcher_fair::chore(move || scope.apply(snapshot.model.clone())).await;
        let scoped = scoped.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        scoped.map(|model| Arc::new(model.compute)).map_err(|error| ProbeError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use watcher_domain::Timestamp;
    use watcher_domain::clock::MockClock;
    use watcher_domain::ports::CollectError;

    #[derive(Default)]
    struct Counting(AtomicUsize, MockClock);

    #[async_trait]
    impl Collector for Counting {
        async fn collect(&self, _: &AuditScope) -> Result<Snapshot, CollectError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Snapshot { model: watcher_cluster::ClusterDataModel::default(), as_of: self.1.now() })
        }
    }

    struct NoMetrics;

    #[async_trait]
    impl Datasource for NoMetrics {
        async fn statistic(
            &self,
            _: &watcher_domain::metric::StatisticQuery,
            _: &watcher_cluster::ClusterDataModel,
            _: Timestamp,
        ) -> Result<watcher_domain::metric::Samples, watcher_domain::Failure> {
            Err(watcher_domain::Failure::new(watcher_domain::Blame::Service, "none", "no metrics"))
        }

        fn has(&self, _: &str) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn many_questions_at_once_cost_one_collection() {
        let (collector, clock) = (Arc::new(Counting::default()), Arc::new(MockClock::default()));
        let store = Store::connect("sqlite::memory:").await.unwrap();
        let probe = EngineProbe::new(store, collector.clone(), Arc::new(NoMetrics), clock.clone());
        let scope = AuditScope::default();
        let (one, other) = tokio::join!(probe.compute_model(&scope), probe.compute_model(&scope));
        assert_eq!(one.unwrap(), other.unwrap());
        assert_eq!(collector.0.load(Ordering::Relaxed), 1);
        clock.advance(Duration::from_secs(6));
        probe.compute_model(&scope).await.unwrap();
        assert_eq!(collector.0.load(Ordering::Relaxed), 2);
    }
}
