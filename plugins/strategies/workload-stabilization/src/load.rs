//! What instances use, what compute nodes use, and what a migration makes of it.

use watcher_sdk::{Cluster, Failure, ResourceKind, Statistic, StrategyHost};

use crate::parameters::{Metric, Parameters};
use crate::spread::{Bounds, Change, Spread};

/// Compute nodes whose use is known, by a number of their own: the order of the cluster data model.
#[derive(Debug)]
pub(crate) struct Load {
    /// Which metrics are balanced, in the order of the parameters; one may be there twice.
    metrics: Vec<Metric>,
    weights: Weights,
    hosts: Vec<Host>,
    /// By row of node.
    host_of: Vec<Option<usize>>,
    /// By metric, then host: CPU as a share of the host, memory in MiB.
    used: [Vec<f64>; 2],
    /// By metric: `used` on a scale from 0 to 1.
    spread: [Spread; 2],
    instances: Vec<InstanceLoad>,
}

#[derive(Debug)]
struct Host {
    vcpus: f64,
    memory_mib: f64,
}

/// What one instance uses.
#[derive(Debug, Clone, Copy)]
struct InstanceLoad {
    vcpus: f64,
    /// By metric: share of its vCPUs, MiB.
    used: [Option<f64>; 2],
}

#[derive(Debug, Clone, Copy, Default)]
struct Weights([f64; 2]);

/// A migration between hosts by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    pub instance: u32,
    pub source: usize,
    pub destination: usize,
}

/// Bounds of each metric's standard deviation after a move, and of their weighted sum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Estimate {
    pub weighted: Bounds,
    pub each: [Bounds; 2],
}

impl Load {
    /// Measures the compute nodes that are up and enabled. One that lacks a measurement is left out, and so is one without memory when
    /// memory is balanced: there is no share of nothing.
    pub(crate) fn measure(
        host: &dyn StrategyHost,
        cluster: &Cluster,
        parameters: &Parameters,
    ) -> Result<Self, Failure> {
        let mut measured: [Option<Vec<Option<f64>>>; 2] = [None, None];
        for &metric in &parameters.metrics {
            if measured[metric.index()].is_none() {
                let name = parameters.instance_metrics.of(metric);
                let statistic = Statistic {
                    metric: name,
                    kind: ResourceKind::ComputeNode,
                    aggregate: parameters.aggregation_method.for_compute_nodes(),
                    period_s: parameters.periods_s.for_compute_nodes(),
                    granularity_s: parameters.granularity_s,
                };
                let scale = match name {
                    "host_ram_usage" => 1024.0,
                    "host_cpu_usage" => 100.0,
                    _ => 1.0,
                };
                let values = host.statistic(&statistic)?.dense(cluster.nodes.len());
                measured[metric.index()] =
                    Some(values.into_iter().map(|value| value.map(|value| value / scale)).collect());
            }
        }
        let mut load = Self {
            metrics: parameters.metrics.clone(),
            weights: Weights::default(),
            hosts: Vec::new(),
            host_of: vec![None; cluster.nodes.len()],
            used: [Vec::new(), Vec::new()],
            spread: [Spread::new(Vec::new()), Spread::new(Vec::new())],
            instances: Vec::new(),
        };
        for (row, node) in cluster.nodes.iter().enumerate() {
            let value = |metric: usize| measured[metric].as_ref().map_or(Some(0.0), |values| values[row]);
            let memory_needed = measured[Metric::Memory.index()].is_some();
            if !(node.up && node.enabled) || (memory_needed && node.memory_mib == 0) {
                continue;
            }
            if let (Some(cpu), Some(memory)) = (value(0), value(1)) {
                load.host_of[row] = Some(load.hosts.len());
                load.hosts.push(Host { vcpus: to_f64(node.vcpus), memory_mib: to_f64(node.memory_mib) });
                load.used[0].push(cpu);
                load.used[1].push(memory);
            }
        }
        load.spread = [0, 1].map(|metric: usize| {
            let used = load.used[metric].iter().enumerate();
            Spread::new(used.map(|(host, &used)| load.share(metric, host, used)).collect())
        });
        Ok(load)
    }

    /// Measures the instances, and takes the weights: both are needed only to look for migrations.
    pub(crate) fn measure_instances(
        &mut self,
        host: &dyn StrategyHost,
        cluster: &Cluster,
        parameters: &Parameters,
    ) -> Result<(), Failure> {
        let given = [parameters.weights.cpu, parameters.weights.memory];
        self.instances = cluster
            .instances
            .iter()
            .map(|instance| InstanceLoad { vcpus: to_f64(instance.vcpus), used: [None; 2] })
            .collect();
        let mut asked = [false; 2];
        for &metric in &parameters.metrics {
            let index = metric.index();
            self.weights.0[index] = given[index].ok_or_else(|| {
                Failure::input("missing-weight", format!("the parameter weights has no {}_weight", metric.name()))
            })?;
            if std::mem::replace(&mut asked[index], true) {
                continue;
            }
            let statistic = Statistic {
                metric: metric.name(),
                kind: ResourceKind::Instance,
                aggregate: &parameters.aggregation_method.instance,
                period_s: parameters.periods_s.instance,
                granularity_s: parameters.granularity_s,
            };
            let scale = if metric == Metric::Cpu { 100.0 } else { 1.0 };
            let values = host.statistic(&statistic)?.dense(self.instances.len());
            for (instance, value) in self.instances.iter_mut().zip(values) {
                instance.used[index] = value.map(|value| value / scale);
            }
        }
        Ok(())
    }

    /// The number of the host on a row of the cluster data model, if its use is known.
    pub(crate) fn host(&self, row: usize) -> Option<usize> {
        self.host_of[row]
    }

    /// Whether instances can be counted out of and into a host: a share of its vCPUs needs vCPUs.
    pub(crate) fn takes_part(&self, host: usize) -> bool {
        self.hosts[host].vcpus > 0.0 || !self.metrics.contains(&Metric::Cpu)
    }

    /// Whether the use of an instance is known.
    pub(crate) fn is_measured(&self, instance: u32) -> bool {
        let used = &self.instances[instance as usize].used;
        self.metrics.iter().all(|metric| used[metric.index()].is_some())
    }

    /// The standard deviation of a metric over all hosts.
    pub(crate) fn standard_deviation(&self, metric: Metric) -> f64 {
        self.spread[metric.index()].standard_deviation()
    }

    /// The weighted sum of the standard deviations as things are.
    pub(crate) fn weighted(&self) -> f64 {
        let each = [0, 1]
            .map(|metric: usize| if self.counts(metric) { self.spread[metric].standard_deviation() } else { 0.0 });
        self.sum(each)
    }

    /// What a move would make of the standard deviations, nearly.
    pub(crate) fn estimate(&self, step: Move) -> Estimate {
        let each = [0, 1].map(|metric: usize| {
            if self.counts(metric) {
                self.spread[metric].bounds_after(&self.shares_after(metric, step))
            } else {
                Bounds::exactly(0.0)
            }
        });
        // Multiplication by a weight and addition keep the order of numbers, rounded or not.
        let weighted =
            Bounds { low: self.sum(each.map(|bounds| bounds.low)), high: self.sum(each.map(|bounds| bounds.high)) };
        Estimate { weighted, each }
    }

    /// What a move would make of the standard deviation of each metric.
    pub(crate) fn exact(&mut self, step: Move) -> [f64; 2] {
        [0, 1].map(|metric: usize| {
            if self.counts(metric) {
                let change = self.shares_after(metric, step);
                self.spread[metric].standard_deviation_after(&change)
            } else {
                0.0
            }
        })
    }

    /// The weighted sum of standard deviations that each of these moves alone would make.
    pub(crate) fn exact_sums(&self, steps: &[Move]) -> Vec<f64> {
        let each = [0, 1].map(|metric: usize| {
            if self.counts(metric) {
                let changes: Vec<Change> = steps.iter().map(|&step| self.shares_after(metric, step)).collect();
                self.spread[metric].standard_deviations_after(&changes)
            } else {
                vec![0.0; steps.len()]
            }
        });
        each[0].iter().zip(&each[1]).map(|(&cpu, &memory)| self.sum([cpu, memory])).collect()
    }

    /// The weighted sum of standard deviations.
    pub(crate) fn sum(&self, each: [f64; 2]) -> f64 {
        self.metrics.iter().fold(0.0, |sum, metric| sum + each[metric.index()] * self.weights.0[metric.index()])
    }

    /// Moves an instance.
    pub(crate) fn apply(&mut self, step: Move) {
        for metric in 0..2 {
            if self.counts(metric) {
                let change = self.shares_after(metric, step);
                let [source, destination] = self.used_after(metric, step);
                self.spread[metric].change(&change);
                self.used[metric][step.source] = source;
                self.used[metric][step.destination] = destination;
            }
        }
    }

    fn counts(&self, metric: usize) -> bool {
        self.metrics.iter().any(|counted| counted.index() == metric)
    }

    /// Use of a host on a scale from 0 to 1.
    fn share(&self, metric: usize, host: usize, used: f64) -> f64 {
        if metric == Metric::Memory.index() { used / self.hosts[host].memory_mib } else { used }
    }

    fn shares_after(&self, metric: usize, step: Move) -> Change {
        let [source, destination] = self.used_after(metric, step);
        [
            (step.source, self.share(metric, step.source, source)),
            (step.destination, self.share(metric, step.destination, destination)),
        ]
    }

    /// What source and destination use after a move. A metric that is named twice is moved twice.
    fn used_after(&self, metric: usize, step: Move) -> [f64; 2] {
        let instance = &self.instances[step.instance as usize];
        let used = instance.used[metric].unwrap_or(0.0);
        let of = |host: usize| {
            if metric == Metric::Cpu.index() { used * (instance.vcpus / self.hosts[host].vcpus) } else { used }
        };
        let (leaves, comes) = (of(step.source), of(step.destination));
        let (mut source, mut destination) = (self.used[metric][step.source], self.used[metric][step.destination]);
        for _ in self.metrics.iter().filter(|counted| counted.index() == metric) {
            source -= leaves;
            destination += comes;
        }
        [source, destination]
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
fn to_f64(size: u64) -> f64 {
    size as f64
}
