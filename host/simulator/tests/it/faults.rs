//! Each fault, by option and by admin call.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use watcher_simulator::{Fault, FaultEffect, FaultOptions, ServiceName, SimulatorOptions};

use crate::support::{Answer, Cloud, fault, read, server_uuid, small_file};

async fn set(cloud: &Cloud, faults: Value) -> Answer {
    let body = json!({"seed": 7, "faults": faults});
    read(cloud.request(Method::PUT, "/simulator/faults").json(&body)).await
}

fn live() -> Value {
    json!({"os-migrateLive": {"host": "c", "block_migration": "auto"}})
}

async fn providers(cloud: &Cloud) -> StatusCode {
    cloud.get("/placement/resource_providers").await.status
}

#[tokio::test]
async fn errors_strike_where_they_are_told_with_the_body_of_the_service() {
    let cloud = Cloud::small().await;
    set(&cloud, json!([{"effect": "error", "service": "compute", "status": 503, "message": "tea time"}])).await;
    let refused = cloud.nova(90, Method::GET, "/servers", None).await;
    assert_eq!(fault(&refused), ("serviceUnavailable".into(), "tea time".into()));
    assert_eq!(providers(&cloud).await, StatusCode::OK);
    set(&cloud, json!([{"effect": "error", "service": "placement"}])).await;
    let refused = cloud.get("/placement/resource_providers").await;
    assert_eq!(refused.body["errors"][0]["status"], 500);
    set(&cloud, json!([{"effect": "error", "service": "prometheus"}])).await;
    assert_eq!(cloud.query("1").await.body["status"], "error");
    set(&cloud, json!([{"effect": "error", "path": "/identity/v3/auth/tokens"}])).await;
    assert_eq!(cloud.get("/identity/v3/auth/tokens").await.body["error"]["code"], 500);
    assert_eq!(cloud.get("/identity/v3/users").await.status, StatusCode::OK);
    set(&cloud, json!([{"effect": "error", "server": server_uuid(1)}])).await;
    let one = |number| format!("/servers/{}", server_uuid(number));
    assert_eq!(cloud.nova(90, Method::GET, &one(1), None).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(cloud.nova(90, Method::GET, &one(2), None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_rate_is_kept_and_its_sequence_depends_on_the_seed_alone() {
    let cloud = Cloud::small().await;
    let mut sequences = Vec::new();
    for _ in 0..2 {
        set(&cloud, json!([{"effect": "error", "service": "placement", "rate": 0.3}])).await;
        let mut sequence = Vec::new();
        for _ in 0..60 {
            sequence.push(providers(&cloud).await.is_server_error());
        }
        sequences.push(sequence);
    }
    assert_eq!(sequences[0], sequences[1]);
    let struck = sequences[0].iter().filter(|struck| **struck).count();
    assert!((8..=28).contains(&struck), "{struck} of 60");
}

#[tokio::test]
async fn a_fault_can_be_limited_to_the_first_times() {
    let cloud = Cloud::small().await;
    set(&cloud, json!([{"effect": "error", "service": "placement", "times": 2}])).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(providers(&cloud).await.as_u16());
    }
    assert_eq!(seen, [500, 500, 200]);
    assert_eq!(cloud.get("/simulator/faults").await.body["faults"][0]["struck"], 2);
}

#[tokio::test]
async fn a_dropped_connection_has_no_answer() {
    let cloud = Cloud::small().await;
    set(&cloud, json!([{"effect": "drop", "service": "placement", "times": 1}])).await;
    let error = cloud.request(Method::POST, "/placement/resource_providers").send().await.unwrap_err();
    assert!(error.is_request() && error.status().is_none(), "{error:?}");
    assert_eq!(providers(&cloud).await, StatusCode::OK);
}

#[tokio::test]
async fn latency_delays_the_answer() {
    let cloud = Cloud::small().await;
    set(&cloud, json!([{"effect": "latency", "service": "placement", "latency_ms": 80}])).await;
    let before = std::time::Instant::now();
    assert_eq!(providers(&cloud).await, StatusCode::OK);
    assert!(before.elapsed().as_millis() >= 80);
}

#[tokio::test]
async fn a_refused_migration_is_400_with_its_message() {
    let cloud = Cloud::small().await;
    set(&cloud, json!([{"effect": "refused_migration", "host": "c", "message": "No valid host was found. Tea."}]))
        .await;
    let refused = cloud.act(90, 1, live()).await;
    assert_eq!(fault(&refused), ("badRequest".into(), "No valid host was found. Tea.".into()));
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(cloud.server(1).await["status"], "ACTIVE");
    // Another destination is not refused.
    assert_eq!(cloud.act(90, 1, json!({"migrate": {"host": "b"}})).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_failing_live_migration_ends_in_error_on_its_source() {
    let cloud = Cloud::small().await;
    set(&cloud, json!([{"effect": "failing_migration", "server": server_uuid(1)}])).await;
    assert_eq!(cloud.act(90, 1, live()).await.status, StatusCode::ACCEPTED);
    cloud.advance(500);
    assert_eq!(cloud.migration().await["status"], "error");
    let server = cloud.server(1).await;
    assert_eq!((&server["status"], &server["OS-EXT-SRV-ATTR:host"]), (&json!("ACTIVE"), &json!("a")));
    // Another server is not struck.
    cloud.act(90, 3, live()).await;
    cloud.advance(500);
    assert_eq!(cloud.migration().await["status"], "completed");
}

#[tokio::test]
async fn a_failing_cold_migration_leaves_the_server_in_error_on_its_source() {
    let cloud = Cloud::small().await;
    set(&cloud, json!([{"effect": "failing_migration"}])).await;
    cloud.act(90, 2, json!({"migrate": {"host": "c"}})).await;
    cloud.advance(500);
    assert_eq!(cloud.migration().await["status"], "error");
    let server = cloud.server(2).await;
    assert_eq!((&server["status"], &server["OS-EXT-SRV-ATTR:host"]), (&json!("ERROR"), &json!("a")));
    assert_eq!(server["fault"]["code"], 500);
}

#[tokio::test]
async fn a_stuck_migration_never_ends_but_can_be_aborted() {
    let options = SimulatorOptions {
        faults: FaultOptions { seed: 0, faults: vec![Fault::new(FaultEffect::StuckMigration)] },
        ..SimulatorOptions::default()
    };
    let mut cloud = Cloud::start(small_file(), options).await;
    cloud.act(90, 1, live()).await;
    cloud.act(90, 2, json!({"migrate": {"host": "c"}})).await;
    cloud.advance(1_000_000_000);
    // The token of the start has long expired.
    cloud.token = cloud.log_in("admin", "admin-password", "admin").await;
    assert_eq!(cloud.server(1).await["status"], "MIGRATING");
    assert_eq!(cloud.server(2).await["OS-EXT-STS:task_state"], "resize_migrating");
    let path = format!("/servers/{}/migrations/1", server_uuid(1));
    assert_eq!(cloud.nova(90, Method::DELETE, &path, None).await.status, StatusCode::ACCEPTED);
    assert_eq!(cloud.server(1).await["status"], "ACTIVE");
}

#[tokio::test]
async fn wrong_faults_are_refused_and_change_nothing() {
    let cloud = Cloud::small().await;
    set(&cloud, json!([{"effect": "error", "service": "compute", "rate": 0.0}])).await;
    for wrong in [
        json!([{"effect": "explode"}]),
        json!([{"effect": "error", "rate": 1.5}]),
        json!([{"effect": "error", "status": 200}]),
        json!([{"effect": "latency"}]),
        json!([{"effect": "drop", "latency_ms": 5}]),
        json!([{"effect": "drop", "service": "coffee"}]),
        json!([{"effect": "drop", "colour": "red"}]),
        json!("all"),
    ] {
        let refused = set(&cloud, wrong.clone()).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(refused.body["error"].is_string());
    }
    assert_eq!(cloud.get("/simulator/faults").await.body["faults"].as_array().unwrap().len(), 1);
    assert_eq!(read(cloud.request(Method::DELETE, "/simulator/faults")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(cloud.get("/simulator/faults").await.body["faults"], json!([]));
}

#[tokio::test]
async fn a_reset_brings_back_the_file_and_the_faults_of_the_start() {
    let cloud = Cloud::small().await;
    cloud.act(90, 1, live()).await;
    cloud.advance(500);
    assert_eq!(cloud.host_of(1).await, "c");
    set(&cloud, json!([{"effect": "error", "service": "compute"}])).await;
    assert_eq!(read(cloud.request(Method::POST, "/simulator/reset")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(cloud.host_of(1).await, "a");
    let state = cloud.get("/simulator/state").await.body;
    assert_eq!(state["placement"][server_uuid(1)], "a");
    assert_eq!(state["migrations"], json!([]));
    assert_eq!(
        state["services"][0],
        json!({"host": "a", "status": "enabled", "state": "up", "disabled_reason": null, "forced_down": false})
    );
}

#[tokio::test]
async fn requests_are_counted_by_service_method_and_template() {
    let cloud = Cloud::small().await;
    cloud.server(1).await;
    cloud.server(2).await;
    cloud.nova(90, Method::GET, "/dragons", None).await;
    let counts = cloud.get("/simulator/requests").await.body;
    let count = |service: &str, method: &str, path: &str| {
        let rows = counts["requests"].as_array().unwrap();
        let row = rows.iter().find(|row| row["service"] == service && row["method"] == method && row["path"] == path);
        row.map(|row| row["count"].as_u64().unwrap())
    };
    assert_eq!(count("compute", "GET", "/compute/v2.1/servers/{id}"), Some(2));
    assert_eq!(count("compute", "GET", "(unknown)"), Some(1));
    assert_eq!(count("identity", "POST", "/identity/v3/auth/tokens"), Some(1));
}

#[test]
fn a_fault_can_be_written_on_a_command_line() {
    let fault: Fault = "error,rate=0.25,status=503,service=compute,times=3".parse().unwrap();
    let wanted = Fault {
        rate: 0.25,
        status: Some(503),
        service: Some(ServiceName::Compute),
        times: Some(3),
        ..Fault::new(FaultEffect::Error)
    };
    assert_eq!(fault, wanted);
    assert_eq!("stuck-migration".parse::<Fault>().unwrap(), Fault::new(FaultEffect::StuckMigration));
    for wrong in ["", "explode", "error,rate", "error,rate=2", "latency", "drop,service=coffee", "drop,colour=red"] {
        let error = wrong.parse::<Fault>().unwrap_err();
        assert!(!error.to_string().is_empty(), "{wrong}");
    }
}
