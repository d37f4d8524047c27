//! What the strategy does where it differs from the original, and what it asks for.

use serde_json::{Value, json};
use strategy_vm_workload_consolidation::{Configuration, Parameters, VmWorkloadConsolidation};
use watcher_sdk::testing::FakeHost;
use watcher_sdk::{Solution, Strategy};

fn node(name: &str) -> Value {
    json!({"uuid": name, "hostname": name, "vcpus": 8, "memory": 16384, "disk": 100})
}

fn instance(name: &str, node: &str, vcpus: u32) -> Value {
    json!({"uuid": name, "node": node, "vcpus": vcpus, "memory": 1024, "disk": 10})
}

fn host(nodes: &[Value], instances: &[Value], metrics: &Value) -> FakeHost {
    let file = json!({"compute": {"nodes": nodes, "instances": instances}, "metrics": metrics});
    FakeHost::from_cluster_file(&file.to_string()).expect("a cluster file")
}

fn decide(host: &FakeHost) -> Solution {
    VmWorkloadConsolidation::execute(host, Parameters::default(), Configuration {}).expect("a solution")
}

/// Each action as `type resource`, with destination or state.
fn actions(solution: &Solution) -> Vec<String> {
    let word = |action: &watcher_sdk::NewAction, key: &str| {
        action.input_parameters().get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    solution
        .actions
        .iter()
        .map(|action| {
            format!(
                "{} {} {}{}",
                action.action_type,
                action.resource_id,
                word(action, "state"),
                word(action, "destination_node")
            )
        })
        .collect()
}

fn indicator(solution: &Solution, name: &str) -> Option<f64> {
    solution.efficacy_indicators.iter().find(|(indicator, _)| indicator == name).map(|&(_, value)| value)
}

#[test]
fn enabling_more_nodes_than_it_empties_releases_none_and_is_no_error() {
    let mut spare = node("spare");
    spare["status"] = json!("disabled");
    let host = host(&[node("full"), spare], &[instance("a", "full", 8), instance("b", "full", 2)], &json!({}));
    let solution = decide(&host);
    assert_eq!(actions(&solution), ["change_nova_service_state spare enabled", "migrate b spare"]);
    assert_eq!(indicator(&solution, "released_compute_nodes_count"), Some(0.0));
}

#[test]
fn a_node_without_disk_is_full_and_no_error() {
    let mut diskless = node("diskless");
    diskless["disk"] = json!(0);
    let host = host(&[diskless, node("other")], &[instance("a", "other", 2)], &json!({}));
    let solution = decide(&host);
    assert_eq!(actions(&solution), ["change_nova_service_state diskless disabled"]);
}

#[test]
fn excluded_instances_stay() {
    let mut pinned = instance("a", "low", 1);
    pinned["watcher_exclude"] = json!(true);
    let solution = decide(&host(&[node("low"), node("high")], &[pinned, instance("b", "high", 4)], &json!({})));
    assert_eq!(actions(&solution), Vec::<String>::new());
}

#[test]
fn nodes_that_are_down_neither_give_nor_take() {
    let mut down = node("down");
    down["state"] = json!("down");
    let solution = decide(&host(&[node("up"), down], &[instance("a", "down", 1), instance("b", "up", 4)], &json!({})));
    assert_eq!(actions(&solution), Vec::<String>::new());
    assert_eq!(indicator(&solution, "compute_nodes_count"), Some(1.0));
}

#[test]
fn an_empty_cluster_is_no_error() {
    let host = host(&[], &[], &json!({}));
    assert_eq!(actions(&decide(&host)), Vec::<String>::new());
    assert!(host.asked.borrow().is_empty());
}

#[test]
fn every_metric_is_asked_once_and_allocated_memory_only_if_needed() {
    let ram = json!({"instance": {"a": {"instance_ram_usage": 500.0}, "b": {"instance_ram_usage": 500.0}}});
    let instances = [instance("a", "x", 1), instance("b", "x", 1)];
    let complete = host(&[node("x")], &instances, &ram);
    decide(&complete);
    let asked =
        ["instance_cpu_usage", "instance_ram_usage", "instance_root_disk_size", "host_cpu_usage", "host_ram_usage"];
    assert_eq!(*complete.asked.borrow(), asked);

    let incomplete = host(&[node("x")], &instances, &json!({}));
    decide(&incomplete);
    assert!(incomplete.asked.borrow().contains(&"instance_ram_allocated".to_owned()));
}
