//! `watcher-host serve`: API, decision engine and applier in one process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use watcher_api::{ApiOptions, ApiState, ConnectionLimits, CorsOptions, Places, Policy};
use watcher_applier::{Applier, ApplierOptions};
use watcher_bus::Bus;
use watcher_domain::{Clock, Ids, SystemClock, SystemIds};
use watcher_engine::{Engine, EngineOptions};
use watcher_registry::{Registry, SigningGuard, UsageMeter, WRITTEN_EVERY};
use watcher_store::Store;

use crate::blobs;
use crate::cloud::Cloud;
use crate::config::{Auth, Config};
use crate::library::{plugins_dir, read_components};
use crate::policy::{self, Watch};
use crate::probe::EngineProbe;
use crate::show::print;
use crate::wiring;

/// How long the lists of goals and strategies are answered from memory. They change when another release registers its plugins.
const RECENT: Duration = Duration::from_secs(1);

/// A service at work.
pub struct RunningService {
    /// Where the API listens.
    pub address: SocketAddr,
    /// Rows.
    pub store: Store,
    /// Hints.
    pub bus: Bus,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    meter: Arc<UsageMeter>,
}

impl RunningService {
    /// Stops taking work, and waits until what runs has been put down.
    pub async fn shutdown(self) {
        self.stop.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the service crashed");
            }
        }
        // After those whose calls it counts.
        write_usage(&self.meter).await;
    }
}

/// Serves until the process is told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let address = config.api.listen;
    if config.api.auth == Auth::None {
        anyhow::ensure!(
            address.ip().is_loopback(),
            "api.auth is none, which makes everybody administrator: api.listen must be on loopback, not {address}"
        );
    }
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let service = start(config, listener).await?;
    print(&format!("listening on http://{}", service.address));
    stopped().await?;
    service.shutdown().await;
    Ok(())
}

/// Starts everything, with the API on a listener that is already bound.
pub async fn start(config: Config, listener: TcpListener) -> anyhow::Result<RunningService> {
    let address = listener.local_addr()?;
    let watch = Watch::begin(&config.policy);
    let policy = Arc::new(Policy::new(policy::load(&config.policy)?));
    let auth = config.api.auth;
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let cloud = Cloud::connect(&config, &clock, &ids).await?;
    let store = Store::connect(&config.database.url).await.context("cannot open the database")?;
    match store {
        // A file of this process alone: nobody else decides when it is upgraded.
        Store::Sqlite(_) => store.migrate().await.context("cannot upgrade the database")?,
        Store::Postgres(_) => store.check_migrations().await?,
    }
    let components = blobs::components(&config.blobs, &store)?;
    blobs::warn_of_unknown(&components).await?;
    let meter = Arc::new(UsageMeter::new(store.clone(), Arc::clone(&clock)));
    let runtime = wiring::service_runtime(&config, Arc::new(components.clone()), meter.clone())?;
    let limits = config.sandbox.run_limits();
    // Requests of clients may take all of their connections to the database: audits and action plans have others.
    let front = store.apart();
    let registry = Registry::new(front.clone(), runtime.clone(), Arc::clone(&clock), Arc::clone(&ids))
        .with_options(config.registry.options(limits))
        .with_components(components.clone())
        .with_goals(watcher_domain::goal::built_in())
        .with_checker(crate::plugin::checker(&config, &runtime)?);
    wiring::register(&registry, read_components(&plugins_dir(&config.plugins)?)?).await?;
    // What comes with the program is compiled within it, what others wrote is not.
    if let Some(compiler) = crate::plugin::compiler(&config)? {
        runtime.compile_elsewhere(compiler, config.registry.check_workers);
    }

    let sweep_clock = Arc::clone(&clock);
    let (bus, stop, worker) = (Bus::in_process(), CancellationToken::new(), ids.uuid());
    let hostname = hostname(&config);
    let seconds = Duration::from_secs;
    let heartbeat_interval = seconds(config.service.periodic_interval_s);
    let configuration = wiring::plugin_configuration(&config);
    let engine = Engine {
        store: store.clone(),
        bus: bus.clone(),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        strategies: runtime.clone(),
        planners: runtime.clone(),
        scoring: runtime.clone(),
        guard: Arc::new(SigningGuard(store.clone())),
        collector: Arc::clone(&cloud.collector),
        datasource: Arc::clone(&cloud.datasource),
        options: EngineOptions {
            hostname: hostname.clone(),
            max_audit_workers: config.decision_engine.max_audit_workers,
            max_project_audit_workers: config.decision_engine.max_project_audit_workers,
            plugin_failures_per_minute: config.decision_engine.plugin_failures_per_minute,
            retries: config.decision_engine.retries,
            retry_wait: Duration::from_secs(config.decision_engine.retry_wait_s),
            lease: Duration::from_secs(config.decision_engine.lease_s),
            sweep_interval: seconds(config.decision_engine.sweep_interval_s),
            continuous_audit_interval: seconds(config.decision_engine.continuous_audit_interval_s),
            action_plan_expiry: Duration::from_secs(config.decision_engine.action_plan_expiry_h.saturating_mul(3600)),
            recordings_kept: Duration::from_secs(config.decision_engine.recordings_kept_d.saturating_mul(86_400)),
            recordings_kept_bytes: config.decision_engine.recordings_kept_bytes,
            check_interval: seconds(config.decision_engine.check_periodic_interval_s),
            heartbeat_interval,
            limits,
            configuration: configuration.clone(),
        },
        worker,
        large_plans: Semaphore::new(1),
        started_at: clock.now(),
    };
    let applier = Applier {
        store: store.clone(),
        bus: bus.clone(),
        clock: Arc::clone(&clock),
        handlers: runtime,
        guard: Arc::new(SigningGuard(store.clone())),
        cloud: cloud.requests,
        options: ApplierOptions {
            hostname,
            max_plans: config.applier.max_plans,
            max_project_plans: config.applier.max_project_plans,
            retries: config.applier.retries,
            retry_wait: Duration::from_secs(config.applier.retry_wait_s),
            max_workers: config.applier.max_workers,
            lease: Duration::from_secs(config.applier.lease_s),
            sweep_interval: seconds(config.applier.sweep_interval_s),
            heartbeat_interval,
            limits,
            action_execution_rule: config.applier.action_execution_rule.clone().into_iter().collect(),
            configuration: configuration
                .into_iter()
                .filter(|((kind, _), _)| *kind == watcher_domain::PluginKind::Action)
                .map(|((_, name), configuration)| (name, configuration))
                .collect(),
        },
        worker,
    };
    // Before anybody can ask which services there are.
    engine.beat().await.context("cannot write to the database")?;
    applier.beat().await.context("cannot write to the database")?;
    let router = watcher_api::router(ApiState {
        store: front,
        registry: Arc::new(registry),
        bus: bus.clone(),
        authentication: cloud.authentication,
        policy: Arc::clone(&policy),
        probe: Arc::new(EngineProbe::new(store.clone(), cloud.collector, cloud.datasource, Arc::clone(&clock))),
        clock,
        ids,
        options: Arc::new(ApiOptions {
            max_limit: config.api.max_limit,
            body_limit: config.api.max_body_bytes,
            body_timeout: Duration::from_secs(config.api.body_timeout_s),
            host_url: format!("http://{address}"),
            recent: RECENT,
            service_down_time_s: config.service.service_down_time_s,
            proxy_headers: config.api.enable_proxy_headers_parsing,
            cors: CorsOptions {
                allowed_origin: config.cors.allowed_origin,
                allow_credentials: config.cors.allow_credentials,
                expose_headers: config.cors.expose_headers,
                max_age_s: config.cors.max_age_s,
                allow_methods: config.cors.allow_methods,
                allow_headers: config.cors.allow_headers,
            },
            webhooks_auth: config.api.enable_webhooks_auth,
            upload_limit: usize::try_from(config.registry.max_component_bytes).unwrap_or(usize::MAX),
            upload_timeout: seconds(config.registry.upload_timeout_s),
            ..ApiOptions::default()
        }),
        places: Places::default(),
    });
    let api_stop = stop.clone();
    let connections = ConnectionLimits {
        connections: config.api.max_connections,
        head_timeout: Duration::from_secs(config.api.head_timeout_s),
        write_timeout: Duration::from_secs(config.api.write_timeout_s),
        ..ConnectionLimits::default()
    };
    let mut tasks = vec![
        tokio::spawn(watcher_engine::service::Service::new(Arc::new(engine)).run(stop.clone())),
        tokio::spawn(watcher_applier::service::Service::new(Arc::new(applier)).run(stop.clone())),
        tokio::spawn(async move {
            watcher_api::serve(listener, router, connections, api_stop.cancelled_owned()).await;
        }),
    ];
    tasks.push(tokio::spawn(blobs::keep_swept(components, sweep_clock, stop.clone())));
    tasks.push(tokio::spawn(keep_usage(Arc::clone(&meter), stop.clone())));
    if let Some(watch) = watch {
        tasks.push(tokio::spawn(watch(policy).run(stop.clone())));
    }
    if auth == Auth::None {
        tasks.push(tokio::spawn(warn(address, stop.clone())));
    }
    tracing::info!(%address, "watcher-host serves on {address}");
    Ok(RunningService { address, store, bus, stop, tasks, meter })
}

/// Writes what plugins used, again and again.
async fn keep_usage(meter: Arc<UsageMeter>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(WRITTEN_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        write_usage(&meter).await;
    }
}

async fn write_usage(meter: &UsageMeter) {
    if let Err(error) = meter.write().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "what plugins used could not be written");
    }
}

/// How often the log says that nobody is asked for a token.
const WARNING_PERIOD: Duration = Duration::from_mins(10);

/// Says that nobody is asked for a token, at once and again and again.
async fn warn(address: SocketAddr, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(WARNING_PERIOD);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        tracing::warn!(
            "NO AUTHENTICATION: api.auth is none, so everybody who reaches {address} is administrator of this service and acts \
             with its rights in the cloud. This is for one person's own machine only."
        );
    }
}

/// This host's name, as rows and the API show it.
fn hostname(config: &Config) -> String {
    if !config.service.host.is_empty() {
        return config.service.host.clone();
    }
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// Waits for SIGTERM or an interrupt.
pub(crate) async fn stopped() -> anyhow::Result<()> {
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).context("cannot wait for signals")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot wait for an interrupt")?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
