//! Generated clusters.

use std::collections::HashMap;

use watcher_cluster::file::NodeEntry;
use watcher_cluster::{ClusterFile, NodeState, NodeStatus};
use watcher_simulator::{GenerateOptions, generate};

fn text(file: &ClusterFile) -> String {
    serde_json::to_string(file).unwrap()
}

fn whole(value: u64) -> f64 {
    f64::from(u32::try_from(value).unwrap())
}

/// Sums of vCPUs, memory and disk by host.
fn claimed(file: &ClusterFile) -> HashMap<&str, (u64, u64, u64)> {
    let mut sums: HashMap<&str, (u64, u64, u64)> = HashMap::new();
    for instance in &file.compute.instances {
        let sum = sums.entry(instance.node.as_deref().unwrap()).or_default();
        sum.0 += instance.vcpus;
        sum.1 += instance.memory;
        sum.2 += instance.disk;
    }
    sums
}

fn holds(node: &NodeEntry, (vcpus, memory, disk): (u64, u64, u64)) -> bool {
    whole(vcpus) <= whole(node.vcpus - node.vcpu_reserved) * node.vcpu_ratio
        && whole(memory) <= whole(node.memory - node.memory_mb_reserved) * node.memory_ratio
        && whole(disk) <= whole(node.disk - node.disk_gb_reserved) * node.disk_ratio
}

#[test]
fn the_same_seed_gives_the_same_cluster_and_another_seed_another() {
    let options = GenerateOptions { traces: true, stopped_percent: 10.0, ..GenerateOptions::default() };
    let first = generate(&options);
    // The map of traces has no order, all else is compared as text.
    let again = generate(&options);
    let series = |file: &ClusterFile| file.traces.clone().unwrap().instance_series;
    assert_eq!(series(&first), series(&again));
    let bare = |mut file: ClusterFile| {
        file.traces = None;
        text(&file)
    };
    assert_eq!(bare(first), bare(again));
    let options = GenerateOptions { seed: 2, ..GenerateOptions::default() };
    assert_ne!(text(&generate(&options)), text(&generate(&GenerateOptions::default())));
}

#[test]
fn every_instance_fits_and_every_file_can_be_read_back() {
    for (hosts, instances, seed) in [(1, 1, 1), (1, 400, 2), (20, 200, 3), (50, 40, 4), (30, 2000, 5), (3, 0, 6)] {
        let options = GenerateOptions { hosts, instances, seed, fill: 0.9, ..GenerateOptions::default() };
        let file = generate(&options);
        assert_eq!((file.compute.nodes.len(), file.compute.instances.len()), (hosts, instances));
        let claimed = claimed(&file);
        for node in &file.compute.nodes {
            let sum = claimed.get(node.hostname.as_str()).copied().unwrap_or_default();
            assert!(holds(node, sum), "{hosts} hosts, {instances} instances: {} holds {sum:?}", node.hostname);
        }
        ClusterFile::parse(text(&file).as_bytes()).unwrap();
    }
    let without = generate(&GenerateOptions { hosts: 0, instances: 3, ..GenerateOptions::default() });
    assert!(without.compute.instances.iter().all(|instance| instance.node.is_none()));
}

#[test]
fn states_come_in_the_shares_asked_for() {
    let options = GenerateOptions {
        hosts: 40,
        instances: 2000,
        disabled_percent: 10.0,
        down_percent: 5.0,
        stopped_percent: 20.0,
        paused_percent: 5.0,
        ..GenerateOptions::default()
    };
    let file = generate(&options);
    let nodes = &file.compute.nodes;
    assert_eq!(nodes.iter().filter(|node| node.status == NodeStatus::Disabled).count(), 4);
    assert_eq!(nodes.iter().filter(|node| node.state == NodeState::Down).count(), 2);
    let share = |state: &str| file.compute.instances.iter().filter(|instance| instance.state == state).count();
    assert!((300..500).contains(&share("stopped")));
    assert!((60..150).contains(&share("paused")));
}

#[test]
fn there_is_work_for_a_consolidation() {
    let file = generate(&GenerateOptions { hosts: 50, instances: 500, ..GenerateOptions::default() });
    let claimed = claimed(&file);
    let share = |node: &NodeEntry| {
        let memory = claimed.get(node.hostname.as_str()).map_or(0, |sum| sum.1);
        whole(memory) / whole(node.memory)
    };
    let fills: Vec<f64> = file.compute.nodes.iter().map(share).collect();
    let mean = fills.iter().sum::<f64>() / 50.0;
    assert!((0.25..0.75).contains(&mean), "{mean}");
    assert!(fills.iter().filter(|fill| **fill < 0.3).count() >= 5);
    assert!(fills.iter().filter(|fill| **fill > 0.6).count() >= 5);
}

#[test]
fn metrics_are_there_for_all_and_within_bounds() {
    let file = generate(&GenerateOptions { hosts: 20, instances: 300, traces: true, ..GenerateOptions::default() });
    for node in &file.compute.nodes {
        let row = &file.metrics.host[&node.uuid];
        assert!((0.0..=100.0).contains(&row["host_cpu_usage"].unwrap()));
        assert!((0.0..=whole(node.memory) * 1024.0).contains(&row["host_ram_usage"].unwrap()));
    }
    let traces = file.traces.as_ref().unwrap();
    for instance in &file.compute.instances {
        let row = &file.metrics.instance[&instance.uuid];
        let cpu = row["instance_cpu_usage"].unwrap();
        assert!((0.0..=100.0).contains(&cpu));
        assert!((0.0..=whole(instance.memory)).contains(&row["instance_ram_usage"].unwrap()));
        let series = &traces.series[traces.instance_series[&instance.uuid]];
        assert!((series[276..].iter().sum::<f64>() / 12.0 - cpu).abs() < 1e-9);
    }
}
