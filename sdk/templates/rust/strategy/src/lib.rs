//! The `sample_plugin` strategy: takes load off compute nodes that are busier than a threshold.
//!
//! Here is the wiring; what moves where is decided in [`decide`].

pub mod decide;

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{
    Failure, NewAction, ResourceKind, Solution, Statistic, Strategy, StrategyDescription, StrategyHost, goals,
};

use decide::{Guest, Host};

/// The strategy.
#[derive(Debug)]
pub struct SamplePlugin;

/// Parameters of an audit.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Parameters {
    /// CPU use above which a compute node is too busy, in percent.
    pub threshold: f64,
    /// Length of the period that is looked at, in seconds.
    #[serde(rename = "period")]
    pub period_s: f64,
}

/// What an operator can set: nothing.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Configuration {}

impl Strategy for SamplePlugin {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> StrategyDescription {
        StrategyDescription::new(
            "sample_plugin",
            env!("CARGO_PKG_VERSION"),
            "Sample plugin",
            goals::workload_balancing(),
            "weight",
        )
        .description("Moves instances from compute nodes whose CPU use is above a threshold to the least used ones.")
        .parameters(json!({
            "properties": {
                "threshold": {
                    "description": "CPU use above which a compute node is too busy, in percent.",
                    "type": "number", "minimum": 0, "maximum": 100, "default": 60,
                },
                "period": {
                    "description": "Length of the period that is looked at, in seconds.",
                    "type": "number", "minimum": 1, "default": 3600,
                },
            },
        }))
        .metrics(&["host_cpu_usage", "instance_cpu_usage"])
    }

    fn execute(
        host: &dyn StrategyHost,
        parameters: Parameters,
        _configuration: Configuration,
    ) -> Result<Solution, Failure> {
        let cluster = host.cluster()?;
        // One question for all compute nodes, one for all instances; who was not measured is left alone.
        let ask = |metric, kind| {
            host.statistic(&Statistic {
                metric,
                kind,
                aggregate: "mean",
                period_s: parameters.period_s,
                granularity_s: 300.0,
            })
        };
        let used = ask("host_cpu_usage", ResourceKind::ComputeNode)?.dense(cluster.nodes.len());
        let busy = ask("instance_cpu_usage", ResourceKind::Instance)?.dense(cluster.instances.len());

        let hosts: Vec<Host> = cluster.nodes.iter().zip(&used).map(|(node, &used)| Host::new(node, used)).collect();
        let guests: Vec<Guest> =
            cluster.instances.iter().zip(&busy).map(|(instance, &busy)| Guest::new(instance, busy)).collect();
        let moves = decide::relieve(&hosts, &guests, parameters.threshold);

        let mut solution = Solution::default();
        for step in &moves {
            solution.add(
                NewAction::new("migrate")
                    .resource(cluster.instance_uuid(step.guest))
                    .parameter("migration_type", "live")
                    .parameter("source_node", cluster.node_hostname(step.from))
                    .parameter("destination_node", cluster.node_hostname(step.to))
                    .parameter("resource_name", cluster.instance_name(step.guest)),
            );
        }
        solution.indicator("instance_migrations_count", decide::count(moves.len()));
        solution.indicator("instances_count", decide::count(guests.len()));
        Ok(solution)
    }
}

watcher_sdk::export_strategy!(SamplePlugin);

#[cfg(test)]
mod tests {
    use super::*;
    use watcher_sdk::testing::FakeHost;

    #[test]
    fn the_busy_host_of_the_example_gives_instances_away() {
        let host = FakeHost::from_cluster_file(include_str!("../cluster.json")).unwrap();
        let parameters = Parameters { threshold: 60.0, period_s: 3600.0 };
        let solution = SamplePlugin::execute(&host, parameters, Configuration {}).unwrap();
        let sources: Vec<_> =
            solution.actions.iter().map(|action| action.input_parameters()["source_node"].clone()).collect();
        assert_eq!(sources, ["host-1", "host-1"]);
        assert_eq!(*host.asked.borrow(), ["host_cpu_usage", "instance_cpu_usage"]);
    }
}
