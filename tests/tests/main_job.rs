//! The main job over real parts: audit, plan, actions, and a cloud that has changed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use e2e::{Stage, StageOptions, cluster};
use serde_json::{Value, json};
use watcher_simulator::FaultOptions;

/// Where the plan says each moved instance goes.
fn destinations(actions: &[Value]) -> BTreeMap<String, String> {
    actions
        .iter()
        .filter(|action| action["action_type"] == "migrate")
        .map(|action| &action["input_parameters"])
        .map(|p| (p["resource_id"].as_str().unwrap().to_owned(), p["destination_node"].as_str().unwrap().to_owned()))
        .collect()
}

async fn the_cloud_changes_as_planned(strategy: &str, extra: &Value, database: Option<String>) {
    let stage = Stage::start(cluster(), StageOptions { database, ..StageOptions::default() }).await.unwrap();
    let before = stage.client.placement().await.unwrap();
    let plan = stage.plan(strategy, extra).await.unwrap();
    assert_eq!(plan["state"], "RECOMMENDED");
    let planned = destinations(&stage.actions(&plan).await.unwrap());
    assert!(!planned.is_empty(), "the cluster has no work for {strategy}");
    let ended = stage.apply(&plan).await.unwrap();
    assert_eq!(ended["state"], "SUCCEEDED", "{ended}");
    for action in stage.actions(&plan).await.unwrap() {
        assert_eq!(action["state"], "SUCCEEDED", "{action}");
    }
    let after = stage.client.placement().await.unwrap();
    for (instance, host) in &after {
        assert_eq!(planned.get(instance).or_else(|| before.get(instance)), Some(host), "instance {instance}");
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vm_workload_consolidation_changes_the_cloud_as_planned() {
    the_cloud_changes_as_planned("vm_workload_consolidation", &json!({}), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn basic_changes_the_cloud_as_planned() {
    the_cloud_changes_as_planned("basic", &json!({}), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workload_stabilization_changes_the_cloud_as_planned() {
    let parameters = json!({"parameters": {"host_choice": "cycle", "thresholds": {"instance_cpu_usage": 0.01}}});
    the_cloud_changes_as_planned("workload_stabilization", &parameters, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_works_on_every_database() {
    for backend in watcher_store::testing::backends().await {
        the_cloud_changes_as_planned("vm_workload_consolidation", &json!({}), Some(backend.url.clone())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resize_gives_an_instance_another_flavor() {
    let file = cluster();
    let smallest = file.compute.instances.iter().min_by_key(|instance| instance.vcpus).unwrap();
    let other = file.compute.instances.iter().find(|instance| instance.vcpus > smallest.vcpus).unwrap();
    let (uuid, flavor) = (smallest.uuid.clone(), other.flavor.clone().unwrap());
    let stage = Stage::start(file.clone(), StageOptions::default()).await.unwrap();
    let actions = json!([
        {"action_type": "resize", "resource_id": uuid, "input_parameters": {"flavor": flavor}},
        {"action_type": "resize", "resource_id": "b199db0c-1408-4d52-b5a5-5ca14de0ff36", "input_parameters": {"flavor": flavor}},
    ]);
    let plan = stage.plan("actuator", &json!({"parameters": {"actions": actions}})).await.unwrap();
    let ended = stage.apply(&plan).await.unwrap();
    assert_eq!(ended["state"], "SUCCEEDED", "{ended}");
    let states: Vec<Value> = stage.actions(&plan).await.unwrap().iter().map(|action| action["state"].clone()).collect();
    assert_eq!(states, ["SUCCEEDED", "SKIPPED"]);
    let cloud = stage.simulator.state();
    assert_eq!(cloud["flavors"][&uuid], flavor);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_with_a_resize_of_an_instance_that_is_not_there_skips_what_cannot_be_done() {
    let stage = Stage::start(cluster(), StageOptions::default()).await.unwrap();
    let plan = stage.plan("dummy_with_resize", &json!({})).await.unwrap();
    let actions = stage.actions(&plan).await.unwrap();
    let sleep = actions.iter().find(|action| action["action_type"] == "sleep").unwrap();
    let patch = json!([{"op": "replace", "path": "/state", "value": "SKIPPED"}]);
    stage.client.patch(&format!("/v1/actions/{}", text(&sleep["uuid"])), &patch).await.unwrap();
    let ended = stage.apply(&plan).await.unwrap();
    assert_eq!(ended["state"], "SUCCEEDED", "{ended}");
    let actions = stage.actions(&plan).await.unwrap();
    let states: Vec<_> = actions.iter().map(|action| (text(&action["action_type"]), text(&action["state"]))).collect();
    let expected = [
        ("nop", "SUCCEEDED"),
        ("nop", "SUCCEEDED"),
        ("sleep", "SKIPPED"),
        ("migrate", "SKIPPED"),
        ("migrate", "SKIPPED"),
        ("resize", "SKIPPED"),
    ];
    assert_eq!(states, expected);
    stage.end().await;
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn faults(list: &Value) -> FaultOptions {
    serde_json::from_value(json!({"faults": list})).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_migration_fails_its_action_and_the_plan_and_says_why() {
    let options = StageOptions {
        faults: faults(&json!([{"effect": "refused_migration", "message": "no valid host was found"}])),
        ..StageOptions::default()
    };
    let stage = Stage::start(cluster(), options).await.unwrap();
    let before = stage.client.placement().await.unwrap();
    let plan = stage.plan("vm_workload_consolidation", &json!({})).await.unwrap();
    let ended = stage.apply(&plan).await.unwrap();
    assert_eq!(ended["state"], "FAILED");
    assert!(ended["status_message"].as_str().unwrap().contains("failed"), "{ended}");
    let actions = stage.actions(&plan).await.unwrap();
    let failed = actions.iter().find(|action| action["state"] == "FAILED").unwrap();
    let message = failed["status_message"].as_str().unwrap();
    assert!(message.starts_with("Action failed in execute: "), "{message}");
    assert!(message.contains("no valid host was found"), "{message}");
    assert!(message.ends_with("the resource was brought back to where it was"), "{message}");
    assert!(actions.iter().all(|action| !matches!(action["state"].as_str(), Some("PENDING" | "ONGOING"))));
    assert!(actions.iter().any(|action| action["state"] == "CANCELLED"), "nothing more is started after a failure");
    assert_eq!(stage.client.placement().await.unwrap(), before);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_ends_in_error_fails_its_action() {
    let options = StageOptions { faults: faults(&json!([{"effect": "failing_migration"}])), ..StageOptions::default() };
    let stage = Stage::start(cluster(), options).await.unwrap();
    let plan = stage.plan("vm_workload_consolidation", &json!({})).await.unwrap();
    assert_eq!(stage.apply(&plan).await.unwrap()["state"], "FAILED");
    let actions = stage.actions(&plan).await.unwrap();
    let failed = actions.iter().find(|action| action["state"] == "FAILED").unwrap();
    assert_eq!(failed["action_type"], "migrate");
    let instance = failed["input_parameters"]["resource_id"].as_str().unwrap();
    let source = failed["input_parameters"]["source_node"].as_str().unwrap();
    assert_eq!(stage.client.placement().await.unwrap()[instance], source);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn later_actions_go_on_after_a_failure_where_the_operator_says_so() {
    let options = StageOptions {
        faults: faults(&json!([{"effect": "refused_migration", "message": "refused"}])),
        settings: vec!["applier.action_execution_rule.vm_workload_consolidation=ALWAYS".to_owned()],
        ..StageOptions::default()
    };
    let stage = Stage::start(cluster(), options).await.unwrap();
    let plan = stage.plan("vm_workload_consolidation", &json!({})).await.unwrap();
    assert_eq!(stage.apply(&plan).await.unwrap()["state"], "FAILED");
    let actions = stage.actions(&plan).await.unwrap();
    assert!(actions.iter().all(|action| action["state"] != "CANCELLED"), "{actions:?}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_plan_stops_a_running_migration_and_starts_nothing_more() {
    let options = StageOptions { migration_ms: 20_000, ..StageOptions::default() };
    let stage = Stage::start(cluster(), options).await.unwrap();
    let before = stage.client.placement().await.unwrap();
    let plan = stage.plan("vm_workload_consolidation", &json!({})).await.unwrap();
    let uuid = plan["uuid"].as_str().unwrap();
    stage.client.post(&format!("/v1/action_plans/{uuid}/start"), &json!({})).await.unwrap();
    loop {
        let actions = stage.actions(&plan).await.unwrap();
        if actions.iter().any(|action| action["action_type"] == "migrate" && action["state"] == "ONGOING") {
            break;
        }
        tokio::task::yield_now().await;
    }
    let patch = json!([{"op": "replace", "path": "/state", "value": "CANCELLING"}]);
    stage.client.patch(&format!("/v1/action_plans/{uuid}"), &patch).await.unwrap();
    let ended = stage.wait(&format!("/v1/action_plans/{uuid}"), &["CANCELLED", "SUCCEEDED", "FAILED"]).await.unwrap();
    assert_eq!(ended["state"], "CANCELLED", "{ended}");
    for action in stage.actions(&plan).await.unwrap() {
        assert!(matches!(action["state"].as_str(), Some("CANCELLED" | "SUCCEEDED")), "{action}");
    }
    assert_eq!(stage.client.placement().await.unwrap(), before);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_on_a_cloud_that_does_not_answer_fails_and_says_so() {
    let options = StageOptions {
        faults: faults(&json!([{"effect": "error", "rate": 1.0, "service": "placement", "status": 503}])),
        ..StageOptions::default()
    };
    let stage = Stage::start(cluster(), options).await.unwrap();
    let audit = stage.create_audit("basic", &json!({})).await.unwrap();
    let ended = stage.wait(&format!("/v1/audits/{audit}"), &["SUCCEEDED", "FAILED"]).await.unwrap();
    assert_eq!(ended["state"], "FAILED");
    let message = ended["status_message"].as_str().unwrap();
    assert!(message.contains("the cluster data model could not be built"), "{message}");
    assert!(message.contains("503"), "{message}");
    stage.end().await;
}
