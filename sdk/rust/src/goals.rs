//! Goals that several built-in strategies share, with their efficacy indicators.
//!
//! Names, descriptions and schemas are what the API of Watcher shows; a strategy with a goal of its own builds a [`Goal`].

use serde_json::json;

use crate::{GlobalEfficacy, Goal};

/// `server_consolidation`: the same load on fewer compute nodes.
pub fn server_consolidation() -> Goal {
    Goal::new("server_consolidation", "Server Consolidation")
        .indicator(
            "compute_nodes_count",
            "The total number of enabled compute nodes.",
            json!({"type": "integer", "minimum": 0}),
        )
        .indicator(
            "released_compute_nodes_count",
            "The number of compute nodes to be released.",
            json!({"type": "integer", "minimum": 0}),
        )
        .indicator(
            "instance_migrations_count",
            "The number of VM migrations to be performed.",
            json!({"type": "integer", "minimum": 0}),
        )
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
        .indicator(
            "instance_migrations_count",
            "The number of VM migrations to be performed.",
            json!({"type": "integer", "minimum": 0}),
        )
        .optional_indicator(
            "instances_count",
            "The total number of audited instances in strategy.",
            json!({"type": "integer", "minimum": 0}),
        )
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
