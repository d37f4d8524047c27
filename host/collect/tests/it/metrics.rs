//! The Prometheus datasource: queries, names, units, and what is no measurement.

use std::sync::Arc;

use serde_json::{Value, json};
use watcher_cluster::{ClusterDataModel, ClusterFile};
use watcher_collect::{PrometheusDatasource, PrometheusOptions};
use watcher_domain::clock::MockClock;
use watcher_domain::metric::{Aggregate, ResourceKind, Samples, StatisticQuery};
use watcher_domain::ports::{Clock, Datasource};
use watcher_domain::{Blame, Failure};

use crate::scripted::{Answer, Scripted, ok, parameter, status};

fn model() -> ClusterDataModel {
    let node = |number: usize, hostname: &str| json!({"uuid": format!("n{number}"), "hostname": hostname, "vcpus": 8, "memory": 1024, "disk": 10});
    let instance = |number: usize, vcpus: u64| json!({"uuid": format!("i{number}"), "node": "n0", "vcpus": vcpus, "memory": 512 + number, "disk": 20 + number});
    let file = json!({"compute": {
        "nodes": [node(0, "short"), node(1, "full.example.org"), node(2, "silent")],
        "instances": [instance(0, 4), instance(1, 0), instance(2, 2)],
    }});
    ClusterFile::parse(file.to_string().as_bytes()).unwrap().model().unwrap()
}

fn query(metric: &str, kind: ResourceKind, aggregate: Aggregate) -> StatisticQuery {
    StatisticQuery { metric: metric.to_owned(), kind, aggregate, period_s: 300.0, granularity_s: 60.0 }
}

/// For what needs no question.
fn unasked() -> Answer {
    panic!("nothing need be asked")
}

fn vector(label: &str, values: &[(&str, &str)]) -> Answer {
    let series: Vec<Value> = values
        .iter()
        .map(|(name, value)| json!({"metric": {label: name}, "value": [1_767_225_600.0, value]}))
        .collect();
    ok(&json!({"status": "success", "data": {"resultType": "vector", "result": series}}))
}

/// Asks once, and returns the outcome and the text of the query.
async fn ask(
    metric: &str,
    kind: ResourceKind,
    aggregate: Aggregate,
    answer: impl Fn() -> Answer + Send + 'static,
) -> (Result<Samples, Failure>, String) {
    let cloud = Arc::new(Scripted::new(move |_: &_| answer()));
    let datasource = PrometheusDatasource::new(cloud.clone(), PrometheusOptions::default());
    let time = MockClock::default().now();
    let outcome = datasource.statistic(&query(metric, kind, aggregate), &model(), time).await;
    let asked = cloud.asked();
    assert!(asked.len() <= 1, "one query, whatever the number of resources");
    let text = asked.first().map(|request| {
        assert_eq!((request.service_type.as_str(), request.path.as_str()), ("metric-storage", "/api/v1/query"));
        assert_eq!(parameter(request, "time"), Some("1767225600.000"));
        parameter(request, "query").unwrap().to_owned()
    });
    (outcome, text.unwrap_or_default())
}

#[tokio::test]
async fn hosts_are_known_by_their_name_or_by_a_longer_one() {
    let (samples, text) = ask("host_cpu_usage", ResourceKind::ComputeNode, Aggregate::Mean, || {
        vector("fqdn", &[("full.example.org", "12.5"), ("short.example.org", "50"), ("stranger", "1"), ("full", "99")])
    })
    .await;
    assert_eq!(text, "100 - (avg by (fqdn) (rate(node_cpu_seconds_total{mode='idle'}[300s])) * 100)");
    assert_eq!(samples.unwrap(), Samples { rows: vec![0, 1], values: vec![50.0, 12.5] });
}

#[tokio::test]
async fn the_name_that_fits_exactly_counts() {
    let (samples, _) = ask("host_cpu_usage", ResourceKind::ComputeNode, Aggregate::Mean, || {
        vector("fqdn", &[("short.elsewhere", "1"), ("short", "2"), ("short", "3")])
    })
    .await;
    assert_eq!(samples.unwrap(), Samples { rows: vec![0], values: vec![2.0] });
}

#[tokio::test]
async fn the_most_used_of_a_host_is_where_it_idles_least() {
    let answer = || vector("fqdn", &[]);
    let (_, text) = ask("host_cpu_usage", ResourceKind::ComputeNode, Aggregate::Max, answer).await;
    assert!(text.starts_with("100 - (min by (fqdn)"), "{text}");
    let (_, text) = ask("host_ram_usage", ResourceKind::ComputeNode, Aggregate::Min, answer).await;
    assert_eq!(
        text,
        "min by (fqdn) ((node_memory_MemTotal_bytes - max_over_time(node_memory_MemAvailable_bytes[300s])) / 1024)"
    );
}

#[tokio::test]
async fn cpu_of_an_instance_is_percent_of_its_own_cpus_and_at_most_100() {
    let (samples, text) = ask("instance_cpu_usage", ResourceKind::Instance, Aggregate::Mean, || {
        vector("resource", &[("i2", "1"), ("i0", "1"), ("i1", "1.5"), ("elsewhere", "1")])
    })
    .await;
    assert_eq!(text, "avg by (resource) (rate(ceilometer_cpu[300s])) / 10e+8");
    // The second one has no number of CPUs: one is taken.
    assert_eq!(samples.unwrap(), Samples { rows: vec![0, 1, 2], values: vec![25.0, 100.0, 50.0] });
}

#[tokio::test]
async fn a_measured_zero_is_a_measurement_and_what_is_no_number_is_none() {
    let (samples, text) = ask("instance_ram_usage", ResourceKind::Instance, Aggregate::Max, || {
        vector("resource", &[("i0", "0"), ("i1", "NaN"), ("i2", "+Inf")])
    })
    .await;
    assert_eq!(text, "max by (resource) (max_over_time(ceilometer_memory_usage[300s]))");
    assert_eq!(samples.unwrap(), Samples { rows: vec![0], values: vec![0.0] });
}

#[tokio::test]
async fn what_the_model_knows_is_not_asked_for() {
    let (samples, _) = ask("instance_ram_allocated", ResourceKind::Instance, Aggregate::Mean, unasked).await;
    assert_eq!(samples.unwrap(), Samples { rows: vec![0, 1, 2], values: vec![512.0, 513.0, 514.0] });
    let (samples, _) = ask("instance_root_disk_size", ResourceKind::Instance, Aggregate::Mean, unasked).await;
    assert_eq!(samples.unwrap().values, [20.0, 21.0, 22.0]);
}

#[tokio::test]
async fn a_metric_that_nobody_measures_is_told() {
    for (metric, kind) in [("host_power", ResourceKind::ComputeNode), ("host_cpu_usage", ResourceKind::Instance)] {
        let (outcome, _) = ask(metric, kind, Aggregate::Mean, unasked).await;
        assert_eq!(outcome.unwrap_err().code, "metric-not-available");
    }
    let datasource =
        PrometheusDatasource::new(Arc::new(Scripted::new(|_: &_| unasked())), PrometheusOptions::default());
    assert!(datasource.has("host_cpu_usage") && !datasource.has("host_power"));
}

#[tokio::test]
async fn labels_are_the_operators_choice() {
    let cloud = Arc::new(Scripted::new(|_: &_| vector("nodename", &[("short", "1")])));
    let options = PrometheusOptions { fqdn_label: "nodename".to_owned(), ..PrometheusOptions::default() };
    let datasource = PrometheusDatasource::new(cloud.clone(), options);
    let query = query("host_cpu_usage", ResourceKind::ComputeNode, Aggregate::Mean);
    let samples = datasource.statistic(&query, &model(), MockClock::default().now()).await.unwrap();
    assert_eq!(samples.rows, [0]);
    assert!(parameter(&cloud.asked()[0], "query").unwrap().contains("by (nodename)"));
}

#[tokio::test(start_paused = true)]
async fn a_prometheus_that_is_away_or_refuses_is_told() {
    let outcome = |answer: fn() -> Answer| async move {
        let datasource =
            PrometheusDatasource::new(Arc::new(Scripted::new(move |_: &_| answer())), PrometheusOptions::default());
        let query = query("host_cpu_usage", ResourceKind::ComputeNode, Aggregate::Mean);
        datasource.statistic(&query, &model(), MockClock::default().now()).await.unwrap_err()
    };
    let away = outcome(|| {
        Err(Failure::new(Blame::Cloud, "unreachable", "service metric-storage cannot be reached").retryable())
    });
    let away = away.await;
    assert_eq!((away.code.as_str(), away.retryable), ("datasource-unreachable", true));
    assert_eq!(away.message, "the datasource did not answer: service metric-storage cannot be reached");
    let wrong = outcome(|| status(400, &json!({"status": "error", "error": "parse error"}))).await;
    assert!(!wrong.retryable && wrong.message.contains("parse error"), "{wrong}");
    let nowhere = outcome(|| status(404, &json!({}))).await;
    assert_eq!(nowhere.message, "the datasource has no query API at its address");
}
