//! Makes cluster files of any size: the same options give the same file.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use uuid::{Builder, Uuid};

use crate::file::{ClusterFile, ComputeSection, InstanceEntry, MetricsSection, NodeEntry, Traces};
use crate::model::{NodeState, NodeStatus};

/// What kind of cluster to make. Every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateOptions {
    /// Number of hosts. Default 20.
    pub hosts: usize,
    /// Number of instances. Default 200.
    pub instances: usize,
    /// The same seed gives the same cluster. Default 1.
    pub seed: u64,
    /// Overcommit of virtual CPUs. Default 4.
    pub vcpu_ratio: f64,
    /// Overcommit of memory. Default 1.
    pub memory_ratio: f64,
    /// Memory reserved on each host in MiB. Default 2048.
    pub memory_reserved_mib: u64,
    /// About how much of all memory is allocated, 0 to 1; hosts are sized for it. Default 0.55.
    pub fill: f64,
    /// Percentage of hosts that are disabled. Default 0.
    pub disabled_percent: f64,
    /// Percentage of hosts that are down. Default 0.
    pub down_percent: f64,
    /// Percentage of instances that are stopped. Default 0.
    pub stopped_percent: f64,
    /// Percentage of instances that are paused. Default 0.
    pub paused_percent: f64,
    /// Add a day of CPU traces; the metric of an instance is then the mean of its last twelve samples. Default false.
    pub traces: bool,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            hosts: 20,
            instances: 200,
            seed: 1,
            vcpu_ratio: 4.0,
            memory_ratio: 1.0,
            memory_reserved_mib: 2048,
            fill: 0.55,
            disabled_percent: 0.0,
            down_percent: 0.0,
            stopped_percent: 0.0,
            paused_percent: 0.0,
            traces: false,
        }
    }
}

struct Size {
    name: &'static str,
    vcpus: u64,
    memory_mib: u64,
    disk_gib: u64,
    /// How many of a hundred instances have it.
    weight: u32,
}

const fn size(name: &'static str, vcpus: u64, memory_gib: u64, disk_gib: u64, weight: u32) -> Size {
    Size { name, vcpus, memory_mib: memory_gib * 1024, disk_gib, weight }
}

const FLAVORS: [Size; 8] = [
    size("m.small", 1, 2, 20, 24),
    size("m.medium", 2, 4, 40, 28),
    size("m.large", 4, 8, 80, 20),
    size("c.large", 4, 4, 40, 6),
    size("m.xlarge", 8, 16, 160, 12),
    size("r.xlarge", 4, 32, 80, 4),
    size("m.2xlarge", 16, 32, 320, 4),
    size("m.4xlarge", 32, 64, 640, 2),
];

/// Hardware, smallest first.
const HARDWARE: [Size; 9] = [
    size("", 32, 128, 4_000, 0),
    size("", 48, 192, 6_000, 0),
    size("", 64, 256, 8_000, 0),
    size("", 80, 384, 12_000, 0),
    size("", 96, 512, 16_000, 0),
    size("", 128, 768, 24_000, 0),
    size("", 128, 1024, 32_000, 0),
    size("", 192, 1536, 48_000, 0),
    size("", 256, 2048, 64_000, 0),
];

/// Owners of instances: ids of the projects `alpha` and `beta` of the simulated cloud.
const PROJECTS: [&str; 2] = ["7680d83f24204659a25910250da45a92", "c1756c70ec5c41e09b27f2abbcc0b227"];

/// Samples of a trace: one day of 300 s each.
const TRACE_SAMPLES: usize = 288;
/// Samples whose mean is the metric.
const PERIOD_SAMPLES: usize = 12;
const MAX_TRACES: usize = 256;

/// Makes a cluster file. Every instance is on a host where Placement has room for it: a host that is too small for its
/// share is made larger. Without hosts, instances are on none.
pub fn generate(options: &GenerateOptions) -> ClusterFile {
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let flavors: Vec<&'static Size> = (0..options.instances).map(|_| flavor(&mut random)).collect();
    let mut nodes = nodes(options, &flavors, &mut random);
    let places = place(&mut nodes, &flavors, &mut random);
    let traces = options.traces.then(|| traces(options.instances, &mut random));

    let mut file =
        ClusterFile { compute: ComputeSection { nodes, ..ComputeSection::default() }, ..ClusterFile::default() };
    let mut use_of = vec![(0.0, 0.0); file.compute.nodes.len()];
    let mut instance_series = std::collections::HashMap::new();
    for (index, (flavor, place)) in flavors.iter().zip(&places).enumerate() {
        let entry = InstanceEntry {
            uuid: uuid(&mut random).to_string(),
            name: Some(format!("vm-{:06}", index + 1)),
            node: place.map(|place| file.compute.nodes[place].hostname.clone()),
            vcpus: flavor.vcpus,
            memory: flavor.memory_mib,
            disk: flavor.disk_gib,
            state: state(options, &mut random).to_owned(),
            metadata: Map::new(),
            project_id: Some(PROJECTS[random.random_range(0..PROJECTS.len())].to_owned()),
            watcher_exclude: false,
            locked: false,
            flavor: Some(flavor.name.to_owned()),
            pinned_az: None,
            flavor_extra_specs: Map::new(),
            created_at: None,
        };
        let trace = traces.as_ref().map(|series| random.random_range(0..series.len()));
        let cpu_percent = match (entry.state.as_str(), trace.zip(traces.as_ref())) {
            ("active", Some((trace, series))) => {
                instance_series.insert(entry.uuid.clone(), trace);
                let last = &series[trace][TRACE_SAMPLES - PERIOD_SAMPLES..];
                last.iter().sum::<f64>() / float_len(PERIOD_SAMPLES)
            }
            // Most instances idle, a few are busy.
            ("active", None) => tenth(1.0 + 94.0 * random.random::<f64>().powi(3)),
            _ => 0.0,
        };
        let memory_share = (0.2 + 0.35 * random.random::<f64>() + 0.4 * cpu_percent / 100.0).min(0.95);
        let memory_mib = if entry.state == "stopped" { 0.0 } else { tenth(float(entry.memory) * memory_share) };
        if let Some(place) = *place {
            use_of[place].0 += float(entry.vcpus) * cpu_percent / 100.0;
            use_of[place].1 += memory_mib;
        }
        let row = [
            ("instance_cpu_usage", cpu_percent),
            ("instance_ram_usage", memory_mib),
            ("instance_ram_allocated", float(entry.memory)),
            ("instance_root_disk_size", float(entry.disk)),
        ];
        let row = row.into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect();
        file.metrics.instance.insert(entry.uuid.clone(), row);
        file.compute.instances.push(entry);
    }
    file.metrics = MetricsSection { host: host_metrics(&file.compute.nodes, &use_of), ..file.metrics };
    file.traces = traces.map(|series| Traces { series, instance_series });
    file
}

/// A count as a float.
#[expect(clippy::cast_precision_loss, reason = "counts of a cluster are far below 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}

fn float_len(value: usize) -> f64 {
    float(value as u64)
}

/// The integer part of a float; out of range saturates and NaN is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "truncation and saturation are what is asked for"
)]
fn whole(value: f64) -> usize {
    value as usize
}

fn uuid(random: &mut ChaCha8Rng) -> Uuid {
    Builder::from_random_bytes(random.random()).into_uuid()
}

/// One decimal, as monitoring shows it.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn flavor(random: &mut ChaCha8Rng) -> &'static Size {
    let mut rest = random.random_range(0..FLAVORS.iter().map(|flavor| flavor.weight).sum());
    FLAVORS
        .iter()
        .find(|flavor| {
            let found = rest < flavor.weight;
            rest = rest.saturating_sub(flavor.weight);
            found
        })
        .unwrap_or(&FLAVORS[0])
}

fn state(options: &GenerateOptions, random: &mut ChaCha8Rng) -> &'static str {
    let drawn = random.random::<f64>() * 100.0;
    if drawn < options.stopped_percent {
        "stopped"
    } else if drawn < options.stopped_percent + options.paused_percent {
        "paused"
    } else {
        "active"
    }
}

/// Hosts of a class that fits the demand, and some of the next.
fn nodes(options: &GenerateOptions, flavors: &[&Size], random: &mut ChaCha8Rng) -> Vec<NodeEntry> {
    let demand: u64 = flavors.iter().map(|flavor| flavor.memory_mib).sum();
    let share =
        float(demand) / float_len(options.hosts.max(1)) / options.fill.clamp(0.05, 0.95) / ratio(options.memory_ratio);
    let class = HARDWARE.iter().position(|hardware| float(hardware.memory_mib) >= share).unwrap_or(HARDWARE.len() - 1);
    let mut order: Vec<usize> = (0..options.hosts).collect();
    order.shuffle(random);
    let count = |percent: f64| whole((float_len(options.hosts) * percent.clamp(0.0, 100.0) / 100.0).round());
    let disabled = count(options.disabled_percent);
    let down = count(options.down_percent).min(options.hosts - disabled);
    let mut nodes: Vec<NodeEntry> = (0..options.hosts)
        .map(|index| {
            let larger = usize::from(random.random_range(0..10) < 3);
            let hardware = &HARDWARE[(class + larger).min(HARDWARE.len() - 1)];
            NodeEntry {
                uuid: uuid(random).to_string(),
                hostname: format!("compute-{:05}", index + 1),
                vcpus: hardware.vcpus,
                memory: hardware.memory_mib,
                disk: hardware.disk_gib,
                vcpu_ratio: ratio(options.vcpu_ratio),
                memory_ratio: ratio(options.memory_ratio),
                disk_ratio: 1.0,
                vcpu_reserved: 0,
                memory_mb_reserved: options.memory_reserved_mib.min(hardware.memory_mib / 4),
                disk_gb_reserved: 0,
                status: NodeStatus::Enabled,
                disabled_reason: None,
                state: NodeState::Up,
            }
        })
        .collect();
    for &index in &order[..disabled] {
        nodes[index].status = NodeStatus::Disabled;
        nodes[index].disabled_reason = Some("maintenance".to_owned());
    }
    for &index in &order[disabled..disabled + down] {
        nodes[index].state = NodeState::Down;
    }
    nodes
}

/// A ratio that a cluster file may have.
fn ratio(wanted: f64) -> f64 {
    if wanted.is_finite() && wanted > 0.0 { wanted } else { 1.0 }
}

#[derive(Clone, Copy, Default)]
struct Claimed {
    vcpus: u64,
    memory_mib: u64,
    disk_gib: u64,
}

/// Whether an instance fits a host of which only `part` may be used.
fn fits(node: &NodeEntry, claimed: Claimed, size: &Size, part: f64) -> bool {
    let within = |used: u64, total: u64, reserved: u64, ratio: f64| {
        float(used) <= (float(total) - float(reserved)) * ratio * part
    };
    size.vcpus <= node.vcpus
        && size.memory_mib <= node.memory
        && size.disk_gib <= node.disk
        && within(claimed.vcpus + size.vcpus, node.vcpus, node.vcpu_reserved, node.vcpu_ratio)
        && within(claimed.memory_mib + size.memory_mib, node.memory, node.memory_mb_reserved, node.memory_ratio)
        && within(claimed.disk_gib + size.disk_gib, node.disk, node.disk_gb_reserved, node.disk_ratio)
}

/// Spreads instances as a cloud does that has grown: some hosts full, some nearly empty.
fn place(nodes: &mut [NodeEntry], flavors: &[&Size], random: &mut ChaCha8Rng) -> Vec<Option<usize>> {
    /// Hosts tried by chance before they are searched.
    const TRIES: usize = 8;
    if nodes.is_empty() {
        return vec![None; flavors.len()];
    }
    let parts: Vec<f64> = nodes.iter().map(|_| 0.15 + 0.85 * random.random::<f64>()).collect();
    let mut claimed = vec![Claimed::default(); nodes.len()];
    let mut cursor = 0;
    flavors
        .iter()
        .map(|size| {
            let mut found = None;
            for attempt in 0..TRIES * 2 {
                // Of two, the one that is meant to be fuller: the spread is wider than chance alone makes it.
                let (one, other) = (random.random_range(0..nodes.len()), random.random_range(0..nodes.len()));
                let host = if parts[one] < parts[other] { other } else { one };
                let part = if attempt < TRIES { parts[host] } else { 1.0 };
                if fits(&nodes[host], claimed[host], size, part) {
                    found = Some(host);
                    break;
                }
            }
            let host = found.unwrap_or_else(|| {
                let order = (cursor..nodes.len()).chain(0..cursor);
                let host = order.into_iter().find(|&host| fits(&nodes[host], claimed[host], size, 1.0));
                // A host in turn, made larger below.
                let host = host.unwrap_or(cursor);
                cursor = (host + 1) % nodes.len();
                host
            });
            while !fits(&nodes[host], claimed[host], size, 1.0) {
                nodes[host].vcpus *= 2;
                nodes[host].memory *= 2;
                nodes[host].disk *= 2;
            }
            claimed[host].vcpus += size.vcpus;
            claimed[host].memory_mib += size.memory_mib;
            claimed[host].disk_gib += size.disk_gib;
            Some(host)
        })
        .collect()
}

/// The use of hosts is that of their instances, and a little of their own.
fn host_metrics(nodes: &[NodeEntry], use_of: &[(f64, f64)]) -> crate::file::MetricTable {
    const OWN_CPU_PERCENT: f64 = 0.5;
    const OWN_MEMORY_MIB: f64 = 1024.0;
    nodes
        .iter()
        .zip(use_of)
        .map(|(node, (cpus, memory_mib))| {
            let cpu_percent = tenth((cpus / float(node.vcpus) * 100.0 + OWN_CPU_PERCENT).min(100.0));
            let memory_kib = (memory_mib + OWN_MEMORY_MIB).min(float(node.memory)) * 1024.0;
            let row = [("host_cpu_usage", Some(cpu_percent)), ("host_ram_usage", Some(tenth(memory_kib)))];
            (node.uuid.clone(), row.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        })
        .collect()
}

/// Days of CPU use: a level, a rhythm and noise.
fn traces(instances: usize, random: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    (0..instances.clamp(1, MAX_TRACES))
        .map(|_| {
            let level = 1.0 + 80.0 * random.random::<f64>().powi(3);
            let swing = level * 0.5 * random.random::<f64>();
            let phase = random.random::<f64>();
            (0..TRACE_SAMPLES)
                .map(|sample| {
                    let day = float_len(sample) / float_len(TRACE_SAMPLES);
                    let rhythm = swing * (std::f64::consts::TAU * (day + phase)).sin();
                    let noise = level * 0.2 * (random.random::<f64>() - 0.5);
                    tenth((level + rhythm + noise).clamp(0.0, 100.0))
                })
                .collect()
        })
        .collect()
}
