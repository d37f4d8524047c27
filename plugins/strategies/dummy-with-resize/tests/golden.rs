//! Decisions equal the recorded ones.

use std::path::Path;

use planner_weight::Weight;
use strategy_dummy_with_resize::DummyWithResize;
use watcher_sdk::testing::cases::check_golden;

#[test]
fn decisions_equal_the_golden_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden/decisions");
    assert!(check_golden::<DummyWithResize, Weight>(&folder) >= 1);
}
