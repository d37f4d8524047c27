//! `watcher-host demo`: a simulated cloud, the whole service, and one audit carried out through the REST API, as an operator would.

mod client;
mod progress;
pub mod table;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use watcher_cluster::ClusterFile;
use watcher_simulator::{BOB, GenerateOptions, RunningSimulator, Simulator, SimulatorOptions, generate};

use crate::cli::DemoArgs;
use crate::config::Config;
use crate::decide::Stopwatch;
use crate::report::{ActionReport, Report};
use crate::serve::{self, RunningService};
use crate::show::print;
use crate::simulate::{faults, read_cluster};

pub use client::Client;
use progress::Progress;

/// How often the demo looks at an audit or a plan.
const POLL: Duration = Duration::from_millis(50);
/// Password of the simulated cloud's administrator and service user: they exist only for this run, on loopback.
const PASSWORD: &str = "demo";
/// Lets members of projects run audits, so that a second project can try what it was offered.
const POLICY: &str = include_str!("../../../../docs/plugins/members.yaml");

/// Runs the demo; fails when the audit or the plan did.
pub async fn run(config: Config, arguments: DemoArgs) -> anyhow::Result<ExitCode> {
    let parameters: Map<String, Value> =
        serde_json::from_str(&arguments.params).context("--params is not a JSON object")?;
    let file = cluster(&arguments)?;
    let mut stage = Stage::set(config, &arguments, &file).await?;
    let report = stage.play(&arguments.strategy, parameters, &file).await;
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            stage.leave().await;
            return Err(error);
        }
    };
    if let Some(path) = &arguments.report {
        report.write(path)?;
        print(&format!("report: {}", path.display()));
    }
    if arguments.keep {
        stage.keep().await?;
    }
    stage.leave().await;
    let well = report.audit_state == "SUCCEEDED" && report.plan_state.as_deref() == Some("SUCCEEDED");
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn cluster(arguments: &DemoArgs) -> anyhow::Result<ClusterFile> {
    let Some(path) = &arguments.cluster else {
        let DemoArgs { hosts, instances, seed, .. } = *arguments;
        return Ok(generate(&GenerateOptions { hosts, instances, seed, ..GenerateOptions::default() }));
    };
    read_cluster(path)
}

/// Simulated cloud and service, started.
struct Stage {
    simulator: RunningSimulator,
    service: RunningService,
    client: Client,
    started: Stopwatch,
    /// The file that the service's policy is in, while it runs.
    _policy: Option<NamedTempFile>,
}

impl Stage {
    async fn set(mut config: Config, arguments: &DemoArgs, file: &ClusterFile) -> anyhow::Result<Self> {
        let started = Stopwatch::default();
        let (hosts, instances) = (file.compute.nodes.len(), file.compute.instances.len());
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
        let address = listener.local_addr()?;
        let options = SimulatorOptions {
            infra_optim_url: format!("http://{address}"),
            admin_password: PASSWORD.to_owned(),
            service_password: PASSWORD.to_owned(),
            live_migration_ms: arguments.migration_ms,
            cold_migration_ms: arguments.migration_ms,
            enforce_capacity: arguments.enforce_capacity,
            faults: faults(arguments.faults.as_deref())?,
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::new(file.clone(), options).start().await?;
        let urls = simulator.endpoints();
        print(&format!("simulated cloud   {hosts} hosts, {instances} instances; identity at {}", urls.identity));
        config.keystone.auth_url.clone_from(&urls.identity);
        config.keystone.password = PASSWORD.into();
        config.prometheus.url.clone_from(&urls.prometheus);
        "sqlite::memory:".clone_into(&mut config.database.url);
        let policy = if arguments.keep && config.policy.file.is_empty() { Some(policy()?) } else { None };
        if let Some(file) = &policy {
            config.policy.file = file.path().display().to_string();
        }
        let client = Client::new(&config, PASSWORD)?;
        let service = serve::start(config, listener).await?;
        print(&format!("service           SQLite, in-process bus; API at http://{address}"));
        Ok(Self { simulator, service, client, started, _policy: policy })
    }

    async fn play(
        &mut self,
        strategy: &str,
        parameters: Map<String, Value>,
        file: &ClusterFile,
    ) -> anyhow::Result<Report> {
        let mut report = Report { strategy: strategy.to_owned(), ..Report::default() };
        let before = self.client.placement().await?;
        let services_before = self.client.enabled_hosts().await?;
        self.started.lap(&mut report, "start");
        self.audit(strategy, parameters, &mut report).await?;
        self.started.lap(&mut report, "audit");
        if report.audit_state == "SUCCEEDED" {
            self.plan(&mut report).await?;
            self.started.lap(&mut report, "apply");
        }
        report.placement_after = self.client.placement().await?;
        let services_after = self.client.enabled_hosts().await?;
        table::show(file, (&before, &services_before), (&report.placement_after, &services_after), &report);
        Ok(report)
    }

    /// Creates an audit and waits for its end.
    async fn audit(&self, strategy: &str, parameters: Map<String, Value>, report: &mut Report) -> anyhow::Result<()> {
        let found = self.client.get(&format!("/v1/strategies/{strategy}"), &[]).await?;
        let goal = found["goal_name"].as_str().context("the strategy has no goal")?;
        let body = json!({
            "audit_type": "ONESHOT", "goal": goal, "strategy": strategy, "parameters": parameters, "name": "demo",
        });
        let created = self.client.post("/v1/audits", &body).await?;
        let uuid = created["uuid"].as_str().context("the audit has no uuid")?.to_owned();
        print(&format!("audit             {uuid}, goal {goal}, strategy {strategy}"));
        let progress = Progress::spinner("audit");
        let audit = loop {
            let audit = self.client.get(&format!("/v1/audits/{uuid}"), &[]).await?;
            progress.note(&audit["state"]);
            if !matches!(audit["state"].as_str(), Some("PENDING" | "ONGOING")) {
                break audit;
            }
            tokio::time::sleep(POLL).await;
        };
        drop(progress);
        report.parameters = audit["parameters"].as_object().cloned().unwrap_or_default();
        text(&audit["state"]).clone_into(&mut report.audit_state);
        report.error = audit["status_message"].as_str().map(str::to_owned);
        print(&format!("audit             {}{}", report.audit_state, because(&audit["status_message"])));
        Ok(())
    }

    /// Starts the audit's plan and waits for its end.
    async fn plan(&self, report: &mut Report) -> anyhow::Result<()> {
        let plans = self.client.get("/v1/action_plans/detail", &[("sort_key", "id")]).await?;
        let plan = plans["action_plans"].as_array().and_then(|plans| plans.last()).cloned();
        let plan = plan.context("the audit recommends no action plan")?;
        let uuid = text(&plan["uuid"]).to_owned();
        report.efficacy_indicators = plan["efficacy_indicators"].as_array().cloned().unwrap_or_default();
        report.global_efficacy = plan["global_efficacy"].as_array().cloned().unwrap_or_default();
        let actions = self.client.actions(&uuid).await?;
        print(&format!("action plan       {uuid}, {} actions", actions.len()));
        if plan["state"] == "RECOMMENDED" {
            self.client.post(&format!("/v1/action_plans/{uuid}/start"), &json!({})).await?;
        }
        let progress = Progress::bar("actions", actions.len());
        let ended = loop {
            let plan = self.client.get(&format!("/v1/action_plans/{uuid}"), &[]).await?;
            if !matches!(plan["state"].as_str(), Some("PENDING" | "ONGOING" | "CANCELLING" | "RECOMMENDED")) {
                break plan;
            }
            progress.actions(&self.client.actions(&uuid).await?);
            // Listing the actions of a large plan is work for the service too: look less often.
            tokio::time::sleep(POLL.max(Duration::from_millis(actions.len() as u64))).await;
        };
        drop(progress);
        let actions = self.client.actions(&uuid).await?;
        let places: std::collections::HashMap<&str, usize> =
            actions.iter().enumerate().map(|(place, action)| (text(&action["uuid"]), place)).collect();
        for action in &actions {
            let parents = action["parents"].as_array().map(Vec::as_slice).unwrap_or_default();
            report.actions.push(ActionReport {
                action_type: text(&action["action_type"]).to_owned(),
                input_parameters: action["input_parameters"].as_object().cloned().unwrap_or_default(),
                parents: parents.iter().filter_map(|parent| places.get(text(parent)).copied()).collect(),
                state: text(&action["state"]).to_owned(),
                status_message: action["status_message"].as_str().map(str::to_owned),
            });
        }
        report.plan_state = ended["state"].as_str().map(str::to_owned);
        report.plan_status_message = ended["status_message"].as_str().map(str::to_owned);
        print(&format!("action plan       {}{}", text(&ended["state"]), because(&ended["status_message"])));
        for action in report.actions.iter().filter(|action| action.state == "FAILED").take(5) {
            let message = action.status_message.as_deref().unwrap_or_default();
            print(&format!(
                "  FAILED {} {}: {message}",
                action.action_type,
                text(&action.input_parameters["resource_id"])
            ));
        }
        Ok(())
    }

    /// Prints the environment of an administrator and of another project's member, and waits for an interrupt or SIGTERM.
    async fn keep(&self) -> anyhow::Result<()> {
        print(
            "\nService and simulated cloud keep running until you press Ctrl-C. For `watcher-host plugin` and the stock client:\n",
        );
        for (name, value) in [
            ("OS_AUTH_URL", self.simulator.endpoints().identity.as_str()),
            ("OS_IDENTITY_API_VERSION", "3"),
            ("OS_USERNAME", "admin"),
            ("OS_PASSWORD", PASSWORD),
            ("OS_PROJECT_NAME", "admin"),
            ("OS_USER_DOMAIN_NAME", "Default"),
            ("OS_PROJECT_DOMAIN_NAME", "Default"),
            ("OS_REGION_NAME", "RegionOne"),
        ] {
            print(&format!("export {name}={value}"));
        }
        print("\nopenstack optimize actionplan list");
        let id = BOB.project_id();
        print(&format!("\nA second project is {}, with the id {id}. To be its member {}:\n", BOB.project, BOB.user));
        print(&format!("export OS_USERNAME={} OS_PASSWORD={} OS_PROJECT_NAME={}", BOB.user, BOB.password, BOB.project));
        serve::stopped().await
    }

    async fn leave(self) {
        self.service.shutdown().await;
        self.simulator.shutdown().await;
    }
}

/// A policy file that is gone when the demo is.
fn policy() -> anyhow::Result<NamedTempFile> {
    let write = || {
        let mut file = tempfile::Builder::new().prefix("watcher-demo-").suffix(".yaml").tempfile()?;
        file.write_all(POLICY.as_bytes())?;
        Ok::<_, std::io::Error>(file)
    };
    write().context("cannot write the policy of the demo into the folder for temporary files")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn because(message: &Value) -> String {
    message.as_str().map_or_else(String::new, |message| format!(": {message}"))
}

/// Fails on an answer that is not 2xx, with what the service said.
fn succeed(what: &str, status: u16, body: &str) -> anyhow::Result<Value> {
    if !(200..300).contains(&status) {
        bail!("{what} was answered {status}: {body}");
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(body).with_context(|| format!("{what} was answered with something that is not JSON"))
}
