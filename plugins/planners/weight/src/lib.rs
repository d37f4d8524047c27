//! The `weight` planner: actions of one type after actions of another, in the order of weights, some at a time.
//!
//! Here is the wiring; the order is made in [`weight`].

pub mod weight;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Failure, PlannedAction, Planner, PlannerDescription, PlannerHost, SolutionAction};

/// The planner.
#[derive(Debug)]
pub struct Weight;

/// Configuration by the operator.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Configuration {
    /// Weight of each action type: the heavier, the earlier.
    pub weights: BTreeMap<String, i64>,
    /// How many actions of each type may run at the same time; less than 1 counts as 1.
    pub parallelization: BTreeMap<String, i64>,
}

impl Planner for Weight {
    type Configuration = Configuration;

    fn describe() -> PlannerDescription {
        PlannerDescription::new("weight", "0.1.0", "Weight planner")
            .description(
                "Orders actions by the weight of their type, heaviest first, and runs as many of one type at the same time as its \
                 parallelization says; each batch waits for the one before.",
            )
            .configuration(json!({
                "type": "object",
                "properties": {
                    "weights": {
                        "description": "Weight of each action type: the heavier, the earlier. Two types should not weigh the same.",
                        "type": "object",
                        "additionalProperties": {"type": "integer"},
                        "default": {
                            "nop": 70,
                            "volume_migrate": 60,
                            "change_nova_service_state": 50,
                            "sleep": 40,
                            "shelve": 37,
                            "stop": 35,
                            "delete": 33,
                            "migrate": 30,
                            "resize": 20,
                            "turn_host_to_acpi_s3_state": 10,
                            "change_node_power_state": 9,
                        },
                    },
                    "parallelization": {
                        "description": "Number of actions of each type that may run at the same time.",
                        "type": "object",
                        "additionalProperties": {"type": "integer"},
                        "default": {
                            "turn_host_to_acpi_s3_state": 2,
                            "resize": 2,
                            "stop": 2,
                            "delete": 2,
                            "shelve": 2,
                            "migrate": 2,
                            "sleep": 1,
                            "change_nova_service_state": 1,
                            "nop": 1,
                            "change_node_power_state": 2,
                            "volume_migrate": 2,
                        },
                    },
                },
                "additionalProperties": false,
            }))
    }

    fn schedule(
        _: &dyn PlannerHost,
        actions: &[SolutionAction],
        configuration: Configuration,
    ) -> Result<Vec<PlannedAction>, Failure> {
        weight::schedule(actions, &configuration)
    }
}

watcher_sdk::export_planner!(Weight);
