//! What the strategy does where it differs from the original, and what its parameters change.

use serde_json::{Value, json};
use strategy_workload_stabilization::{Configuration, Parameters, WorkloadStabilization};
use watcher_sdk::testing::FakeHost;
use watcher_sdk::testing::cases::properties;
use watcher_sdk::{Failure, Solution, Strategy};

/// Nodes `n0`, `n1`, … with these percentages of CPU use; `None` for no measurement.
fn nodes(used: &[Option<f64>]) -> Value {
    let nodes: Vec<Value> = (0..used.len())
        .map(
            |i| json!({"uuid": format!("n{i}"), "hostname": format!("n{i}"), "vcpus": 8, "memory": 16384, "disk": 100}),
        )
        .collect();
    let host: serde_json::Map<String, Value> =
        used.iter().enumerate().map(|(i, used)| (format!("n{i}"), json!({"host_cpu_usage": used}))).collect();
    json!({"compute": {"nodes": nodes, "instances": []}, "metrics": {"host": host, "instance": {}}})
}

fn add(case: &mut Value, name: &str, node: &str, vcpus: u32, percent: f64) {
    let instance = json!({"uuid": name, "node": node, "vcpus": vcpus, "memory": 1024, "disk": 10});
    case["compute"]["instances"].as_array_mut().expect("a list").push(instance);
    case["metrics"]["instance"][name] = json!({"instance_cpu_usage": percent});
}

/// One busy node with four instances, and some idle ones.
fn busy(idle: usize) -> Value {
    let mut used = vec![Some(50.0)];
    used.resize(idle + 1, Some(0.0));
    let mut case = nodes(&used);
    for name in ["a", "b", "c", "d"] {
        add(&mut case, name, "n0", 1, 100.0);
    }
    case
}

fn parameters(given: Value) -> Parameters {
    serde_json::from_value(given).expect("parameters")
}

fn host(case: &Value) -> FakeHost {
    FakeHost::from_cluster_file(&case.to_string()).expect("a cluster file")
}

fn run(case: &Value, given: Value) -> Result<Solution, Failure> {
    WorkloadStabilization::execute(&host(case), parameters(given), Configuration {})
}

/// `instance destination` for each migration.
fn moves(solution: &Solution) -> Vec<String> {
    let destination = |action: &watcher_sdk::NewAction| action.input_parameters()["destination_node"].clone();
    let name = |action: &watcher_sdk::NewAction| destination(action).as_str().unwrap_or_default().to_owned();
    solution.actions.iter().map(|action| format!("{} {}", action.resource_id, name(action))).collect()
}

#[test]
fn with_fullsearch_an_instance_moves_at_most_once() {
    let solution = run(&busy(3), json!({"host_choice": "fullsearch", "thresholds": {"instance_cpu_usage": 0.01}}));
    let mut moved: Vec<String> =
        solution.expect("a solution").actions.into_iter().map(|action| action.resource_id).collect();
    let all = moved.clone();
    moved.sort();
    moved.dedup();
    assert_eq!(moved.len(), all.len(), "{all:?}");
    assert!(!all.is_empty());
}

#[test]
fn a_node_without_measurements_neither_gives_nor_takes() {
    let mut case = nodes(&[Some(50.0), None, Some(0.0)]);
    add(&mut case, "a", "n0", 1, 100.0);
    add(&mut case, "b", "n1", 1, 100.0);
    for host_choice in ["cycle", "fullsearch"] {
        let solution = run(&case, json!({"host_choice": host_choice})).expect("a solution");
        assert_eq!(moves(&solution), ["a n2"], "{host_choice}");
    }
}

#[test]
fn a_node_without_vcpus_neither_gives_nor_takes() {
    let mut case = nodes(&[Some(50.0), Some(0.0), Some(0.0)]);
    case["compute"]["nodes"][1]["vcpus"] = json!(0);
    add(&mut case, "a", "n0", 1, 100.0);
    add(&mut case, "b", "n1", 1, 100.0);
    let solution = run(&case, json!({"host_choice": "cycle"})).expect("a solution");
    assert_eq!(moves(&solution), ["a n2"]);
}

#[test]
fn a_node_without_memory_does_not_count_when_memory_is_balanced() {
    let mut case = nodes(&[None, None, None]);
    for (node, kib) in [("n0", 8e6), ("n1", 0.0), ("n2", 0.0)] {
        case["metrics"]["host"][node] = json!({"host_ram_usage": kib});
    }
    case["compute"]["nodes"][1]["memory"] = json!(0);
    add(&mut case, "a", "n0", 1, 100.0);
    case["metrics"]["instance"]["a"] = json!({"instance_ram_usage": 1000.0});
    let solution = run(&case, json!({"host_choice": "cycle", "metrics": ["instance_ram_usage"]})).expect("a solution");
    assert_eq!(moves(&solution), ["a n2"]);
}

#[test]
fn retry_draws_no_more_nodes_than_there_are_and_repeats_itself() {
    let case = busy(3);
    let given = json!({"retry_count": 50, "thresholds": {"instance_cpu_usage": 0.01}});
    let first = run(&case, given.clone()).expect("a solution");
    assert!(!first.actions.is_empty());
    assert_eq!(run(&case, given), Ok(first));
}

#[test]
fn whatever_retry_draws_makes_sense() {
    for seed in 0..50 {
        let mut case = busy(4);
        case["strategy"] = json!("workload_stabilization");
        case["seed"] = json!(seed);
        case["parameters"] = json!({"retry_count": 2, "thresholds": {"instance_cpu_usage": 0.02}});
        let report = watcher_sdk::testing::cases::run::<
            WorkloadStabilization,
            planner_workload_stabilization::WorkloadStabilization,
        >(&case.to_string());
        assert_eq!(properties(&case, &report), Vec::<String>::new(), "seed {seed}");
        let spread = |name: &str| report["efficacy_indicators"][name].as_f64().expect("a number");
        assert!(spread("standard_deviation_after_audit") < spread("standard_deviation_before_audit"), "seed {seed}");
    }
}

#[test]
fn an_unknown_host_choice_is_named_once_it_matters() {
    let failure = run(&busy(1), json!({"host_choice": "nearest"})).expect_err("an error");
    assert_eq!(failure.code, "invalid-host-choice");
    assert!(failure.message.contains("nearest"), "{failure}");
    let balanced = nodes(&[Some(50.0), Some(50.0)]);
    assert_eq!(run(&balanced, json!({"host_choice": "nearest"})).map(|solution| solution.actions), Ok(Vec::new()));
}

#[test]
fn a_missing_weight_is_named() {
    let given = json!({"host_choice": "cycle", "weights": {"instance_ram_usage_weight": 0.5}});
    let failure = run(&busy(1), given).expect_err("an error");
    assert_eq!(failure.code, "missing-weight");
    assert!(failure.message.contains("instance_cpu_usage_weight"), "{failure}");
}

#[test]
fn keys_that_are_left_out_have_their_defaults() {
    let given = parameters(json!({
        "thresholds": {"instance_ram_usage": 0.3},
        "periods": {"instance": 60},
        "instance_metrics": {"instance_cpu_usage": "host_cpu_usage"},
    }));
    let defaults = Parameters::default();
    assert!((given.thresholds.cpu - defaults.thresholds.cpu).abs() < f64::EPSILON);
    assert!((given.periods_s.for_compute_nodes() - 600.0).abs() < f64::EPSILON);
    assert_eq!(given.instance_metrics, defaults.instance_metrics);
    let former = parameters(json!({"periods": {"node": 30}, "aggregation_method": {"node": "max"}}));
    assert!((former.periods_s.for_compute_nodes() - 30.0).abs() < f64::EPSILON);
    assert_eq!(former.aggregation_method.for_compute_nodes(), "max");
}

#[test]
fn metrics_are_asked_once_and_those_of_instances_only_if_needed() {
    let unbalanced = host(&busy(2));
    let given = parameters(json!({"host_choice": "cycle", "metrics": ["instance_cpu_usage", "instance_cpu_usage"]}));
    WorkloadStabilization::execute(&unbalanced, given, Configuration {}).expect("a solution");
    assert_eq!(*unbalanced.asked.borrow(), ["host_cpu_usage", "instance_cpu_usage"]);

    let balanced = host(&nodes(&[Some(50.0), Some(50.0)]));
    WorkloadStabilization::execute(&balanced, Parameters::default(), Configuration {}).expect("a solution");
    assert_eq!(*balanced.asked.borrow(), ["host_cpu_usage"]);
}

#[test]
fn one_node_or_none_is_balanced() {
    for used in [&[][..], &[Some(90.0)][..]] {
        let mut case = nodes(used);
        if !used.is_empty() {
            add(&mut case, "a", "n0", 1, 100.0);
        }
        assert_eq!(run(&case, json!({})).map(|solution| solution.actions), Ok(Vec::new()));
    }
}
