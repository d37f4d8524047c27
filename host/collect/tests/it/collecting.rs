//! The compute collector: pages, races, retries and what is left out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use watcher_cluster::{AuditScope, ServiceZone};
use watcher_collect::{ComputeCollector, ComputeCollectorOptions};
use watcher_domain::clock::MockClock;
use watcher_domain::cloud::CloudRequest;
use watcher_domain::ports::{CloudRequests, CollectError, Collector, Snapshot};
use watcher_domain::{Blame, Failure};

use crate::scripted::{Answer, Scripted, hypervisor, ok, parameter, rest, server, status};

async fn collect(cloud: Arc<dyn CloudRequests>) -> Result<Snapshot, CollectError> {
    let options = ComputeCollectorOptions { page: 2, ..ComputeCollectorOptions::default() };
    let collector = ComputeCollector::new(cloud, Arc::new(MockClock::default()), options);
    collector.collect(&AuditScope::default()).await
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.model.compute.instances().iter().map(|instance| instance.uuid.as_str()).collect()
}

fn hypervisors() -> Answer {
    ok(&json!({"hypervisors": [hypervisor("a", "QEMU"), hypervisor("metal", "ironic"), hypervisor("b", "QEMU")]}))
}

/// The page of a list after a marker, with the link that Nova adds to a full page. 400 for a marker that is none.
fn page(rows: &[Value], request: &CloudRequest, list: &str) -> Answer {
    let limit: usize = parameter(request, "limit").unwrap().parse().unwrap();
    let start = match parameter(request, "marker") {
        None => 0,
        Some(marker) => match rows.iter().position(|row| row["id"] == marker) {
            Some(position) => position + 1,
            None => return status(400, &json!({"badRequest": {"message": format!("marker [{marker}] not found")}})),
        },
    };
    let rows = &rows[start..(start + limit).min(rows.len())];
    let mut body = json!({list: rows});
    if rows.len() == limit {
        let href =
            format!("http://nova/v2.1/servers/detail?limit=2&marker={}", rows[limit - 1]["id"].as_str().unwrap());
        body[format!("{list}_links")] = json!([{"rel": "next", "href": href}]);
    }
    ok(&body)
}

#[tokio::test]
async fn all_pages_are_read_in_the_order_of_the_cloud() {
    let servers: Vec<Value> = (0..5).rev().map(|number| server(&format!("i{number}"), Some("b"), "active")).collect();
    let cloud = Arc::new(Scripted::new(move |request| match request.path.as_str() {
        "/os-hypervisors/detail" => page(&[hypervisor("b", "QEMU"), hypervisor("a", "QEMU")], request, "hypervisors"),
        "/servers/detail" => page(&servers, request, "servers"),
        _ => rest(request),
    }));
    let snapshot = collect(cloud.clone()).await.unwrap();
    assert_eq!(names(&snapshot), ["i4", "i3", "i2", "i1", "i0"]);
    let hosts: Vec<&str> = snapshot.model.compute.nodes().iter().map(|node| node.hostname.as_str()).collect();
    assert_eq!(hosts, ["b", "a"]);
    assert_eq!(snapshot.model.compute.instances_of(0), [0, 1, 2, 3, 4]);
    assert_eq!((cloud.count("/servers/detail"), cloud.count("/os-hypervisors/detail")), (3, 2));
    let asked = cloud.asked();
    let first = asked.iter().find(|request| request.path == "/servers/detail").unwrap();
    assert_eq!((parameter(first, "all_tenants"), parameter(first, "limit")), (Some("1"), Some("2")));
    assert_eq!(first.microversion.as_deref(), Some("2.56"));
    assert_eq!(snapshot.model.topology.zones, [ServiceZone { host: "a".to_owned(), zone: "nova".to_owned() }]);
    assert_eq!(snapshot.model.topology.aggregates[0].name, "fast");
}

#[tokio::test]
async fn bare_metal_deleted_and_foreign_servers_are_left_out_and_homeless_ones_kept() {
    let cloud = Arc::new(Scripted::new(|request| match request.path.as_str() {
        "/os-hypervisors/detail" => hypervisors(),
        "/servers/detail" => ok(&json!({"servers": [
            server("kept", Some("a"), "active"),
            server("deleted", Some("a"), "deleted"),
            server("on-metal", Some("metal"), "active"),
            server("on-a-host-that-appeared", Some("c"), "active"),
            server("homeless", None, "error"),
        ]})),
        _ => rest(request),
    }));
    let snapshot = collect(cloud.clone()).await.unwrap();
    assert_eq!(names(&snapshot), ["kept", "homeless"]);
    assert_eq!(snapshot.model.compute.node_of(1), None);
    assert_eq!(snapshot.model.compute.nodes().len(), 2);
    assert_eq!(cloud.count("/resource_providers/id-metal/inventories"), 0);
}

#[tokio::test]
async fn a_server_that_vanishes_between_two_pages_leaves_out_nothing_else() {
    let mut servers: Vec<Value> = (0..6).map(|number| server(&format!("i{number}"), Some("a"), "active")).collect();
    let cloud = Arc::new(Scripted::new(move |request| match request.path.as_str() {
        "/os-hypervisors/detail" => hypervisors(),
        "/servers/detail" => {
            let answer = page(&servers, request, "servers");
            if parameter(request, "marker").is_none() {
                servers.retain(|server| server["id"] != "i1");
            }
            answer
        }
        _ => rest(request),
    }));
    let snapshot = collect(cloud).await.unwrap();
    assert_eq!(names(&snapshot), ["i0", "i1", "i2", "i3", "i4", "i5"]);
}

#[tokio::test]
async fn when_a_whole_page_vanishes_the_list_is_read_from_its_beginning() {
    let mut servers: Vec<Value> = (0..6).map(|number| server(&format!("i{number}"), Some("a"), "active")).collect();
    let cloud = Arc::new(Scripted::new(move |request| match request.path.as_str() {
        "/os-hypervisors/detail" => hypervisors(),
        "/servers/detail" => {
            let answer = page(&servers, request, "servers");
            if parameter(request, "marker").is_none() {
                servers.retain(|server| server["id"] != "i0" && server["id"] != "i1");
            }
            answer
        }
        _ => rest(request),
    }));
    let snapshot = collect(cloud).await.unwrap();
    assert_eq!(names(&snapshot), ["i0", "i1", "i2", "i3", "i4", "i5"]);
}

#[tokio::test]
async fn a_server_on_two_pages_is_kept_as_it_came_first() {
    let cloud = Arc::new(Scripted::new(|request| match (request.path.as_str(), parameter(request, "marker")) {
        ("/os-hypervisors/detail", _) => hypervisors(),
        ("/servers/detail", None) => ok(&json!({
            "servers": [server("i0", Some("a"), "active"), server("i1", Some("a"), "active")],
            "servers_links": [{"rel": "next", "href": "/servers/detail?marker=i1"}],
        })),
        ("/servers/detail", Some("i1")) => {
            ok(&json!({"servers": [server("i0", Some("b"), "active"), server("i2", Some("b"), "active")]}))
        }
        _ => rest(request),
    }));
    let snapshot = collect(cloud).await.unwrap();
    assert_eq!(names(&snapshot), ["i0", "i1", "i2"]);
    assert_eq!(snapshot.model.compute.node_of(0), Some(0));
}

#[tokio::test]
async fn a_list_that_links_to_itself_ends() {
    let cloud = Arc::new(Scripted::new(|request| match request.path.as_str() {
        "/os-hypervisors/detail" => hypervisors(),
        "/servers/detail" => ok(&json!({
            "servers": [server("i0", Some("a"), "active")],
            "servers_links": [{"rel": "next", "href": "/servers/detail?marker=i0"}],
        })),
        _ => rest(request),
    }));
    assert_eq!(names(&collect(cloud).await.unwrap()), ["i0"]);
}

#[tokio::test]
async fn a_nova_that_is_not_there_is_no_empty_cluster() {
    let cloud = Arc::new(Scripted::new(|_| status(404, &json!({}))));
    let failure = collect(cloud).await.unwrap_err().failure;
    assert!(failure.message.contains("has nothing at /"), "{failure}");
    let cloud = Arc::new(Scripted::new(|_| ok(&json!({"surprise": true}))));
    let failure = collect(cloud).await.unwrap_err().failure;
    assert_eq!(failure.code, "unexpected-answer");
    let cloud = Arc::new(Scripted::new(|_| status(403, &json!({"forbidden": {"message": "no"}}))));
    assert_eq!(collect(cloud.clone()).await.unwrap_err().failure.code, "refused");
    assert!(cloud.asked().len() <= 4, "a refusal is not tried again");
}

#[tokio::test]
async fn placement_without_a_provider_leaves_the_totals_of_the_hypervisor() {
    let cloud = Arc::new(Scripted::new(|request| match request.path.as_str() {
        "/os-hypervisors/detail" => hypervisors(),
        "/servers/detail" => ok(&json!({"servers": []})),
        path if path.starts_with("/resource_providers/id-a/") => status(404, &json!({"errors": []})),
        path if path.starts_with("/resource_providers/id-b/") => ok(&json!({"inventories": {
            "MEMORY_MB": {"total": 2048, "reserved": 512, "allocation_ratio": 1.5}}})),
        _ => rest(request),
    }));
    let snapshot = collect(cloud).await.unwrap();
    let nodes = snapshot.model.compute.nodes();
    assert_eq!((nodes[0].memory_mib, nodes[0].memory_reserved_mib), (1024, 0));
    assert_eq!((nodes[1].memory_mib, nodes[1].memory_reserved_mib, nodes[1].vcpus), (2048, 512, 8));
}

#[tokio::test]
async fn contradicting_answers_are_told() {
    let cloud = Arc::new(Scripted::new(|request| match request.path.as_str() {
        "/os-hypervisors/detail" => {
            let mut other = hypervisor("a", "QEMU");
            other["id"] = "id-other".into();
            ok(&json!({"hypervisors": [hypervisor("a", "QEMU"), other]}))
        }
        "/servers/detail" => ok(&json!({"servers": []})),
        _ => rest(request),
    }));
    let failure = collect(cloud).await.unwrap_err().failure;
    assert_eq!(failure.message, "Nova's answers contradict each other: hostname a belongs to two compute nodes");
}

/// A cloud that answers after `failures` outcomes like this.
async fn after(failures: usize, outcome: fn() -> Answer) -> Result<usize, Failure> {
    let mut left = failures;
    let cloud = Arc::new(Scripted::new(move |request| match request.path.as_str() {
        "/os-hypervisors/detail" => hypervisors(),
        "/servers/detail" if left > 0 => {
            left -= 1;
            outcome()
        }
        "/servers/detail" => ok(&json!({"servers": []})),
        _ => rest(request),
    }));
    collect(cloud.clone()).await.map(|_| cloud.count("/servers/detail")).map_err(|error| error.failure)
}

#[tokio::test(start_paused = true)]
async fn what_may_be_better_soon_is_tried_again() {
    let unreachable = || Err(Failure::new(Blame::Cloud, "unreachable", "nobody there").retryable());
    assert_eq!(after(9, unreachable).await, Ok(10));
    assert_eq!(after(3, || Err(Failure::new(Blame::Cloud, "outcome-unknown", "the connection broke"))).await, Ok(4));
    assert_eq!(after(1, || status(503, &json!({}))).await, Ok(2));
    assert_eq!(after(1, || status(429, &json!({}))).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn but_not_for_ever() {
    let began = tokio::time::Instant::now();
    let failure = after(99, || status(500, &json!({"computeFault": {"message": "boom"}}))).await.unwrap_err();
    assert!(failure.message.starts_with("GET compute /servers/detail was answered 500: "), "{failure}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_takes_too_long_is_ended() {
    /// Never answers.
    struct Silent;

    #[async_trait::async_trait]
    impl CloudRequests for Silent {
        async fn send(&self, _: &CloudRequest) -> Answer {
            std::future::pending().await
        }
    }

    let failure = collect(Arc::new(Silent)).await.unwrap_err().failure;
    assert_eq!(failure.message, "the cluster could not be collected within 600 s");
}
