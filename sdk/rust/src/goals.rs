//! The goals that every Watcher has, with their efficacy indicators and global efficacies.
//!
//! Names, descriptions and schemas are what the API of Watcher shows; a strategy with a goal of its own builds a [`Goal`].
//!
//! # Source
//! openstack/watcher `goal/goals.py` and `goal/efficacy/specs.py`. We differ where they divide by zero: the ratio is 0.

use serde_json::{Value, json};

use crate::{GlobalEfficacy, Goal};

/// A count of something.
fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// `dummy`: for tests of the service.
pub fn dummy() -> Goal {
    Goal::new("dummy", "Dummy goal")
}

/// `unclassified`: for strategies that belong to no other goal.
pub fn unclassified() -> Goal {
    Goal::new("unclassified", "Unclassified")
}

/// `thermal_optimization`: even temperatures.
pub fn thermal_optimization() -> Goal {
    Goal::new("thermal_optimization", "Thermal Optimization")
}

/// `airflow_optimization`: even airflow.
pub fn airflow_optimization() -> Goal {
    Goal::new("airflow_optimization", "Airflow Optimization")
}

/// `noisy_neighbor`: instances that slow others down go elsewhere.
pub fn noisy_neighbor() -> Goal {
    Goal::new("noisy_neighbor", "Noisy Neighbor")
}

/// `saving_energy`: compute nodes without work are off.
pub fn saving_energy() -> Goal {
    Goal::new("saving_energy", "Saving Energy")
}

/// `cluster_maintaining`: compute nodes are emptied for maintenance.
pub fn cluster_maintaining() -> Goal {
    Goal::new("cluster_maintaining", "Cluster Maintaining")
}

/// `hardware_maintenance`: instances and volumes leave hardware that is maintained.
pub fn hardware_maintenance() -> Goal {
    Goal::new("hardware_maintenance", "Hardware Maintenance")
        .indicator("live_migrate_instance_count", "The number of instances actually live migrated.", count())
        .indicator("planned_live_migrate_instance_count", "The number of instances planned to live migrate.", count())
        .indicator("cold_migrate_instance_count", "The number of instances actually cold migrated.", count())
        .indicator("planned_cold_migrate_instance_count", "The number of instances planned to cold migrate.", count())
        .indicator("volume_migrate_count", "The number of detached volumes actually migrated.", count())
        .indicator("planned_volume_migrate_count", "The number of detached volumes planned to migrate.", count())
        .indicator("volume_update_count", "The number of attached volumes actually migrated.", count())
        .indicator("planned_volume_update_count", "The number of attached volumes planned to migrate.", count())
}

/// For each kind of move, the planned ones in percent of the actual ones; 0 when there are none.
pub fn hardware_maintenance_ratios(indicators: &[(String, f64)]) -> Vec<GlobalEfficacy> {
    let ratio = |name: &str, description: &str, planned: &str, actual: &str| {
        let (planned, actual) = (value(indicators, planned), value(indicators, actual));
        GlobalEfficacy {
            name: name.to_owned(),
            description: description.to_owned(),
            unit: Some("%".to_owned()),
            value: if planned > 0.0 && actual > 0.0 { planned / actual * 100.0 } else { 0.0 },
        }
    };
    vec![
        ratio(
            "live_instance_migrate_ratio",
            "Ratio of actual live migrated instances to planned live migrate instances.",
            "planned_live_migrate_instance_count",
            "live_migrate_instance_count",
        ),
        ratio(
            "cold_instance_migrate_ratio",
            "Ratio of actual cold migrated instances to planned cold migrate instances.",
            "planned_cold_migrate_instance_count",
            "cold_migrate_instance_count",
        ),
        ratio(
            "volume_migrate_ratio",
            "Ratio of actual detached volumes migrated to planned detached volumes migrate.",
            "planned_volume_migrate_count",
            "volume_migrate_count",
        ),
        ratio(
            "volume_update_ratio",
            "Ratio of actual attached volumes migrated to planned attached volumes migrate.",
            "planned_volume_update_count",
            "volume_update_count",
        ),
    ]
}

/// `server_consolidation`: the same load on fewer compute nodes.
pub fn server_consolidation() -> Goal {
    Goal::new("server_consolidation", "Server Consolidation")
        .indicator("compute_nodes_count", "The total number of enabled compute nodes.", count())
        .indicator("released_compute_nodes_count", "The number of compute nodes to be released.", count())
        .indicator("instance_migrations_count", "The number of VM migrations to be performed.", count())
}

/// Released compute nodes in percent of all; 0 when there are none.
pub fn released_nodes_ratio(indicators: &[(String, f64)]) -> Vec<GlobalEfficacy> {
    let nodes = value(indicators, "compute_nodes_count");
    let released = value(indicators, "released_compute_nodes_count");
    vec![GlobalEfficacy {
        name: "released_nodes_ratio".to_owned(),
        description: "Ratio of released compute nodes divided by the total number of enabled compute nodes.".to_owned(),
        unit: Some("%".to_owned()),
        value: if nodes > 0.0 { released / nodes * 100.0 } else { 0.0 },
    }]
}

/// `workload_balancing`: the same load spread more evenly.
pub fn workload_balancing() -> Goal {
    Goal::new("workload_balancing", "Workload Balancing")
        .indicator("instance_migrations_count", "The number of VM migrations to be performed.", count())
        .optional_indicator("instances_count", "The total number of audited instances in strategy.", count())
        .optional_indicator(
            "standard_deviation_after_audit",
            "The value of resulted standard deviation.",
            json!({"type": "number", "minimum": 0}),
        )
        .optional_indicator(
            "standard_deviation_before_audit",
            "The value of original standard deviation.",
            json!({"type": "number", "minimum": 0}),
        )
}

/// Live migrations in percent of all instances; 0 when there are none.
pub fn live_migrations_count(indicators: &[(String, f64)]) -> Vec<GlobalEfficacy> {
    let migrations = value(indicators, "instance_migrations_count");
    let instances = value(indicators, "instances_count");
    vec![GlobalEfficacy {
        name: "live_migrations_count".to_owned(),
        description: "Ratio of migrated virtual machines to audited virtual machines".to_owned(),
        unit: Some("%".to_owned()),
        value: if migrations > 0.0 && instances > 0.0 { migrations / instances * 100.0 } else { 0.0 },
    }]
}

fn value(indicators: &[(String, f64)], name: &str) -> f64 {
    indicators.iter().find(|(indicator, _)| indicator == name).map_or(0.0, |&(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_of_hardware_maintenance_are_of_planned_moves_to_actual_ones() {
        let given = [
            ("planned_live_migrate_instance_count", 4.0),
            ("live_migrate_instance_count", 2.0),
            ("planned_volume_migrate_count", 3.0),
            ("volume_migrate_count", 0.0),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let sums: Vec<_> = hardware_maintenance_ratios(&given).into_iter().map(|sum| (sum.name, sum.value)).collect();
        let expected = [
            ("live_instance_migrate_ratio", 200.0),
            ("cold_instance_migrate_ratio", 0.0),
            ("volume_migrate_ratio", 0.0),
            ("volume_update_ratio", 0.0),
        ];
        assert_eq!(sums, expected.map(|(name, value)| (name.to_owned(), value)));
    }
}
