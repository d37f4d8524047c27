//! The `vm_workload_consolidation` strategy: relieve overloaded compute nodes, then empty the least used ones.
//!
//! Here is the wiring; the decisions are in [`vm_workload_consolidation`].

mod load;
pub mod vm_workload_consolidation;

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Failure, GlobalEfficacy, Solution, Strategy, StrategyDescription, StrategyHost, goals};

/// The strategy.
#[derive(Debug)]
pub struct VmWorkloadConsolidation;

/// Parameters of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// Length of the period that metrics are averaged over, in seconds.
    #[serde(rename = "period")]
    pub period_s: f64,
    /// Distance of samples in seconds.
    #[serde(rename = "granularity")]
    pub granularity_s: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { period_s: 3600.0, granularity_s: 300.0 }
    }
}

/// The strategy has no configuration.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

impl Strategy for VmWorkloadConsolidation {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> StrategyDescription {
        StrategyDescription::new(
            "vm_workload_consolidation",
            "0.1.0",
            "VM Workload Consolidation Strategy",
            goals::server_consolidation(),
            "weight",
        )
        .description(
            "Relieves compute nodes whose CPU is overloaded, then empties the least used compute nodes onto the most used ones, \
             and disables those that became empty. Follows measured use as well as allocation.",
        )
        .parameters(json!({
            "properties": {
                "period": {
                    "description": "The time interval in seconds for getting statistic aggregation",
                    "type": "number",
                    "default": 3600,
                },
                "granularity": {
                    "description": "The time between two measures in an aggregated timeseries of a metric.",
                    "type": "number",
                    "default": 300,
                },
            },
        }))
        .metrics(&[
            "instance_ram_allocated",
            "instance_cpu_usage",
            "instance_ram_usage",
            "instance_root_disk_size",
            "host_cpu_usage",
            "host_ram_usage",
        ])
    }

    fn execute(host: &dyn StrategyHost, parameters: Parameters, _: Configuration) -> Result<Solution, Failure> {
        vm_workload_consolidation::decide(host, &parameters)
    }

    fn global_efficacy(indicators: &[(String, f64)]) -> Result<Vec<GlobalEfficacy>, Failure> {
        Ok(goals::released_nodes_ratio(indicators))
    }
}

watcher_sdk::export_strategy!(VmWorkloadConsolidation);
