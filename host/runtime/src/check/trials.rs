//! Runs a plugin on a generated cluster, every call twice, and compares what it returns byte by byte.
//!
//! A guest has no clock, no randomness but the seeded, and a fresh memory for every call, so two runs agree unless the sandbox has a hole:
//! this is the test that it has none, and that the plugin runs at all. Action handlers are never executed, only asked.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use watcher_domain::clock::MockClock;
use watcher_domain::limits::LimitName;
use watcher_domain::plugin::{Description, Specifics};
use watcher_domain::ports::{Clock as _, PlannerRun, RunError, ScoringRun, StrategyRun};
use watcher_domain::report::{Determinism, Problem, ProblemCode, Report, Trial, TrialOutcome, Usage};
use watcher_domain::schema::{Schema, fill_defaults};
use watcher_domain::{Account, Limits, PluginKind, SolutionAction};

use super::cluster::Generated;
use crate::call::{Call, Outside};
use crate::components::Loaded;
use crate::describe;
use crate::output;
use crate::runtime::{Runtime, declared};
use crate::strategy::{other_kind, text};
use crate::world::Prepared;

/// Seed that every trial sees.
const SEED: u64 = 1;
/// Bytes of a result that are shown where two results part.
const SHOWN: usize = 120;

/// What a trial may use: some seconds of computing, and no more memory than runs of its kind.
fn limits(kind: PluginKind) -> Limits {
    let memory_bytes = match kind {
        PluginKind::Action => Limits::for_actions().memory_bytes,
        PluginKind::ScoringEngine => Limits::for_scoring().memory_bytes,
        PluginKind::Strategy | PluginKind::Planner => 512 << 20,
    };
    Limits {
        memory_bytes,
        fuel: 4_000_000_000,
        deadline_ms: 30_000,
        host_call_fuel: 4 << 20,
        host_calls: 100_000,
        output_bytes: 16 << 20,
        actions: 100_000,
        log_bytes: 64 << 10,
        requests: 1_000,
        ..Limits::default()
    }
}

/// A call to be made.
enum Probe {
    Strategy(Box<StrategyRun>),
    Planner(PlannerRun),
    Scoring(ScoringRun),
    Validate(String),
    DescribeEffect(String),
}

/// What a call gave.
struct Answer {
    /// Everything it returned, as JSON.
    bytes: String,
    summary: String,
}

impl Probe {
    const fn call(&self) -> &'static str {
        match self {
            Self::Strategy(_) => "execute",
            Self::Planner(_) => "schedule",
            Self::Scoring(_) => "calculate-scores",
            Self::Validate(_) => "validate-parameters",
            Self::DescribeEffect(_) => "describe-effect",
        }
    }

    async fn once(&self, runtime: &Runtime, loaded: &Arc<Loaded>, usage: &mut Usage) -> Result<Answer, RunError> {
        let answer = |value: &Value, summary: String| Answer { bytes: value.to_string(), summary };
        match self {
            Self::Strategy(run) => {
                let outcome = runtime.strategy(loaded, run, usage).await?;
                let actions = outcome.solution.actions.len();
                let sums: Vec<_> = outcome.global_efficacy.iter().map(|sum| json!(sum)).collect();
                let summary = format!("{actions} action{}", if actions == 1 { "" } else { "s" });
                Ok(answer(&json!([outcome.solution, sums]), summary))
            }
            Self::Planner(run) => {
                let plan = runtime.planner(loaded, run, usage).await?;
                let places: Vec<_> = plan.iter().map(|place| json!([place.action, place.parents])).collect();
                Ok(answer(&json!(places), format!("a plan of {} actions", plan.len())))
            }
            Self::Scoring(run) => {
                let scores = runtime.scoring(loaded, run, usage).await?;
                Ok(answer(&json!(scores), format!("{} scores", scores.len())))
            }
            Self::Validate(parameters) => {
                ask(runtime, loaded, usage, parameters, false).await?;
                Ok(answer(&Value::Null, "the parameters are valid".to_owned()))
            }
            Self::DescribeEffect(parameters) => {
                let effects = ask(runtime, loaded, usage, parameters, true).await?;
                let effects = match output::effects(&effects, &limits(loaded.kind())) {
                    Ok(effects) => effects,
                    Err(bad) => return Err(runtime.refused(loaded, bad, &Account::default()).await),
                };
                let summary = format!("{} effect{}", effects.len(), if effects.len() == 1 { "" } else { "s" });
                Ok(answer(&json!(effects), summary))
            }
        }
    }
}

/// Asks an action handler about parameters; nothing lies behind its imports.
async fn ask(
    runtime: &Runtime,
    loaded: &Arc<Loaded>,
    usage: &mut Usage,
    parameters: &str,
    effect: bool,
) -> Result<String, RunError> {
    let parameters = parameters.to_owned();
    let call = Call::new(loaded.label(), limits(loaded.kind()), Outside::Nothing);
    let answer = runtime
        .run_metered(loaded, call, &Account::default(), usage, move |store, loaded| {
            Box::pin(async move {
                let Prepared::Action(pre) = &loaded.prepared else { return Err(other_kind()) };
                let plugin = pre.instantiate_async(&mut *store).await?;
                store.data_mut().entered = true;
                let handler = plugin.watcher_action_action();
                if effect {
                    handler.call_describe_effect(store, &parameters).await
                } else {
                    let valid = handler.call_validate_parameters(store, &parameters).await?;
                    Ok(valid.map(|()| String::new()))
                }
            })
        })
        .await?;
    declared(answer)
}

/// Tries a plugin out and adds what came of it.
pub(crate) async fn run(runtime: &Runtime, loaded: &Arc<Loaded>, description: &Description, report: &mut Report) {
    let probes = match probes(loaded, description) {
        Ok(probes) => probes,
        Err(reason) => {
            report.determinism = Determinism::NotTried { reason };
            return;
        }
    };
    let mut agreed = Vec::new();
    let mut reason = "no call gave a result on the generated input".to_owned();
    for (probe, input) in probes {
        let call = probe.call().to_owned();
        let mut usage = [Usage::default(); 2];
        let first = probe.once(runtime, loaded, &mut usage[0]).await;
        let failed_by_limit = matches!(&first, Err(RunError::Limit { .. }));
        // A call that ran into a limit would only do so again.
        let second = if failed_by_limit { None } else { Some(probe.once(runtime, loaded, &mut usage[1]).await) };
        let runs = usage[..=usize::from(second.is_some())].to_vec();
        let outcome = match (first, second) {
            (Ok(first), Some(Ok(second))) => {
                match difference(&first.bytes, &second.bytes) {
                    None => agreed.push(call.clone()),
                    Some(differed) => differs(report, &call, differed),
                }
                TrialOutcome::Returned { summary: first.summary }
            }
            (Err(RunError::Declared(failure)), Some(Err(RunError::Declared(again)))) => {
                match difference(&failure.to_string(), &again.to_string()) {
                    None => reason = format!("{call} declared: {failure}"),
                    Some(differed) => differs(report, &call, differed),
                }
                TrialOutcome::Declared { code: failure.code, message: failure.message }
            }
            (Err(error), None | Some(Err(_))) => failed(report, &call, &input, &error),
            (first, Some(second)) => {
                let text = |result: Result<Answer, RunError>| match result {
                    Ok(answer) => answer.bytes,
                    Err(error) => error.to_string(),
                };
                let differed = difference(&text(first), &text(second)).unwrap_or_default();
                differs(report, &call, differed);
                TrialOutcome::Failed
            }
            (Ok(first), None) => TrialOutcome::Returned { summary: first.summary },
        };
        report.trials.push(Trial { call, input, runs, outcome });
    }
    if matches!(report.determinism, Determinism::Differed { .. }) {
        return;
    }
    report.determinism =
        if agreed.is_empty() { Determinism::NotTried { reason } } else { Determinism::Agreed { calls: agreed } };
}

/// Where two texts part, and what stands there.
#[derive(Default)]
struct Difference {
    at_byte: u64,
    first: String,
    second: String,
}

fn difference(first: &str, second: &str) -> Option<Difference> {
    if first == second {
        return None;
    }
    let at = first.bytes().zip(second.bytes()).take_while(|(a, b)| a == b).count();
    let shown = |text: &str| {
        let bytes = text.as_bytes().get(at..).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes)).into_owned()
    };
    Some(Difference { at_byte: u64::try_from(at).unwrap_or(u64::MAX), first: shown(first), second: shown(second) })
}

fn differs(report: &mut Report, call: &str, difference: Difference) {
    let Difference { at_byte, first, second } = difference;
    report.refuse(Problem {
        code: ProblemCode::NotDeterministic,
        at: call.to_owned(),
        message: format!("{call} gave two results on the same input, from byte {at_byte} on: {first:?} and {second:?}"),
        expected: "the same bytes: nothing but input, seed and time decides".to_owned(),
    });
    report.determinism = Determinism::Differed { call: call.to_owned(), at_byte, first, second };
}

/// A call that failed: the plugin's fault, unless only time ran out, which another machine may have had more of.
fn failed(report: &mut Report, call: &str, input: &str, error: &RunError) -> TrialOutcome {
    let (code, slow) = match error {
        RunError::Limit { hit, .. } => (ProblemCode::TrialLimit, hit.limit == LimitName::Deadline),
        RunError::InvalidOutput { .. } => (ProblemCode::TrialOutput, false),
        RunError::Trap { .. } => (ProblemCode::TrialCrashed, false),
        RunError::Declared(_) | RunError::Unavailable { .. } | RunError::Journal(_) | RunError::Host(_) => {
            return TrialOutcome::NotTried { reason: error.to_string() };
        }
    };
    let problem = Problem {
        code,
        at: call.to_owned(),
        message: format!("{call} with {input}: {error}"),
        expected: String::new(),
    };
    if slow {
        report.warnings.push(problem);
        return TrialOutcome::NotTried { reason: error.to_string() };
    }
    report.refuse(problem);
    TrialOutcome::Failed
}

/// The calls to make, each with its input in words.
fn probes(loaded: &Arc<Loaded>, description: &Description) -> Result<Vec<(Probe, String)>, String> {
    let configuration = example(&description.configuration_schema, &[])
        .ok_or("the configuration has fields without defaults, which only an operator can fill in")?;
    let time = MockClock::default().now();
    let limits = limits(loaded.kind());
    Ok(match &description.specifics {
        Specifics::Strategy(specifics) => {
            let parameters = example(&specifics.parameters_schema, &[])
                .ok_or("its parameters have fields without defaults, and no example was found that fits")?;
            let generated = Generated::new();
            let run = StrategyRun {
                digest: loaded.digest,
                parameters,
                configuration,
                model: Arc::clone(&generated.model),
                datasource: Arc::new(generated.metrics()),
                scoring: None,
                recorder: Arc::new(super::cluster::Forgetful),
                time,
                seed: SEED,
                limits,
                account: Account::default(),
            };
            vec![(Probe::Strategy(Box::new(run)), generated.to_string())]
        }
        Specifics::Planner {} => {
            let generated = Generated::new();
            let actions = generated.actions();
            let input = format!("{} actions on {generated}", actions.len());
            let run = PlannerRun {
                digest: loaded.digest,
                actions: Arc::new(actions),
                configuration,
                model: Arc::clone(&generated.model),
                time,
                seed: SEED,
                limits,
                account: Account::default(),
            };
            vec![(Probe::Planner(run), input)]
        }
        Specifics::ScoringEngine(_) => FEATURES
            .iter()
            .map(|&features| {
                let run = ScoringRun {
                    digest: loaded.digest,
                    features: vec![features.to_owned(); 2],
                    configuration: configuration.clone(),
                    time,
                    seed: SEED,
                    limits,
                    account: Account::default(),
                };
                (Probe::Scoring(run), format!("features {features}, twice"))
            })
            .collect(),
        Specifics::Action(specifics) => {
            let generated = Generated::new();
            let known = generated.resources();
            let parameters = example(&specifics.parameters_schema, &known)
                .ok_or("its parameters have fields without defaults, and no example was found that fits")?;
            let input = format!("parameters {}", shorten(&text(&parameters)));
            vec![(Probe::Validate(text(&parameters)), input.clone()), (Probe::DescribeEffect(text(&parameters)), input)]
        }
    })
}

/// Features that scoring engines often take. One that takes none of them declares a failure, which is its right.
const FEATURES: [&str; 3] = ["[1, 2.5, 40]", "[]", "{\"value\": 1}"];

/// Values for an object: defaults, and for required fields without one the first of some candidates that fits.
fn example(schema: &Value, known: &[SolutionAction]) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    if schema.is_null() {
        return Some(object);
    }
    fill_defaults(schema, &mut object);
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in required {
        if object.contains_key(name) {
            continue;
        }
        let property = schema.get("properties").and_then(|properties| properties.get(name)).unwrap_or(&Value::Null);
        let from_cluster = known.iter().filter_map(|action| action.input_parameters.get(name).cloned());
        let candidates = from_cluster.chain(candidates(property));
        // A property that refers elsewhere is looked at with the whole.
        let alone = Schema::new(property).ok();
        let found =
            candidates.into_iter().find(|value| alone.as_ref().is_none_or(|alone| alone.check(value).is_ok()))?;
        object.insert(name.to_owned(), found);
    }
    Schema::new(schema).ok()?.check(&Value::Object(object.clone())).is_ok().then_some(object)
}

fn candidates(property: &Value) -> Vec<Value> {
    let mut found: Vec<Value> = property.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
    found.extend(["minimum", "maximum"].iter().filter_map(|bound| property.get(bound).cloned()));
    found.extend([
        json!("example"),
        json!("00000000-0000-4000-8000-000000000001"),
        json!("2026-01-01T00:00:00Z"),
        json!("http://example.org/"),
        json!(1),
        json!(0.5),
        json!(100),
        json!(true),
        json!([]),
        json!({}),
        Value::Null,
    ]);
    found
}

fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Lets a plugin describe itself, twice. The text, and what the first took.
pub(crate) async fn describe(runtime: &Runtime, loaded: &Arc<Loaded>, report: &mut Report) -> Option<String> {
    let mut texts = Vec::new();
    for _ in 0..2 {
        let mut usage = Usage::default();
        let call = Call::new(loaded.label(), describe::limits(), Outside::Nothing);
        let text = runtime
            .run_metered(loaded, call, &Account::default(), &mut usage, |store, loaded| {
                Box::pin(loaded.prepared.describe(store))
            })
            .await;
        report.describe.get_or_insert(usage);
        match text {
            Ok(text) => texts.push(text),
            Err(error) => {
                let code = match &error {
                    RunError::Limit { .. } => ProblemCode::DescribeLimit,
                    RunError::InvalidOutput { .. } => ProblemCode::DescriptionJson,
                    RunError::Trap { .. }
                    | RunError::Declared(_)
                    | RunError::Unavailable { .. }
                    | RunError::Journal(_)
                    | RunError::Host(_) => ProblemCode::DescribeCrashed,
                };
                report.refuse(Problem {
                    code,
                    at: "describe".to_owned(),
                    message: format!("describe: {error}"),
                    expected: "a JSON object, made without looking at any import but the log".to_owned(),
                });
                return None;
            }
        }
    }
    let second = texts.pop()?;
    let first = texts.pop()?;
    if let Some(difference) = difference(&first, &second) {
        differs(report, "describe", difference);
        return None;
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_results_that_part_are_shown_where_they_do() {
        assert!(difference("[1,2]", "[1,2]").is_none());
        let found = difference("[1,2]", "[1,3]").unwrap();
        assert_eq!((found.at_byte, found.first.as_str(), found.second.as_str()), (3, "2]", "3]"));
        let mut report = Report::new(watcher_domain::Digest([0; 32]), 0);
        differs(&mut report, "execute", found);
        assert_eq!(report.problems[0].code, ProblemCode::NotDeterministic);
        assert!(report.problems[0].message.contains("from byte 3 on: \"2]\" and \"3]\""));
    }

    #[test]
    fn an_example_is_made_of_defaults_enums_and_what_fits() {
        let schema = json!({
            "properties": {
                "period": {"type": "integer", "default": 300},
                "kind": {"enum": ["live", "cold"]},
                "name": {"type": "string", "minLength": 1},
                "count": {"type": "integer", "minimum": 7},
                "uuid": {"type": "string", "pattern": "^[0-9a-f]{8}-"},
            },
            "required": ["kind", "name", "count", "uuid"],
        });
        let found = Value::Object(example(&schema, &[]).unwrap());
        assert_eq!(
            found,
            json!({"period": 300, "kind": "live", "name": "example", "count": 7, "uuid": "00000000-0000-4000-8000-000000000001"})
        );
        let hard = json!({"properties": {"x": {"type": "string", "pattern": "^\\d{40}$"}}, "required": ["x"]});
        assert_eq!(example(&hard, &[]), None);
        assert_eq!(example(&Value::Null, &[]), Some(Map::new()));
    }
}
