//! The Prometheus datasource: one query per metric, for all resources at once.
//!
//! Queries are those of the original's datasource without the matcher on one resource, grouped by the label that names the resource.
//!
//! # Source
//! The Prometheus datasource of OpenStack Watcher 17. We differ in asking once for all resources, in keeping a measured 0 (the
//! original takes 0 for missing on hosts), and in `min` and `max` meaning the same for hosts and instances.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use watcher_cluster::{ClusterDataModel, ComputeNode, Instance};
use watcher_domain::metric::{Aggregate, ResourceKind, Samples, StatisticQuery};
use watcher_domain::ports::{CloudRequests, Datasource};
use watcher_domain::{Blame, Failure, Timestamp};

use crate::fetch::{Fetch, RetryOptions};

/// How the datasource asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusOptions {
    /// Label of a host's series that has its name.
    pub fqdn_label: String,
    /// Label of an instance's series that has its UUID.
    pub instance_uuid_label: String,
    /// Queries that fail.
    pub retry: RetryOptions,
}

impl Default for PrometheusOptions {
    fn default() -> Self {
        Self {
            fqdn_label: "fqdn".to_owned(),
            instance_uuid_label: "resource".to_owned(),
            // What takes the datasource too long once takes it too long again, and it answers others as well.
            retry: RetryOptions { attempts: 3, timeouts: false, ..RetryOptions::default() },
        }
    }
}

/// Asks a Prometheus, as service type `metric-storage`.
pub struct PrometheusDatasource {
    fetch: Fetch,
    options: PrometheusOptions,
}

/// Where a metric comes from.
enum Source {
    /// A query over hosts.
    Hosts(String),
    /// A query over instances.
    Instances(String),
    /// A query over instances that gives used CPUs; in percent of the instance's own CPUs, at most 100.
    InstanceCpus(String),
    /// The cluster data model itself.
    Model(fn(&Instance) -> u64),
}

#[derive(Debug, Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    result: Vec<Series>,
}

#[derive(Debug, Deserialize)]
struct Series {
    metric: HashMap<String, String>,
    /// Time and value; Prometheus writes values as text.
    value: (f64, String),
}

impl PrometheusDatasource {
    /// A datasource that asks through `cloud`.
    pub fn new(cloud: Arc<dyn CloudRequests>, options: PrometheusOptions) -> Self {
        Self { fetch: Fetch { cloud, retry: options.retry }, options }
    }

    fn source(&self, query: &StatisticQuery) -> Option<Source> {
        let (aggregate, opposite) = match query.aggregate {
            Aggregate::Mean | Aggregate::Count => ("avg", "avg"),
            Aggregate::Min => ("min", "max"),
            Aggregate::Max => ("max", "min"),
        };
        // Prometheus takes whole units of time; part of a second more does not change a mean.
        let period = format!("{:.0}s", query.period_s.ceil().max(1.0));
        let (fqdn, uuid) = (&self.options.fqdn_label, &self.options.instance_uuid_label);
        // Grouping by the one label keeps the answer small, and makes one series of those that several exporters have of a resource.
        match (query.kind, query.metric.as_str()) {
            (ResourceKind::ComputeNode, "host_cpu_usage") => Some(Source::Hosts(format!(
                "100 - ({opposite} by ({fqdn}) (rate(node_cpu_seconds_total{{mode='idle'}}[{period}])) * 100)"
            ))),
            (ResourceKind::ComputeNode, "host_ram_usage") => Some(Source::Hosts(format!(
                "{aggregate} by ({fqdn}) ((node_memory_MemTotal_bytes - \
                 {opposite}_over_time(node_memory_MemAvailable_bytes[{period}])) / 1024)"
            ))),
            (ResourceKind::Instance, "instance_ram_usage") => Some(Source::Instances(format!(
                "{aggregate} by ({uuid}) ({aggregate}_over_time(ceilometer_memory_usage[{period}]))"
            ))),
            (ResourceKind::Instance, "instance_cpu_usage") => {
                Some(Source::InstanceCpus(format!("{aggregate} by ({uuid}) (rate(ceilometer_cpu[{period}])) / 10e+8")))
            }
            (ResourceKind::Instance, "instance_ram_allocated") => Some(Source::Model(|instance| instance.memory_mib)),
            (ResourceKind::Instance, "instance_root_disk_size") => Some(Source::Model(|instance| instance.disk_gib)),
            _ => None,
        }
    }

    async fn ask(&self, query: String, time: Timestamp) -> Result<Vec<Series>, Failure> {
        let time = format!("{}.{:03}", time.timestamp(), time.timestamp_subsec_millis());
        let parameters = vec![("query".to_owned(), query), ("time".to_owned(), time)];
        let answer: Option<Answer> =
            self.fetch.get("metric-storage", None, "/api/v1/query", parameters).await.map_err(|failure| Failure {
                code: "datasource-unreachable".to_owned(),
                message: format!("the datasource did not answer: {}", failure.message),
                ..failure
            })?;
        answer.map(|answer| answer.data.result).ok_or_else(|| {
            Failure::new(Blame::Service, "datasource-unreachable", "the datasource has no query API at its address")
        })
    }
}

/// How well a name fits a row; the best one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    /// The row has the name's first part.
    Short,
}

/// Rows and values of series, by the label that names the resource. Of several series for one row the one that fits best counts, and the
/// first of those.
fn samples(series: Vec<Series>, label: &str, row: impl Fn(&str) -> Option<(u32, Fit)>) -> Samples {
    let mut found: Vec<((u32, Fit), f64)> = series
        .into_iter()
        .filter_map(|series| {
            let row = row(series.metric.get(label)?)?;
            let value: f64 = series.value.1.parse().ok()?;
            value.is_finite().then_some((row, value))
        })
        .collect();
    found.sort_by_key(|&(row, _)| row);
    found.dedup_by_key(|&mut ((row, _), _)| row);
    let (rows, values) = found.into_iter().map(|((row, _), value)| (row, value)).unzip();
    Samples { rows, values }
}

/// Rows of compute nodes by the name that their exporter has: the host name, or a longer name that begins with it.
fn rows_of_hosts(nodes: &[ComputeNode]) -> impl Fn(&str) -> Option<(u32, Fit)> {
    let rows: HashMap<&str, u32> = nodes.iter().map(|node| node.hostname.as_str()).zip(0..).collect();
    move |name| {
        let exact = rows.get(name).map(|&row| (row, Fit::Exact));
        exact.or_else(|| rows.get(name.split_once('.')?.0).map(|&row| (row, Fit::Short)))
    }
}

fn rows_of_instances(instances: &[Instance]) -> impl Fn(&str) -> Option<(u32, Fit)> {
    let rows: HashMap<&str, u32> = instances.iter().map(|instance| instance.uuid.as_str()).zip(0..).collect();
    move |uuid| rows.get(uuid).map(|&row| (row, Fit::Exact))
}

/// Used CPUs as percent of the instances' own, at most 100.
fn in_percent(mut cpus: Samples, instances: &[Instance]) -> Samples {
    for (&row, value) in cpus.rows.iter().zip(&mut cpus.values) {
        let vcpus = instances[row as usize].vcpus.max(1);
        #[expect(clippy::cast_precision_loss, reason = "virtual CPUs are far below 2^53")]
        let percent_of_one = 100.0 / vcpus as f64;
        *value = (*value * percent_of_one).min(100.0);
    }
    cpus
}

/// Values to 12 significant digits. Differences and quotients of counters leave noise in the digits beyond; with it, resources that use
/// the same would differ, and a decision would hang on how a sum was rounded.
fn settled(mut samples: Samples) -> Samples {
    for value in &mut samples.values {
        *value = format!("{value:.11e}").parse().unwrap_or(*value);
    }
    samples
}

#[async_trait]
impl Datasource for PrometheusDatasource {
    #[tracing::instrument(name = "datasource.statistic", skip_all, fields(metric = query.metric))]
    async fn statistic(
        &self,
        query: &StatisticQuery,
        model: &ClusterDataModel,
        time: Timestamp,
    ) -> Result<Samples, Failure> {
        let source = self.source(query).ok_or_else(|| {
            let message = format!("the Prometheus datasource has no metric {} of {}", query.metric, query.kind);
            Failure::new(Blame::Service, "metric-not-available", message)
        })?;
        let (nodes, instances) = (model.compute.nodes(), model.compute.instances());
        match source {
            Source::Hosts(text) => {
                Ok(settled(samples(self.ask(text, time).await?, &self.options.fqdn_label, rows_of_hosts(nodes))))
            }
            Source::Instances(text) => {
                let answer = self.ask(text, time).await?;
                Ok(settled(samples(answer, &self.options.instance_uuid_label, rows_of_instances(instances))))
            }
            Source::InstanceCpus(text) => {
                let answer = self.ask(text, time).await?;
                let cpus = samples(answer, &self.options.instance_uuid_label, rows_of_instances(instances));
                Ok(settled(in_percent(cpus, instances)))
            }
            Source::Model(of) => {
                #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
                let values = instances.iter().map(|instance| of(instance) as f64).collect();
                Ok(Samples { rows: (0..).take(instances.len()).collect(), values })
            }
        }
    }

    fn has(&self, metric: &str) -> bool {
        matches!(
            metric,
            "host_cpu_usage"
                | "host_ram_usage"
                | "instance_cpu_usage"
                | "instance_ram_usage"
                | "instance_ram_allocated"
                | "instance_root_disk_size"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_of_sums_is_no_part_of_a_value() {
        let values = vec![100.0 - (1.0 - 0.576) * 100.0, 0.1 + 0.2, 77_258_444.8, 0.0, 1.0 / 3.0];
        let settled = settled(Samples { rows: vec![0, 1, 2, 3, 4], values }).values;
        let expected: [f64; 5] = [57.6, 0.3, 77_258_444.8, 0.0, 0.333_333_333_333];
        assert!(settled.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{settled:?}");
    }
}
