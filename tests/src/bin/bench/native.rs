//! A decision without a sandbox: what [`StrategyRunner`](watcher_domain::ports::StrategyRunner) does, with the strategy's code
//! compiled for this machine.
//!
//! It starts from the same model and datasource, shows them to the strategy through the same structs, and ends with the same solution;
//! only the border of the sandbox is missing.

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Map, Value};
use watcher_cluster::ClusterDataModel;
use watcher_domain::metric::{Aggregate, ResourceKind as Kind, StatisticQuery};
use watcher_domain::ports::{Datasource, Recorder};
use watcher_domain::recording::Seen;
use watcher_domain::solution::{Solution, SolutionAction};
use watcher_domain::{Clock, SystemClock};
use watcher_sdk::cluster::{Columns, StringColumn};
use watcher_sdk::{Cluster, Failure, Host, LogLevel, ResourceKind, Samples, Statistic, Strategy, StrategyHost};

/// The host of a strategy that runs natively.
pub(crate) struct NativeHost {
    pub(crate) model: Arc<ClusterDataModel>,
    pub(crate) datasource: Arc<dyn Datasource>,
    pub(crate) recorder: Arc<dyn Recorder>,
}

/// A strategy's code, from parameters to solution.
pub(crate) type Native = fn(&NativeHost, &Map<String, Value>) -> anyhow::Result<Solution>;

/// Runs a strategy as the sandbox does, with the configuration's defaults.
pub(crate) fn decide<S: Strategy>(host: &NativeHost, parameters: &Map<String, Value>) -> anyhow::Result<Solution> {
    let parameters = serde_json::from_value(Value::Object(parameters.clone()))?;
    let mut configuration = Map::new();
    watcher_domain::schema::fill_defaults(&S::describe().configuration_schema, &mut configuration);
    let solution = S::execute(host, parameters, serde_json::from_value(Value::Object(configuration))?)?;
    S::global_efficacy(&solution.efficacy_indicators)?;
    let actions = solution.actions.into_iter().map(|mut action| {
        let action_type = std::mem::take(&mut action.action_type);
        let resource_id = std::mem::take(&mut action.resource_id);
        let mut input_parameters: Map<String, Value> = serde_json::from_str(&action.into_input_parameters())?;
        if !resource_id.is_empty() {
            input_parameters.insert("resource_id".to_owned(), Value::String(resource_id));
        }
        Ok(SolutionAction { action_type, input_parameters })
    });
    let actions = actions.collect::<anyhow::Result<_>>().context("a solution that is no JSON")?;
    Ok(Solution { actions, efficacy_indicators: solution.efficacy_indicators }.without_repetitions())
}

impl Host for NativeHost {
    fn log(&self, _: LogLevel, _: &str, _: &[(&str, &str)]) {}

    fn now_us(&self) -> u64 {
        u64::try_from(SystemClock.now().timestamp_micros()).unwrap_or(0)
    }

    fn random_number(&self) -> u64 {
        0
    }
}

fn rows<T, C>(rows: &[T], cell: impl Fn(&T) -> C) -> Vec<C> {
    rows.iter().map(cell).collect()
}

fn texts<'a, T: 'a>(rows: &'a [T], text: impl Fn(&'a T) -> &'a str) -> StringColumn {
    rows.iter().map(text).collect()
}

impl StrategyHost for NativeHost {
    fn cluster(&self) -> Result<Cluster, Failure> {
        let compute = &self.model.compute;
        let (nodes, instances) = (compute.nodes(), compute.instances());
        let mut placed = Vec::with_capacity(instances.len());
        let mut placed_ends = Vec::with_capacity(nodes.len());
        for node in 0..nodes.len() {
            placed.extend_from_slice(compute.instances_of(node));
            placed_ends.push(u32::try_from(placed.len()).unwrap_or(u32::MAX));
        }
        Cluster::from_columns(Columns {
            node_uuid: texts(nodes, |node| &node.uuid),
            node_hostname: texts(nodes, |node| &node.hostname),
            node_status: texts(nodes, |node| node.status.as_str()),
            node_state: texts(nodes, |node| node.state.as_str()),
            node_vcpus: rows(nodes, |node| node.vcpus),
            node_vcpu_reserved: rows(nodes, |node| node.vcpu_reserved),
            node_vcpu_ratio: rows(nodes, |node| node.vcpu_ratio),
            node_memory_mib: rows(nodes, |node| node.memory_mib),
            node_memory_reserved_mib: rows(nodes, |node| node.memory_reserved_mib),
            node_memory_ratio: rows(nodes, |node| node.memory_ratio),
            node_disk_gib: rows(nodes, |node| node.disk_gib),
            node_disk_reserved_gib: rows(nodes, |node| node.disk_reserved_gib),
            node_disk_ratio: rows(nodes, |node| node.disk_ratio),
            instance_uuid: texts(instances, |instance| &instance.uuid),
            instance_name: texts(instances, |instance| &instance.name),
            instance_state: texts(instances, |instance| &instance.state),
            instance_vcpus: rows(instances, |instance| instance.vcpus),
            instance_memory_mib: rows(instances, |instance| instance.memory_mib),
            instance_disk_gib: rows(instances, |instance| instance.disk_gib),
            instance_watcher_exclude: rows(instances, |instance| instance.watcher_exclude),
            instance_locked: rows(instances, |instance| instance.locked),
            placed,
            placed_ends,
        })
    }

    fn statistic(&self, statistic: &Statistic<'_>) -> Result<Samples, Failure> {
        let query = StatisticQuery {
            metric: statistic.metric.to_owned(),
            kind: match statistic.kind {
                ResourceKind::ComputeNode => Kind::ComputeNode,
                ResourceKind::Instance => Kind::Instance,
            },
            aggregate: Aggregate::ALL
                .iter()
                .find(|known| known.as_str() == statistic.aggregate)
                .copied()
                .unwrap_or(Aggregate::Mean),
            period_s: statistic.period_s,
            granularity_s: statistic.granularity_s,
        };
        let asked = self.datasource.statistic(&query, &self.model, SystemClock.now());
        let answer = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(asked));
        let samples = match &answer {
            Ok(samples) => Ok(Samples { rows: samples.rows.clone(), values: samples.values.clone() }),
            Err(failure) => Err(Failure::cloud(&failure.code, failure.message.clone())),
        };
        self.recorder.record(Seen::Statistic { query, answer });
        samples
    }

    fn available(&self, metrics: &[&str]) -> Vec<bool> {
        metrics.iter().map(|metric| self.datasource.has(metric)).collect()
    }

    fn instance_texts(&self, _: &str) -> Result<Vec<String>, Failure> {
        Ok(self
            .model
            .compute
            .instances()
            .iter()
            .map(|instance| serde_json::to_string(&instance.metadata).unwrap_or_default())
            .collect())
    }
}
