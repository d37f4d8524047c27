//! Runs the strategy natively on case files: `decide_basic --report-dir DIR CASE…`.

use planner_weight::Weight;
use strategy_basic::Basic;

fn main() -> std::io::Result<()> {
    watcher_sdk::testing::cases::main::<Basic, Weight>()
}
