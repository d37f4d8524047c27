//! The cluster before and after, as a table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use watcher_cluster::ClusterFile;

use crate::report::Report;
use crate::show::print;

/// Where instances are, and which hosts are enabled.
pub type Cluster<'a> = (&'a BTreeMap<String, String>, &'a BTreeSet<String>);

/// Prints what the plan changed.
pub fn show(file: &ClusterFile, before: Cluster<'_>, after: Cluster<'_>, report: &Report) {
    let (b, a) = (Figures::of(file, before), Figures::of(file, after));
    let moved = after.0.iter().filter(|(uuid, host)| before.0.get(*uuid) != Some(host)).count();
    print(&format!("\n{:32}{:>12}{:>12}", "", "before", "after"));
    print(&format!("{:32}{:>12}{:>12}", "hosts that run instances", b.used, a.used));
    print(&format!("{:32}{:>12}{:>12}", "hosts enabled", b.enabled, a.enabled));
    print(&format!("{:32}{:>11.1}%{:>11.1}%", "CPU use, mean of used hosts", b.mean, a.mean));
    print(&format!("{:32}{:>11.1}%{:>11.1}%", "CPU use, highest", b.highest, a.highest));
    print(&format!("{:32}{:>12.2}{:>12.2}", "CPU use, standard deviation", b.deviation, a.deviation));
    print(&format!("{:32}{:>12}{moved:>12}", "instances moved", ""));
    for efficacy in &report.global_efficacy {
        let value = efficacy["value"].as_f64().unwrap_or_default();
        let (name, unit) =
            (efficacy["name"].as_str().unwrap_or_default(), efficacy["unit"].as_str().unwrap_or_default());
        print(&format!("{name:32}{:>12}{value:>11.2}{unit}", ""));
    }
}

/// Figures of one cluster. CPU in percent of a host's physical CPUs, as the instances' own figures add up.
struct Figures {
    used: usize,
    enabled: usize,
    mean: f64,
    highest: f64,
    deviation: f64,
}

impl Figures {
    #[expect(clippy::cast_precision_loss, reason = "counts and CPUs are far below 2^53")]
    fn of(file: &ClusterFile, (placement, enabled): Cluster<'_>) -> Self {
        let mut load: HashMap<&str, f64> = HashMap::new();
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for instance in &file.compute.instances {
            let Some(host) = placement.get(&instance.uuid) else { continue };
            used.insert(host);
            let percent = file
                .metrics
                .instance
                .get(&instance.uuid)
                .and_then(|metrics| metrics.get("instance_cpu_usage").copied().flatten())
                .unwrap_or(0.0);
            *load.entry(host).or_default() += instance.vcpus as f64 * percent / 100.0;
        }
        let share = |node: &watcher_cluster::file::NodeEntry| {
            100.0 * load.get(node.hostname.as_str()).copied().unwrap_or(0.0) / (node.vcpus.max(1)) as f64
        };
        let all: Vec<f64> = file.compute.nodes.iter().map(share).collect();
        let busy: Vec<f64> =
            file.compute.nodes.iter().filter(|node| used.contains(node.hostname.as_str())).map(share).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let centre = mean(&all);
        let variance = mean(&all.iter().map(|value| (value - centre).powi(2)).collect::<Vec<_>>());
        Self {
            used: used.len(),
            enabled: enabled.len(),
            mean: mean(&busy),
            highest: all.iter().copied().fold(0.0, f64::max),
            deviation: variance.sqrt(),
        }
    }
}
