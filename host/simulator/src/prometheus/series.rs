//! The series that are served: a cluster file's metrics as counters and gauges.
//!
//! A series is not a list of samples but a function of time ([`Signal`]), and functions over ranges are computed from
//! it exactly: the rate of a linear counter is its slope, whatever the range. So a query gives the number of the
//! cluster file over any period, where sampled floats would give it only roughly.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use watcher_cluster::ClusterFile;
use watcher_cluster::file::{InstanceEntry, NodeEntry};

use super::signal::{Load, Signal, Trace};
use crate::number::{float, seconds};
use crate::options::SimulatorOptions;

/// Labels of a series without its name, sorted by label name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    pub(super) fn new(mut pairs: Vec<(Arc<str>, Arc<str>)>) -> Self {
        pairs.sort();
        Self(pairs.into())
    }

    /// The value of a label, empty if there is none: to Prometheus the two are the same.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| **known == *name).map_or("", |(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Arc<str>, Arc<str>)> {
        self.0.iter()
    }

    /// The labels that `keep` takes.
    pub(super) fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    /// These labels with one set, or removed if the value is empty.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut pairs: Vec<_> = self.0.iter().filter(|(known, _)| **known != *name).cloned().collect();
        if !value.is_empty() {
            pairs.push((name.into(), value.into()));
        }
        Self::new(pairs)
    }
}

/// One series.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) signal: Signal,
}

/// All series of one name.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: Arc<str>,
    pub(super) series: Vec<Series>,
    /// The label by which series are asked for one by one.
    pub(super) key: &'static str,
    by_key: HashMap<Arc<str>, Vec<usize>>,
}

impl Metric {
    fn new(name: &str, key: &'static str) -> Self {
        Self { name: name.into(), series: Vec::new(), key, by_key: HashMap::new() }
    }

    fn push(&mut self, labels: &Labels, signal: Signal) {
        let value = labels.iter().find(|(name, _)| **name == *self.key).map(|(_, value)| Arc::clone(value));
        if let Some(value) = value {
            self.by_key.entry(value).or_default().push(self.series.len());
        }
        self.series.push(Series { labels: labels.clone(), signal });
    }

    /// The series whose key label has this value.
    pub(super) fn with_key(&self, value: &str) -> impl Iterator<Item = &Series> {
        self.by_key.get(value).into_iter().flatten().map(|&index| &self.series[index])
    }
}

/// All series.
#[derive(Debug)]
pub(crate) struct Store {
    metrics: BTreeMap<Arc<str>, Metric>,
    /// Host names, in the order of the cluster file: the scrape targets.
    pub(super) hosts: Vec<String>,
    pub(super) traces: Vec<Trace>,
    /// What each instance does to its host, in the order of the cluster file.
    pub(super) loads: Vec<Load>,
    /// When the simulator started, in seconds since the epoch.
    pub(super) start_s: f64,
    /// Whether series depend on what runs where.
    pub(super) follows_placement: bool,
}

/// Processors that a host exports, whatever its size: queries take the mean over them. A power of two, so that the mean
/// of equal numbers is that number exactly.
const EXPORTED_CPUS: usize = 2;
/// Ceilometer counts CPU time in nanoseconds.
const NS: f64 = 1e9;

impl Store {
    pub(crate) fn new(file: &ClusterFile, options: &SimulatorOptions, now: DateTime<Utc>) -> Self {
        let mut store = Self {
            metrics: BTreeMap::new(),
            hosts: file.compute.nodes.iter().map(|node| node.hostname.clone()).collect(),
            traces: Vec::new(),
            loads: Vec::new(),
            start_s: seconds(now.timestamp_millis()),
            follows_placement: false,
        };
        let traces = file.traces.as_ref().filter(|_| options.traces);
        if let Some(traces) = traces {
            store.traces = traces.series.iter().map(|samples| Trace::new(samples)).collect();
            store.follows_placement = true;
        }
        for (index, node) in file.compute.nodes.iter().enumerate() {
            store.add_host(file, index, node);
        }
        for entry in &file.compute.instances {
            let series = traces.and_then(|traces| traces.instance_series.get(&entry.uuid).copied());
            store.add_instance(file, entry, series);
        }
        store
    }

    fn metric(&mut self, name: &str, key: &'static str) -> &mut Metric {
        self.metrics.entry(name.into()).or_insert_with(|| Metric::new(name, key))
    }

    fn add_host(&mut self, file: &ClusterFile, index: usize, node: &NodeEntry) {
        let row = file.metrics.host.get(&node.uuid).or_else(|| file.metrics.host.get(&node.hostname));
        let value = |name: &str| row.and_then(|row| row.get(name).copied().flatten());
        let labels = labels([
            ("fqdn", node.hostname.as_str()),
            ("instance", &format!("{}:9100", node.hostname)),
            ("job", "node"),
        ]);
        self.metric("up", "fqdn").push(&labels, Signal::Constant(1.0));
        let follows_placement = self.follows_placement;
        if follows_placement || value("host_cpu_usage").is_some() {
            let percent = value("host_cpu_usage").unwrap_or_default();
            let idle = nearest((100.0 - percent) / 100.0, percent, |rate| 100.0 - rate * 100.0);
            // Of the time that is not idle.
            let modes = [("user", 0.75), ("system", 0.25), ("iowait", 0.0)];
            for cpu in 0..EXPORTED_CPUS {
                let labels = labels.with("cpu", &cpu.to_string());
                let metric = self.metric("node_cpu_seconds_total", "fqdn");
                let signal = |idle_share: f64, busy_share: f64| {
                    if follows_placement {
                        Signal::HostCpu { host: index, base: idle_share, factor: busy_share - idle_share }
                    } else {
                        Signal::Ramp { slope: idle_share * idle + busy_share * (1.0 - idle) }
                    }
                };
                metric.push(&labels.with("mode", "idle"), signal(1.0, 0.0));
                for (mode, share) in modes {
                    metric.push(&labels.with("mode", mode), signal(0.0, share));
                }
            }
        }
        let total = float(node.memory) * 1024.0 * 1024.0;
        self.metric("node_memory_MemTotal_bytes", "fqdn").push(&labels, Signal::Constant(total));
        if let Some(used_kib) = value("host_ram_usage") {
            let available = nearest(total - used_kib * 1024.0, used_kib, |available| (total - available) / 1024.0);
            self.metric("node_memory_MemAvailable_bytes", "fqdn").push(&labels, Signal::Constant(available));
        }
    }

    fn add_instance(&mut self, file: &ClusterFile, entry: &InstanceEntry, series: Option<usize>) {
        let row = file.metrics.instance.get(&entry.uuid);
        let value = |name: &str| row.and_then(|row| row.get(name).copied().flatten());
        let labels = labels([
            ("instance", "ceilometer:9105"),
            ("job", "ceilometer"),
            ("project", entry.project_id.as_deref().unwrap_or(watcher_cluster::file::DEFAULT_PROJECT)),
            ("resource", entry.uuid.as_str()),
            ("resource_name", entry.name.as_deref().unwrap_or(&entry.uuid)),
        ]);
        // The datasource divides by the number of processors, and takes 1 for none.
        let vcpus = float(entry.vcpus.max(1));
        let percent = value("instance_cpu_usage");
        let signal = match (series, percent) {
            (Some(trace), _) => Some(Signal::TraceCpu { trace, scale: vcpus / 100.0 * NS }),
            (None, Some(percent)) => {
                let rate = |rate: f64| rate / NS * (100.0 / vcpus);
                Some(Signal::Ramp { slope: nearest(percent * vcpus / 100.0 * NS, percent, rate) })
            }
            (None, None) => None,
        };
        if let Some(signal) = signal {
            self.metric("ceilometer_cpu", "resource").push(&labels, signal);
        }
        if let Some(mib) = value("instance_ram_usage") {
            self.metric("ceilometer_memory_usage", "resource").push(&labels, Signal::Constant(mib));
        }
        self.loads.push(Load { trace: series, percent: percent.unwrap_or_default(), vcpus: float(entry.vcpus) });
    }

    pub(super) fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.metrics.values()
    }

    pub(super) fn named(&self, name: &str) -> Option<&Metric> {
        self.metrics.get(name)
    }
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    Labels::new(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}

/// The number close to `guess` whose `image` is closest to `wanted`: undoes the rounding of what the datasource
/// computes, as far as there is such a number.
fn nearest(guess: f64, wanted: f64, image: impl Fn(f64) -> f64) -> f64 {
    let mut best = guess;
    let (mut up, mut down) = (guess, guess);
    for _ in 0..4 {
        up = up.next_up();
        down = down.next_down();
        for candidate in [up, down] {
            if (image(candidate) - wanted).abs() < (image(best) - wanted).abs() {
                best = candidate;
            }
        }
    }
    best
}
