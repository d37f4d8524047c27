//! Runs the strategy natively on case files: `decide_vm_workload_consolidation --report-dir DIR CASE…`.

use planner_weight::Weight;
use strategy_vm_workload_consolidation::VmWorkloadConsolidation;

fn main() -> std::io::Result<()> {
    watcher_sdk::testing::cases::main::<VmWorkloadConsolidation, Weight>()
}
