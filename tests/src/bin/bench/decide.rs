//! Each strategy in the sandbox against the same code compiled natively.

use std::sync::Arc;

use anyhow::Context as _;
use watcher_cluster::ClusterFile;
use watcher_collect::FileDatasource;
use watcher_domain::ports::{PlannerRun, PlannerRunner, StrategyRun, StrategyRunner};
use watcher_domain::schema::Schema;
use watcher_domain::{Account, Clock, Limits, PluginKind, SystemClock};
use watcher_engine::MemoryRecorder;
use watcher_server::decide::Bench;
use watcher_simulator::{GenerateOptions, generate};

use crate::measure::{Table, in_turns};
use crate::native::{Native, NativeHost, decide};

/// Strategy, parameters, native code, goal at 1 000 hosts, goal at 10 000 hosts.
const CASES: &[(&str, &str, Native, &str, &str)] = &[
    (
        "vm_workload_consolidation",
        "{}",
        decide::<strategy_vm_workload_consolidation::VmWorkloadConsolidation>,
        "≤ 1.3, ≤ 50 ms",
        "≤ 1.3",
    ),
    (
        "workload_stabilization",
        "{}",
        decide::<strategy_workload_stabilization::WorkloadStabilization>,
        "≤ 1.3, ≤ 300 ms",
        "≤ 1.3",
    ),
    ("basic", "{}", decide::<strategy_basic::Basic>, "≤ 1.3", "≤ 1.3"),
];

/// A generated cluster; the same one for the same size.
pub(crate) fn cluster(hosts: usize, instances: usize) -> ClusterFile {
    generate(&GenerateOptions { hosts, instances, seed: 1, ..GenerateOptions::default() })
}

pub(crate) async fn run(table: &mut Table, quick: bool) -> anyhow::Result<()> {
    let bench = Bench::load(&watcher_server::config::Config::default()).await?;
    let sizes: &[(usize, usize)] = if quick { &[(1_000, 10_000)] } else { &[(1_000, 10_000), (10_000, 100_000)] };
    for &(hosts, instances) in sizes {
        let file = cluster(hosts, instances);
        let model = Arc::new(file.model()?);
        let datasource = Arc::new(FileDatasource::new(&file));
        for &(name, given, native, small, large) in CASES {
            let strategy = bench.find(PluginKind::Strategy, name).context("a built-in strategy is missing")?;
            let schema = strategy.description.specifics.parameters_schema().context("a strategy without a schema")?;
            let parameters = Schema::new(schema)?.complete(serde_json::from_str(given)?)?;
            let rounds = if hosts > 1_000 { 5 } else { 15 };
            let host = || NativeHost {
                model: Arc::clone(&model),
                datasource: Arc::clone(&datasource) as _,
                recorder: Arc::new(MemoryRecorder::default()),
            };
            let run = || StrategyRun {
                digest: strategy.digest,
                parameters: parameters.clone(),
                configuration: strategy.description.default_configuration(),
                model: Arc::clone(&model),
                datasource: Arc::clone(&datasource) as _,
                scoring: None,
                recorder: Arc::new(MemoryRecorder::default()),
                time: SystemClock.now(),
                seed: 1,
                limits: Limits::default(),
                account: Account::default(),
            };
            let (ours, against) = in_turns(
                rounds,
                async || {
                    bench.runtime().run_strategy(run()).await?;
                    Ok(())
                },
                async || {
                    std::hint::black_box(native(&host(), &parameters)?);
                    Ok(())
                },
            )
            .await?;
            let goal = if hosts > 1_000 { large } else { small };
            table.ratio(
                &format!("decide: {name}, {hosts}/{instances}, in the sandbox : natively"),
                ours,
                against,
                goal,
            );
        }
        let strategy = bench.find(PluginKind::Strategy, "vm_workload_consolidation").context("missing")?;
        let parameters = serde_json::from_str(r#"{"period": 3600, "granularity": 300}"#)?;
        let outcome = bench
            .runtime()
            .run_strategy(StrategyRun {
                digest: strategy.digest,
                parameters,
                configuration: strategy.description.default_configuration(),
                model: Arc::clone(&model),
                datasource: Arc::clone(&datasource) as _,
                scoring: None,
                recorder: Arc::new(MemoryRecorder::default()),
                time: SystemClock.now(),
                seed: 1,
                limits: Limits::default(),
                account: Account::default(),
            })
            .await?;
        let planner = bench.find(PluginKind::Planner, "weight").context("a built-in planner is missing")?;
        let actions = Arc::new(outcome.solution.actions);
        let begin = std::time::Instant::now();
        bench
            .runtime()
            .run_planner(PlannerRun {
                digest: planner.digest,
                actions: Arc::clone(&actions),
                configuration: planner.description.default_configuration(),
                model: Arc::clone(&model),
                time: SystemClock.now(),
                seed: 1,
                limits: Limits::default(),
                account: Account::default(),
            })
            .await?;
        let took = crate::measure::format(begin.elapsed());
        table.absolute(&format!("plan: weight, {} actions", actions.len()), &took, "");
    }
    Ok(())
}
