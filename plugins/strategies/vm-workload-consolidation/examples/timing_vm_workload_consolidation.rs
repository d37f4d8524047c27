//! How long a decision takes natively on generated clusters; build with `--release`.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::time::Instant;

use strategy_vm_workload_consolidation::{Configuration, Parameters, VmWorkloadConsolidation};
use watcher_sdk::Strategy;
use watcher_sdk::testing::generate;

fn main() {
    for (hosts, instances) in [(100, 1_000), (1_000, 10_000), (10_000, 100_000)] {
        let host = generate::cluster(hosts, instances, 1);
        let start = Instant::now();
        let solution = VmWorkloadConsolidation::execute(&host, Parameters::default(), Configuration::default());
        let actions = solution.map_or(0, |solution| solution.actions.len());
        println!(
            "{hosts} hosts, {instances} instances: {:.1} ms, {actions} actions",
            start.elapsed().as_secs_f64() * 1e3
        );
    }
}
