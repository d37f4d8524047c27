//! Whatever a client sends, the service answers, and never that it failed.

use crate::service::Service;
use proptest::prelude::*;
use serde_json::{Value, json};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A service with a template `t`, an audit `a` and the two goals.
async fn service() -> Service {
    let service = Service::new().await;
    service.add_two_goals().await;
    let template = json!({"name": "t", "goal": "dummy", "strategy": "dummy"});
    assert_eq!(service.call("POST", "/v1/audit_templates", Some(template)).await.status, 201);
    let audit = json!({"name": "a", "audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy"});
    assert_eq!(service.call("POST", "/v1/audits", Some(audit)).await.status, 201);
    service
}

/// Any JSON, with words that mean something more often than chance has them.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "name",
        "goal",
        "strategy",
        "dummy",
        "audit_type",
        "ONESHOT",
        "CONTINUOUS",
        "EVENT",
        "parameters",
        "para1",
        "para2",
        "interval",
        "60",
        "*/5 * * * *",
        "scope",
        "compute",
        "availability_zones",
        "exclude",
        "host_aggregates",
        "id",
        "start_time",
        "2030-01-01T00:00:00",
        "force",
        "auto_trigger",
        "state",
        "CANCELLED",
        "default_parameters",
        "audit_template_uuid",
        "op",
        "path",
        "value",
        "add",
        "replace",
        "remove",
        "/state",
        "/name",
        "/goal",
        "/strategy",
        "/scope",
        "/parameters/para1",
        "/interval",
        "/default_parameters",
        "/start_time",
        "/goal_id",
        "/audit_type",
        "00000000-0000-0000-0000-000000000001",
        "a",
        "t",
        "1",
        "",
        "\u{0}",
        "é",
        "' OR 1=1 --",
    ])
    .prop_map(str::to_owned)
}

/// A patch, or nearly one.
fn any_patch() -> impl Strategy<Value = Value> {
    let operation = (prop::sample::select(vec!["add", "replace", "remove", "move"]), word(), any_json())
        .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}));
    prop_oneof![prop::collection::vec(operation, 0..4).prop_map(Value::from), any_json()]
}

/// A new audit or template, or nearly one.
fn any_body() -> impl Strategy<Value = Value> {
    prop::collection::vec((word(), any_json()), 0..6).prop_map(|members| {
        let mut body = json!({"audit_type": "ONESHOT", "goal": "dummy"});
        for (name, value) in members {
            body[name] = value;
        }
        body
    })
}

#[test]
fn no_body_makes_the_service_fail() {
    let runtime = runtime();
    let service = runtime.block_on(service());
    let calls = [
        ("POST", "/v1/audits"),
        ("POST", "/v1/audit_templates"),
        ("PATCH", "/v1/audits/a"),
        ("PATCH", "/v1/audit_templates/t"),
        ("PATCH", "/v1/action_plans/00000000-0000-0000-0000-000000000001"),
        ("PATCH", "/v1/actions/00000000-0000-0000-0000-000000000001"),
        ("POST", "/v1/webhooks/a"),
    ];
    proptest!(ProptestConfig::with_cases(400), |(body in prop_oneof![any_json(), any_body(), any_patch()], call in prop::sample::select(calls.to_vec()))| {
        let (method, path) = call;
        let answer = runtime.block_on(service.call(method, path, Some(body)));
        prop_assert!(!answer.status.is_server_error(), "{} {}: {}", method, path, answer.body);
    });
}

#[test]
fn no_bytes_make_the_service_fail() {
    let runtime = runtime();
    let service = runtime.block_on(service());
    let deep = "[".repeat(100_000);
    let huge = format!("{{\"audit_type\": 1{}}}", "0".repeat(5000));
    let fixed =
        [deep.into_bytes(), huge.into_bytes(), b"\xff\xfe".to_vec(), b"1e999".to_vec(), b"{\"a\":1,\"a\":2}".to_vec()];
    let json = [("content-type", "application/json")];
    for body in fixed {
        let answer = runtime.block_on(service.send("POST", "/v1/audits", &json, body));
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    proptest!(ProptestConfig::with_cases(200), |(body in prop::collection::vec(any::<u8>(), 0..200))| {
        let answer = runtime.block_on(service.send("POST", "/v1/audits", &json, body));
        prop_assert!(!answer.status.is_server_error(), "{}", answer.body);
    });
}

#[test]
fn no_query_and_no_path_make_the_service_fail() {
    let runtime = runtime();
    let service = runtime.block_on(service());
    let paths = [
        "/",
        "/v1",
        "/v1/goals",
        "/v1/strategies/detail",
        "/v1/audit_templates",
        "/v1/audits/detail",
        "/v1/action_plans",
        "/v1/actions",
        "/v1/services",
        "/v1/scoring_engines",
        "/openapi.json",
    ];
    let names =
        ["limit", "marker", "sort_key", "sort_dir", "goal", "strategy", "audit_uuid", "action_plan_uuid", "foo", ""];
    let pair = (prop::sample::select(names.to_vec()), prop_oneof![word(), ".{0,6}", Just("desc".to_owned())])
        .prop_map(|(name, value)| format!("{name}={}", percent(&value)));
    proptest!(ProptestConfig::with_cases(400), |(path in prop::sample::select(paths.to_vec()), segment in prop::option::of(".{0,8}"), query in prop::collection::vec(pair, 0..3))| {
        let segment = segment.map(|segment| format!("/{}", percent(&segment))).unwrap_or_default();
        let target = format!("{}{segment}?{}", path.trim_end_matches('/'), query.join("&"));
        let target = if target.starts_with('/') { target } else { format!("/{target}") };
        let answer = runtime.block_on(service.call("GET", &target, None));
        prop_assert!(!answer.status.is_server_error(), "{}: {}", target, answer.body);
    });
}

fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02X}");
        out
    })
}
