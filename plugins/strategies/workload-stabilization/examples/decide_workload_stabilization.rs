//! Runs the strategy natively on case files: `decide_workload_stabilization --report-dir DIR CASE…`.

use planner_workload_stabilization::WorkloadStabilization as Planner;
use strategy_workload_stabilization::WorkloadStabilization;

fn main() -> std::io::Result<()> {
    watcher_sdk::testing::cases::main::<WorkloadStabilization, Planner>()
}
