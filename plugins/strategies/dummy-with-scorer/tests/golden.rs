//! Decisions equal the recorded ones, but for what is drawn at random.

use std::path::Path;

use planner_weight::Weight;
use scoring_dummy_avg_scorer::DummyAvgScorer;
use scoring_dummy_scorer::DummyScorer;
use strategy_dummy_with_scorer::DummyWithScorer;
use watcher_sdk::testing::cases::check_golden_on;

#[test]
fn decisions_have_the_properties_of_the_golden_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden/decisions");
    let checked = check_golden_on::<DummyWithScorer, Weight>(&folder, |host| {
        host.with_scoring_engine::<DummyScorer>().with_scoring_engine::<DummyAvgScorer>()
    });
    assert!(checked >= 1);
}
