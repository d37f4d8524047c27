//! Clusters of any size, for measurements of speed.

use super::FakeHost;
use crate::cluster::{Columns, StringColumn};
use crate::{Cluster, ResourceKind, Samples, SplitMix64};

/// A cluster of equal nodes (64 vCPU at a ratio of 2, 256 GiB, 4 TiB) with instances of mixed flavors placed at random, and metrics for all.
/// The same seed makes the same cluster.
pub fn cluster(hosts: u32, instances: u32, seed: u64) -> FakeHost {
    let mut random = SplitMix64::new(seed);
    let nodes = hosts as usize;
    let count = instances as usize;
    let mut columns = Columns {
        node_uuid: names(hosts, |i| format!("00000001-0000-4000-8000-{i:012}")),
        node_hostname: names(hosts, |i| format!("compute-{i:05}")),
        node_status: names(hosts, |_| "enabled".to_owned()),
        node_state: names(hosts, |_| "up".to_owned()),
        node_vcpus: vec![64; nodes],
        node_vcpu_reserved: vec![0; nodes],
        node_vcpu_ratio: vec![2.0; nodes],
        node_memory_mib: vec![262_144; nodes],
        node_memory_reserved_mib: vec![4096; nodes],
        node_memory_ratio: vec![1.0; nodes],
        node_disk_gib: vec![4000; nodes],
        node_disk_reserved_gib: vec![0; nodes],
        node_disk_ratio: vec![1.0; nodes],
        instance_uuid: names(instances, |i| format!("00000002-0000-4000-8000-{i:012}")),
        instance_name: names(instances, |i| format!("instance-{i:06}")),
        instance_state: names(instances, |_| "active".to_owned()),
        instance_watcher_exclude: vec![false; count],
        instance_locked: vec![false; count],
        ..Columns::default()
    };
    let mut occupants = vec![Vec::new(); nodes];
    let mut host_cpu = vec![0.0; nodes];
    let mut host_memory = vec![0.0; nodes];
    let (mut cpu, mut memory, mut disk) = (Vec::new(), Vec::new(), Vec::new());
    for instance in 0..instances {
        let vcpus = [1_u32, 2, 4, 8, 16][random.below(5) as usize];
        let percent = f64::from(random.below(10_000)) / 100.0;
        let used_mib = f64::from(vcpus) * 2048.0 * f64::from(20 + random.below(80)) / 100.0;
        columns.instance_vcpus.push(u64::from(vcpus));
        columns.instance_memory_mib.push(u64::from(vcpus) * 2048);
        columns.instance_disk_gib.push(20);
        cpu.push(percent);
        memory.push(used_mib);
        disk.push(20.0);
        if hosts > 0 {
            let node = random.below(hosts) as usize;
            occupants[node].push(instance);
            host_cpu[node] += f64::from(vcpus) * percent / 64.0;
            host_memory[node] += used_mib * 1024.0;
        }
    }
    for occupants in occupants {
        columns.placed.extend(occupants);
        columns.placed_ends.push(u32::try_from(columns.placed.len()).unwrap_or(u32::MAX));
    }
    let cluster = Cluster::from_columns(columns).unwrap_or_default();
    let all =
        |values: Vec<f64>| Samples { rows: (0..u32::try_from(values.len()).unwrap_or(u32::MAX)).collect(), values };
    FakeHost::new(cluster)
        .with_seed(seed)
        .with_samples("host_cpu_usage", ResourceKind::ComputeNode, all(host_cpu))
        .with_samples("host_ram_usage", ResourceKind::ComputeNode, all(host_memory))
        .with_samples("instance_cpu_usage", ResourceKind::Instance, all(cpu))
        .with_samples("instance_ram_usage", ResourceKind::Instance, all(memory))
        .with_samples("instance_root_disk_size", ResourceKind::Instance, all(disk))
}

fn names(count: u32, name: impl Fn(u32) -> String) -> StringColumn {
    let names: Vec<String> = (0..count).map(name).collect();
    names.iter().map(String::as_str).collect()
}
