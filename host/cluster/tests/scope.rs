//! What a scope leaves of a cluster, and which scopes are refused.

use rstest::rstest;
use serde_json::{Value, json};
use watcher_cluster::{AuditScope, ClusterDataModel, ClusterFile, ScopeError};

/// Three nodes; `a1`, `a2` and `a3` on the first, `b1` on the second, `c1` on the third, `free` on none.
fn model() -> ClusterDataModel {
    let node =
        |name: &str| json!({"uuid": format!("uuid-{name}"), "hostname": name, "vcpus": 8, "memory": 1024, "disk": 10});
    let instance = |name: &str, node: Option<&str>, project: &str, metadata: Value| json!({"uuid": name, "node": node, "vcpus": 1, "memory": 64, "disk": 1, "project_id": project, "metadata": metadata});
    let file = json!({
        "compute": {
            "nodes": [node("a"), node("b"), node("c")],
            "instances": [
                instance("a1", Some("a"), "red", json!({"tier": "Gold", "team": "x"})),
                instance("b1", Some("b"), "blue", json!({"tier": "tin"})),
                instance("a2", Some("a"), "blue", json!({"tier": "gold"})),
                instance("free", None, "red", json!({})),
                instance("a3", Some("a"), "red", json!({})),
                instance("c1", Some("c"), "green", json!({})),
            ],
        },
        "aggregates": [
            {"id": 1, "name": "first", "hosts": ["a", "b"]},
            {"id": 2, "name": "second", "hosts": ["c"]},
            {"id": 3, "name": "empty", "hosts": []},
        ],
        "services": [
            {"host": "a", "zone": "nova"}, {"host": "b", "zone": "edge"}, {"host": "c", "zone": "edge"},
            {"host": "controller", "zone": "internal"},
        ],
    });
    ClusterFile::parse(file.to_string().as_bytes()).and_then(|file| Ok(file.model()?)).expect("a cluster file")
}

fn scope(rules: &Value) -> AuditScope {
    AuditScope(vec![json!({"compute": rules})])
}

/// `node: instances` for each node; excluded instances in brackets.
fn shape(model: &ClusterDataModel) -> Vec<String> {
    let compute = &model.compute;
    let name = |&row: &u32| {
        let instance = &compute.instances()[row as usize];
        if instance.watcher_exclude { format!("[{}]", instance.uuid) } else { instance.uuid.clone() }
    };
    let nodes = compute.nodes().iter().enumerate();
    nodes
        .map(|(row, node)| {
            let instances: Vec<String> = compute.instances_of(row).iter().map(name).collect();
            format!("{}: {}", node.hostname, instances.join(" "))
        })
        .collect()
}

#[rstest]
#[case::nothing(json!([]), &["a: a1 a2 a3", "b: b1", "c: c1"])]
#[case::aggregate_by_id(json!([{"host_aggregates": [{"id": 1}]}]), &["a: a1 a2 a3", "b: b1"])]
#[case::aggregate_by_name(json!([{"host_aggregates": [{"name": "second"}]}]), &["c: c1"])]
#[case::aggregates_by_both(json!([{"host_aggregates": [{"id": 1}, {"name": "second"}]}]), &["a: a1 a2 a3", "b: b1", "c: c1"])]
#[case::any_aggregate(json!([{"host_aggregates": [{"id": "*"}]}]), &["a: a1 a2 a3", "b: b1", "c: c1"])]
#[case::aggregate_without_hosts(json!([{"host_aggregates": [{"id": 3}]}]), &[])]
#[case::unknown_aggregate(json!([{"host_aggregates": [{"id": 9}]}]), &[])]
#[case::zone(json!([{"availability_zones": [{"name": "edge"}]}]), &["b: b1", "c: c1"])]
#[case::any_zone(json!([{"availability_zones": [{"name": "*"}]}]), &["a: a1 a2 a3", "b: b1", "c: c1"])]
#[case::zone_of_other_hosts(json!([{"availability_zones": [{"name": "internal"}]}]), &[])]
#[case::alternatives(
    json!([{"availability_zones": [{"name": "nova"}]}, {"host_aggregates": [{"id": 2}]}]), &["a: a1 a2 a3", "c: c1"])]
#[case::one_that_matches_nothing_beside_one_that_does(
    json!([{"host_aggregates": [{"id": 3}]}, {"availability_zones": [{"name": "nova"}]}]), &["a: a1 a2 a3"])]
#[case::node(json!([{"exclude": [{"compute_nodes": [{"name": "b"}]}]}]), &["a: a1 a2 a3", "c: c1"])]
#[case::unknown_node(json!([{"exclude": [{"compute_nodes": [{"name": "gone"}]}]}]), &["a: a1 a2 a3", "b: b1", "c: c1"])]
#[case::excluded_aggregate(json!([{"exclude": [{"host_aggregates": [{"name": "first"}]}]}]), &["c: c1"])]
#[case::instance(json!([{"exclude": [{"instances": [{"uuid": "a1"}]}]}]), &["a: a2 a3 [a1]", "b: b1", "c: c1"])]
#[case::instances(
    json!([{"exclude": [{"instances": [{"uuid": "a2"}, {"uuid": "a1"}, {"uuid": "free"}, {"uuid": "gone"}]}]}]),
    &["a: a3 [a1] [a2]", "b: b1", "c: c1"])]
#[case::project(json!([{"exclude": [{"projects": [{"uuid": "red"}]}]}]), &["a: a2 [a1] [a3]", "b: b1", "c: c1"])]
#[case::metadata(json!([{"exclude": [{"instance_metadata": [{"tier": "GOLD"}]}]}]), &["a: a3 [a1] [a2]", "b: b1", "c: c1"])]
#[case::all_keys_but_any_value(
    json!([{"exclude": [{"instance_metadata": [{"tier": "gold"}, {"team": "y"}]}]}]), &["a: a2 a3 [a1]", "b: b1", "c: c1"])]
#[case::everything_together(
    json!([{"host_aggregates": [{"id": 1}]}, {"exclude": [{"compute_nodes": [{"name": "b"}]}, {"instances": [{"uuid": "a2"}]}]}]),
    &["a: a1 a3 [a2]"])]
fn a_scope_leaves(#[case] rules: Value, #[case] expected: &[&str]) {
    let scoped = scope(&rules).apply(model()).expect("a valid scope");
    assert_eq!(shape(&scoped), expected);
    for (row, node) in scoped.compute.nodes().iter().enumerate() {
        for &instance in scoped.compute.instances_of(row) {
            assert_eq!(scoped.compute.node_of(instance as usize), Some(row), "{}", node.hostname);
        }
    }
    assert!(scoped.compute.instances().iter().any(|instance| instance.uuid == "free" && !instance.watcher_exclude));
}

#[test]
fn instances_keep_their_order_in_the_model() {
    let scoped = scope(&json!([{"exclude": [{"instances": [{"uuid": "a1"}]}, {"compute_nodes": [{"name": "b"}]}]}]));
    let scoped = scoped.apply(model()).expect("a valid scope");
    let order: Vec<&str> = scoped.compute.instances().iter().map(|instance| instance.uuid.as_str()).collect();
    assert_eq!(order, ["a1", "a2", "free", "a3", "c1"]);
}

#[test]
fn the_first_compute_entry_that_is_not_empty_counts() {
    let scope = AuditScope(vec![
        json!({"storage": []}),
        json!({"compute": []}),
        json!({"compute": [{"host_aggregates": [{"id": 2}]}]}),
    ]);
    assert_eq!(shape(&scope.apply(model()).expect("a valid scope")), ["c: c1"]);
}

#[test]
fn rules_of_models_that_no_strategy_sees_are_read_and_limit_nothing() {
    let scope: AuditScope = serde_json::from_value(json!([
        {"storage": [
            {"availability_zones": [{"name": "az"}], "volume_types": [{"name": "fast"}]},
            {"exclude": [{"storage_pools": [{"name": "p"}]}, {"volumes": [{"uuid": "v"}]}, {"projects": [{"uuid": "q"}]}]},
        ]},
        {"baremetal": [{}, {"exclude": [{"ironic_nodes": [{"uuid": "n"}]}]}]},
    ]))
    .expect("a list");
    assert_eq!(shape(&scope.apply(model()).expect("a valid scope")), shape(&model()));
}

#[rstest]
#[case(json!([1]), "/0", "must be an object")]
#[case(json!([{"network": []}]), "/0/network", "is not one of compute, storage, baremetal")]
#[case(json!([{"compute": {}}]), "/0/compute", "must be a list")]
#[case(json!([{"compute": [{"hosts": []}]}]), "/0/compute/0/hosts", "is not one of host_aggregates, availability_zones, exclude")]
#[case(json!([{"compute": [{"host_aggregates": [{"id": "a"}]}]}]), "/0/compute/0/host_aggregates/0/id", "must be a whole number or *")]
#[case(json!([{"compute": [{"host_aggregates": [{"name": 5}]}]}]), "/0/compute/0/host_aggregates/0/name", "must be a text")]
#[case(json!([{"compute": [{"host_aggregates": [{}]}]}]), "/0/compute/0/host_aggregates/0", "must have either id or name, and nothing else")]
#[case(json!([{"compute": [{"availability_zones": [{}]}]}]), "/0/compute/0/availability_zones/0", "has no name")]
#[case(
    json!([{"compute": [{"exclude": [{"instances": [{"name": "a"}]}]}]}]),
    "/0/compute/0/exclude/0/instances/0/name", "is not one of uuid")]
#[case(
    json!([{"compute": [{"exclude": [{}, {"instance_metadata": ["a"]}]}]}]),
    "/0/compute/0/exclude/1/instance_metadata/0", "must be an object")]
#[case(json!([{"storage": [{"zz": 1}]}]), "/0/storage/0/zz", "is not one of availability_zones, volume_types, exclude")]
#[case(json!([{"storage": [{"volume_types": [{"name": 5}]}]}]), "/0/storage/0/volume_types/0/name", "must be a text")]
#[case(
    json!([{"storage": [{"exclude": [{"storage_pools": []}, {"volumes": [{"name": "a"}]}]}]}]),
    "/0/storage/0/exclude/1/volumes/0/name", "is not one of uuid")]
#[case(json!([{"storage": [{"exclude": [{"zz": []}]}]}]), "/0/storage/0/exclude/0/zz", "is not one of storage_pools, volumes, projects")]
#[case(json!([{"baremetal": [{"volume_types": []}]}]), "/0/baremetal/0/volume_types", "is not one of exclude")]
#[case(
    json!([{"baremetal": [{"exclude": [{"ironic_nodes": ["a"]}]}]}]),
    "/0/baremetal/0/exclude/0/ironic_nodes/0", "must be an object")]
fn a_mistake_is_named_with_its_place(#[case] scope: Value, #[case] path: &str, #[case] reason: &str) {
    let scope: AuditScope = serde_json::from_value(scope).expect("a list");
    let expected = ScopeError::Invalid { path: path.to_owned(), reason: reason.to_owned() };
    assert_eq!(scope.validate(), Err(expected));
    assert!(scope.apply(model()).is_err());
}

#[rstest]
#[case(json!([{"host_aggregates": [{"id": "*"}, {"id": 1}]}]), "host aggregates")]
#[case(json!([{"host_aggregates": [{"name": "*"}, {"name": "first"}]}]), "host aggregates")]
#[case(json!([{"availability_zones": [{"name": "*"}, {"name": "nova"}]}]), "availability zones")]
#[case(json!([{"exclude": [{"host_aggregates": [{"id": "*"}, {"id": 1}]}]}]), "host aggregates")]
fn a_wildcard_stands_alone(#[case] rules: Value, #[case] what: &'static str) {
    assert_eq!(scope(&rules).validate(), Err(ScopeError::WildcardAndNames(what)));
}
