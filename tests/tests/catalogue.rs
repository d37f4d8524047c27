//! What the service lists is what the original lists, as far as it can run.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it could not look at"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use e2e::{Stage, StageOptions, cluster};
use serde_json::{Value, json};

/// The catalogue of the original; none, with a word about it, where the shared folder is missing.
fn catalogue() -> Option<Value> {
    #[expect(clippy::disallowed_methods, reason = "tests find shared data by environment")]
    let folder = std::env::var("WATCHER_SHARED")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let Ok(text) = std::fs::read(folder.join("reference/catalog.json")) else {
        println!("SKIPPED: {} has no catalogue; set WATCHER_SHARED", folder.display());
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

async fn list(stage: &Stage, path: &str, name: &str) -> Vec<Value> {
    stage.client.get(path, &[]).await.unwrap()[name].as_array().unwrap().clone()
}

fn only(members: &[&str], object: &Value) -> Value {
    Value::Object(members.iter().map(|&member| (member.to_owned(), object[member].clone())).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn goals_strategies_and_scoring_engines_are_listed_as_the_original_lists_them() {
    let Some(catalogue) = catalogue() else { return };
    let stage = Stage::start(cluster(), StageOptions::default()).await.unwrap();
    let entries = |kind: &str| catalogue[kind].as_array().unwrap().clone();

    let members = ["name", "display_name", "efficacy_specification"];
    let goals = list(&stage, "/v1/goals/detail", "goals").await;
    assert_eq!(goals.iter().map(|goal| only(&members, goal)).collect::<Vec<_>>(), entries("goals"));

    let members = ["name", "description", "metainfo"];
    let engines = list(&stage, "/v1/scoring_engines/detail", "scoring_engines").await;
    let wanted: Vec<Value> = entries("scoring_engines").iter().map(|engine| only(&members, engine)).collect();
    assert_eq!(engines.iter().map(|engine| only(&members, engine)).collect::<Vec<_>>(), wanted);

    let strategies = list(&stage, "/v1/strategies/detail", "strategies").await;
    let names: Vec<&str> = strategies.iter().map(|strategy| strategy["name"].as_str().unwrap()).collect();
    for name in ["actuator", "basic", "dummy", "dummy_with_resize", "dummy_with_scorer"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    assert!(names.is_sorted());
    for strategy in strategies {
        let known = entries("strategies").into_iter().find(|known| known["name"] == strategy["name"]).unwrap();
        assert_eq!(strategy["display_name"], known["display_name"]);
        assert_eq!(strategy["goal_name"], known["goal"], "{}", strategy["name"]);
        assert_eq!(strategy["parameters_spec"], known["parameters_spec"], "{}", strategy["name"]);
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_are_described_in_the_words_of_the_original() {
    let Some(catalogue) = catalogue() else { return };
    let stage = Stage::start(cluster(), StageOptions::default()).await.unwrap();
    let uuid = "10000000-0000-4000-8000-000000000001";
    let given = json!([
        {"action_type": "nop", "input_parameters": {"message": "a"}},
        {"action_type": "sleep", "input_parameters": {"duration": 0}},
        {"action_type": "migrate", "resource_id": uuid, "input_parameters": {"migration_type": "live", "source_node": "x"}},
        {"action_type": "resize", "resource_id": uuid, "input_parameters": {"flavor": "x2"}},
        {"action_type": "change_nova_service_state", "resource_id": uuid, "input_parameters": {"state": "disabled"}},
    ]);
    let plan = stage.plan("actuator", &json!({"parameters": {"actions": given}})).await.unwrap();
    let mut seen = BTreeSet::new();
    for action in stage.actions(&plan).await.unwrap() {
        let known =
            catalogue["actions"].as_array().unwrap().iter().find(|known| known["type"] == action["action_type"]);
        assert_eq!(action["description"], known.unwrap()["description"], "{}", action["action_type"]);
        seen.insert(action["action_type"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen.len(), 5);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_asks_scoring_engines_and_records_what_they_said() {
    let stage = Stage::start(cluster(), StageOptions::default()).await.unwrap();
    let plan = stage.plan("dummy_with_scorer", &json!({})).await.unwrap();
    let messages: Vec<String> = stage
        .actions(&plan)
        .await
        .unwrap()
        .iter()
        .filter_map(|action| action["input_parameters"]["message"].as_str().map(str::to_owned))
        .collect();
    assert!(
        messages[1].starts_with("Detected Workload: ") && messages[2].starts_with("AVG Scorer result: "),
        "{messages:?}"
    );
    let mut tx = stage.service.store.read().await.unwrap();
    let plan = plan["uuid"].as_str().unwrap().parse().unwrap();
    let recording = watcher_store::recording::of_plan(&mut tx, plan).await.unwrap().unwrap();
    let seen: Vec<Value> = recording.seen.iter().map(|seen| json!(seen)).collect();
    let asked: Vec<&str> = seen.iter().filter_map(|seen| seen["engine"].as_str()).collect();
    assert_eq!(asked, ["dummy_scorer", "dummy_avg_scorer"]);
    assert_eq!(seen[0]["seen"], "scoring_engines");
    let mean = seen[2]["answer"]["Ok"][0].as_str().unwrap();
    assert_eq!(format!("[{}]", messages[2].trim_start_matches("AVG Scorer result: ")), mean);
    drop(tx);
    stage.end().await;
}
