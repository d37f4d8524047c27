//! Which instances move where, and which compute nodes are disabled.
//!
//! Three phases over the compute nodes that are up: *offload* moves small instances away from nodes whose CPU is overloaded,
//! *consolidate* moves everything from the least used nodes to the most used ones, both to the first node that fits; then
//! chains of migrations of one instance become one, and nodes without instances are disabled. How use is counted is in
//! the module `load`.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use watcher_sdk::{Cluster, Failure, FirstFit, InstanceState, LogLevel, NewAction, Solution, StrategyHost};

use crate::Parameters;
use crate::load::{Amounts, Load};

/// Looks at the cluster and decides.
///
/// Actions come in the order of decision: migrations with the enabling of disabled destinations before their first use, merged
/// migrations, then disabled nodes. Costs about instances × log(nodes).
pub fn decide(host: &dyn StrategyHost, parameters: &Parameters) -> Result<Solution, Failure> {
    let cluster = host.cluster()?;
    let load = Load::measure(host, &cluster, parameters)?;
    let mut plan = Plan::new(host, &cluster, load);
    plan.offload();
    plan.consolidate();
    plan.merge_chains();
    plan.disable_empty_hosts();
    Ok(plan.solution())
}

/// One decided step. Nodes are indexes into [`Load::hosts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Enable(usize),
    Disable(usize),
    Migrate {
        instance: u32,
        source: usize,
        destination: usize,
    },
    /// Was a migration that became part of another.
    Merged,
}

struct Plan<'a> {
    host: &'a dyn StrategyHost,
    cluster: &'a Cluster,
    load: Load,
    steps: Vec<Step>,
    /// For every instance its migrations, as indexes into `steps`.
    migrations_of: Vec<Vec<u32>>,
    enabled: Vec<bool>,
    released: i64,
    migrations: i64,
}

impl<'a> Plan<'a> {
    fn new(host: &'a dyn StrategyHost, cluster: &'a Cluster, load: Load) -> Self {
        Self {
            host,
            cluster,
            steps: Vec::new(),
            migrations_of: vec![Vec::new(); cluster.instances.len()],
            enabled: vec![false; load.hosts.len()],
            load,
            released: 0,
            migrations: 0,
        }
    }

    /// All hosts by CPU use, least first.
    fn by_cpu_use(&self) -> Vec<usize> {
        let used: Vec<f64> = (0..self.load.hosts.len()).map(|host| self.load.host_use(host)[0]).collect();
        let mut order: Vec<usize> = (0..used.len()).collect();
        order.sort_by(|&a, &b| compare(used[a], used[b]));
        order
    }

    /// The instances of a host by CPU use, least first.
    fn instances_by_cpu_use(&self, host: usize) -> Vec<u32> {
        let mut instances = self.load.hosts[host].instances.clone();
        instances.sort_by(|&a, &b| compare(self.load.instance_use(a)[0], self.load.instance_use(b)[0]));
        instances
    }

    fn is_excluded(&self, instance: u32) -> bool {
        self.cluster.instances[instance as usize].watcher_exclude
    }

    fn offload(&mut self) {
        let mut order = self.by_cpu_use();
        order.reverse();
        if !order.iter().any(|&host| self.load.is_overloaded(host)) {
            return;
        }
        let mut destinations = Destinations::new(&self.load, order.clone());
        for source in order {
            if !self.load.is_overloaded(source) {
                continue;
            }
            for instance in self.instances_by_cpu_use(source) {
                if self.is_excluded(instance) {
                    continue;
                }
                if let Some(destination) = destinations.first_fit(&self.load, instance, usize::MAX) {
                    self.migrate(instance, source, destination);
                    destinations.update(&self.load, source);
                    destinations.update(&self.load, destination);
                }
                if !self.load.is_overloaded(source) {
                    break;
                }
            }
        }
    }

    fn consolidate(&mut self) {
        let mut order = self.by_cpu_use();
        order.reverse();
        let mut destinations = Destinations::new(&self.load, order.clone());
        for (place, source) in order.into_iter().enumerate().rev() {
            for instance in self.instances_by_cpu_use(source).into_iter().rev() {
                if self.is_excluded(instance) {
                    continue;
                }
                if let Some(destination) = destinations.first_fit(&self.load, instance, place) {
                    self.migrate(instance, source, destination);
                    destinations.update(&self.load, destination);
                }
            }
        }
    }

    /// Moves an instance, if its state allows a migration, and enables its destination if need be.
    fn migrate(&mut self, instance: u32, source: usize, destination: usize) {
        if migration_type(self.cluster.instances[instance as usize].state).is_none() {
            self.host.log(
                LogLevel::Warn,
                "an instance fits elsewhere but its state allows no migration",
                &[
                    ("instance", self.cluster.instance_uuid(instance as usize)),
                    ("state", self.cluster.instance_state(instance as usize)),
                ],
            );
            return;
        }
        self.enable(destination);
        if source != destination {
            self.load.migrate(instance, source, destination);
            self.add_migration(instance, source, destination);
        }
    }

    /// Counts every use of a disabled node against the released ones, but enables it once.
    fn enable(&mut self, host: usize) {
        if self.cluster.nodes[self.load.hosts[host].row].enabled {
            return;
        }
        self.released -= 1;
        if !std::mem::replace(&mut self.enabled[host], true) {
            self.steps.push(Step::Enable(host));
        }
    }

    /// Counts every migration; one that is already decided, step for step the same, is not decided again.
    fn add_migration(&mut self, instance: u32, source: usize, destination: usize) {
        self.migrations += 1;
        let step = Step::Migrate { instance, source, destination };
        let mine = &mut self.migrations_of[instance as usize];
        if !mine.iter().any(|&other| self.steps[other as usize] == step) {
            mine.push(u32::try_from(self.steps.len()).unwrap_or(u32::MAX));
            self.steps.push(step);
        }
    }

    /// Replaces the migrations of an instance that moves more than once by one from its first source to its last destination,
    /// or by none if these are the same. Instances in the order of their first migration.
    fn merge_chains(&mut self) {
        for first in 0..self.steps.len() {
            let Step::Migrate { instance, source, .. } = self.steps[first] else { continue };
            let &[_, .., last] = self.migrations_of[instance as usize].as_slice() else { continue };
            let Step::Migrate { destination, .. } = self.steps[last as usize] else { continue };
            let chain = std::mem::take(&mut self.migrations_of[instance as usize]);
            for &step in &chain {
                self.steps[step as usize] = Step::Merged;
                self.migrations -= 1;
            }
            if source != destination {
                self.enable(destination);
                self.add_migration(instance, source, destination);
            }
        }
    }

    fn disable_empty_hosts(&mut self) {
        for host in 0..self.load.hosts.len() {
            let empty = self.load.hosts[host].instances.is_empty();
            if empty && self.cluster.nodes[self.load.hosts[host].row].enabled {
                self.steps.push(Step::Disable(host));
                self.released += 1;
            }
        }
    }

    fn solution(&self) -> Solution {
        let mut solution = Solution::default();
        for step in &self.steps {
            solution.actions.extend(self.action(*step));
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of nodes and instances are far below 2^53")]
        let number = |count: i64| count as f64;
        solution.indicator("compute_nodes_count", number(i64::try_from(self.load.hosts.len()).unwrap_or(i64::MAX)));
        // More nodes enabled than emptied: none is released.
        solution.indicator("released_compute_nodes_count", number(self.released.max(0)));
        solution.indicator("instance_migrations_count", number(self.migrations));
        solution
    }

    fn action(&self, step: Step) -> Option<NewAction> {
        let row = |host: usize| self.load.hosts[host].row;
        let hostname = |host: usize| self.cluster.node_hostname(row(host));
        let service =
            |host: usize| NewAction::new("change_nova_service_state").resource(self.cluster.node_uuid(row(host)));
        match step {
            Step::Merged => None,
            Step::Enable(host) => {
                Some(service(host).parameter("state", "enabled").parameter("resource_name", hostname(host)))
            }
            Step::Disable(host) => Some(
                service(host)
                    .parameter("state", "disabled")
                    .parameter("disabled_reason", "watcher_disabled")
                    .parameter("resource_name", hostname(host)),
            ),
            Step::Migrate { instance, source, destination } => {
                let instance = instance as usize;
                let migration_type = migration_type(self.cluster.instances[instance].state)?;
                Some(
                    NewAction::new("migrate")
                        .resource(self.cluster.instance_uuid(instance))
                        .parameter("migration_type", migration_type)
                        .parameter("source_node", hostname(source))
                        .parameter("destination_node", hostname(destination))
                        .parameter("resource_name", self.cluster.instance_name(instance)),
                )
            }
        }
    }
}

/// How an instance in this state can be moved, if at all.
fn migration_type(state: InstanceState) -> Option<&'static str> {
    match state {
        InstanceState::Active | InstanceState::Paused => Some("live"),
        InstanceState::Stopped => Some("cold"),
        InstanceState::Other => None,
    }
}

fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// Possible destinations in the order in which they are tried, most used first, each by its place in that order.
///
/// A destination that was tried for an instance, did not fit and was saturated is not tried again in the same phase, even when it has
/// room later. The search passes over destinations without looking at each, so which ones were tried is worked out afterwards: all
/// before the one that fitted.
struct Destinations {
    order: Vec<usize>,
    place_of: Vec<usize>,
    /// For each place an upper bound of what use fits, then what can be allocated.
    room: FirstFit<6>,
    /// Places that are saturated but still tried.
    saturated: BTreeSet<usize>,
    given_up: Vec<bool>,
}

impl Destinations {
    fn new(load: &Load, order: Vec<usize>) -> Self {
        let mut place_of = vec![0; order.len()];
        for (place, &host) in order.iter().enumerate() {
            place_of[host] = place;
        }
        Self {
            room: FirstFit::new(order.iter().map(|&host| room(load, host))),
            saturated: (0..order.len()).filter(|&place| load.is_saturated(order[place])).collect(),
            given_up: vec![false; order.len()],
            order,
            place_of,
        }
    }

    /// The first destination before place `end` that has room for an instance.
    fn first_fit(&mut self, load: &Load, instance: u32, end: usize) -> Option<usize> {
        let end = end.min(self.order.len());
        let ([cpu, memory, disk], [vcpus, memory_mib, disk_gib]) =
            (*load.instance_use(instance), *load.flavor(instance));
        let need = [cpu, memory, disk, vcpus, memory_mib, disk_gib];
        let mut from = 0;
        let found = loop {
            match self.room.first(from, end, &need) {
                Some(place) if !load.use_fits(instance, self.order[place]) => from = place + 1,
                found => break found,
            }
        };
        let tried = found.unwrap_or(end);
        while let Some(&place) = self.saturated.first()
            && place < tried
        {
            self.saturated.pop_first();
            self.given_up[place] = true;
            self.room.close(place);
        }
        found.map(|place| self.order[place])
    }

    /// Takes note that a migration changed a host.
    fn update(&mut self, load: &Load, host: usize) {
        let place = self.place_of[host];
        if self.given_up[place] {
            return;
        }
        self.room.set(place, room(load, host));
        if load.is_saturated(host) {
            self.saturated.insert(place);
        } else {
            self.saturated.remove(&place);
        }
    }
}

/// What a host has room for: an upper bound for use, whose exact test adds in another order, and exactly what can be allocated.
fn room(load: &Load, host: usize) -> [f64; 6] {
    let (used, capacity): (Amounts, Amounts) = (load.host_use(host), load.hosts[host].capacity);
    let bound = |r: usize| capacity[r] - used[r] + 4.0 * f64::EPSILON * (capacity[r].abs() + used[r].abs());
    let [vcpus, memory_mib, disk_gib] = load.free(host);
    [bound(0), bound(1), bound(2), vcpus, memory_mib, disk_gib]
}
