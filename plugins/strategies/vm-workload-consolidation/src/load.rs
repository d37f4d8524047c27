//! How much of each resource instances and compute nodes use, and what a migration changes.

use watcher_sdk::{Cluster, Failure, Instance, Node, ResourceKind, Statistic, StrategyHost};

use crate::Parameters;

/// CPU in virtual CPUs, memory in MiB, disk in GiB: one number each, always in this order.
pub(crate) type Amounts = [f64; 3];

/// Memory below this many MiB holds no real flavor: a node with no more counts as full.
const LEAST_MEMORY_MIB: f64 = 128.0;

/// A compute node that takes part.
#[derive(Debug)]
pub(crate) struct Host {
    /// Row in the cluster data model.
    pub row: usize,
    pub capacity: Amounts,
    /// Instances, in the order in which they came.
    pub instances: Vec<u32>,
    /// Use of its instances; after the first migration no longer a fresh sum, so that rounding follows the original.
    instance_use: Amounts,
    /// Measured use of the node itself, if there is a measurement that is not 0: virtual CPUs and MiB.
    measured: [Option<f64>; 2],
    /// What planned migrations bring and take: CPU as used, memory as allocated.
    planned: [f64; 2],
    /// Allocated to its instances.
    allocated: Amounts,
}

/// Compute nodes that take part, and the use of all instances on them.
#[derive(Debug)]
pub(crate) struct Load {
    pub hosts: Vec<Host>,
    /// By row of the cluster data model; 0 for instances on nodes that do not take part.
    instance_use: Vec<Amounts>,
    flavor: Vec<Amounts>,
}

impl Load {
    /// Measures the compute nodes that are up, disabled or not.
    pub(crate) fn measure(
        host: &dyn StrategyHost,
        cluster: &Cluster,
        parameters: &Parameters,
    ) -> Result<Self, Failure> {
        let rows: Vec<usize> = (0..cluster.nodes.len()).filter(|&row| cluster.nodes[row].up).collect();
        if rows.is_empty() {
            return Ok(Self { hosts: Vec::new(), instance_use: Vec::new(), flavor: Vec::new() });
        }
        let ask = |metric, kind, len| -> Result<Vec<Option<f64>>, Failure> {
            let statistic = Statistic {
                metric,
                kind,
                aggregate: "mean",
                period_s: parameters.period_s,
                granularity_s: parameters.granularity_s,
            };
            // A measurement of 0 counts as none.
            Ok(host
                .statistic(&statistic)?
                .dense(len)
                .into_iter()
                .map(|value| value.filter(|&value| value != 0.0))
                .collect())
        };
        let flavor: Vec<Amounts> = cluster.instances.iter().map(flavor_of).collect();
        let instances = cluster.instances.len();
        let cpu = ask("instance_cpu_usage", ResourceKind::Instance, instances)?;
        let mut memory = ask("instance_ram_usage", ResourceKind::Instance, instances)?;
        let occupants = || rows.iter().flat_map(|&row| cluster.instances_of(row)).map(|&instance| instance as usize);
        if occupants().any(|instance| memory[instance].is_none()) {
            let allocated = ask("instance_ram_allocated", ResourceKind::Instance, instances)?;
            for (memory, allocated) in memory.iter_mut().zip(allocated) {
                *memory = memory.or(allocated);
            }
        }
        let disk = ask("instance_root_disk_size", ResourceKind::Instance, instances)?;
        let host_cpu = ask("host_cpu_usage", ResourceKind::ComputeNode, cluster.nodes.len())?;
        let host_memory = ask("host_ram_usage", ResourceKind::ComputeNode, cluster.nodes.len())?;

        let mut instance_use = vec![[0.0; 3]; instances];
        for i in occupants() {
            let [vcpus, memory_mib, disk_gib] = flavor[i];
            instance_use[i] = [
                cpu[i].map_or(vcpus, |percent| vcpus * (percent / 100.0)),
                memory[i].unwrap_or(memory_mib),
                disk[i].unwrap_or(disk_gib),
            ];
        }
        let hosts = rows
            .into_iter()
            .map(|row| {
                let node = &cluster.nodes[row];
                let occupants = cluster.instances_of(row);
                Host {
                    row,
                    capacity: capacity_of(node),
                    instances: occupants.to_vec(),
                    instance_use: sum(occupants, &instance_use),
                    measured: [
                        host_cpu[row].map(|percent| percent * to_f64(node.vcpus) / 100.0),
                        host_memory[row].map(|kib| kib / 1024.0),
                    ],
                    planned: [0.0; 2],
                    allocated: sum(occupants, &flavor),
                }
            })
            .collect();
        Ok(Self { hosts, instance_use, flavor })
    }

    /// What an instance uses.
    pub(crate) fn instance_use(&self, instance: u32) -> &Amounts {
        &self.instance_use[instance as usize]
    }

    /// What the flavor of an instance allocates.
    pub(crate) fn flavor(&self, instance: u32) -> &Amounts {
        &self.flavor[instance as usize]
    }

    /// What a node uses: its instances, or what was measured on it, whichever is more.
    pub(crate) fn host_use(&self, host: usize) -> Amounts {
        let host = &self.hosts[host];
        let [cpu, memory, disk] = host.instance_use;
        let of_node = |resource: usize| host.measured[resource].map_or(0.0, |used| used + host.planned[resource]);
        [cpu.max(of_node(0)), memory.max(of_node(1)), disk]
    }

    /// What a node has left to allocate.
    pub(crate) fn free(&self, host: usize) -> Amounts {
        let host = &self.hosts[host];
        std::array::from_fn(|r| host.capacity[r] - host.allocated[r])
    }

    /// Whether a node uses more CPU than it has.
    pub(crate) fn is_overloaded(&self, host: usize) -> bool {
        self.host_use(host)[0] > self.hosts[host].capacity[0]
    }

    /// Whether a node cannot be expected to take anything more.
    pub(crate) fn is_saturated(&self, host: usize) -> bool {
        let limits = [0.0, LEAST_MEMORY_MIB, 0.0];
        let (free, used, capacity) = (self.free(host), self.host_use(host), self.hosts[host].capacity);
        (0..3).any(|r| free[r] <= limits[r]) || (0..3).any(|r| used[r] >= capacity[r] - limits[r])
    }

    /// Whether a node has room for the use of an instance. Says nothing about allocation.
    pub(crate) fn use_fits(&self, instance: u32, host: usize) -> bool {
        let (need, used, capacity) = (self.instance_use(instance), self.host_use(host), self.hosts[host].capacity);
        (0..3).all(|r| need[r] + used[r] <= capacity[r])
    }

    /// Moves an instance between two different nodes; it becomes the last of the destination.
    pub(crate) fn migrate(&mut self, instance: u32, source: usize, destination: usize) {
        let used = self.instance_use[instance as usize];
        let flavor = self.flavor[instance as usize];
        let from = &mut self.hosts[source];
        from.instances.retain(|&other| other != instance);
        from.planned = [from.planned[0] - used[0], from.planned[1] - flavor[1]];
        from.instance_use = std::array::from_fn(|r| (from.instance_use[r] - used[r]).max(0.0));
        from.allocated = std::array::from_fn(|r| from.allocated[r] - flavor[r]);
        let to = &mut self.hosts[destination];
        to.instances.push(instance);
        to.planned = [to.planned[0] + used[0], to.planned[1] + flavor[1]];
        to.instance_use = std::array::from_fn(|r| to.instance_use[r] + used[r]);
        to.allocated = std::array::from_fn(|r| to.allocated[r] + flavor[r]);
    }
}

/// The sum over some rows, added one after another in their order.
fn sum(rows: &[u32], amounts: &[Amounts]) -> Amounts {
    rows.iter().fold([0.0; 3], |sum, &row| std::array::from_fn(|r| sum[r] + amounts[row as usize][r]))
}

fn capacity_of(node: &Node) -> Amounts {
    [node.vcpu_capacity(), node.memory_capacity_mib(), node.disk_capacity_gib()]
}

fn flavor_of(instance: &Instance) -> Amounts {
    [to_f64(instance.vcpus), to_f64(instance.memory_mib), to_f64(instance.disk_gib)]
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
fn to_f64(size: u64) -> f64 {
    size as f64
}
