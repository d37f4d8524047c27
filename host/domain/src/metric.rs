//! Questions to datasources, and their answers.

use serde::{Deserialize, Serialize};

use crate::state::named_enum;

named_enum! {
    /// What a metric is measured on.
    ResourceKind {
        /// Rows refer to compute nodes of the cluster data model.
        ComputeNode = "compute-node",
        /// Rows refer to instances.
        Instance = "instance",
    }
}

named_enum! {
    /// How samples of a period become one number.
    Aggregate {
        /// Their mean.
        Mean = "mean",
        /// The smallest.
        Min = "min",
        /// The greatest.
        Max = "max",
        /// How many there are.
        Count = "count",
    }
}

/// One statistic of one metric for all resources of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatisticQuery {
    /// Watcher metric name, e.g. `instance_cpu_usage`; the WIT package `watcher:metrics` lists names and units.
    pub metric: String,
    /// What it is measured on.
    pub kind: ResourceKind,
    /// How samples become one number.
    pub aggregate: Aggregate,
    /// Length of the period in seconds, greater than 0; it ends at the audit's time.
    pub period_s: f64,
    /// Distance of samples in seconds, greater than 0.
    pub granularity_s: f64,
}

/// An answer: `values[i]` belongs to row `rows[i]`; a row without a measurement is missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// Rows of the cluster data model, ascending.
    pub rows: Vec<u32>,
    /// Finite numbers in the unit of the metric.
    pub values: Vec<f64>,
}
