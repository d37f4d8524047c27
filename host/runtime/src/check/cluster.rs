//! The generated cluster that plugins are tried on: small, always the same, with something to do for most.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use watcher_cluster::file::MetricTable;
use watcher_cluster::{ClusterDataModel, ClusterFile, GenerateOptions, generate};
use watcher_domain::metric::{ResourceKind, Samples, StatisticQuery};
use watcher_domain::ports::{Datasource, Recorder};
use watcher_domain::recording::Seen;
use watcher_domain::{Failure, SolutionAction, Timestamp};

const HOSTS: usize = 20;
const INSTANCES: usize = 120;

/// A generated cluster.
pub(crate) struct Generated {
    file: ClusterFile,
    pub(crate) model: Arc<ClusterDataModel>,
}

impl Generated {
    pub(crate) fn new() -> Self {
        let options = GenerateOptions {
            hosts: HOSTS,
            instances: INSTANCES,
            seed: 1,
            disabled_percent: 5.0,
            stopped_percent: 5.0,
            paused_percent: 2.0,
            ..GenerateOptions::default()
        };
        let file = generate(&options);
        // The generator makes files that can be read; a test shows it.
        let model = Arc::new(file.model().unwrap_or_default());
        Self { file, model }
    }

    /// Its constant metrics.
    pub(crate) fn metrics(&self) -> Constant {
        Constant { hosts: self.file.metrics.host.clone(), instances: self.file.metrics.instance.clone() }
    }

    /// Actions of the known types, for planners.
    pub(crate) fn actions(&self) -> Vec<SolutionAction> {
        let mut actions = self.resources();
        let simple = [("nop", json!({"message": "hello"})), ("sleep", json!({"duration": 1.0}))];
        actions.extend(simple.into_iter().map(|(action_type, parameters)| action(action_type, parameters)));
        actions
    }

    /// Actions on its resources.
    pub(crate) fn resources(&self) -> Vec<SolutionAction> {
        let nodes = &self.file.compute.nodes;
        let node = |index: usize| nodes.get(index % nodes.len().max(1)).map(|node| node.hostname.clone());
        let mut actions = Vec::new();
        for (index, instance) in self.file.compute.instances.iter().enumerate().take(10) {
            actions.push(action(
                "migrate",
                json!({
                    "resource_id": instance.uuid, "resource_name": instance.name, "migration_type": "live",
                    "source_node": instance.node, "destination_node": node(index),
                }),
            ));
        }
        for entry in nodes.iter().take(3) {
            actions.push(action(
                "change_nova_service_state",
                json!({
                    "resource_id": entry.uuid, "resource_name": entry.hostname, "state": "disabled",
                    "disabled_reason": "watcher_disabled",
                }),
            ));
        }
        actions
    }
}

impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a generated cluster of {HOSTS} hosts and {INSTANCES} instances")
    }
}

fn action(action_type: &str, parameters: Value) -> SolutionAction {
    let input_parameters = match parameters {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    SolutionAction { action_type: action_type.to_owned(), input_parameters }
}

/// Answers every question about a metric with the constant of a cluster file.
pub(crate) struct Constant {
    hosts: MetricTable,
    instances: MetricTable,
}

#[async_trait]
impl Datasource for Constant {
    async fn statistic(
        &self,
        query: &StatisticQuery,
        model: &ClusterDataModel,
        _: Timestamp,
    ) -> Result<Samples, Failure> {
        let (table, ids): (_, Vec<&str>) = match query.kind {
            ResourceKind::ComputeNode => {
                (&self.hosts, model.compute.nodes().iter().map(|node| node.uuid.as_str()).collect())
            }
            ResourceKind::Instance => {
                (&self.instances, model.compute.instances().iter().map(|instance| instance.uuid.as_str()).collect())
            }
        };
        let values: HashMap<&str, f64> = table
            .iter()
            .filter_map(|(id, row)| Some((id.as_str(), row.get(&query.metric).copied().flatten()?)))
            .collect();
        let mut samples = Samples::default();
        for (row, id) in (0..).zip(ids) {
            if let Some(&value) = values.get(id) {
                samples.rows.push(row);
                samples.values.push(value);
            }
        }
        Ok(samples)
    }

    fn has(&self, metric: &str) -> bool {
        let mut rows = self.hosts.values().chain(self.instances.values());
        rows.any(|row| row.contains_key(metric))
    }
}

/// Keeps nothing of what a trial saw.
pub(crate) struct Forgetful;

impl Recorder for Forgetful {
    fn record(&self, _: Seen) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_can_be_read_and_has_what_it_says() {
        let generated = Generated::new();
        assert_eq!(generated.model.compute.nodes().len(), HOSTS);
        assert_eq!(generated.model.compute.instances().len(), INSTANCES);
        assert!(generated.metrics().has("instance_cpu_usage") && !generated.metrics().has("unheard_of"));
        assert!(generated.actions().len() > 10);
    }
}
