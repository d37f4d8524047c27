//! Decisions equal the recorded ones.

use std::path::Path;

use planner_workload_stabilization::WorkloadStabilization as Planner;
use strategy_workload_stabilization::WorkloadStabilization;
use watcher_sdk::testing::cases::check_golden;

#[test]
fn decisions_equal_the_golden_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden/decisions");
    assert!(check_golden::<WorkloadStabilization, Planner>(&folder) >= 19);
}
