//! The `workload_stabilization` planner: actions by weight, all at once but where one action needs another.
//!
//! Here is the wiring; the order is made in [`workload_stabilization`].

pub mod workload_stabilization;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Failure, PlannedAction, Planner, PlannerDescription, PlannerHost, SolutionAction};

/// The planner.
#[derive(Debug)]
pub struct WorkloadStabilization;

/// Configuration by the operator.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Configuration {
    /// Weight of each action type: the heavier, the earlier.
    pub weights: BTreeMap<String, i64>,
}

impl Planner for WorkloadStabilization {
    type Configuration = Configuration;

    fn describe() -> PlannerDescription {
        PlannerDescription::new("workload_stabilization", "0.1.0", "Workload stabilization planner")
            .description(
                "Orders actions by the weight of their type, heaviest first. An action waits only for actions on the same resource: a resize \
                 for migrations of its instance, a host's suspension for what moves and resizes its instances.",
            )
            .configuration(json!({
                "type": "object",
                "properties": {
                    "weights": {
                        "description": "Weight of each action type: the heavier, the earlier.",
                        "type": "object",
                        "additionalProperties": {"type": "integer"},
                        "default": {
                            "turn_host_to_acpi_s3_state": 0,
                            "resize": 1,
                            "migrate": 2,
                            "sleep": 3,
                            "change_nova_service_state": 4,
                            "nop": 5,
                        },
                    },
                },
                "additionalProperties": false,
            }))
    }

    fn schedule(
        host: &dyn PlannerHost,
        actions: &[SolutionAction],
        configuration: Configuration,
    ) -> Result<Vec<PlannedAction>, Failure> {
        workload_stabilization::schedule(host, actions, &configuration)
    }
}

watcher_sdk::export_planner!(WorkloadStabilization);
