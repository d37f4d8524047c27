//! Harness of the scenarios: a simulated cloud and the whole service in this process, used through the REST API.

pub mod tenants;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use watcher_cluster::ClusterFile;
use watcher_server::config::Config;
use watcher_server::demo::Client;
use watcher_server::serve::{self, RunningService};
use watcher_simulator::{FaultOptions, RunningSimulator, Simulator, SimulatorOptions};

/// Password of the simulated cloud's users that the harness uses.
const PASSWORD: &str = "scenario";
/// How long a scenario waits for something before it fails: far more than anything takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// A simulated cloud and a service on it.
pub struct Stage {
    /// The cloud.
    pub simulator: RunningSimulator,
    /// The service.
    pub service: RunningService,
    /// An administrator.
    pub client: Client,
    config: Config,
}

/// What a scenario wants different from the usual.
#[derive(Debug, Clone, Default)]
pub struct StageOptions {
    /// Faults of the cloud.
    pub faults: FaultOptions,
    /// Database; a file of its own if missing.
    pub database: Option<String>,
    /// How long a migration takes, in milliseconds.
    pub migration_ms: u64,
    /// Folder with the components; the built-in ones if missing.
    pub plugins: Option<PathBuf>,
    /// Settings of the service, as `--set` takes them.
    pub settings: Vec<String>,
}

impl Stage {
    /// Starts both.
    pub async fn start(file: ClusterFile, options: StageOptions) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let simulator = Simulator::new(
            file,
            SimulatorOptions {
                infra_optim_url: format!("http://{}", listener.local_addr()?),
                admin_password: PASSWORD.to_owned(),
                service_password: PASSWORD.to_owned(),
                live_migration_ms: options.migration_ms,
                cold_migration_ms: options.migration_ms,
                enforce_capacity: false,
                faults: options.faults,
                ..SimulatorOptions::default()
            },
        )
        .start()
        .await?;
        let mut config = Config::load(None, [], &options.settings)?.config;
        config.keystone.auth_url.clone_from(&simulator.endpoints().identity);
        config.keystone.password = PASSWORD.into();
        config.prometheus.url.clone_from(&simulator.endpoints().prometheus);
        config.plugins.dir = options.plugins.unwrap_or_else(plugins).display().to_string();
        config.sandbox.cache_dir = plugins().join("compiled").display().to_string();
        config.database.url = options.database.unwrap_or_else(|| "sqlite::memory:".to_owned());
        let client = Client::new(&config, PASSWORD)?;
        let service = Box::pin(serve::start(config.clone(), listener)).await?;
        Ok(Self { simulator, service, client, config })
    }

    /// Ends the service, and starts it again on the same address and database.
    pub async fn restart(self) -> anyhow::Result<Self> {
        let Self { simulator, service, client, config } = self;
        let address = service.address;
        service.shutdown().await;
        let listener = TcpListener::bind(address).await?;
        let service = Box::pin(serve::start(config.clone(), listener)).await?;
        Ok(Self { simulator, service, client, config })
    }

    /// Another service on the same cloud and database, on an address of its own.
    pub async fn another(&self) -> anyhow::Result<RunningService> {
        self.another_with(|_| {}).await
    }

    /// The same with a configuration that differs.
    pub async fn another_with(&self, change: impl FnOnce(&mut Config)) -> anyhow::Result<RunningService> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut config = self.config.clone();
        change(&mut config);
        Box::pin(serve::start(config, listener)).await
    }

    /// Waits until an audit has recommended `count` plans or more; all of them, the oldest first.
    pub async fn plans(&self, audit: &str, count: usize) -> anyhow::Result<Vec<Value>> {
        let begin = tokio::time::Instant::now();
        loop {
            let page = self.client.get("/v1/action_plans/detail", &[("audit_uuid", audit), ("sort_key", "id")]).await?;
            let plans = page["action_plans"].as_array().context("no list of plans")?;
            if plans.len() >= count {
                return Ok(plans.clone());
            }
            if begin.elapsed() > PATIENCE {
                bail!("audit {audit} recommended {} plans, not {count}", plans.len());
            }
            // Real processes are watched here; there is nothing to be notified by.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Moves the row at `path` to a state by hand.
    pub async fn move_to(&self, path: &str, state: &str) -> anyhow::Result<Value> {
        self.client.patch(path, &json!([{"op": "replace", "path": "/state", "value": state}])).await
    }

    /// Creates an audit.
    pub async fn create_audit(&self, strategy: &str, extra: &Value) -> anyhow::Result<String> {
        let found = self.client.get(&format!("/v1/strategies/{strategy}"), &[]).await?;
        let mut body = json!({"audit_type": "ONESHOT", "goal": found["goal_name"], "strategy": strategy});
        for (name, value) in extra.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let audit = self.client.post("/v1/audits", &body).await?;
        Ok(audit["uuid"].as_str().context("an audit without uuid")?.to_owned())
    }

    /// Waits until the row at `path` is in one of `states`.
    pub async fn wait(&self, path: &str, states: &[&str]) -> anyhow::Result<Value> {
        let begin = tokio::time::Instant::now();
        loop {
            let row = self.client.get(path, &[]).await?;
            if states.iter().any(|state| row["state"] == *state) {
                return Ok(row);
            }
            if begin.elapsed() > PATIENCE {
                bail!("{path} did not reach {states:?}: {row}");
            }
            // Real processes are watched here; there is nothing to be notified by.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs an audit to its end and gives the plan it recommends.
    pub async fn plan(&self, strategy: &str, extra: &Value) -> anyhow::Result<Value> {
        let audit = self.create_audit(strategy, extra).await?;
        let ended = self.wait(&format!("/v1/audits/{audit}"), &["SUCCEEDED", "FAILED", "CANCELLED"]).await?;
        anyhow::ensure!(ended["state"] == "SUCCEEDED", "the audit ended: {ended}");
        let plans = self.client.get("/v1/action_plans/detail", &[("audit_uuid", &audit)]).await?;
        plans["action_plans"].get(0).cloned().context("the audit recommends no plan")
    }

    /// Starts a plan and waits for its end.
    pub async fn apply(&self, plan: &Value) -> anyhow::Result<Value> {
        let uuid = plan["uuid"].as_str().context("a plan without uuid")?;
        self.client.post(&format!("/v1/action_plans/{uuid}/start"), &json!({})).await?;
        self.wait(&format!("/v1/action_plans/{uuid}"), &["SUCCEEDED", "FAILED", "CANCELLED"]).await
    }

    /// All actions of a plan.
    pub async fn actions(&self, plan: &Value) -> anyhow::Result<Vec<Value>> {
        self.client.actions(plan["uuid"].as_str().context("a plan without uuid")?).await
    }

    /// Ends both.
    pub async fn end(self) {
        self.service.shutdown().await;
        self.simulator.shutdown().await;
    }
}

/// The policy file that lets members of projects run what they upload, as a setting.
pub fn members_policy() -> String {
    format!("policy.file={}", PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins/members.yaml").display())
}

/// Where the compiled plugins are.
pub fn plugins() -> PathBuf {
    std::env::var_os("WATCHER_PLUGINS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/plugins"), PathBuf::from)
}

/// A small cluster with work for every strategy.
pub fn cluster() -> ClusterFile {
    use watcher_simulator::{GenerateOptions, generate};
    generate(&GenerateOptions { hosts: 8, instances: 30, seed: 3, ..GenerateOptions::default() })
}
