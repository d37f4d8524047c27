//! Parameters of an audit.

use serde::Deserialize;
use serde_json::{Value, json};

/// What is balanced: use of one resource, measured on instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Metric {
    /// CPU use.
    #[serde(rename = "instance_cpu_usage")]
    Cpu,
    /// Memory use.
    #[serde(rename = "instance_ram_usage")]
    Memory,
}

impl Metric {
    /// Its name as a metric of instances.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "instance_cpu_usage",
            Self::Memory => "instance_ram_usage",
        }
    }

    /// Its index in an array with one entry per metric.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Cpu => 0,
            Self::Memory => 1,
        }
    }
}

/// Parameters of an audit. An object that leaves a key out stands for the default of that key, but for `weights`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// What to balance. The first whose spread is above its threshold starts the search; all of them count in it.
    pub metrics: Vec<Metric>,
    /// Standard deviation above which a cluster is unbalanced, and below which it is balanced again.
    pub thresholds: Thresholds,
    /// How much each metric counts.
    pub weights: Weights,
    /// The metric of compute nodes that goes with each metric of instances.
    pub instance_metrics: HostMetrics,
    /// `cycle`, `retry` or `fullsearch`.
    pub host_choice: String,
    /// How many destinations `retry` draws for each instance; a fraction is cut off.
    pub retry_count: f64,
    /// Length of the periods that metrics are aggregated over, in seconds.
    #[serde(rename = "periods")]
    pub periods_s: Periods,
    /// How samples become one value.
    pub aggregation_method: AggregationMethod,
    /// Distance of samples in seconds.
    #[serde(rename = "granularity")]
    pub granularity_s: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            metrics: vec![Metric::Cpu],
            thresholds: Thresholds::default(),
            weights: Weights { cpu: Some(1.0), memory: Some(1.0) },
            instance_metrics: HostMetrics::default(),
            host_choice: "retry".to_owned(),
            retry_count: 1.0,
            periods_s: Periods::default(),
            aggregation_method: AggregationMethod::default(),
            granularity_s: 300.0,
        }
    }
}

/// Standard deviations, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default)]
pub struct Thresholds {
    /// Of CPU use.
    #[serde(rename = "instance_cpu_usage")]
    pub cpu: f64,
    /// Of memory use.
    #[serde(rename = "instance_ram_usage")]
    pub memory: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { cpu: 0.1, memory: 0.1 }
    }
}

impl Thresholds {
    /// The threshold of a metric.
    pub const fn of(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Cpu => self.cpu,
            Metric::Memory => self.memory,
        }
    }
}

/// Weights from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Weights {
    /// Of CPU use.
    #[serde(rename = "instance_cpu_usage_weight")]
    pub cpu: Option<f64>,
    /// Of memory use.
    #[serde(rename = "instance_ram_usage_weight")]
    pub memory: Option<f64>,
}

/// Names of metrics of compute nodes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HostMetrics {
    /// For CPU use.
    #[serde(rename = "instance_cpu_usage")]
    pub cpu: String,
    /// For memory use.
    #[serde(rename = "instance_ram_usage")]
    pub memory: String,
}

impl Default for HostMetrics {
    fn default() -> Self {
        Self { cpu: "host_cpu_usage".to_owned(), memory: "host_ram_usage".to_owned() }
    }
}

impl HostMetrics {
    /// The metric of compute nodes for a metric of instances.
    pub fn of(&self, metric: Metric) -> &str {
        match metric {
            Metric::Cpu => &self.cpu,
            Metric::Memory => &self.memory,
        }
    }
}

/// Lengths of periods in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default)]
pub struct Periods {
    /// For instances.
    pub instance: f64,
    /// For compute nodes.
    pub compute_node: f64,
    /// Former name of `compute_node`; wins unless 0.
    pub node: f64,
}

impl Default for Periods {
    fn default() -> Self {
        Self { instance: 720.0, compute_node: 600.0, node: 0.0 }
    }
}

impl Periods {
    /// The period for compute nodes, whichever name it was given under.
    pub fn for_compute_nodes(&self) -> f64 {
        if self.node == 0.0 { self.compute_node } else { self.node }
    }
}

/// How samples become one value: `mean`, `min`, `max` or `count`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AggregationMethod {
    /// For instances.
    pub instance: String,
    /// For compute nodes.
    pub compute_node: String,
    /// Former name of `compute_node`; wins unless empty.
    pub node: String,
}

impl Default for AggregationMethod {
    fn default() -> Self {
        Self { instance: "mean".to_owned(), compute_node: "mean".to_owned(), node: String::new() }
    }
}

impl AggregationMethod {
    /// The method for compute nodes, whichever name it was given under.
    pub fn for_compute_nodes(&self) -> &str {
        if self.node.is_empty() { &self.compute_node } else { &self.node }
    }
}

/// JSON Schema of the parameters, as the API shows it.
pub fn schema() -> Value {
    let unit_interval = json!({"type": "number", "minimum": 0, "maximum": 1});
    json!({
        "properties": {
            "metrics": {
                "description": "Metrics used as rates of cluster loads.",
                "type": "array",
                "items": {"type": "string", "enum": ["instance_cpu_usage", "instance_ram_usage"]},
                "default": ["instance_cpu_usage"],
            },
            "thresholds": {
                "description": "Dict where key is a metric and value is a trigger value.",
                "type": "object",
                "properties": {"instance_cpu_usage": unit_interval, "instance_ram_usage": unit_interval},
                "default": {"instance_cpu_usage": 0.1, "instance_ram_usage": 0.1},
            },
            "weights": {
                "description": "These weights used to calculate common standard deviation. Name of weight contains meter name and \
                                _weight suffix.",
                "type": "object",
                "properties": {"instance_cpu_usage_weight": unit_interval, "instance_ram_usage_weight": unit_interval},
                "default": {"instance_cpu_usage_weight": 1.0, "instance_ram_usage_weight": 1.0},
            },
            "instance_metrics": {
                "description": "Mapping to get hardware statistics using instance metrics",
                "type": "object",
                "default": {"instance_cpu_usage": "host_cpu_usage", "instance_ram_usage": "host_ram_usage"},
            },
            "host_choice": {
                "description": "Method of host's choice. There are cycle, retry and fullsearch methods. Cycle will iterate hosts in \
                                cycle. Retry will get some hosts random (count defined in retry_count option). Fullsearch will return \
                                each host from list.",
                "type": "string",
                "default": "retry",
            },
            "retry_count": {
                "description": "Count of random returned hosts",
                "type": "number",
                "minimum": 1,
                "default": 1,
            },
            "periods": {
                "description": "These periods are used to get statistic aggregation for instance and host metrics. The period is simply \
                                a repeating interval of time into which the samples are grouped for aggregation. Watcher uses only the \
                                last period of all received ones.",
                "type": "object",
                "properties": {
                    "instance": {"type": "integer", "minimum": 0},
                    "compute_node": {"type": "integer", "minimum": 0},
                    "node": {"type": "integer", "minimum": 0, "default": 0},
                },
                "default": {"instance": 720, "compute_node": 600, "node": 0},
            },
            "aggregation_method": {
                "description": "Function used to aggregate multiple measures into an aggregate. For example, the min aggregation \
                                method will aggregate the values of different measures to the minimum value of all the measures in the \
                                time range.",
                "type": "object",
                "properties": {
                    "instance": {"type": "string", "default": "mean"},
                    "compute_node": {"type": "string", "default": "mean"},
                    "node": {"type": "string", "default": ""},
                },
                "default": {"instance": "mean", "compute_node": "mean", "node": ""},
            },
            "granularity": {
                "description": "The time between two measures in an aggregated timeseries of a metric.",
                "type": "number",
                "minimum": 0,
                "default": 300,
            },
        },
    })
}
