//! A cluster file as collector and datasource.

use std::sync::Arc;

use watcher_cluster::{AuditScope, ClusterFile};
use watcher_collect::{FileCollector, FileDatasource};
use watcher_domain::clock::MockClock;
use watcher_domain::metric::{Aggregate, ResourceKind, Samples, StatisticQuery};
use watcher_domain::ports::{Clock, Collector, Datasource};

fn file() -> ClusterFile {
    ClusterFile::parse(
        br#"{"compute": {
            "nodes": [{"uuid": "n0", "hostname": "a", "vcpus": 4, "memory": 1, "disk": 1},
                      {"uuid": "n1", "hostname": "b", "vcpus": 4, "memory": 1, "disk": 1}],
            "instances": [{"uuid": "i0", "node": "b", "vcpus": 1, "memory": 1, "disk": 1},
                          {"uuid": "i1", "node": null, "vcpus": 1, "memory": 1, "disk": 1}]},
          "metrics": {
            "host": {"b": {"host_cpu_usage": 0}, "n0": {"host_cpu_usage": 12.5, "host_power": null}},
            "instance": {"i1": {"instance_cpu_usage": 3}, "gone": {"instance_cpu_usage": 4}}}}"#,
    )
    .unwrap()
}

#[tokio::test]
async fn it_shows_the_cluster_as_it_is_in_the_file() {
    let clock = Arc::new(MockClock::default());
    let snapshot = FileCollector::new(file(), clock.clone()).collect(&AuditScope::default()).await.unwrap();
    assert_eq!(snapshot.model, file().model().unwrap());
    assert_eq!(snapshot.as_of, clock.now());
}

#[tokio::test]
async fn it_answers_for_any_period_and_leaves_out_what_is_missing() {
    let (source, model) = (FileDatasource::new(&file()), file().model().unwrap());
    let ask = async |metric: &str, kind| {
        let query = StatisticQuery {
            metric: metric.to_owned(),
            kind,
            aggregate: Aggregate::Max,
            period_s: 7.0,
            granularity_s: 1.0,
        };
        source.statistic(&query, &model, MockClock::default().now()).await.unwrap()
    };
    let hosts = ask("host_cpu_usage", ResourceKind::ComputeNode).await;
    assert_eq!(hosts, Samples { rows: vec![0, 1], values: vec![12.5, 0.0] });
    assert_eq!(ask("host_power", ResourceKind::ComputeNode).await, Samples::default());
    let instances = ask("instance_cpu_usage", ResourceKind::Instance).await;
    assert_eq!(instances, Samples { rows: vec![1], values: vec![3.0] });
    assert!(source.has("host_power") && !source.has("weather"));
}
