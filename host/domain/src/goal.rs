//! Goals: what an audit works towards.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::efficacy::IndicatorSpec;
use crate::id::GoalId;
use crate::plugin::GoalDescription;
use crate::state::Stamps;

/// A goal. There are the [`built_in`] ones, and those that strategies bring; several strategies share one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// UUID.
    pub id: GoalId,
    /// Unique among goals that are not deleted, e.g. `server_consolidation`.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// How its achievement is measured.
    pub efficacy_specification: Vec<IndicatorSpec>,
    /// Times.
    pub stamps: Stamps,
}

/// The goals that are always there, whether a strategy reaches them or not, by name.
///
/// # Source
/// openstack/watcher `goal/goals.py`: templates and audits of clients name these goals.
pub fn built_in() -> Vec<GoalDescription> {
    let bare = |name: &str, display_name: &str| goal(name, display_name, Vec::new());
    vec![
        bare("airflow_optimization", "Airflow Optimization"),
        bare("cluster_maintaining", "Cluster Maintaining"),
        bare("dummy", "Dummy goal"),
        goal("hardware_maintenance", "Hardware Maintenance", hardware_maintenance()),
        bare("noisy_neighbor", "Noisy Neighbor"),
        bare("saving_energy", "Saving Energy"),
        goal(
            "server_consolidation",
            "Server Consolidation",
            vec![
                count("compute_nodes_count", "The total number of enabled compute nodes."),
                count("released_compute_nodes_count", "The number of compute nodes to be released."),
                count("instance_migrations_count", "The number of VM migrations to be performed."),
            ],
        ),
        bare("thermal_optimization", "Thermal Optimization"),
        bare("unclassified", "Unclassified"),
        goal("workload_balancing", "Workload Balancing", workload_balancing()),
    ]
}

fn goal(name: &str, display_name: &str, efficacy_specification: Vec<IndicatorSpec>) -> GoalDescription {
    GoalDescription { name: name.to_owned(), display_name: display_name.to_owned(), efficacy_specification }
}

/// A required indicator that counts something.
fn count(name: &str, description: &str) -> IndicatorSpec {
    IndicatorSpec {
        name: name.to_owned(),
        description: description.to_owned(),
        unit: None,
        schema: json!({"type": "integer", "minimum": 0}),
        required: true,
    }
}

fn hardware_maintenance() -> Vec<IndicatorSpec> {
    vec![
        count("live_migrate_instance_count", "The number of instances actually live migrated."),
        count("planned_live_migrate_instance_count", "The number of instances planned to live migrate."),
        count("cold_migrate_instance_count", "The number of instances actually cold migrated."),
        count("planned_cold_migrate_instance_count", "The number of instances planned to cold migrate."),
        count("volume_migrate_count", "The number of detached volumes actually migrated."),
        count("planned_volume_migrate_count", "The number of detached volumes planned to migrate."),
        count("volume_update_count", "The number of attached volumes actually migrated."),
        count("planned_volume_update_count", "The number of attached volumes planned to migrate."),
    ]
}

fn workload_balancing() -> Vec<IndicatorSpec> {
    let deviation = |name, description| IndicatorSpec {
        schema: json!({"type": "number", "minimum": 0}),
        required: false,
        ..count(name, description)
    };
    vec![
        count("instance_migrations_count", "The number of VM migrations to be performed."),
        IndicatorSpec {
            required: false,
            ..count("instances_count", "The total number of audited instances in strategy.")
        },
        deviation("standard_deviation_after_audit", "The value of resulted standard deviation."),
        deviation("standard_deviation_before_audit", "The value of original standard deviation."),
    ]
}
