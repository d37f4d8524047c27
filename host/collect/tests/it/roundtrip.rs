//! What is collected from the simulated cloud over HTTP is what its cluster file says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use watcher_cluster::{AuditScope, ClusterFile, ComputeModel};
use watcher_collect::{
    ComputeCollector, ComputeCollectorOptions, FileDatasource, PrometheusDatasource, PrometheusOptions,
};
use watcher_domain::SystemClock;
use watcher_domain::clock::{Clock, CountingIds};
use watcher_domain::cloud::{CloudRequest, Method};
use watcher_domain::metric::{Aggregate, ResourceKind, StatisticQuery};
use watcher_domain::ports::{CloudRequests, Collector, Datasource, Snapshot};
use watcher_openstack::{
    Credentials, DomainName, HttpLimits, PlainService, ProjectName, Scope, Secret, Session, SessionOptions, UserName,
};
use watcher_simulator::{
    Fault, FaultEffect, FaultOptions, GenerateOptions, RunningSimulator, Simulator, SimulatorOptions, generate,
};

fn session(cloud: &RunningSimulator) -> Arc<Session> {
    let domain = DomainName::Name("Default".to_owned());
    let credentials = Credentials::Password {
        user: UserName::Name { name: "watcher".to_owned(), domain: domain.clone() },
        password: Secret::new("watcher-password"),
        scope: Scope::Project(ProjectName::Name { name: "service".to_owned(), domain }),
    };
    let options = SessionOptions::new(cloud.endpoints().identity.clone(), credentials);
    Arc::new(Session::new(options, Arc::new(SystemClock), Arc::new(CountingIds::default())).unwrap())
}

async fn start(file: ClusterFile, options: SimulatorOptions) -> RunningSimulator {
    Simulator::new(file, options).start().await.unwrap()
}

async fn collect(session: &Arc<Session>) -> Snapshot {
    let options = ComputeCollectorOptions::default();
    let collector = ComputeCollector::new(session.clone(), Arc::new(SystemClock), options);
    collector.collect(&AuditScope::default()).await.unwrap()
}

/// Order, every field and every placement; the time of creation is not in every file.
fn assert_same(collected: &ComputeModel, file: &ComputeModel) {
    assert_eq!(collected.nodes(), file.nodes());
    assert_eq!(collected.instances().len(), file.instances().len());
    for (row, (have, want)) in collected.instances().iter().zip(file.instances()).enumerate() {
        let mut have = have.clone();
        have.created_at.clone_from(&want.created_at);
        assert_eq!(&have, want, "row {row}");
        assert_eq!(collected.node_of(row), file.node_of(row), "row {row}");
    }
    for node in 0..file.nodes().len() {
        assert_eq!(collected.instances_of(node), file.instances_of(node));
    }
}

const METRICS: [(&str, ResourceKind); 4] = [
    ("host_cpu_usage", ResourceKind::ComputeNode),
    ("host_ram_usage", ResourceKind::ComputeNode),
    ("instance_cpu_usage", ResourceKind::Instance),
    ("instance_ram_usage", ResourceKind::Instance),
];

fn query(metric: &str, kind: ResourceKind) -> StatisticQuery {
    StatisticQuery {
        metric: metric.to_owned(),
        kind,
        aggregate: Aggregate::Mean,
        period_s: 3600.0,
        granularity_s: 300.0,
    }
}

/// Metrics are those of the file, with one query for each.
async fn assert_same_metrics(cloud: &RunningSimulator, session: &Arc<Session>, file: &ClusterFile, model: &Snapshot) {
    let prometheus = PrometheusDatasource::new(session.clone(), PrometheusOptions::default());
    let (saved, now) = (FileDatasource::new(file), SystemClock.now());
    for (metric, kind) in METRICS {
        let query = query(metric, kind);
        let measured = prometheus.statistic(&query, &model.model, now).await.unwrap();
        let wanted = saved.statistic(&query, &model.model, now).await.unwrap();
        assert_eq!(measured.rows, wanted.rows, "{metric}");
        assert!(!measured.rows.is_empty(), "{metric}");
        for (have, want) in measured.values.iter().zip(&wanted.values) {
            assert!((have - want).abs() <= 1e-9 * want.abs().max(1.0), "{metric}: {have} and {want}");
        }
    }
    assert_eq!(requests(cloud, "/query").await, METRICS.len() as u64);
}

/// How many requests the simulator has had on paths that end like this.
async fn requests(cloud: &RunningSimulator, end: &str) -> u64 {
    let admin = PlainService::new(&cloud.endpoints().base, HttpLimits::default(), None, false).unwrap();
    let request = CloudRequest {
        service_type: "simulator".to_owned(),
        method: Method::Get,
        path: "/simulator/requests".to_owned(),
        query: Vec::new(),
        body: None,
        microversion: None,
    };
    let report: Value = serde_json::from_str(&admin.send(&request).await.unwrap().body).unwrap();
    let lines = report["requests"].as_array().unwrap().iter();
    lines.filter(|line| line["path"].as_str().unwrap().ends_with(end)).map(|line| line["count"].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn a_generated_cluster_is_collected_as_it_is_in_pages_of_any_size() {
    let options = GenerateOptions {
        hosts: 17,
        instances: 230,
        disabled_percent: 20.0,
        down_percent: 10.0,
        stopped_percent: 10.0,
        paused_percent: 5.0,
        ..GenerateOptions::default()
    };
    let file = generate(&options);
    for max_page in [7, 230, 1000] {
        let cloud = start(file.clone(), SimulatorOptions { max_page, ..SimulatorOptions::default() }).await;
        let session = session(&cloud);
        let snapshot = collect(&session).await;
        assert_same(&snapshot.model.compute, &file.model().unwrap().compute);
        assert_same_metrics(&cloud, &session, &file, &snapshot).await;
    }
}

#[tokio::test]
async fn unusual_hosts_and_instances_are_collected_as_they_are() {
    let uuid = |number: u32| format!("00000000-0000-4000-8000-{number:012}");
    let file = json!({
        "compute": {
            "nodes": [
                {"uuid": uuid(1), "hostname": "node_2", "vcpus": 8, "memory": 4096, "disk": 100, "vcpu_ratio": 16.0,
                    "memory_ratio": 1.5, "disk_ratio": 2.0, "vcpu_reserved": 1, "memory_mb_reserved": 512,
                    "disk_gb_reserved": 7, "status": "disabled", "disabled_reason": "watcher_disabled", "state": "down"},
                {"uuid": uuid(2), "hostname": "node_1", "vcpus": 8, "memory": 4096, "disk": 100},
            ],
            "instances": [
                {"uuid": uuid(11), "name": "web", "node": "node_1", "vcpus": 2, "memory": 512, "disk": 0,
                    "metadata": {"critical": "yes"}, "locked": true, "project_id": "abc", "state": "stopped"},
                {"uuid": uuid(12), "node": null, "vcpus": 2, "memory": 512, "disk": 3, "state": "error"},
                {"uuid": uuid(10), "node": "node_1", "vcpus": 1, "memory": 512, "disk": 3, "state": "paused",
                    "flavor_extra_specs": {"hw:cpu_policy": "dedicated"}},
            ],
        },
        "metrics": {
            "host": {"node_1": {"host_cpu_usage": 0, "host_ram_usage": 1}},
            "instance": {uuid(10): {"instance_cpu_usage": 100, "instance_ram_usage": 0}},
        },
        "aggregates": [{"id": 7, "name": "fast", "hosts": ["node_1"]}],
        "services": [{"host": "node_2", "zone": "east"}, {"host": "node_1", "zone": "west"}],
    });
    let file = ClusterFile::parse(file.to_string().as_bytes()).unwrap();
    let cloud = start(file.clone(), SimulatorOptions::default()).await;
    let session = session(&cloud);
    let snapshot = collect(&session).await;
    let want = file.model().unwrap();
    assert_same(&snapshot.model.compute, &want.compute);
    assert_eq!(snapshot.model.topology, want.topology);
    assert_same_metrics(&cloud, &session, &file, &snapshot).await;
}

#[tokio::test]
async fn a_cloud_with_faults_is_collected_nevertheless() {
    let file = generate(&GenerateOptions { hosts: 30, instances: 100, ..GenerateOptions::default() });
    let cloud = start(file.clone(), SimulatorOptions { max_page: 10, ..SimulatorOptions::default() }).await;
    let session = session(&cloud);
    session.authenticate().await.unwrap();
    let errors = Fault { rate: 0.1, status: Some(503), ..Fault::new(FaultEffect::Error) };
    cloud.set_faults(&FaultOptions { seed: 1, faults: vec![errors] }).unwrap();
    assert_same(&collect(&session).await.model.compute, &file.model().unwrap().compute);
}

/// The real clusters, where they are.
#[tokio::test]
async fn the_real_clusters_are_collected_as_they_are() {
    #[expect(clippy::disallowed_methods, reason = "tests find shared data by environment")]
    let folder = std::env::var("WATCHER_SHARED")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    for name in ["cluster-43x155.json", "cluster-236x1934.json"] {
        let path = folder.join("data").join(name);
        let Ok(text) = std::fs::read(&path) else {
            println!("SKIPPED: {} is not there; set WATCHER_SHARED", path.display());
            continue;
        };
        let file = ClusterFile::parse(&text).unwrap();
        let cloud = start(file.clone(), SimulatorOptions::default()).await;
        let session = session(&cloud);
        let snapshot = collect(&session).await;
        assert_same(&snapshot.model.compute, &file.model().unwrap().compute);
        assert_same_metrics(&cloud, &session, &file, &snapshot).await;
    }
}
