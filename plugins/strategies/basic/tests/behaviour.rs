//! What the strategy does where it differs from the original, and what its parameters and configuration change.

use serde_json::{Value, json};
use strategy_basic::{Basic, Configuration, Parameters};
use watcher_sdk::testing::FakeHost;
use watcher_sdk::{Solution, Strategy};

fn node(name: &str) -> Value {
    json!({"uuid": name, "hostname": name, "vcpus": 8, "memory": 16384, "disk": 100})
}

fn instance(name: &str, node: &str, vcpus: u32) -> Value {
    json!({"uuid": name, "node": node, "vcpus": vcpus, "memory": 1024, "disk": 10})
}

/// `low` is the least used, `high` the most.
fn metrics() -> Value {
    json!({"host": {
        "low": {"host_cpu_usage": 10.0}, "middle": {"host_cpu_usage": 40.0}, "high": {"host_cpu_usage": 70.0},
    }})
}

fn host(nodes: &[Value], instances: &[Value]) -> FakeHost {
    let file = json!({"compute": {"nodes": nodes, "instances": instances}, "metrics": metrics()});
    FakeHost::from_cluster_file(&file.to_string()).expect("a cluster file")
}

fn decide(host: &FakeHost, parameters: Parameters, configuration: Configuration) -> Solution {
    Basic::execute(host, parameters, configuration).expect("a solution")
}

/// Each action as `type resource`, with destination or state.
fn actions(solution: &Solution) -> Vec<String> {
    let word = |parameters: &serde_json::Map<String, Value>, key: &str| {
        parameters.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    solution
        .actions
        .iter()
        .map(|action| {
            let parameters = action.input_parameters();
            let what = word(&parameters, "state") + &word(&parameters, "destination_node");
            format!("{} {} {what}", action.action_type, action.resource_id)
        })
        .collect()
}

fn defaults(host: &FakeHost) -> Vec<String> {
    actions(&decide(host, Parameters::default(), Configuration::default()))
}

#[test]
fn the_least_used_node_empties_onto_the_most_used_one() {
    let host = host(&[node("low"), node("high")], &[instance("a", "low", 1), instance("b", "high", 2)]);
    assert_eq!(defaults(&host), ["migrate a high", "change_nova_service_state low disabled"]);
    assert_eq!(*host.asked.borrow(), ["host_cpu_usage", "instance_cpu_usage"]);
}

#[test]
fn a_node_and_an_instance_without_vcpus_count_as_unused_and_are_no_error() {
    let mut bare = node("low");
    bare["vcpus"] = json!(0);
    let host = host(&[bare, node("high")], &[instance("a", "low", 0), instance("b", "high", 2)]);
    assert_eq!(defaults(&host), ["migrate a high", "change_nova_service_state low disabled"]);
}

#[test]
fn an_instance_without_memory_is_no_error() {
    let mut odd = instance("a", "low", 1);
    odd["memory"] = json!(0);
    let host = host(&[node("low"), node("high")], &[odd, instance("b", "high", 2)]);
    assert_eq!(defaults(&host), ["migrate a high", "change_nova_service_state low disabled"]);
}

#[test]
fn only_active_instances_that_are_not_excluded_move() {
    let mut paused = instance("paused", "low", 1);
    paused["state"] = json!("paused");
    let mut excluded = instance("excluded", "low", 1);
    excluded["watcher_exclude"] = json!(true);
    let instances = [paused, excluded, instance("a", "low", 1), instance("b", "high", 2)];
    let host = host(&[node("low"), node("high")], &instances);
    assert_eq!(defaults(&host), ["migrate a high"]);
}

#[test]
fn the_search_ends_after_as_many_nodes_in_vain_as_allowed() {
    let nodes = [node("low"), node("middle"), node("high")];
    // Nothing of the two least used nodes fits anywhere; the most used one has nowhere to give.
    let instances = [instance("a", "low", 8), instance("b", "middle", 8), instance("c", "high", 8)];
    assert_eq!(defaults(&host(&nodes, &instances)), Vec::<String>::new());
    // The second node in vain is one too many: the middle one is never asked.
    let instances = [instance("a", "low", 8), instance("b", "middle", 1), instance("c", "high", 4)];
    let host = host(&nodes, &instances);
    assert_eq!(defaults(&host), ["migrate b high", "change_nova_service_state middle disabled"]);
    let strict = Parameters { migration_attempts: 0.5, ..Parameters::default() };
    assert_eq!(actions(&decide(&host, strict, Configuration::default())), Vec::<String>::new());
}

#[test]
fn the_operator_can_have_metadata_decide_what_moves() {
    let with = |name: &str, metadata: Value| {
        let mut instance = instance(name, "low", 1);
        instance["metadata"] = metadata;
        instance
    };
    let instances = [
        with("yes", json!({"optimize": " Yes "})),
        with("no", json!({"optimize": "no"})),
        with("other", json!({"team": "x"})),
        with("none", json!({})),
        instance("b", "high", 2),
    ];
    let host = host(&[node("low"), node("high")], &instances);
    let checked = Configuration { check_optimize_metadata: true };
    let solution = decide(&host, Parameters::default(), checked);
    assert_eq!(actions(&solution), ["migrate yes high", "migrate none high"]);
}

#[test]
fn an_empty_cluster_is_no_error() {
    let empty = host(&[], &[]);
    assert_eq!(defaults(&empty), Vec::<String>::new());
    assert!(empty.asked.borrow().is_empty());
}

#[test]
fn the_former_name_of_the_aggregation_method_wins() {
    let parameters: Parameters =
        serde_json::from_value(json!({"aggregation_method": {"node": "max"}})).expect("parameters");
    assert_eq!(parameters.aggregation_method.for_compute_nodes(), "max");
    assert_eq!(parameters.aggregation_method.instance, "mean");
    assert_eq!(Parameters::default().aggregation_method.for_compute_nodes(), "mean");
}
