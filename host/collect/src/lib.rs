//! Collectors build the cluster data model; datasources answer metric queries.
//!
//! [`compute`] reads Nova and Placement, [`prometheus`] asks Prometheus, and [`file`](mod@file) answers both from a cluster file. All speak through
//! [`CloudRequests`](watcher_domain::ports::CloudRequests): endpoints and credentials stay with whoever implements it.

pub mod compute;
mod fetch;
pub mod file;
mod nova;
pub mod prometheus;

pub use compute::{ComputeCollector, ComputeCollectorOptions};
pub use fetch::RetryOptions;
pub use file::{FileCollector, FileDatasource, refused};
pub use prometheus::{PrometheusDatasource, PrometheusOptions};
