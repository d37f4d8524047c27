//! Action handlers: every phase in its order, against a simulated cloud in this process, and whether what the handler predicts comes true.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};
use watcher_domain::cloud::Permission;
use watcher_domain::journal::ActionPhase;
use watcher_domain::plugin::{ActionSpecifics, Specifics};
use watcher_domain::ports::{ActionCall, ActionOutcome, ActionRunner as _, CloudRequests, Inspection, RunError};
use watcher_domain::schema::Schema;
use watcher_domain::{Account, Clock, Digest, Ids, SystemClock, SystemIds};
use watcher_simulator::{Simulator, SimulatorOptions};

use super::TestArgs;
use super::journal::MemoryJournal;
use crate::config::Config;
use crate::decide::Bench;
use crate::demo::Client;
use crate::keystone;
use crate::plugin::table::{Column, Table};
use crate::predict::Prediction;
use crate::show::print;

/// Password of the simulated cloud's users: they exist only for this run, on loopback.
const PASSWORD: &str = "test";

/// The handler, and what it works on.
struct Stage<'a> {
    bench: &'a Bench,
    digest: Digest,
    parameters: Map<String, Value>,
    configuration: Map<String, Value>,
    permission: Permission,
    cloud: Arc<dyn CloudRequests>,
    config: &'a Config,
    table: Table,
    requests: Vec<String>,
}

/// Runs the phases, and prints what came of each.
pub(super) async fn run(
    config: &Config,
    bench: &Bench,
    plugin: Inspection,
    arguments: &TestArgs,
) -> anyhow::Result<ExitCode> {
    let file = arguments.cluster()?;
    let model = file.model()?;
    let options = SimulatorOptions {
        admin_password: PASSWORD.to_owned(),
        service_password: PASSWORD.to_owned(),
        live_migration_ms: arguments.migration_ms,
        cold_migration_ms: arguments.migration_ms,
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::new(file, options).start().await?;
    let mut config = config.clone();
    config.keystone.auth_url.clone_from(&simulator.endpoints().identity);
    config.keystone.password = PASSWORD.into();
    let mut stage = Stage::set(&config, bench, plugin, arguments)?;
    let client = Client::new(&config, PASSWORD)?;
    let done = stage.play(arguments).await;
    print(&stage.table.text());
    if !stage.requests.is_empty() {
        let shown = arguments.shown(stage.requests.len());
        print(&format!("\nrequests to the simulated cloud:\n  {}", stage.requests[..shown].join("\n  ")));
        if stage.requests.len() > shown {
            print(&format!("  … and {} more (--rows 0 shows all)", stage.requests.len() - shown));
        }
    }
    let is_done = done?;
    let mut well = true;
    if is_done && !arguments.revert {
        well = compare(&mut stage, Prediction::new(&model), &client).await?;
    }
    simulator.shutdown().await;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl<'a> Stage<'a> {
    fn set(config: &'a Config, bench: &'a Bench, plugin: Inspection, arguments: &TestArgs) -> anyhow::Result<Self> {
        let digest = plugin.digest;
        let resolved = bench.resolve(plugin);
        let Specifics::Action(ActionSpecifics { parameters_schema, requests }) = &resolved.description.specifics else {
            bail!("{} is no action handler", resolved.description.name);
        };
        let given = arguments.parameters()?.unwrap_or_default();
        let schema = Schema::new(parameters_schema).context("the schema of the parameters")?;
        let parameters = schema.complete_loosely(given).context("--params")?;
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(SystemIds));
        Ok(Self {
            bench,
            digest,
            parameters,
            configuration: resolved.complete_configuration()?,
            permission: Permission::built_in(requests.clone()),
            cloud: keystone::session(&config.keystone, &clock, &ids)?,
            config,
            table: Table::new(&[
                Column::Text("phase"),
                Column::Text("outcome"),
                Column::Number("requests"),
                Column::Number("slept"),
                Column::Number("took"),
            ]),
            requests: Vec::new(),
        })
    }

    /// The walk of the applier. `false`: there was nothing to do, or it was stopped.
    async fn play(&mut self, arguments: &TestArgs) -> anyhow::Result<bool> {
        self.call(ActionPhase::Validate).await?;
        if let ActionOutcome::Skip(_) = self.call(ActionPhase::PreCondition).await? {
            return Ok(false);
        }
        let executed = match arguments.abort_after {
            None => self.call(ActionPhase::Execute).await.map(|_| true),
            Some(after) => self.abort(Duration::from_millis(after)).await,
        };
        let ended = match executed {
            Ok(true) => self.call(ActionPhase::PostCondition).await.map(|_| true),
            other => other,
        };
        match ended {
            Ok(true) if arguments.revert => self.call(ActionPhase::Revert).await.map(|_| true),
            Ok(is_done) => Ok(is_done),
            Err(error) => {
                // As the applier does after a failure; the first one is what is reported.
                let _ = self.call(ActionPhase::Revert).await;
                Err(error)
            }
        }
    }

    /// Executes, and stops the execution. `false` if it was stopped.
    async fn abort(&mut self, after: Duration) -> anyhow::Result<bool> {
        let (execute, abort) = (Arc::new(MemoryJournal::default()), Arc::new(MemoryJournal::default()));
        let begin = Instant::now();
        let runtime = self.bench.runtime();
        let abort_call = self.action_call(ActionPhase::Abort, &abort);
        let mut executing = runtime.call_action(self.action_call(ActionPhase::Execute, &execute));
        let mut aborting = Box::pin(async move {
            tokio::time::sleep(after).await;
            runtime.call_action(abort_call).await
        });
        let (executed, aborted) = tokio::select! {
            // An execution that is being aborted may notice first that its work was stopped.
            executed = &mut executing => if executed.is_err() && begin.elapsed() >= after {
                match aborting.await {
                    Ok(ActionOutcome::Done) => (None, Some(Ok(ActionOutcome::Done))),
                    other => (Some(executed), Some(other)),
                }
            } else {
                (Some(executed), None)
            },
            aborted = &mut aborting => match aborted {
                Ok(ActionOutcome::Done) => (None, Some(aborted)),
                other => (Some(executing.await), Some(other)),
            },
        };
        let took = begin.elapsed();
        let stopped = executed.is_none();
        let executed = if let Some(executed) = executed {
            self.note(ActionPhase::Execute, executed, &execute, took).map(|_| true)
        } else {
            self.row(ActionPhase::Execute, "stopped", &execute, took);
            Ok(false)
        };
        match aborted {
            Some(aborted) => self.note(ActionPhase::Abort, aborted, &abort, took.saturating_sub(after)).map(drop)?,
            None => self.row(ActionPhase::Abort, "not called: the execution had ended", &abort, Duration::ZERO),
        }
        if stopped { Ok(false) } else { executed }
    }

    async fn call(&mut self, phase: ActionPhase) -> anyhow::Result<ActionOutcome> {
        let journal = Arc::new(MemoryJournal::default());
        let begin = Instant::now();
        let outcome = self.bench.runtime().call_action(self.action_call(phase, &journal)).await;
        self.note(phase, outcome, &journal, begin.elapsed())
    }

    fn action_call(&self, phase: ActionPhase, journal: &Arc<MemoryJournal>) -> ActionCall {
        ActionCall {
            digest: self.digest,
            phase,
            parameters: self.parameters.clone(),
            configuration: self.configuration.clone(),
            permission: self.permission.clone(),
            cloud: Arc::clone(&self.cloud),
            journal: Arc::clone(journal) as _,
            limits: self.config.sandbox.action_limits,
            account: Account::default(),
        }
    }

    fn note(
        &mut self,
        phase: ActionPhase,
        outcome: Result<ActionOutcome, RunError>,
        journal: &MemoryJournal,
        took: Duration,
    ) -> anyhow::Result<ActionOutcome> {
        let said = match &outcome {
            Ok(ActionOutcome::Done) => "done".to_owned(),
            Ok(ActionOutcome::Skip(reason)) => format!("nothing to do: {reason}"),
            Ok(ActionOutcome::NotAborted) => "cannot be stopped".to_owned(),
            Err(error) => format!("failed: {error}"),
        };
        self.row(phase, &said, journal, took);
        outcome.with_context(|| format!("{phase} failed"))
    }

    fn row(&mut self, phase: ActionPhase, said: &str, journal: &MemoryJournal, took: Duration) {
        let requests = journal.requests();
        let cells = [
            phase.as_str().to_owned(),
            said.to_owned(),
            requests.len().to_string(),
            format!("{} ms", journal.slept_ms()),
            format!("{} ms", took.as_millis()),
        ];
        self.table.add(cells);
        self.requests.extend(requests);
    }
}

/// Compares what the handler predicted with what the simulated cloud shows. `false` if they differ.
async fn compare(stage: &mut Stage<'_>, mut predicted: Prediction, client: &Client) -> anyhow::Result<bool> {
    let described = stage.bench.runtime().describe_effect(stage.digest, stage.parameters.clone()).await;
    let effects = described.context("describe-effect failed")?;
    for effect in &effects {
        predicted.apply(effect);
    }
    let (placement, enabled) = (client.placement().await?, client.enabled_hosts().await?);
    let mut differences = Vec::new();
    for (instance, host) in &predicted.placement {
        let is = placement.get(instance);
        if is != Some(host) && predicted.open == 0 {
            differences
                .push(format!("instance {instance} is on {}, not on {host}", is.map_or("no host", String::as_str)));
        }
    }
    for host in predicted.enabled.symmetric_difference(&enabled) {
        let is = if enabled.contains(host) { "enabled" } else { "disabled" };
        differences.push(format!("the compute service of {host} is {is}, which was not predicted"));
    }
    if differences.is_empty() {
        print(&format!("\nthe cloud is as describe-effect predicts ({} effects)", effects.len()));
        return Ok(true);
    }
    differences.truncate(20);
    print(&format!("\nthe cloud is not as describe-effect predicts:\n  {}", differences.join("\n  ")));
    Ok(false)
}
