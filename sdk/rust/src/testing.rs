//! Fake hosts, so that plugin logic runs natively in unit tests.
//!
//! [`FakeHost`] answers from a cluster that the test builds, or from the text of a cluster file. [`FakeCloud`] answers an
//! action handler's requests from a closure and does not wait. [`cases`] runs a strategy and a planner on a case file and compares the
//! outcome with a recorded one; [`generate`] makes clusters of any size.

pub mod cases;
pub mod generate;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use serde_json::Value;

use crate::cluster::{Columns, StringColumn};
use crate::{
    ActionHost, Cluster, Failure, Host, LogLevel, PlannerHost, Request, ResourceKind, Response, Samples, ScoringEngine,
    ScoringEngineEntry, Statistic, StrategyHost,
};

/// A host with a cluster and metric values.
#[derive(Debug, Default)]
pub struct FakeHost {
    cluster: Cluster,
    metadata: Vec<String>,
    samples: HashMap<(ResourceKind, String), Samples>,
    /// What was logged, as `level message`.
    pub logged: RefCell<Vec<String>>,
    /// Metrics that were asked for, in order.
    pub asked: RefCell<Vec<String>>,
    seed: Cell<u64>,
    scoring: Vec<FakeScoringEngine>,
}

/// A scoring engine that runs natively.
#[derive(Debug)]
struct FakeScoringEngine {
    entry: ScoringEngineEntry,
    calculate: fn(&FakeHost, &[Value]) -> Result<Vec<Value>, Failure>,
}

fn scores_of<E: ScoringEngine>(host: &FakeHost, features: &[Value]) -> Result<Vec<Value>, Failure> {
    let configuration = cases::with_defaults(&E::describe().configuration_schema, serde_json::json!({}))?;
    let invalid = |error: serde_json::Error| Failure::input("invalid-input", error.to_string());
    let configuration = serde_json::from_value(configuration).map_err(invalid)?;
    let features = crate::scoring::read_features::<E>(features.iter().map(|one| serde_json::from_value(one.clone())))?;
    let scores = E::calculate_scores(host, &features, &configuration)?;
    scores.iter().map(|score| serde_json::to_value(score).map_err(|error| crate::scoring::no_json(&error))).collect()
}

impl FakeHost {
    /// A host that shows this cluster and no metrics.
    pub fn new(cluster: Cluster) -> Self {
        let metadata = vec!["{}".to_owned(); cluster.instances.len()];
        Self { cluster, metadata, ..Self::default() }
    }

    /// Sets one statistic, whatever the aggregate and the period.
    #[must_use]
    pub fn with_samples(mut self, metric: &str, kind: ResourceKind, samples: Samples) -> Self {
        self.samples.insert((kind, metric.to_owned()), samples);
        self
    }

    /// Sets the seed of the random numbers.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        self.seed.set(seed);
        self
    }

    /// Adds a scoring engine, which runs natively and with the defaults of its configuration.
    #[must_use]
    pub fn with_scoring_engine<E: ScoringEngine>(mut self) -> Self {
        let described = E::describe();
        let entry = ScoringEngineEntry {
            name: described.name,
            description: described.description,
            metainfo: described.metainfo,
        };
        self.scoring.push(FakeScoringEngine { entry, calculate: scores_of::<E> });
        self.scoring.sort_by(|one, other| one.entry.name.cmp(&other.entry.name));
        self
    }

    /// Reads a cluster file: `compute.nodes`, `compute.instances`, `metrics.host`, `metrics.instance`.
    ///
    /// # Errors
    /// `invalid-cluster-file`, saying where.
    pub fn from_cluster_file(text: &str) -> Result<Self, Failure> {
        let bad = |what: String| Failure::input("invalid-cluster-file", what);
        let file: Value = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let empty = Vec::new();
        let list = |pointer: &str| file.pointer(pointer).and_then(Value::as_array).unwrap_or(&empty);
        let (nodes, instances) = (list("/compute/nodes"), list("/compute/instances"));
        let mut rows = HashMap::new();
        for (row, node) in nodes.iter().enumerate() {
            rows.insert(text_of(node, "uuid", ""), row);
            rows.insert(text_of(node, "hostname", ""), row);
        }
        let mut occupants = vec![Vec::new(); nodes.len()];
        for (row, instance) in (0_u32..).zip(instances) {
            if let Some(node) = instance.get("node").and_then(Value::as_str) {
                let node = rows
                    .get(node)
                    .ok_or_else(|| bad(format!("instance {row} is on node {node}, which is not in the cluster")))?;
                occupants[*node].push(row);
            }
        }
        let mut placed = Vec::new();
        let mut placed_ends = Vec::new();
        for node in occupants {
            placed.extend(node);
            placed_ends.push(u32::try_from(placed.len()).map_err(|_| bad("too many instances".to_owned()))?);
        }
        let uuids: Vec<&str> = instances.iter().map(|instance| text_of(instance, "uuid", "")).collect();
        let cluster = Cluster::from_columns(Columns {
            node_uuid: texts(nodes, "uuid", ""),
            node_hostname: texts(nodes, "hostname", ""),
            node_status: texts(nodes, "status", "enabled"),
            node_state: texts(nodes, "state", "up"),
            node_vcpus: integers(nodes, "vcpus"),
            node_vcpu_reserved: integers(nodes, "vcpu_reserved"),
            node_vcpu_ratio: ratios(nodes, "vcpu_ratio"),
            node_memory_mib: integers(nodes, "memory"),
            node_memory_reserved_mib: integers(nodes, "memory_mb_reserved"),
            node_memory_ratio: ratios(nodes, "memory_ratio"),
            node_disk_gib: integers(nodes, "disk"),
            node_disk_reserved_gib: integers(nodes, "disk_gb_reserved"),
            node_disk_ratio: ratios(nodes, "disk_ratio"),
            instance_uuid: uuids.iter().copied().collect(),
            instance_name: instances.iter().zip(&uuids).map(|(i, uuid)| text_of(i, "name", uuid)).collect(),
            instance_state: texts(instances, "state", "active"),
            instance_vcpus: integers(instances, "vcpus"),
            instance_memory_mib: integers(instances, "memory"),
            instance_disk_gib: integers(instances, "disk"),
            instance_watcher_exclude: flags(instances, "watcher_exclude"),
            instance_locked: flags(instances, "locked"),
            placed,
            placed_ends,
        })?;
        let mut host = Self::new(cluster);
        host.metadata =
            instances.iter().map(|i| i.get("metadata").map_or_else(|| "{}".to_owned(), ToString::to_string)).collect();
        host.seed.set(file.get("seed").and_then(Value::as_u64).unwrap_or(0));
        let mut by_row: HashMap<(ResourceKind, String), Vec<(u32, f64)>> = HashMap::new();
        let instance_rows: HashMap<&str, usize> = uuids.iter().enumerate().map(|(row, &uuid)| (uuid, row)).collect();
        for (kind, pointer, rows) in [
            (ResourceKind::ComputeNode, "/metrics/host", &rows),
            (ResourceKind::Instance, "/metrics/instance", &instance_rows),
        ] {
            let table = file.pointer(pointer).and_then(Value::as_object);
            for (resource, values) in table.into_iter().flatten() {
                let (Some(&row), Some(values)) = (rows.get(resource.as_str()), values.as_object()) else { continue };
                for (metric, value) in values {
                    if let (Some(value), Ok(row)) = (value.as_f64(), u32::try_from(row)) {
                        by_row.entry((kind, metric.clone())).or_default().push((row, value));
                    }
                }
            }
        }
        for (key, mut entries) in by_row {
            entries.sort_by_key(|&(row, _)| row);
            entries.dedup_by_key(|entry| entry.0);
            let (rows, values) = entries.into_iter().unzip();
            host.samples.insert(key, Samples { rows, values });
        }
        Ok(host)
    }
}

fn text_of<'a>(value: &'a Value, key: &str, default: &'a str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or(default)
}

fn texts(rows: &[Value], key: &str, default: &str) -> StringColumn {
    rows.iter().map(|row| text_of(row, key, default)).collect()
}

fn integers(rows: &[Value], key: &str) -> Vec<u64> {
    rows.iter().map(|row| row.get(key).and_then(Value::as_u64).unwrap_or(0)).collect()
}

fn ratios(rows: &[Value], key: &str) -> Vec<f64> {
    rows.iter().map(|row| row.get(key).and_then(Value::as_f64).unwrap_or(1.0)).collect()
}

fn flags(rows: &[Value], key: &str) -> Vec<bool> {
    rows.iter().map(|row| row.get(key).and_then(Value::as_bool).unwrap_or(false)).collect()
}

impl Host for FakeHost {
    fn log(&self, level: LogLevel, message: &str, _: &[(&str, &str)]) {
        self.logged.borrow_mut().push(format!("{level:?} {message}"));
    }

    fn now_us(&self) -> u64 {
        1_700_000_000_000_000
    }

    fn random_number(&self) -> u64 {
        let seed = self.seed.get();
        self.seed.set(seed.wrapping_add(1));
        crate::SplitMix64::new(seed).next_u64()
    }
}

impl PlannerHost for FakeHost {
    fn cluster(&self) -> Result<Cluster, Failure> {
        Ok(self.cluster.clone())
    }
}

impl StrategyHost for FakeHost {
    fn cluster(&self) -> Result<Cluster, Failure> {
        Ok(self.cluster.clone())
    }

    /// An answer without rows for a metric that was not set: the datasource knows it, and measured nothing.
    fn statistic(&self, statistic: &Statistic<'_>) -> Result<Samples, Failure> {
        self.asked.borrow_mut().push(statistic.metric.to_owned());
        Ok(self.samples.get(&(statistic.kind, statistic.metric.to_owned())).cloned().unwrap_or_default())
    }

    fn available(&self, metrics: &[&str]) -> Vec<bool> {
        metrics.iter().map(|metric| self.samples.keys().any(|(_, name)| name == metric)).collect()
    }

    fn instance_texts(&self, column: &str) -> Result<Vec<String>, Failure> {
        match column {
            "metadata" => Ok(self.metadata.clone()),
            _ => Err(Failure::plugin("unknown-column", format!("there is no instance column {column}"))),
        }
    }

    fn scoring_engines(&self) -> Result<Vec<ScoringEngineEntry>, Failure> {
        Ok(self.scoring.iter().map(|engine| engine.entry.clone()).collect())
    }

    fn calculate_scores(&self, engine: &str, features: &[Value]) -> Result<Vec<Value>, Failure> {
        let found =
            self.scoring.iter().find(|known| known.entry.name == engine).ok_or_else(|| {
                Failure::plugin("unknown-scoring-engine", format!("there is no scoring engine {engine}"))
            })?;
        (found.calculate)(self, features)
    }
}

/// A cloud whose answers the test decides. Sleeping moves the clock and returns at once.
pub struct FakeCloud<F> {
    answer: RefCell<F>,
    now_us: Cell<u64>,
    /// Requests that were sent, as `METHOD service path`.
    pub sent: RefCell<Vec<String>>,
}

impl<F: FnMut(&Request) -> Result<Response, Failure>> FakeCloud<F> {
    /// A cloud that answers with `answer`.
    pub fn new(answer: F) -> Self {
        Self { answer: RefCell::new(answer), now_us: Cell::new(1_700_000_000_000_000), sent: RefCell::default() }
    }

    /// How long the handler has slept, in milliseconds.
    pub fn slept_ms(&self) -> u64 {
        (self.now_us.get() - 1_700_000_000_000_000) / 1000
    }
}

/// An answer with a JSON body.
pub fn answer(status: u16, body: &Value) -> Result<Response, Failure> {
    Ok(Response { status, headers: Vec::new(), body: if body.is_null() { String::new() } else { body.to_string() } })
}

impl<F> Host for FakeCloud<F> {
    fn log(&self, _: LogLevel, _: &str, _: &[(&str, &str)]) {}

    fn now_us(&self) -> u64 {
        self.now_us.get()
    }

    fn random_number(&self) -> u64 {
        4
    }
}

impl<F: FnMut(&Request) -> Result<Response, Failure>> ActionHost for FakeCloud<F> {
    fn send(&self, request: &Request) -> Result<Response, Failure> {
        self.sent.borrow_mut().push(format!("{} {} {}", request.method, request.service_type, request.path));
        (self.answer.borrow_mut())(request)
    }

    fn sleep_ms(&self, duration_ms: u64) -> Result<(), Failure> {
        self.now_us.set(self.now_us.get() + duration_ms * 1000);
        Ok(())
    }
}
