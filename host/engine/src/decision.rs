//! Decide and plan: what needs no database, so that `watcher-host decide` takes the same path as an audit.

use std::sync::Arc;

use serde_json::{Map, Value};
use watcher_cluster::ClusterDataModel;
use watcher_domain::efficacy::{GlobalEfficacy, IndicatorSpec};
use watcher_domain::plugin::{Description, Specifics, StrategySpecifics};
use watcher_domain::ports::{
    Datasource, PlannerRun, PlannerRunner, Scoring, ScoringEngineVersion, StrategyRun, StrategyRunner,
};
use watcher_domain::schema::Schema;
use watcher_domain::{Account, Digest, Limits, PlannedAction, Solution, SolutionAction, Timestamp};
use watcher_fair::aside;

use crate::error::AuditError;
use crate::recorder::MemoryRecorder;

/// A plugin version that was looked up.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Which component.
    pub digest: Digest,
    /// What it says about itself.
    pub description: Description,
    /// Its imports, as `namespace:package/interface@version`.
    pub imports: Vec<String>,
    /// The operator's configuration, without defaults.
    pub configuration: Map<String, Value>,
}

impl Resolved {
    /// The configuration with defaults filled in.
    pub fn complete_configuration(&self) -> Result<Map<String, Value>, AuditError> {
        if self.description.configuration_schema.is_null() {
            return Ok(self.configuration.clone());
        }
        let plugin = || self.description.name.clone();
        Schema::new(&self.description.configuration_schema)
            .map_err(|source| AuditError::Schema { plugin: plugin(), source })?
            .complete(self.configuration.clone())
            .map_err(|misfit| AuditError::Configuration { plugin: plugin(), misfit })
    }

    /// The same, worked out away from the threads that serve others: how long that takes is decided by whoever wrote the schema.
    async fn configured(&self) -> Result<Map<String, Value>, AuditError> {
        let this = self.clone();
        aside(move || this.complete_configuration()).await
    }

    /// What only a strategy says.
    pub fn strategy(&self) -> Result<&StrategySpecifics, AuditError> {
        match &self.description.specifics {
            Specifics::Strategy(specifics) => Ok(specifics),
            Specifics::Action(_) | Specifics::ScoringEngine(_) | Specifics::Planner {} => {
                Err(AuditError::NoPlugin { kind: "strategy", name: self.description.name.clone() })
            }
        }
    }

    /// Whether it can ask scoring engines at all.
    pub fn asks_scoring_engines(&self) -> bool {
        watcher_domain::plugin::asks_scoring_engines(&self.imports)
    }

    /// As strategies may ask it; none if it is no scoring engine.
    ///
    /// # Errors
    /// When its configuration does not fit.
    pub fn scoring_engine(&self) -> Result<Option<ScoringEngineVersion>, AuditError> {
        let Specifics::ScoringEngine(specifics) = &self.description.specifics else { return Ok(None) };
        Ok(Some(ScoringEngineVersion {
            digest: self.digest,
            name: self.description.name.clone(),
            description: self.description.description.clone(),
            metainfo: specifics.metainfo.clone(),
            configuration: self.complete_configuration()?,
        }))
    }
}

/// Completes the parameters of an audit by its strategy's schema.
pub fn complete_parameters(strategy: &Resolved, given: Map<String, Value>) -> Result<Map<String, Value>, AuditError> {
    let name = || strategy.description.name.clone();
    Schema::new(&strategy.strategy()?.parameters_schema)
        .map_err(|source| AuditError::Schema { plugin: name(), source })?
        .complete(given)
        .map_err(|misfit| AuditError::Parameters { strategy: name(), misfit })
}

/// What a decision starts from.
pub struct DecisionInput {
    /// The strategy.
    pub strategy: Resolved,
    /// Parameters, with defaults.
    pub parameters: Map<String, Value>,
    /// The cluster in scope.
    pub model: Arc<ClusterDataModel>,
    /// Answers questions about metrics.
    pub datasource: Arc<dyn Datasource>,
    /// The scoring engines that the strategy may ask, if there are any.
    pub scoring: Option<Scoring>,
    /// The time that the strategy sees.
    pub time: Timestamp,
    /// Seed of its random numbers.
    pub seed: u64,
    /// What it may use.
    pub limits: Limits,
    /// On whose account it runs.
    pub account: Account,
}

/// What was decided.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Actions in the order of decision.
    pub actions: Arc<Vec<SolutionAction>>,
    /// Indicators of the goal with their values, in the order of the goal.
    pub indicators: Vec<(IndicatorSpec, f64)>,
    /// Their sums.
    pub global_efficacy: Vec<GlobalEfficacy>,
}

/// Runs the strategy and checks its efficacy indicators.
pub async fn decide(
    runner: &dyn StrategyRunner,
    input: &DecisionInput,
    recorder: Arc<MemoryRecorder>,
) -> Result<Decision, AuditError> {
    let strategy = input.strategy.description.name.clone();
    let run = StrategyRun {
        digest: input.strategy.digest,
        parameters: input.parameters.clone(),
        configuration: input.strategy.configured().await?,
        model: Arc::clone(&input.model),
        datasource: Arc::clone(&input.datasource),
        scoring: input.scoring.clone(),
        recorder,
        time: input.time,
        seed: input.seed,
        limits: input.limits,
        account: input.account.clone(),
    };
    let outcome =
        runner.run_strategy(run).await.map_err(|source| AuditError::Decide { strategy: strategy.clone(), source })?;
    let specification = input.strategy.strategy()?.goal.efficacy_specification.clone();
    let (solution, global_efficacy) = (outcome.solution, outcome.global_efficacy);
    let (indicators, solution) = aside(move || (check_efficacy(&strategy, &specification, &solution), solution)).await;
    Ok(Decision { actions: Arc::new(solution.actions), indicators: indicators?, global_efficacy })
}

fn check_efficacy(
    strategy: &str,
    specification: &[IndicatorSpec],
    solution: &Solution,
) -> Result<Vec<(IndicatorSpec, f64)>, AuditError> {
    let mut indicators = Vec::with_capacity(specification.len());
    for spec in specification {
        let value = solution.efficacy_indicators.iter().rev().find(|(name, _)| *name == spec.name);
        let Some(&(_, value)) = value else {
            if spec.required {
                tracing::warn!(
                    strategy.name = strategy,
                    indicator = spec.name,
                    "a required efficacy indicator is missing"
                );
            }
            continue;
        };
        Schema::new(&spec.schema)
            .map_err(|source| AuditError::Schema { plugin: strategy.to_owned(), source })?
            .check(&number(value))
            .map_err(|misfit| AuditError::Efficacy {
                strategy: strategy.to_owned(),
                indicator: spec.name.clone(),
                value,
                misfit,
            })?;
        indicators.push((spec.clone(), value));
    }
    Ok(indicators)
}

/// A JSON number; whole values become integers, because schemas of draft 4 tell 3 and 3.0 apart.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within the range of i64")]
pub fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

/// Runs the planner that the strategy prefers.
pub async fn plan(
    runner: &dyn PlannerRunner,
    planner: &Resolved,
    input: &DecisionInput,
    actions: &Arc<Vec<SolutionAction>>,
) -> Result<Vec<PlannedAction>, AuditError> {
    let run = PlannerRun {
        digest: planner.digest,
        actions: Arc::clone(actions),
        configuration: planner.configured().await?,
        model: Arc::clone(&input.model),
        time: input.time,
        seed: input.seed,
        limits: input.limits,
        account: input.account.clone(),
    };
    runner
        .run_planner(run)
        .await
        .map_err(|source| AuditError::Plan { planner: planner.description.name.clone(), source })
}
