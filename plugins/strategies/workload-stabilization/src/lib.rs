//! The `workload_stabilization` strategy: move instances until compute nodes are about equally used.
//!
//! Here is the wiring. The decisions are in [`workload_stabilization`]; what instances and nodes use in `load`, and how unequal that is in
//! `spread`.

mod load;
pub mod parameters;
mod spread;
pub mod workload_stabilization;

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Failure, GlobalEfficacy, Solution, Strategy, StrategyDescription, StrategyHost, goals};

pub use parameters::Parameters;

/// The strategy.
#[derive(Debug)]
pub struct WorkloadStabilization;

/// The strategy has no configuration.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

impl Strategy for WorkloadStabilization {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> StrategyDescription {
        StrategyDescription::new(
            "workload_stabilization",
            "0.1.0",
            "Workload stabilization",
            goals::workload_balancing(),
            "workload_stabilization",
        )
        .description(
            "Moves instances until the standard deviation of CPU or memory use over the compute nodes falls below a threshold.",
        )
        .parameters(parameters::schema())
        .configuration(json!({"type": "object", "properties": {}, "additionalProperties": false}))
        .metrics(&["host_cpu_usage", "instance_cpu_usage", "instance_ram_usage", "host_ram_usage"])
    }

    fn execute(host: &dyn StrategyHost, parameters: Parameters, _: Configuration) -> Result<Solution, Failure> {
        workload_stabilization::decide(host, &parameters)
    }

    fn global_efficacy(indicators: &[(String, f64)]) -> Result<Vec<GlobalEfficacy>, Failure> {
        Ok(goals::live_migrations_count(indicators))
    }
}

watcher_sdk::export_strategy!(WorkloadStabilization);
