//! What the sandbox itself costs: an instance's start, and the snapshot's way into the guest.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use watcher_domain::ports::{StrategyRun, StrategyRunner};
use watcher_domain::{Account, Clock, Limits, PluginKind, SystemClock};
use watcher_engine::MemoryRecorder;
use watcher_sdk::StrategyHost;
use watcher_server::decide::Bench;

use crate::decide::cluster;
use crate::measure::{Table, format, in_turns, median};
use crate::native::NativeHost;

pub(crate) async fn run(table: &mut Table) -> anyhow::Result<()> {
    let bench = Bench::load(&watcher_server::config::Config::default()).await?;
    let dummy = bench.find(PluginKind::Strategy, "dummy").context("a built-in strategy is missing")?;
    bench.runtime().warm(dummy.digest).await?;
    let mut times = Vec::new();
    for _ in 0..2_000 {
        let begin = Instant::now();
        bench.runtime().instantiate_once(dummy.digest).await?;
        times.push(begin.elapsed());
    }
    table.absolute("sandbox: start of an instance, component cached", &format(median(times)), "≤ 100 µs");

    // A strategy whose metric nobody has reads the snapshot, asks once, and gives up: what is left is the way in.
    let strategy =
        bench.find(PluginKind::Strategy, "workload_stabilization").context("a built-in strategy is missing")?;
    let file = cluster(10_000, 100_000);
    let model = Arc::new(file.model()?);
    let empty = Arc::new(watcher_collect::FileDatasource::new(&watcher_cluster::ClusterFile::default()));
    let host = NativeHost {
        model: Arc::clone(&model),
        datasource: empty.clone(),
        recorder: Arc::new(MemoryRecorder::default()),
    };
    let mut parameters = serde_json::Map::new();
    let schema = strategy.description.specifics.parameters_schema().context("a strategy without a schema")?;
    watcher_domain::schema::fill_defaults(schema, &mut parameters);
    let (ours, against) = in_turns(
        15,
        async || {
            let run = StrategyRun {
                digest: strategy.digest,
                parameters: parameters.clone(),
                configuration: strategy.description.default_configuration(),
                model: Arc::clone(&model),
                datasource: empty.clone(),
                scoring: None,
                recorder: Arc::new(MemoryRecorder::default()),
                time: SystemClock.now(),
                seed: 1,
                limits: Limits::default(),
                account: Account::default(),
            };
            drop(bench.runtime().run_strategy(run).await);
            Ok(())
        },
        async || {
            std::hint::black_box(host.cluster()?);
            Ok(())
        },
    )
    .await?;
    table.ratio("sandbox: snapshot of 10000/100000 into the guest : into the same structs natively", ours, against, "");
    Ok(())
}
