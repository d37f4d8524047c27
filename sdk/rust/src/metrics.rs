//! Statistics of metrics, for all resources at once.

/// What a metric is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// Rows refer to compute nodes.
    ComputeNode,
    /// Rows refer to instances.
    Instance,
}

/// A question to the datasources.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistic<'a> {
    /// Watcher metric name, e.g. `instance_cpu_usage`; units are in the WIT package `watcher:metrics`.
    pub metric: &'a str,
    /// What it is measured on.
    pub kind: ResourceKind,
    /// `mean`, `min`, `max` or `count`.
    pub aggregate: &'a str,
    /// Length of the period in seconds; it ends at the audit's time.
    pub period_s: f64,
    /// Distance of samples in seconds.
    pub granularity_s: f64,
}

/// An answer: `values[i]` belongs to row `rows[i]`; a row without a measurement is missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Rows, ascending.
    pub rows: Vec<u32>,
    /// Finite numbers.
    pub values: Vec<f64>,
}

impl Samples {
    /// One entry per row of a table of `len` rows.
    pub fn dense(&self, len: usize) -> Vec<Option<f64>> {
        let mut dense = vec![None; len];
        for (&row, &value) in self.rows.iter().zip(&self.values) {
            if let Some(slot) = dense.get_mut(row as usize) {
                *slot = Some(value);
            }
        }
        dense
    }
}
