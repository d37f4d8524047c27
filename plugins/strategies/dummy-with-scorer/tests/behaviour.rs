//! What the strategy says about the engines' answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use scoring_dummy_avg_scorer::DummyAvgScorer;
use scoring_dummy_scorer::DummyScorer;
use strategy_dummy_with_scorer::{Configuration, DummyWithScorer, Parameters};
use watcher_sdk::testing::FakeHost;
use watcher_sdk::{Failure, Strategy as _};

fn messages(host: &FakeHost) -> Result<Vec<String>, Failure> {
    let parameters = Parameters { param1: 3.2, param2: "hello".to_owned() };
    let solution = DummyWithScorer::execute(host, parameters, Configuration {})?;
    let nops = solution.actions.iter().filter(|action| action.action_type == "nop");
    Ok(nops.map(|action| action.input_parameters()["message"].as_str().unwrap().to_owned()).collect())
}

fn host(seed: u64) -> FakeHost {
    FakeHost::default().with_scoring_engine::<DummyScorer>().with_scoring_engine::<DummyAvgScorer>().with_seed(seed)
}

#[test]
fn answers_of_both_engines_are_told() {
    let mut workloads = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let told = messages(&host(seed)).unwrap();
        assert_eq!(told[0], "Hello from Dummy Strategy with Scorer!");
        workloads.insert(told[1].strip_prefix("Detected Workload: ").unwrap().to_owned());
        let mean: f64 = told[2].strip_prefix("AVG Scorer result: ").unwrap().parse().unwrap();
        assert!((9.5..=989.5).contains(&mean), "{mean}");
    }
    let all = ["cpu-intensive", "disk-intensive", "idle", "memory-intensive"];
    assert_eq!(workloads.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn the_same_seed_gives_the_same_answers() {
    assert_eq!(messages(&host(7)).unwrap(), messages(&host(7)).unwrap());
}

#[test]
fn a_missing_engine_fails_the_audit_by_its_name() {
    let failure = messages(&FakeHost::default()).unwrap_err();
    assert_eq!(failure.message, "Scoring Engine with name=dummy_scorer not found");
    let failure = messages(&FakeHost::default().with_scoring_engine::<DummyScorer>()).unwrap_err();
    assert_eq!(failure.code, "unknown-scoring-engine");
}
