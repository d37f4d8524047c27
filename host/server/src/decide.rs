//! `watcher-host decide`: strategy and planner in the sandbox, on a saved cluster, without any service.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use watcher_cluster::{AuditScope, ClusterFile};
use watcher_collect::FileDatasource;
use watcher_domain::ports::{ActionRunner, Clock, Inspection, Scoring};
use watcher_domain::text::lines;
use watcher_domain::{Account, PluginKind, SystemClock};
use watcher_engine::decision::{self, Decision, DecisionInput, Resolved};
use watcher_engine::{AuditError, MemoryRecorder};
use watcher_runtime::Runtime;

use crate::cli::DecideArgs;
use crate::config::Config;
use crate::library::{Library, plugins_dir, read_component, read_components};
use crate::predict::Prediction;
use crate::report::{ActionReport, Report};
use crate::show::print;
use crate::simulate::read_cluster;
use crate::wiring;

/// Strategies, planners and handlers, ready to run.
pub struct Bench {
    runtime: Arc<Runtime>,
    library: Arc<Library>,
    config: Config,
}

/// One decision to be made.
pub struct Case {
    /// The cluster.
    pub file: ClusterFile,
    /// Who decides.
    pub strategy: Inspection,
    /// Who orders the actions; the one that the strategy prefers, if none.
    pub planner: Option<Inspection>,
    /// Parameters, without defaults.
    pub parameters: Map<String, Value>,
    /// What of the cluster is looked at.
    pub scope: AuditScope,
    /// Seed of the strategy's random numbers.
    pub seed: u64,
}

/// What was decided, and what would come of it.
#[derive(Default)]
pub struct Outcome {
    /// The report.
    pub report: Report,
    /// The cluster in scope.
    pub before: Prediction,
    /// The same after the plan, as the handlers predict it.
    pub after: Prediction,
}

/// Decides on one cluster and prints the plan, or on many cases and writes one report each.
pub async fn run(config: &Config, arguments: DecideArgs) -> anyhow::Result<ExitCode> {
    let bench = Bench::load(config).await?;
    let plugin = match &arguments.plugin {
        None => None,
        Some(path) => Some(bench.add_strategy(path).await?),
    };
    if let Some(dir) = &arguments.report_dir {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make folder {}", dir.display()))?;
        return bench.many(&arguments, plugin.as_ref(), dir).await;
    }
    let path = arguments.cluster.clone().context("--cluster FILE is missing")?;
    let case = bench.case(&path, &arguments, plugin.as_ref())?;
    let report = bench.decide(case).await.report;
    if let Some(path) = &arguments.report {
        report.write(path)?;
    }
    show(&report);
    Ok(if report.error.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(report: &Report) {
    if let Some(error) = &report.error {
        eprintln!("watcher-host: {}", lines(error));
        return;
    }
    for (index, action) in report.actions.iter().enumerate() {
        let parents: Vec<String> = action.parents.iter().map(ToString::to_string).collect();
        let after = if parents.is_empty() { String::new() } else { format!("  after {}", parents.join(", ")) };
        print(&format!(
            "{index:>5}  {}  {}{after}",
            action.action_type,
            Value::Object(action.input_parameters.clone())
        ));
    }
    let counts: Vec<String> = report.counts().iter().map(|(name, count)| format!("{count} {name}")).collect();
    let summary = if counts.is_empty() { "nothing to do".to_owned() } else { counts.join(", ") };
    print(&format!("{}: {summary}", report.strategy));
    for indicator in report.efficacy_indicators.iter().chain(&report.global_efficacy) {
        let unit = indicator["unit"].as_str().map_or_else(String::new, |unit| format!(" {unit}"));
        print(&format!("  {} = {}{unit}", indicator["name"].as_str().unwrap_or_default(), indicator["value"]));
    }
}

impl Bench {
    /// Loads the built-in plugins.
    pub async fn load(config: &Config) -> anyhow::Result<Self> {
        let library = Arc::new(Library::default());
        let runtime = wiring::runtime(config, Arc::clone(&library) as _)?;
        for (path, component) in read_components(&plugins_dir(&config.plugins)?)? {
            library.add(runtime.as_ref(), &path, component).await?;
        }
        Ok(Self { runtime, library, config: config.clone() })
    }

    /// The sandbox.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// A built-in plugin.
    pub fn find(&self, kind: PluginKind, name: &str) -> Option<Inspection> {
        self.library.find(kind, name)
    }

    /// Adds a component that is not installed; it hides an installed one of its kind and name.
    pub async fn add(&self, path: &Path) -> anyhow::Result<Inspection> {
        self.library.add(self.runtime.as_ref(), path, read_component(path)?).await
    }

    async fn add_strategy(&self, path: &Path) -> anyhow::Result<Inspection> {
        let inspection = self.add(path).await?;
        if inspection.kind != PluginKind::Strategy {
            bail!("plugin {} is a {}, not a strategy", path.display(), inspection.kind);
        }
        Ok(inspection)
    }

    /// A strategy by name.
    pub fn strategy(&self, name: &str) -> anyhow::Result<Inspection> {
        self.library.find(PluginKind::Strategy, name).with_context(|| {
            format!("there is no strategy {name}; there are {}", self.library.names(PluginKind::Strategy).join(", "))
        })
    }

    /// Every case gets a report; what fails says so there and does not stop the others.
    async fn many(&self, arguments: &DecideArgs, plugin: Option<&Inspection>, dir: &Path) -> anyhow::Result<ExitCode> {
        let mut failed = 0;
        for path in &arguments.case {
            let name = path.file_stem().with_context(|| format!("{} has no file name", path.display()))?;
            let report = match self.case(path, arguments, plugin) {
                Ok(case) => self.decide(case).await.report,
                Err(error) => {
                    Report { audit_state: "FAILED".to_owned(), error: Some(format!("{error:#}")), ..Report::default() }
                }
            };
            failed += usize::from(report.error.is_some());
            report.write(&PathBuf::from(dir).join(name).with_extension("json"))?;
        }
        print(&format!("{} reports in {}, {failed} of them with an error", arguments.case.len(), dir.display()));
        Ok(ExitCode::SUCCESS)
    }

    fn case(&self, path: &Path, arguments: &DecideArgs, plugin: Option<&Inspection>) -> anyhow::Result<Case> {
        let mut file = read_cluster(path)?;
        let parameters = match &arguments.params {
            Some(text) => serde_json::from_str(text).context("--params is not a JSON object")?,
            None => file.parameters.take().unwrap_or_default(),
        };
        let scope = match &arguments.scope {
            Some(text) => serde_json::from_str(text).context("--scope is not a JSON array")?,
            None => file.scope.take().unwrap_or_default(),
        };
        let strategy = match (plugin, arguments.strategy.as_ref().or(file.strategy.as_ref())) {
            (Some(plugin), _) => plugin.clone(),
            (None, Some(name)) => self.strategy(name)?,
            (None, None) => bail!("--strategy NAME is missing, and {} names none", path.display()),
        };
        let seed = arguments.seed.or(file.seed).unwrap_or(0);
        Ok(Case { file, strategy, planner: None, parameters, scope, seed })
    }

    /// Decides. What went wrong is in the report.
    pub async fn decide(&self, case: Case) -> Outcome {
        let report = Report {
            strategy: case.strategy.description.name.clone(),
            parameters: case.parameters.clone(),
            ..Report::default()
        };
        let mut outcome = Outcome { report, ..Outcome::default() };
        match self.try_decide(case, &mut outcome).await {
            Ok(()) => "SUCCEEDED".clone_into(&mut outcome.report.audit_state),
            Err(error) => {
                "FAILED".clone_into(&mut outcome.report.audit_state);
                outcome.report.error = Some(error.to_string());
            }
        }
        outcome
    }

    async fn try_decide(&self, case: Case, outcome: &mut Outcome) -> Result<(), AuditError> {
        let Outcome { report, before, after } = outcome;
        let mut watch = Stopwatch::default();
        let model = case.file.model().map_err(|error| AuditError::Observe(watcher_collect::refused(&error)))?;
        let model = Arc::new(case.scope.apply(model).map_err(AuditError::Scope)?);
        watch.lap(report, "observe");
        let strategy = self.resolve(case.strategy);
        let input = DecisionInput {
            parameters: decision::complete_parameters(&strategy, case.parameters)?,
            strategy,
            model: Arc::clone(&model),
            datasource: Arc::new(FileDatasource::new(&case.file)),
            scoring: Some(self.scoring()?),
            time: SystemClock.now(),
            seed: case.seed,
            limits: self.config.sandbox.limits,
            account: Account::default(),
        };
        report.parameters.clone_from(&input.parameters);
        let recorder = Arc::new(MemoryRecorder::default());
        let decided = decision::decide(self.runtime.as_ref(), &input, recorder).await?;
        watch.lap(report, "decide");
        Self::describe(report, &decided);
        let name = &input.strategy.strategy()?.planner;
        let planner = case
            .planner
            .or_else(|| self.library.find(PluginKind::Planner, name))
            .ok_or_else(|| AuditError::NoPlugin { kind: "planner", name: name.clone() })?;
        let plan = decision::plan(self.runtime.as_ref(), &self.resolve(planner), &input, &decided.actions).await?;
        watch.lap(report, "plan");
        let state = if plan.is_empty() { "SUCCEEDED" } else { "RECOMMENDED" };
        report.plan_state = Some(state.to_owned());
        for place in &plan {
            let action = &decided.actions[place.action as usize];
            report.actions.push(ActionReport {
                action_type: action.action_type.clone(),
                input_parameters: action.input_parameters.clone(),
                parents: place.parents.iter().map(|&parent| parent as usize).collect(),
                state: "PENDING".to_owned(),
                status_message: None,
            });
        }
        *before = Prediction::new(&model);
        *after = self.predict(before.clone(), report).await?;
        report.placement_after.clone_from(&after.placement);
        watch.lap(report, "predict");
        Ok(())
    }

    /// Every scoring engine of the library.
    pub fn scoring(&self) -> Result<Scoring, AuditError> {
        let names = self.library.names(PluginKind::ScoringEngine);
        let found = names.iter().filter_map(|name| self.library.find(PluginKind::ScoringEngine, name));
        let engines = found.filter_map(|engine| self.resolve(engine).scoring_engine().transpose());
        Ok(Scoring {
            engines: engines.collect::<Result<_, _>>()?,
            runner: Arc::clone(&self.runtime) as _,
            limits: self.config.sandbox.scoring_limits,
            account: Account::default(),
        })
    }

    /// A component with what the operator configured for it.
    pub fn resolve(&self, inspection: Inspection) -> Resolved {
        let configured = wiring::plugin_configuration(&self.config);
        let key = (inspection.kind, inspection.description.name.clone());
        Resolved {
            digest: inspection.digest,
            configuration: configured.get(&key).cloned().unwrap_or_default(),
            description: inspection.description,
            imports: inspection.imports,
        }
    }

    fn describe(report: &mut Report, decided: &Decision) {
        report.efficacy_indicators = decided
            .indicators
            .iter()
            .map(|(spec, value)| {
                let value = decision::number(*value);
                json!({"name": spec.name, "description": spec.description, "unit": spec.unit, "value": value})
            })
            .collect();
        report.global_efficacy = decided.global_efficacy.iter().map(|sum| json!(sum)).collect();
    }

    /// The cluster after the plan, by what the handlers say about their actions.
    async fn predict(&self, mut cluster: Prediction, report: &Report) -> Result<Prediction, AuditError> {
        let mut handlers: HashMap<&str, watcher_domain::Digest> = HashMap::new();
        for action in &report.actions {
            if !handlers.contains_key(action.action_type.as_str()) {
                let found = self.library.find(PluginKind::Action, &action.action_type).ok_or_else(|| {
                    AuditError::UnknownActionType {
                        strategy: report.strategy.clone(),
                        action_type: action.action_type.clone(),
                    }
                })?;
                handlers.insert(&action.action_type, found.digest);
            }
            let effects = self
                .runtime
                .describe_effect(handlers[action.action_type.as_str()], action.input_parameters.clone())
                .await
                .map_err(|source| AuditError::Plan { planner: action.action_type.clone(), source })?;
            for effect in &effects {
                cluster.apply(effect);
            }
        }
        Ok(cluster)
    }
}

/// Measures the steps of a report.
pub struct Stopwatch(Instant);

impl Default for Stopwatch {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Stopwatch {
    /// Notes the time since the last lap under a name.
    pub fn lap(&mut self, report: &mut Report, step: &str) {
        report.seconds.insert(step.to_owned(), self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}
