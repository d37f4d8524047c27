//! Audits that run more than once: by interval, over a restart, and by webhook.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Stage, StageOptions, cluster};
use serde_json::{Value, json};

async fn start(database: &str) -> Stage {
    let options = StageOptions { database: Some(database.to_owned()), ..StageOptions::default() };
    Stage::start(cluster(), options).await.unwrap()
}

/// That all plans but the newest were cancelled by newer ones.
fn assert_only_the_newest_stands(plans: &[Value]) {
    let (newest, older) = plans.split_last().unwrap();
    assert_eq!(newest["state"], "RECOMMENDED");
    assert!(older.iter().all(|plan| plan["state"] == "CANCELLED"), "{older:?}");
}

async fn a_continuous_audit_lives(database: &str) {
    let stage = start(database).await;
    let extra = json!({"audit_type": "CONTINUOUS", "interval": "1"});
    let audit = stage.create_audit("dummy", &extra).await.unwrap();
    let path = format!("/v1/audits/{audit}");
    assert_only_the_newest_stands(&stage.plans(&audit, 3).await.unwrap());
    let row = stage.client.get(&path, &[]).await.unwrap();
    assert_eq!(row["state"], "ONGOING");
    assert!(row["next_run_time"].is_string() && row["hostname"].is_string(), "{row}");

    let stage = stage.restart().await.unwrap();
    let before = stage.plans(&audit, 3).await.unwrap().len();
    assert_only_the_newest_stands(&stage.plans(&audit, before + 1).await.unwrap());

    assert_eq!(stage.move_to(&path, "SUSPENDED").await.unwrap()["state"], "SUSPENDED");
    let suspended = stage.plans(&audit, 1).await.unwrap().len();
    assert_eq!(stage.move_to(&path, "ONGOING").await.unwrap()["state"], "ONGOING");
    stage.plans(&audit, suspended + 1).await.unwrap();
    stage.move_to(&path, "CANCELLED").await.unwrap();
    assert_only_the_newest_stands(&stage.plans(&audit, 1).await.unwrap());
    assert_eq!(stage.client.get(&path, &[]).await.unwrap()["state"], "CANCELLED");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_continuous_audit_runs_survives_a_restart_and_is_suspended_resumed_and_cancelled() {
    for backend in watcher_store::testing::backends().await {
        a_continuous_audit_lives(&backend.url).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_audit_runs_whenever_its_webhook_is_called() {
    let stage = start("sqlite::memory:").await;
    let audit = stage.create_audit("dummy", &json!({"audit_type": "EVENT"})).await.unwrap();
    let path = format!("/v1/audits/{audit}");
    assert_eq!(stage.client.get(&path, &[]).await.unwrap()["state"], "PENDING");
    for runs in [1, 2] {
        assert_eq!(stage.client.post(&format!("/v1/webhooks/{audit}"), &json!({})).await.unwrap(), Value::Null);
        assert_eq!(stage.plans(&audit, runs).await.unwrap().len(), runs);
        stage.wait(&path, &["SUCCEEDED"]).await.unwrap();
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_services_are_listed_as_active() {
    let stage = start("sqlite::memory:").await;
    let page = stage.client.get("/v1/services", &[("sort_key", "name")]).await.unwrap();
    let services: Vec<_> =
        page["services"].as_array().unwrap().iter().map(|one| (&one["name"], &one["status"])).collect();
    let active = json!("ACTIVE");
    assert_eq!(services, [(&json!("watcher-applier"), &active), (&json!("watcher-decision-engine"), &active)]);
    stage.end().await;
}
