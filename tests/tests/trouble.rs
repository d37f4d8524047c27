//! The main job when things go wrong: hostile plugins, faults of the cloud, lost messages.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use e2e::{Stage, StageOptions, cluster, plugins};
use serde_json::{Value, json};
use watcher_domain::{Audit, AuditId, AuditState, AuditType, Clock as _, Ids as _, Stamps, SystemClock, SystemIds};
use watcher_simulator::FaultOptions;
use watcher_store::testing::limit_pages;
use watcher_store::{Reference, Store, audit, strategy};

fn faults(list: &Value) -> FaultOptions {
    serde_json::from_value(json!({"seed": 7, "faults": list})).unwrap()
}

/// The built-in plugins and a hostile one among them.
fn plugins_with_hostile(folder: &Path) {
    for kind in std::fs::read_dir(plugins()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let copy = folder.join(kind.file_name().unwrap());
        std::fs::create_dir(&copy).unwrap();
        for file in std::fs::read_dir(&kind).unwrap().map(|entry| entry.unwrap().path()) {
            if file.is_file() {
                std::os::unix::fs::symlink(file.canonicalize().unwrap(), copy.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    let hostile = plugins().join("guests/hostile-strategy.wasm").canonicalize().unwrap();
    std::os::unix::fs::symlink(hostile, folder.join("strategies/hostile.wasm")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_strategy_fails_its_audits_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    plugins_with_hostile(folder.path());
    let limits = ["fuel=200000000", "memory_bytes=67108864", "requests=50"];
    let settings = limits.map(|limit| format!("sandbox.limits.{limit}"));
    let options = StageOptions {
        plugins: Some(folder.path().to_owned()),
        settings: settings.to_vec(),
        ..StageOptions::default()
    };
    let stage = Arc::new(Stage::start(cluster(), options).await.unwrap());
    let cases = [
        ("loop", "the fuel limit of 200000000 units was reached"),
        ("allocate", "the memory limit of 67108864 bytes was reached"),
        ("recurse", "the stack limit"),
        ("panic", "out of ideas"),
        ("read-beyond-memory", "memory"),
        ("flood-metrics", "requests limit of 50 requests was reached"),
    ];
    let runs = cases.map(|(behaviour, expected)| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move {
            let audit = stage.create_audit("hostile", &json!({"parameters": {"behaviour": behaviour}})).await.unwrap();
            let ended = stage.wait(&format!("/v1/audits/{audit}"), &["SUCCEEDED", "FAILED"]).await.unwrap();
            (behaviour, expected, ended)
        })
    });
    // Honest work goes on beside them.
    let honest = stage.plan("basic", &json!({})).await.unwrap();
    assert_eq!(honest["state"], "RECOMMENDED");
    for run in runs {
        let (behaviour, expected, ended) = run.await.unwrap();
        assert_eq!(ended["state"], "FAILED", "{behaviour}: {ended}");
        let message = ended["status_message"].as_str().unwrap();
        assert!(message.contains(expected), "{behaviour}: {message}");
    }
    assert_eq!(stage.plan("dummy", &json!({})).await.unwrap()["state"], "RECOMMENDED");
    Arc::into_inner(stage).unwrap().end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_loses_answers_and_fails_now_and_then_still_ends_as_planned() {
    let options = StageOptions {
        faults: faults(&json!([
            {"effect": "drop", "rate": 0.03, "service": "compute"},
            {"effect": "error", "rate": 0.03, "service": "compute", "status": 503},
            {"effect": "error", "rate": 0.03, "service": "placement", "status": 503},
            {"effect": "latency", "rate": 0.5, "latency_ms": 5},
        ])),
        settings: vec![
            "plugins.action.migrate.http_retries=10".to_owned(),
            "plugins.action.migrate.http_retry_interval_s=0.1".to_owned(),
            "plugins.action.change_nova_service_state.http_retries=10".to_owned(),
            "plugins.action.change_nova_service_state.http_retry_interval_s=0.1".to_owned(),
        ],
        ..StageOptions::default()
    };
    let stage = Stage::start(cluster(), options).await.unwrap();
    let plan = stage.plan("vm_workload_consolidation", &json!({})).await.unwrap();
    let ended = stage.apply(&plan).await.unwrap();
    let actions = stage.actions(&plan).await.unwrap();
    assert_eq!(ended["state"], "SUCCEEDED", "{ended} {actions:?}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_never_ends_is_given_up_and_said_so() {
    let options = StageOptions {
        faults: faults(&json!([{"effect": "stuck_migration", "times": 1}])),
        settings: vec![
            "plugins.action.migrate.migration_interval_s=0.1".to_owned(),
            "plugins.action.migrate.migration_max_retries=5".to_owned(),
        ],
        ..StageOptions::default()
    };
    let stage = Stage::start(cluster(), options).await.unwrap();
    let plan = stage.plan("vm_workload_consolidation", &json!({})).await.unwrap();
    assert_eq!(stage.apply(&plan).await.unwrap()["state"], "FAILED");
    let actions = stage.actions(&plan).await.unwrap();
    let failed = actions.iter().find(|action| action["state"] == "FAILED").unwrap();
    let message = failed["status_message"].as_str().unwrap();
    assert!(message.starts_with("Action failed in execute: "), "{message}");
    let instance = failed["input_parameters"]["resource_id"].as_str().unwrap();
    let source = failed["input_parameters"]["source_node"].as_str().unwrap();
    assert_eq!(stage.client.placement().await.unwrap()[instance], source, "it is where it was: {message}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_whose_message_was_lost_is_found_by_the_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("watcher.db").display());
    let options = StageOptions {
        database: Some(url.clone()),
        settings: vec!["decision_engine.sweep_interval_s=1".to_owned()],
        ..StageOptions::default()
    };
    let stage = Stage::start(cluster(), options).await.unwrap();
    // Beside the API, so that nobody is told.
    let store = Store::connect(&url).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let reference = Reference::Name("dummy".to_owned());
    let dummy = strategy::find(&mut tx, &reference, false, &watcher_store::Visibility::All).await.unwrap().unwrap();
    let id = AuditId(SystemIds.uuid());
    let row = Audit {
        id,
        project_id: None,
        name: "unannounced".to_owned(),
        audit_type: AuditType::Oneshot,
        state: AuditState::Pending,
        parameters: serde_json::from_value(json!({"para1": 1.0, "para2": "hello"})).unwrap(),
        interval: None,
        goal_id: dummy.goal_id,
        strategy_id: Some(dummy.id),
        scope: watcher_cluster::AuditScope::default(),
        auto_trigger: false,
        force: false,
        next_run_time: None,
        hostname: None,
        start_time: None,
        end_time: None,
        status_message: None,
        stamps: Stamps::new(SystemClock.now()),
    };
    audit::insert(&mut tx, &row).await.unwrap();
    tx.commit().await.unwrap();
    let ended = stage.wait(&format!("/v1/audits/{}", id.0), &["SUCCEEDED", "FAILED"]).await.unwrap();
    assert_eq!(ended["state"], "SUCCEEDED", "{ended}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_nothing_is_lost_or_half_there() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("watcher.db").display());
    let stage =
        Stage::start(cluster(), StageOptions { database: Some(database), ..StageOptions::default() }).await.unwrap();
    let plan = stage.plan("basic", &json!({})).await.unwrap();
    limit_pages(&stage.service.store, 1).await;
    let mut refusal = None;
    // What is left of the last page takes a few rows.
    for _ in 0..1_000 {
        let body = json!({"audit_type": "EVENT", "goal": "dummy", "strategy": "dummy"});
        match stage.client.post("/v1/audits", &body).await {
            Ok(_) => {}
            Err(error) => {
                refusal = Some(format!("{error:#}"));
                break;
            }
        }
    }
    let refusal = refusal.unwrap();
    assert!(refusal.contains("503") && refusal.contains("the disk of the database is full"), "{refusal}");
    let path = format!("/v1/action_plans/{}", plan["uuid"].as_str().unwrap());
    assert_eq!(stage.client.get(&path, &[]).await.unwrap()["state"], "RECOMMENDED");
    limit_pages(&stage.service.store, 1_000_000).await;
    let ended = stage.apply(&plan).await.unwrap();
    assert_eq!(ended["state"], "SUCCEEDED", "{ended}");
    assert_eq!(stage.plan("dummy", &json!({})).await.unwrap()["state"], "RECOMMENDED");
    stage.end().await;
}
