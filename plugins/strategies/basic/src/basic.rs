//! Which instances move where, and which compute nodes are disabled.
//!
//! Compute nodes that are up and have instances are ranked by measured CPU use. The lowest gives its active instances, highest use
//! first, to the highest ranked nodes that have room by allocation. When it has nothing more to give, the next lowest follows.

use std::cmp::Ordering;

use serde_json::Value;
use watcher_sdk::{
    Cluster, Failure, FirstFit, Instance, InstanceState, NewAction, ResourceKind, Solution, Statistic, StrategyHost,
};

use crate::{Configuration, Parameters};

/// Looks at the cluster and decides.
///
/// Migrations come in the order of decision; a node is disabled right after the migration that emptied it. Costs about
/// instances × log(nodes).
pub fn decide(
    host: &dyn StrategyHost,
    parameters: &Parameters,
    configuration: Configuration,
) -> Result<Solution, Failure> {
    let cluster = host.cluster()?;
    let mut search = Search::new(host, &cluster, parameters, configuration)?;
    search.run(parameters.migration_attempts);
    let mut solution = search.solution;
    let enabled = cluster.nodes.iter().filter(|node| node.up && node.enabled).count();
    solution.indicator("compute_nodes_count", count(enabled));
    solution.indicator("released_compute_nodes_count", count(search.released));
    solution.indicator("instance_migrations_count", count(search.migrations));
    Ok(solution)
}

struct Search<'a> {
    cluster: &'a Cluster,
    /// Rows of nodes with instances, most used first.
    ranked: Vec<usize>,
    /// By row of node: its instances, in the order in which they came.
    occupants: Vec<Vec<u32>>,
    /// By place in `ranked`: what can still be allocated, in whole units.
    free: [Vec<f64>; 3],
    room: FirstFit<3>,
    /// By row of instance.
    score: Vec<f64>,
    may_move: Vec<bool>,
    solution: Solution,
    released: usize,
    migrations: usize,
}

impl<'a> Search<'a> {
    fn new(
        host: &dyn StrategyHost,
        cluster: &'a Cluster,
        parameters: &Parameters,
        configuration: Configuration,
    ) -> Result<Self, Failure> {
        let occupants: Vec<Vec<u32>> = (0..cluster.nodes.len()).map(|row| cluster.instances_of(row).to_vec()).collect();
        let mut ranked: Vec<usize> =
            (0..cluster.nodes.len()).filter(|&row| cluster.nodes[row].up && !occupants[row].is_empty()).collect();
        let mut score = Vec::new();
        let mut may_move = Vec::new();
        if !ranked.is_empty() {
            let ask = |metric, kind, aggregate, rows| -> Result<Vec<Option<f64>>, Failure> {
                let statistic = Statistic {
                    metric,
                    kind,
                    aggregate,
                    period_s: parameters.period_s,
                    granularity_s: parameters.granularity_s,
                };
                Ok(host.statistic(&statistic)?.dense(rows))
            };
            let method = &parameters.aggregation_method;
            let of_nodes =
                ask("host_cpu_usage", ResourceKind::ComputeNode, method.for_compute_nodes(), cluster.nodes.len())?;
            let node_score: Vec<f64> =
                cluster.nodes.iter().zip(of_nodes).map(|(node, percent)| weight(node.vcpus, percent)).collect();
            ranked.sort_by(|&a, &b| descending(node_score[a], node_score[b]));

            let of_instances =
                ask("instance_cpu_usage", ResourceKind::Instance, &method.instance, cluster.instances.len())?;
            let scored = cluster.instances.iter().zip(of_instances);
            score = scored.map(|(instance, percent)| weight(instance.vcpus, percent)).collect();
            may_move = cluster.instances.iter().map(may_move_by_state).collect();
            if configuration.check_optimize_metadata {
                for (may_move, metadata) in may_move.iter_mut().zip(host.instance_texts("metadata")?) {
                    *may_move &= asks_to_be_optimized(&metadata);
                }
            }
        }
        let free: [Vec<f64>; 3] = {
            let room = |row: usize| free_of(cluster, row, &occupants[row]);
            let all: Vec<[f64; 3]> = ranked.iter().map(|&row| room(row)).collect();
            std::array::from_fn(|resource| all.iter().map(|free| free[resource]).collect())
        };
        let room = FirstFit::new((0..ranked.len()).map(|place| [free[0][place], free[1][place], free[2][place]]));
        Ok(Self {
            cluster,
            ranked,
            occupants,
            free,
            room,
            score,
            may_move,
            solution: Solution::default(),
            released: 0,
            migrations: 0,
        })
    }

    fn run(&mut self, migration_attempts: f64) {
        let mut in_vain = 0_u32;
        while let Some(lowest) = self.ranked.len().checked_sub(1) {
            if migration_attempts != 0.0 && migration_attempts < f64::from(in_vain) {
                break;
            }
            let migrations = self.give_away(lowest);
            self.migrations += migrations;
            if migrations > 0 {
                in_vain = 0;
            } else {
                in_vain += 1;
                self.ranked.pop();
            }
        }
    }

    /// Moves what can be moved from the node at a place to nodes at smaller places; returns how many moved.
    fn give_away(&mut self, place: usize) -> usize {
        let source = self.ranked[place];
        let mut candidates: Vec<u32> =
            self.occupants[source].iter().copied().filter(|&instance| self.may_move[instance as usize]).collect();
        candidates.sort_by(|&a, &b| descending(self.score[a as usize], self.score[b as usize]));
        let mut migrations = 0;
        for instance in candidates {
            let need = flavor_of(&self.cluster.instances[instance as usize]);
            let Some(destination) = self.room.first(0, place, &need) else { continue };
            for (free, need) in self.free.iter_mut().zip(need) {
                free[destination] -= need;
            }
            self.room.set(destination, [0, 1, 2].map(|resource: usize| self.free[resource][destination]));
            self.migrate(instance, source, self.ranked[destination]);
            migrations += 1;
        }
        migrations
    }

    fn migrate(&mut self, instance: u32, source: usize, destination: usize) {
        self.occupants[source].retain(|&other| other != instance);
        self.occupants[destination].push(instance);
        let cluster = self.cluster;
        self.solution.add(
            NewAction::new("migrate")
                .resource(cluster.instance_uuid(instance as usize))
                .parameter("migration_type", "live")
                .parameter("source_node", cluster.node_hostname(source))
                .parameter("destination_node", cluster.node_hostname(destination))
                .parameter("resource_name", cluster.instance_name(instance as usize)),
        );
        if self.occupants[source].is_empty() {
            self.released += 1;
            self.solution.add(
                NewAction::new("change_nova_service_state")
                    .resource(cluster.node_uuid(source))
                    .parameter("state", "disabled")
                    .parameter("disabled_reason", "watcher_disabled")
                    .parameter("resource_name", cluster.node_hostname(source)),
            );
        }
    }
}

/// How much of a node or instance is used, from 0 to 1/3: CPU use weighs as much as disk and memory, of which nothing is known. No
/// measurement counts as 100 %; a size of 0 as not used.
fn weight(vcpus: u64, percent: Option<f64>) -> f64 {
    let vcpus = to_f64(vcpus);
    let used = vcpus * (percent.unwrap_or(100.0) / 100.0);
    if vcpus == 0.0 { 0.0 } else { (1.0 - (vcpus - used) / vcpus) / 3.0 }
}

fn may_move_by_state(instance: &Instance) -> bool {
    instance.state == InstanceState::Active && !instance.watcher_exclude
}

/// Whether the metadata of an instance has `optimize` with a word for true, or is empty.
fn asks_to_be_optimized(metadata: &str) -> bool {
    let metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
    let word = match metadata.as_object() {
        None => return true,
        Some(metadata) if metadata.is_empty() => return true,
        Some(metadata) => match metadata.get("optimize") {
            Some(Value::String(word)) => word.trim().to_lowercase(),
            Some(other) => other.to_string(),
            None => return false,
        },
    };
    ["1", "t", "true", "on", "y", "yes"].contains(&word.as_str())
}

/// What is not allocated on a node, in whole units: flavors are whole, so that a fraction of a unit is no room.
fn free_of(cluster: &Cluster, row: usize, occupants: &[u32]) -> [f64; 3] {
    let node = &cluster.nodes[row];
    let capacity = [node.vcpu_capacity(), node.memory_capacity_mib(), node.disk_capacity_gib()].map(f64::floor);
    occupants.iter().fold(capacity, |free, &instance| {
        let used = flavor_of(&cluster.instances[instance as usize]);
        std::array::from_fn(|resource| free[resource] - used[resource])
    })
}

fn flavor_of(instance: &Instance) -> [f64; 3] {
    [to_f64(instance.vcpus), to_f64(instance.memory_mib), to_f64(instance.disk_gib)]
}

fn descending(a: f64, b: f64) -> Ordering {
    b.partial_cmp(&a).unwrap_or(Ordering::Equal)
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
fn to_f64(size: u64) -> f64 {
    size as f64
}

fn count(things: usize) -> f64 {
    to_f64(things as u64)
}
