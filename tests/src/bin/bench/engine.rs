//! An audit from claim to recorded plan: engine, sandbox and database, with the cluster in memory.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use watcher_bus::Bus;
use watcher_collect::{FileCollector, FileDatasource};
use watcher_domain::{Audit, AuditId, AuditState, AuditType, Clock, Ids, Stamps, SystemClock, SystemIds};
use watcher_engine::{Engine, EngineOptions};
use watcher_registry::Registry;
use watcher_store::{Page, Reference, SortDir, Store, action_plan, audit, strategy};

use crate::decide::cluster;
use crate::measure::{Table, format, median};

pub(crate) async fn run(table: &mut Table, quick: bool) -> anyhow::Result<()> {
    let sizes: &[(usize, usize, &str)] =
        if quick { &[(1_000, 10_000, "")] } else { &[(1_000, 10_000, ""), (10_000, 100_000, "≤ 2 s")] };
    for &(hosts, instances, goal) in sizes {
        let file = cluster(hosts, instances);
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("bench.db").display());
        let store = Store::connect(&url).await?;
        store.migrate().await?;
        let config = watcher_server::config::Config::default();
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let source = Arc::new(watcher_registry::StoredComponents::new(store.clone()));
        let runtime = watcher_server::wiring::runtime(&config, source)?;
        let registry = Registry::new(store.clone(), runtime.clone(), Arc::clone(&clock), Arc::clone(&ids));
        let components =
            watcher_server::library::read_components(&watcher_server::library::plugins_dir(&config.plugins)?)?;
        watcher_server::wiring::register(&registry, components).await?;
        let engine = Engine {
            store: store.clone(),
            bus: Bus::in_process(),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            strategies: runtime.clone(),
            planners: runtime.clone(),
            scoring: runtime.clone(),
            guard: Arc::new(watcher_domain::ports::Unguarded),
            collector: Arc::new(FileCollector::new(file.clone(), Arc::clone(&clock))),
            datasource: Arc::new(FileDatasource::new(&file)),
            options: EngineOptions::default(),
            worker: ids.uuid(),
            large_plans: tokio::sync::Semaphore::new(1),
            started_at: clock.now(),
        };
        let mut times = Vec::new();
        let mut actions = 0;
        for round in 0..4 {
            let mut tx = store.begin().await?;
            let reference = Reference::Name("vm_workload_consolidation".to_owned());
            let found = strategy::find(&mut tx, &reference, false, &watcher_store::Visibility::All)
                .await?
                .context("the strategy is not registered")?;
            let row = Audit {
                id: AuditId(ids.uuid()),
                project_id: None,
                name: format!("bench-{round}"),
                audit_type: AuditType::Oneshot,
                state: AuditState::Pending,
                parameters: serde_json::Map::new(),
                interval: None,
                goal_id: found.goal_id,
                strategy_id: Some(found.id),
                scope: watcher_cluster::AuditScope::default(),
                auto_trigger: false,
                force: false,
                next_run_time: None,
                hostname: None,
                start_time: None,
                end_time: None,
                status_message: None,
                stamps: Stamps::new(clock.now()),
            };
            audit::insert(&mut tx, &row).await?;
            tx.commit().await?;
            let begin = Instant::now();
            engine.run_audit(row.id, &tokio_util::sync::CancellationToken::new()).await?;
            if round > 0 {
                times.push(begin.elapsed());
            }
            let mut tx = store.read().await?;
            let ended = audit::get(&mut tx, row.id).await?.context("the audit is gone")?;
            anyhow::ensure!(ended.state == AuditState::Succeeded, "the audit ended {}", ended.state);
            let filter = action_plan::ActionPlanFilter { audit: Some(row.id), ..Default::default() };
            let sort = action_plan::Sort::Serial;
            let page = Page { limit: 1, marker: None, sort, dir: SortDir::Asc, show_deleted: false };
            let plans = action_plan::list(&mut tx, &filter, &page, &watcher_store::Visibility::All).await?;
            if let Some(plan) = plans.first() {
                actions = watcher_store::action::list_of_plan(&mut tx, plan.id).await?.len();
            }
        }
        let what = format!("engine: claim → plan recorded, {hosts}/{instances}, SQLite, {actions} actions");
        table.absolute(&what, &format(median(times)), goal);
    }
    Ok(())
}
