//! Scoring engines in the sandbox: strategies ask them, everything is recorded, and a bad one harms nobody.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use support::{Bench, Memory, strategy_run};
use watcher_domain::limits::{LimitHit, LimitName};
use watcher_domain::plugin::Specifics;
use watcher_domain::ports::{
    Inspection, RunError, Scoring, ScoringEngineVersion, ScoringRun, ScoringRunner as _, StrategyRun,
    StrategyRunner as _,
};
use watcher_domain::recording::Seen;
use watcher_domain::{Account, Limits, PluginKind};

const ENGINES: [&str; 4] =
    ["scoring/dummy-scorer", "scoring/dummy-min-scorer", "scoring/dummy-max-scorer", "guests/hostile-scoring-engine"];

fn version(inspection: Inspection) -> ScoringEngineVersion {
    assert_eq!(inspection.kind, PluginKind::ScoringEngine);
    let Specifics::ScoringEngine(specifics) = inspection.description.specifics else { panic!("no scoring engine") };
    ScoringEngineVersion {
        digest: inspection.digest,
        name: inspection.description.name,
        description: inspection.description.description,
        metainfo: specifics.metainfo,
        configuration: Map::new(),
    }
}

/// A strategy that asks `engine` about `features`, with everything there is to ask.
async fn asking(bench: &Bench, behaviour: &str, engine: &str, features: Value) -> (StrategyRun, Arc<Memory>) {
    let mut engines = Vec::new();
    for name in ENGINES {
        engines.push(version(bench.add(name).await));
    }
    let digest = bench.add("guests/hostile-strategy").await.digest;
    let parameters = json!({"behaviour": behaviour, "amount": 0, "engine": engine, "features": features});
    let recorder = Arc::new(Memory::default());
    let run = StrategyRun {
        scoring: Some(Scoring {
            engines: engines.into(),
            runner: Arc::clone(&bench.runtime) as _,
            limits: Limits { fuel: 100_000_000, ..Limits::for_scoring() },
            account: Account::default(),
        }),
        recorder: Arc::clone(&recorder) as _,
        ..strategy_run(digest, parameters)
    };
    (run, recorder)
}

async fn ask(bench: &Bench, engine: &str, features: Value) -> Value {
    let (run, _) = asking(bench, "ask-scoring-engine", engine, features).await;
    let outcome = bench.runtime.run_strategy(run).await.unwrap();
    Value::Object(outcome.solution.actions[0].input_parameters.clone())
}

#[tokio::test]
async fn a_strategy_gets_a_score_for_each_of_its_features_and_both_are_recorded() {
    let bench = Bench::new();
    let (run, recorder) = asking(&bench, "ask-scoring-engine", "dummy_max_scorer", json!([[1, 2.5], [3, 3]])).await;
    let digest = run.scoring.as_ref().unwrap().engines[2].digest;
    let outcome = bench.runtime.run_strategy(run).await.unwrap();
    let told = &outcome.solution.actions[0].input_parameters;
    assert_eq!(told["engines"], json!(["dummy_max_scorer", "dummy_min_scorer", "dummy_scorer", "hostile"]));
    assert_eq!(told["scores"], json!([[2.5], [3]]));

    let seen = recorder.0.lock().unwrap().clone();
    let Seen::ScoringEngines { answer } = &seen[0] else { panic!("{seen:?}") };
    let listed: Value = serde_json::from_str(answer).unwrap();
    assert_eq!(
        listed[1],
        json!({"name": "dummy_min_scorer", "description": "Dummy Scorer calculating the minimum value", "metainfo": ""})
    );
    let scores = Seen::Scores {
        engine: "dummy_max_scorer".to_owned(),
        digest: Some(digest),
        features: vec!["[1,2.5]".to_owned(), "[3,3]".to_owned()],
        answer: Ok(vec!["[2.5]".to_owned(), "[3]".to_owned()]),
    };
    assert_eq!(seen[1..], [scores]);
    let text = serde_json::to_string(&seen).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Seen>>(&text).unwrap(), seen);
}

#[tokio::test]
async fn what_an_engine_declares_reaches_the_strategy() {
    let bench = Bench::new();
    let told = ask(&bench, "dummy_scorer", json!([[1, 2, 3]])).await;
    assert_eq!(told["code"], "invalid-features");
    assert_eq!(told["message"], "Invalid number of features, expected 9, got 3");
    let told = ask(&bench, "hostile", json!(["log", {"not": "a text"}])).await;
    assert_eq!(told["code"], "invalid-features");
    assert!(told["message"].as_str().unwrap().starts_with("features 1 do not fit"), "{told}");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_by_its_name() {
    let bench = Bench::new();
    let told = ask(&bench, "none", json!([])).await;
    assert_eq!(
        (&told["code"], &told["message"]),
        (&json!("unknown-scoring-engine"), &json!("there is no scoring engine \"none\""))
    );
    let (mut run, _) = asking(&bench, "ask-scoring-engine", "dummy_scorer", json!([])).await;
    run.scoring = None;
    let outcome = bench.runtime.run_strategy(run).await.unwrap();
    let told = &outcome.solution.actions[0].input_parameters;
    assert_eq!((&told["engines"], &told["code"]), (&json!([]), &json!("unknown-scoring-engine")));
}

#[tokio::test]
async fn an_engine_that_misbehaves_fails_its_call_and_nothing_else() {
    let bench = Bench::new();
    for (behaviour, reason) in [
        ("loop", "plugin hostile: the fuel limit of 100000000 units was reached"),
        ("flood-calls", "plugin hostile: the host calls limit of 100000 calls was reached"),
        ("panic", "plugin hostile crashed: "),
        ("too-few", "plugin hostile returned something invalid: it gave 0 scores for 1 features"),
    ] {
        let told = ask(&bench, "hostile", json!([behaviour])).await;
        assert_eq!(told["code"], "scoring-engine-failed", "{behaviour}: {told}");
        let message = told["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("scoring engine hostile failed: {reason}")), "{message}");
    }
    assert_eq!(ask(&bench, "dummy_min_scorer", json!([[4, 2]])).await["scores"], json!([[2]]));
    bench.still_works().await;
}

#[tokio::test]
async fn the_same_question_has_the_same_answer() {
    let bench = Bench::new();
    let (one, other) =
        (ask(&bench, "hostile", json!(["random"])).await, ask(&bench, "hostile", json!(["random"])).await);
    assert!(one["scores"][0].is_string());
    assert_eq!(one, other);
}

#[tokio::test]
async fn questions_are_counted_and_what_they_carry_is_bounded() {
    let bench = Bench::new();
    let hit = |limit, value| Some(LimitHit { limit, value });
    let flood = async |features, change: fn(&mut Limits)| {
        let (mut run, _) = asking(&bench, "flood-scoring-engine", "dummy_min_scorer", features).await;
        change(&mut run.limits);
        match bench.runtime.run_strategy(run).await {
            Err(RunError::Limit { hit, .. }) => Some(hit),
            _ => None,
        }
    };
    assert_eq!(flood(json!([[1]]), |limits| limits.requests = 5).await, hit(LimitName::Requests, 5));
    assert_eq!(flood(json!([[1]]), |limits| limits.recording_bytes = 500).await, hit(LimitName::Recording, 500));
    let long = json!(["x".repeat(2000)]);
    assert_eq!(flood(long, |limits| limits.host_call_fuel = 1000).await, hit(LimitName::HostCallFuel, 1000));
}

#[tokio::test]
async fn an_answer_that_is_too_long_fails_the_call() {
    let bench = Bench::new();
    let (mut run, _) = asking(&bench, "ask-scoring-engine", "hostile", json!(["long"])).await;
    run.scoring.as_mut().unwrap().limits.output_bytes = 1000;
    let outcome = bench.runtime.run_strategy(run).await.unwrap();
    let message = outcome.solution.actions[0].input_parameters["message"].as_str().unwrap().to_owned();
    assert!(message.contains("the output limit of 1000 bytes was reached"), "{message}");
}

#[tokio::test]
async fn strategies_that_take_all_places_still_get_their_scores() {
    let bench = Bench::with(|options| options.max_instances = 1);
    let (one, _) = asking(&bench, "ask-scoring-engine", "dummy_min_scorer", json!([[1]])).await;
    let (other, _) = asking(&bench, "ask-scoring-engine", "dummy_max_scorer", json!([[1]])).await;
    let (one, other) = tokio::join!(bench.runtime.run_strategy(one), bench.runtime.run_strategy(other));
    for outcome in [one.unwrap(), other.unwrap()] {
        assert_eq!(outcome.solution.actions[0].input_parameters["scores"], json!([[1]]));
    }
}

#[tokio::test]
async fn a_component_of_another_kind_is_no_scoring_engine() {
    let bench = Bench::new();
    let digest = bench.add("strategies/dummy").await.digest;
    let run = ScoringRun {
        digest,
        features: Vec::new(),
        configuration: Map::new(),
        time: strategy_run(digest, json!({})).time,
        seed: 0,
        limits: Limits::for_scoring(),
        account: Account::default(),
    };
    let error = bench.runtime.run_scoring(run).await.unwrap_err();
    assert!(
        matches!(&error, RunError::Unavailable { reason, .. } if reason == "it is of kind strategy, not scoring-engine"),
        "{error}"
    );
}
