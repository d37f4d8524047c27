//! The data model: whose scope, which version, and what if the decision engine does not answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use watcher_api::{ApiOptions, Authentication};
use watcher_cluster::{ClusterDataModel, ComputeModel, ComputeNode, Instance, NodeState, NodeStatus};

use crate::service::Service;

fn node(name: &str) -> ComputeNode {
    ComputeNode {
        uuid: format!("uuid-{name}"),
        hostname: name.to_owned(),
        status: NodeStatus::Enabled,
        disabled_reason: None,
        state: NodeState::Up,
        vcpus: 8,
        vcpu_reserved: 0,
        vcpu_ratio: 16.0,
        memory_mib: 4096,
        memory_reserved_mib: 512,
        memory_ratio: 1.5,
        disk_gib: 100,
        disk_reserved_gib: 0,
        disk_ratio: 1.0,
    }
}

fn server(name: &str) -> Instance {
    Instance {
        uuid: format!("uuid-{name}"),
        name: name.to_owned(),
        state: "active".to_owned(),
        vcpus: 1,
        memory_mib: 512,
        disk_gib: 1,
        watcher_exclude: false,
        locked: false,
        project_id: "p".to_owned(),
        metadata: serde_json::Map::new(),
        pinned_az: "az1".to_owned(),
        flavor_extra_specs: serde_json::Map::new(),
        created_at: None,
    }
}

async fn service(options: ApiOptions) -> Service {
    let service = Service::with(Authentication::None, options).await;
    service.add_two_goals().await;
    *service.engine.cluster.lock().unwrap() = Some(cluster());
    service
}

/// Two nodes, one of them empty, and a server that is nowhere.
pub(crate) fn cluster() -> ClusterDataModel {
    let placed = [(server("b"), Some("one".to_owned())), (server("a"), Some("one".to_owned())), (server("lost"), None)];
    let compute = ComputeModel::new(vec![node("two"), node("one")], placed).unwrap();
    ClusterDataModel { compute, ..ClusterDataModel::default() }
}

fn rows(model: &Value) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let rows = model["context"].as_array().unwrap().iter();
    rows.map(|row| (text(&row["node_hostname"]).unwrap(), text(&row["server_name"]))).collect()
}

#[tokio::test]
async fn every_placed_server_and_every_empty_node_has_a_row_in_the_order_of_uuids() {
    let service = service(ApiOptions::default()).await;
    let model = service.call("GET", "/v1/data_model/?data_model_type=compute", None).await;
    let row = |node: &str, server: Option<&str>| (node.to_owned(), server.map(str::to_owned));
    assert_eq!(rows(&model.json()), [row("one", Some("a")), row("one", Some("b")), row("two", None)]);
    assert_eq!(model.json()["context"][0]["server_pinned_az"], "az1");
    let headers = [("openstack-api-version", "infra-optim 1.5")];
    let older = service.send("GET", "/v1/data_model", &headers, Vec::new()).await.json();
    assert_eq!(older["context"][0].get("server_pinned_az"), None);
    assert_eq!(older["context"][0].get("server_flavor_extra_specs"), None);
}

#[tokio::test]
async fn an_audit_shows_what_lies_in_its_scope() {
    let service = service(ApiOptions::default()).await;
    let scope = json!([{"compute": [{"exclude": [{"compute_nodes": [{"name": "two"}]}, {"instances": [{"uuid": "uuid-a"}]}]}]}]);
    let template = json!({"name": "t", "goal": "dummy", "scope": scope});
    let template = service.call("POST", "/v1/audit_templates", Some(template)).await.json();
    let audit = json!({"audit_type": "ONESHOT", "audit_template_uuid": template["uuid"], "name": "A"});
    let audit = service.call("POST", "/v1/audits", Some(audit)).await.json();
    let path = format!("/v1/data_model?audit_uuid={}", audit["uuid"].as_str().unwrap());
    let model = service.call("GET", &path, None).await.json();
    let excluded: Vec<_> = model["context"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["server_name"], &row["server_watcher_exclude"]))
        .collect();
    assert_eq!(excluded, [(&json!("a"), &json!(true)), (&json!("b"), &json!(false))]);
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused_as_the_original_refuses_it() {
    let service = service(ApiOptions::default()).await;
    let unknown = "0b6c2a8e-0000-4000-8000-000000000000";
    for (path, status, fault) in [
        ("/v1/data_model?data_model_type=storage".to_owned(), 404, "The storage data model could not be found".to_owned()),
        ("/v1/data_model?data_model_type=".to_owned(), 404, "The  data model could not be found".to_owned()),
        (format!("/v1/data_model?audit_uuid={unknown}"), 400, format!("Expected a uuid or int but received {unknown}")),
        ("/v1/data_model?foo=1".to_owned(), 400, "Unknown argument: \"foo\"".to_owned()),
        (
            "/v1/data_model?audit_uuid=1".to_owned(),
            400,
            "Invalid input for field/attribute audit_uuid. Value: '1'. unable to convert to uuid. Error: Expected a uuid but \
             received 1"
                .to_owned(),
        ),
    ] {
        let answer = service.call("GET", &path, None).await;
        assert_eq!((answer.status.as_u16(), answer.fault()), (status, fault), "{path}");
    }
    let answer = service.send("GET", "/v1/data_model", &[], Vec::new()).await;
    assert_eq!((answer.status.as_u16(), answer.fault().as_str()), (406, "Request not acceptable."));
    assert_eq!(service.call("GET", "/v1/data_model/x", None).await.status, 404);
    assert_eq!(service.call("POST", "/v1/data_model", Some(json!({}))).await.status, 405);
}

#[tokio::test]
async fn a_decision_engine_that_does_not_answer_is_told_as_such() {
    let service = service(ApiOptions { probe_timeout: Duration::from_millis(20), ..ApiOptions::default() }).await;
    service.engine.hangs.store(true, Ordering::Relaxed);
    let late = service.call("GET", "/v1/data_model", None).await;
    assert_eq!((late.status.as_u16(), late.fault().as_str()), (503, "The decision engine cannot answer now."));
    service.engine.hangs.store(false, Ordering::Relaxed);
    *service.engine.cluster.lock().unwrap() = None;
    assert_eq!(service.call("GET", "/v1/data_model", None).await.status, 503);
}
