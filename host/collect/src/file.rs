//! A cluster file as collector and datasource, for decisions without any service.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use watcher_cluster::file::MetricTable;
use watcher_cluster::{AuditScope, ClusterDataModel, ClusterFile, ModelError};
use watcher_domain::metric::{ResourceKind, Samples, StatisticQuery};
use watcher_domain::ports::{Clock, CollectError, Collector, Datasource, Snapshot};
use watcher_domain::{Blame, Failure, Timestamp};

/// Metric names that strategies may ask a cluster file for.
const METRICS: &[&str] = &[
    "host_cpu_usage",
    "host_ram_usage",
    "host_outlet_temp",
    "host_inlet_temp",
    "host_airflow",
    "host_power",
    "instance_cpu_usage",
    "instance_ram_usage",
    "instance_ram_allocated",
    "instance_l3_cache_usage",
    "instance_root_disk_size",
];

/// What a cluster that contradicts itself is to an audit.
pub fn refused(error: &ModelError) -> CollectError {
    CollectError { failure: Failure::new(Blame::Input, "inconsistent-cluster", error.to_string()), source: None }
}

/// Shows the cluster of a file.
pub struct FileCollector {
    file: ClusterFile,
    clock: Arc<dyn Clock>,
}

impl FileCollector {
    /// A collector over a file.
    pub fn new(file: ClusterFile, clock: Arc<dyn Clock>) -> Self {
        Self { file, clock }
    }
}

#[async_trait]
impl Collector for FileCollector {
    async fn collect(&self, _: &AuditScope) -> Result<Snapshot, CollectError> {
        let model = self.file.model().map_err(|error| refused(&error))?;
        Ok(Snapshot { model, as_of: self.clock.now() })
    }
}

/// Answers with the values of a file, whatever the period and the aggregate.
#[derive(Debug, Clone)]
pub struct FileDatasource {
    hosts: HashMap<String, HashMap<String, f64>>,
    instances: HashMap<String, HashMap<String, f64>>,
}

/// The table by metric, then by resource.
fn by_metric(table: &MetricTable) -> HashMap<String, HashMap<String, f64>> {
    let mut metrics: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for (resource, values) in table {
        for (metric, value) in values {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                metrics.entry(metric.clone()).or_default().insert(resource.clone(), value);
            }
        }
    }
    metrics
}

impl FileDatasource {
    /// A datasource over a file.
    pub fn new(file: &ClusterFile) -> Self {
        Self { hosts: by_metric(&file.metrics.host), instances: by_metric(&file.metrics.instance) }
    }
}

#[async_trait]
impl Datasource for FileDatasource {
    async fn statistic(
        &self,
        query: &StatisticQuery,
        model: &ClusterDataModel,
        _: Timestamp,
    ) -> Result<Samples, Failure> {
        let mut samples = Samples::default();
        let mut take = |row: u32, value: Option<&f64>| {
            if let Some(&value) = value {
                samples.rows.push(row);
                samples.values.push(value);
            }
        };
        match query.kind {
            ResourceKind::ComputeNode => {
                if let Some(values) = self.hosts.get(&query.metric) {
                    for (row, node) in (0..).zip(model.compute.nodes()) {
                        take(row, values.get(&node.uuid).or_else(|| values.get(&node.hostname)));
                    }
                }
            }
            ResourceKind::Instance => {
                if let Some(values) = self.instances.get(&query.metric) {
                    for (row, instance) in (0..).zip(model.compute.instances()) {
                        take(row, values.get(&instance.uuid));
                    }
                }
            }
        }
        Ok(samples)
    }

    fn has(&self, metric: &str) -> bool {
        METRICS.contains(&metric)
    }
}
