//! The `basic` strategy: empty the least used compute nodes onto the most used ones, by allocation.
//!
//! Here is the wiring; the decisions are in [`basic`].

pub mod basic;

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Failure, GlobalEfficacy, Solution, Strategy, StrategyDescription, StrategyHost, goals};

/// The strategy.
#[derive(Debug)]
pub struct Basic;

/// Parameters of an audit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// How many compute nodes may turn out not to give an instance away, before the search ends; 0 for no limit.
    pub migration_attempts: f64,
    /// Length of the period that metrics are aggregated over, in seconds.
    #[serde(rename = "period")]
    pub period_s: f64,
    /// Distance of samples in seconds.
    #[serde(rename = "granularity")]
    pub granularity_s: f64,
    /// How samples become one value.
    pub aggregation_method: AggregationMethod,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            migration_attempts: 0.0,
            period_s: 7200.0,
            granularity_s: 300.0,
            aggregation_method: AggregationMethod::default(),
        }
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

/// Configuration by the operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// Whether an instance with metadata moves only if its key `optimize` is true.
    pub check_optimize_metadata: bool,
}

impl Strategy for Basic {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> StrategyDescription {
        StrategyDescription::new(
            "basic",
            "0.1.0",
            "Basic offline consolidation",
            goals::server_consolidation(),
            "weight",
        )
        .description(
            "Moves the instances of the least used compute nodes to the most used ones that have room by allocation, and disables \
             compute nodes that became empty.",
        )
        .parameters(json!({
            "properties": {
                "migration_attempts": {
                    "description": "Maximum number of combinations to be tried by the strategy while searching for potential candidates. \
                                    To remove the limit, set it to 0 (by default)",
                    "type": "number",
                    "default": 0,
                },
                "period": {
                    "description": "The time interval in seconds for getting statistic aggregation",
                    "type": "number",
                    "default": 7200,
                },
                "granularity": {
                    "description": "The time between two measures in an aggregated timeseries of a metric.",
                    "type": "number",
                    "default": 300,
                },
                "aggregation_method": {
                    "description": "Function used to aggregate multiple measures into an aggregate. For example, the min aggregation \
                                    method will aggregate the values of different measures to the minimum value of all the measures in \
                                    the time range.",
                    "type": "object",
                    "properties": {
                        "instance": {"type": "string", "default": "mean"},
                        "compute_node": {"type": "string", "default": "mean"},
                        "node": {"type": "string", "default": ""},
                    },
                    "default": {"instance": "mean", "compute_node": "mean", "node": ""},
                },
            },
        }))
        .configuration(json!({
            "type": "object",
            "properties": {
                "check_optimize_metadata": {
                    "description": "Whether an instance with metadata is migrated only if its metadata key optimize is true.",
                    "type": "boolean",
                    "default": false,
                },
            },
            "additionalProperties": false,
        }))
        .metrics(&["host_cpu_usage", "instance_cpu_usage"])
    }

    fn execute(
        host: &dyn StrategyHost,
        parameters: Parameters,
        configuration: Configuration,
    ) -> Result<Solution, Failure> {
        basic::decide(host, &parameters, configuration)
    }

    fn global_efficacy(indicators: &[(String, f64)]) -> Result<Vec<GlobalEfficacy>, Failure> {
        Ok(goals::released_nodes_ratio(indicators))
    }
}

watcher_sdk::export_strategy!(Basic);
