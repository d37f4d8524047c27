//! Series as functions of time.

use super::series::Store;
use crate::cloud::Cloud;
use crate::number::{float, float_len, whole};

/// How a series behaves over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Signal {
    /// A gauge that stands still.
    Constant(f64),
    /// A counter that grows by `slope` per second.
    Ramp { slope: f64 },
    /// A counter that grows by `scale` × the trace (in percent) per second.
    TraceCpu { trace: usize, scale: f64 },
    /// A counter that grows by `base` + `factor` × the load of a host (0 to 1) per second. The load is that of the
    /// instances that are on it at the time of the query.
    HostCpu { host: usize, base: f64, factor: f64 },
}

/// What an instance does to its host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) trace: Option<usize>,
    /// Without a trace: percent of its processors.
    pub(super) percent: f64,
    pub(super) vcpus: f64,
}

/// A trace of CPU use in percent; after its end it starts again.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    samples: Vec<f64>,
    /// Integral up to the start of each sample, and of all.
    before: Vec<f64>,
}

/// Length of a sample of a trace in seconds.
const SAMPLE_S: f64 = 300.0;
/// How often a series would be scraped, for functions that count or look at the last samples.
pub(super) const SCRAPE_S: f64 = 15.0;
/// How long before the start of the simulator counters were 0.
const BOOT_S: f64 = 30.0 * 86_400.0;

impl Trace {
    pub(super) fn new(samples: &[f64]) -> Self {
        let mut before = Vec::with_capacity(samples.len() + 1);
        let mut sum = 0.0;
        before.push(sum);
        for sample in samples {
            sum += sample * SAMPLE_S;
            before.push(sum);
        }
        Self { samples: samples.to_vec(), before }
    }

    /// Integral from second 0 to `at`, negative before 0. Second 0 is the start of the first sample and, as the trace
    /// repeats, the end of the last.
    fn integral(&self, at: f64) -> f64 {
        let length = float_len(self.samples.len()) * SAMPLE_S;
        let Some(total) = self.before.last().copied().filter(|_| length > 0.0) else { return 0.0 };
        let rounds = (at / length).floor();
        let within = at - rounds * length;
        let index = usize::try_from(whole(within / SAMPLE_S)).unwrap_or(0).min(self.samples.len() - 1);
        rounds * total + self.before[index] + self.samples[index] * (within - float_len(index) * SAMPLE_S)
    }

    fn mean(&self, from: f64, to: f64) -> f64 {
        if to > from { (self.integral(to) - self.integral(from)) / (to - from) } else { 0.0 }
    }
}

/// What signals are evaluated against.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) store: &'a Store,
    /// Where instances are; needed only if the store follows the placement.
    pub(super) cloud: Option<&'a Cloud>,
}

/// A span of time, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Span {
    pub(super) fn seconds(self) -> f64 {
        self.to - self.from
    }

    /// Number of scrapes in the span; at least one, so that short spans have a value too.
    pub(super) fn scrapes(self) -> f64 {
        ((self.to / SCRAPE_S).floor() - (self.from / SCRAPE_S).floor()).max(1.0)
    }
}

impl World<'_> {
    /// The value at a time.
    pub(super) fn at(self, signal: Signal, time: f64) -> f64 {
        let now = time - self.store.start_s;
        match signal {
            Signal::Constant(value) => value,
            Signal::Ramp { slope } => slope * (now + BOOT_S),
            Signal::TraceCpu { trace, scale } => {
                let trace = &self.store.traces[trace];
                scale * (trace.integral(now) - trace.integral(-BOOT_S))
            }
            Signal::HostCpu { host, base, factor } => {
                (now + BOOT_S) * (base + factor * self.host_load(host, Span { from: -BOOT_S, to: now }))
            }
        }
    }

    /// The mean growth per second over a span: exact, not from samples.
    pub(super) fn rate(self, signal: Signal, span: Span) -> f64 {
        let relative = Span { from: span.from - self.store.start_s, to: span.to - self.store.start_s };
        match signal {
            Signal::Constant(_) => 0.0,
            Signal::Ramp { slope } => slope,
            Signal::TraceCpu { trace, scale } => scale * self.store.traces[trace].mean(relative.from, relative.to),
            Signal::HostCpu { host, base, factor } => base + factor * self.host_load(host, relative),
        }
    }

    /// The mean over a span. A counter is taken as linear.
    pub(super) fn mean(self, signal: Signal, span: Span) -> f64 {
        match signal {
            Signal::Constant(value) => value,
            Signal::Ramp { .. } | Signal::TraceCpu { .. } | Signal::HostCpu { .. } => {
                f64::midpoint(self.at(signal, span.from), self.at(signal, span.to))
            }
        }
    }

    /// The mean load of a host over a span relative to the start, 0 to 1 of its processors.
    fn host_load(self, host: usize, span: Span) -> f64 {
        let Some(host) = self.cloud.and_then(|cloud| cloud.hosts().get(host)) else { return 0.0 };
        let busy: f64 = host
            .servers
            .iter()
            .filter_map(|&server| self.store.loads.get(server))
            .map(|load| {
                let percent = match load.trace {
                    Some(trace) => self.store.traces[trace].mean(span.from, span.to),
                    None => load.percent,
                };
                load.vcpus * percent / 100.0
            })
            .sum();
        (busy / float(host.entry.vcpus.max(1))).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_a_trace_at_its_start_is_that_of_its_last_samples() {
        let samples: Vec<f64> = (0..288).map(|sample| f64::from(sample % 17) * 3.3).collect();
        let trace = Trace::new(&samples);
        let last: f64 = samples[276..].iter().sum::<f64>() / 12.0;
        assert!((trace.mean(-3600.0, 0.0) - last).abs() < 1e-9);
        assert!((trace.mean(0.0, 300.0) - samples[0]).abs() < 1e-9);
        assert!((trace.mean(86_400.0 * 3.0 - 3600.0, 86_400.0 * 3.0) - last).abs() < 1e-6);
    }

    #[test]
    fn an_empty_trace_is_zero() {
        assert!(Trace::new(&[]).mean(0.0, 10.0).abs() < f64::EPSILON);
    }
}
