//! `plugin bench`: what a strategy or planner uses, against the size of the cluster.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use watcher_cluster::{GenerateOptions, generate};
use watcher_collect::FileDatasource;
use watcher_domain::ports::{Clock as _, Inspection, PlannerRun, StrategyRun};
use watcher_domain::report::Usage;
use watcher_domain::solution::Solution;
use watcher_domain::{Account, Limits, PluginKind, SystemClock};
use watcher_engine::MemoryRecorder;
use watcher_engine::decision::{self, Resolved};

use super::table::{Column, Table};
use super::test::component;
use crate::config::Config;
use crate::decide::Bench;
use crate::show::print;

/// Arguments of `plugin bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Folder of a project, which is built first, or a component.
    #[arg(default_value = ".", value_name = "DIR|FILE.wasm")]
    pub plugin: PathBuf,
    /// Compute nodes of the largest generated cluster.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_hosts: u32,
    /// Instances on each compute node.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub per_host: u32,
    /// Parameters of the audit, a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub params: String,
    /// For a planner: the strategy whose actions it orders.
    #[arg(long, value_name = "NAME", default_value = "basic")]
    pub strategy: String,
    /// Runs of each size; the time is that of the one in the middle.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// Seed of the clusters and of random numbers.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Component that the plugin works with and that is not installed. Can be given many times.
    #[arg(long, value_name = "FILE.wasm")]
    pub with: Vec<PathBuf>,
}

/// What is measured, and on what.
struct Measured<'a> {
    bench: &'a Bench,
    arguments: &'a BenchArgs,
    limits: Limits,
    strategy: Resolved,
    planner: Option<Resolved>,
}

/// Measures one size after another, and prints a table.
pub async fn run(config: &Config, arguments: BenchArgs) -> anyhow::Result<ExitCode> {
    let path = component(&arguments.plugin).await?;
    let bench = Bench::load(config).await?;
    for other in &arguments.with {
        bench.add(other).await?;
    }
    let plugin = bench.add(&path).await?;
    let (strategy, planner): (Inspection, Option<Inspection>) = match plugin.kind {
        PluginKind::Strategy => (plugin, None),
        PluginKind::Planner => (bench.strategy(&arguments.strategy)?, Some(plugin)),
        kind @ (PluginKind::Action | PluginKind::ScoringEngine) => {
            bail!("what a plugin of kind {kind} uses does not depend on the size of the cluster; `plugin test` runs it")
        }
    };
    let measured = Measured {
        limits: config.sandbox.limits,
        strategy: bench.resolve(strategy),
        planner: planner.map(|planner| bench.resolve(planner)),
        bench: &bench,
        arguments: &arguments,
    };
    let mut table = Table::new(&[
        Column::Number("hosts"),
        Column::Number("instances"),
        Column::Number("actions"),
        Column::Number("fuel"),
        Column::Number("memory"),
        Column::Number("time"),
    ]);
    let mut failed = None;
    for hosts in sizes(arguments.max_hosts) {
        match measured.size(hosts).await {
            Ok((instances, actions, usage)) => table.add([
                hosts.to_string(),
                instances.to_string(),
                actions.to_string(),
                grouped(usage.fuel),
                format!("{} KiB", grouped(usage.memory_bytes.div_ceil(1024))),
                format!("{} µs", grouped(usage.duration_us)),
            ]),
            Err(error) => {
                failed = Some(error.context(format!("with {hosts} hosts")));
                break;
            }
        }
    }
    print(&table.text());
    let Limits { fuel, memory_bytes, deadline_ms, .. } = measured.limits;
    print(&format!(
        "\none call may use {} of fuel, {} KiB and {} µs",
        grouped(fuel),
        grouped(memory_bytes / 1024),
        grouped(deadline_ms.saturating_mul(1000))
    ));
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Ten, a hundred and so on, and the largest.
fn sizes(max: u32) -> Vec<u32> {
    let powers = std::iter::successors(Some(10_u32), |size| size.checked_mul(10));
    powers.take_while(|&size| size < max).chain([max]).collect()
}

/// A number with its thousands parted.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

impl Measured<'_> {
    /// Instances, actions, and what a run used: fuel and memory are the same in every run.
    async fn size(&self, hosts: u32) -> anyhow::Result<(usize, usize, Usage)> {
        let (hosts, instances) = (hosts as usize, hosts as usize * self.arguments.per_host as usize);
        let seed = self.arguments.seed;
        let file = generate(&GenerateOptions { hosts, instances, seed, ..GenerateOptions::default() });
        let model = Arc::new(file.model()?);
        let given = serde_json::from_str(&self.arguments.params).context("--params is not a JSON object")?;
        let parameters = decision::complete_parameters(&self.strategy, given)?;
        let datasource = Arc::new(FileDatasource::new(&file));
        let strategy_run = || -> anyhow::Result<StrategyRun> {
            Ok(StrategyRun {
                digest: self.strategy.digest,
                parameters: parameters.clone(),
                configuration: self.strategy.complete_configuration()?,
                model: Arc::clone(&model),
                datasource: Arc::clone(&datasource) as _,
                scoring: Some(self.bench.scoring()?),
                recorder: Arc::new(MemoryRecorder::default()),
                time: SystemClock.now(),
                seed,
                limits: self.limits,
                account: Account::default(),
            })
        };
        let runtime = self.bench.runtime();
        let (outcome, first) = runtime.measure_strategy(strategy_run()?).await?;
        let Solution { actions, .. } = outcome.solution;
        let count = actions.len();
        let actions = Arc::new(actions);
        let mut runs = Vec::new();
        for _ in 0..self.arguments.runs {
            let usage = match &self.planner {
                None => runtime.measure_strategy(strategy_run()?).await?.1,
                Some(planner) => {
                    let run = PlannerRun {
                        digest: planner.digest,
                        actions: Arc::clone(&actions),
                        configuration: planner.complete_configuration()?,
                        model: Arc::clone(&model),
                        time: SystemClock.now(),
                        seed,
                        limits: self.limits,
                        account: Account::default(),
                    };
                    runtime.measure_planner(run).await?.1
                }
            };
            runs.push(usage);
        }
        runs.sort_by_key(|usage| usage.duration_us);
        Ok((instances, count, runs.get(runs.len() / 2).copied().unwrap_or(first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_tenfold_up_to_the_largest() {
        assert_eq!(sizes(1000), [10, 100, 1000]);
        assert_eq!(sizes(2500), [10, 100, 1000, 2500]);
        assert_eq!(sizes(3), [3]);
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
