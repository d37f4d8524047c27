//! What a check of a component says: everything at once, where it is, and what would be right.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::text::{Plugin, description};
use support::{Bench, component};
use watcher_domain::PluginKind;
use watcher_domain::report::{
    CheckError, CheckOptions, Depth, Determinism, PluginChecker as _, Problem, ProblemCode, Report, TrialOutcome,
};
use watcher_runtime::check::InProcess;

async fn check_with(bytes: Arc<[u8]>, options: CheckOptions) -> Report {
    let bench = Bench::new();
    InProcess::new(Arc::clone(&bench.runtime), 1).check(bytes, options).await.unwrap()
}

async fn check(bytes: Arc<[u8]>) -> Report {
    check_with(bytes, CheckOptions::default()).await
}

/// Checks what is only looked at, and never tried out.
async fn look(bytes: impl Into<Arc<[u8]>>) -> Vec<Problem> {
    check_with(bytes.into(), CheckOptions { depth: Depth::Description, ..CheckOptions::default() }).await.problems
}

fn codes(problems: &[Problem]) -> Vec<ProblemCode> {
    problems.iter().map(|problem| problem.code).collect()
}

fn find(problems: &[Problem], at: &str) -> Problem {
    let found = problems.iter().find(|problem| problem.at == at);
    found.unwrap_or_else(|| panic!("nothing at {at}: {problems:#?}")).clone()
}

/// A component of types and names alone, with these imports and exports.
fn border(text: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {text})")).unwrap()
}

#[tokio::test]
async fn every_built_in_plugin_is_accepted_and_decides_the_same_twice() {
    let names = [
        "strategies/dummy",
        "strategies/basic",
        "strategies/vm-workload-consolidation",
        "strategies/workload-stabilization",
        "planners/weight",
        "planners/workload-stabilization",
        "actions/migrate",
        "actions/nop",
        "actions/change-nova-service-state",
        "scoring/dummy-scorer",
        "scoring/dummy-avg-scorer",
    ];
    for name in names {
        let report = check(component(name)).await;
        assert!(report.accepted(), "{name}: {:#?}", report.problems);
        assert_eq!(report.warnings, [], "{name}");
        match &report.determinism {
            Determinism::Agreed { calls } => assert!(!calls.is_empty()),
            // It takes features of its own, and says so.
            Determinism::NotTried { reason } if name == "scoring/dummy-scorer" => {
                assert!(reason.starts_with("calculate-scores declared: "), "{reason}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert!(report.describe.unwrap().fuel > 0);
        assert!(report.imports.iter().all(|import| import.offered && !import.gives.is_empty()), "{name}");
        assert!(report.wit.iter().all(|package| package.compatible), "{name}");
    }
}

#[tokio::test]
async fn a_report_says_what_a_strategy_decided_and_what_it_took() {
    let report = check(component("strategies/vm-workload-consolidation")).await;
    let trial = &report.trials[0];
    assert_eq!(trial.call, "execute");
    assert_eq!(trial.input, "a generated cluster of 20 hosts and 120 instances");
    assert_eq!(trial.runs[0].fuel, trial.runs[1].fuel, "fuel is the same for the same input");
    assert!(trial.runs[0].memory_bytes > 0);
    let TrialOutcome::Returned { summary } = &trial.outcome else { panic!("{trial:?}") };
    assert!(summary.ends_with(" actions") && summary != "0 actions", "{summary}");
    assert_eq!(report.description.unwrap().name, "vm_workload_consolidation");
}

#[tokio::test]
async fn an_action_handler_is_asked_and_never_executed() {
    let report = check(component("actions/migrate")).await;
    let calls: Vec<_> = report.trials.iter().map(|trial| trial.call.as_str()).collect();
    assert_eq!(calls, ["validate-parameters", "describe-effect"]);
    assert!(report.requests.iter().any(|request| request.path == "/servers/{server}/action"), "{:?}", report.requests);
    assert!(report.imports.iter().any(|import| import.needs_grant));
}

#[tokio::test]
async fn what_is_no_component_is_named() {
    let core = wat::parse_str("(module)").unwrap();
    assert_eq!(codes(&look(core).await), [ProblemCode::CoreModule]);
    assert_eq!(codes(&look(*b"#!/bin/sh\n").await), [ProblemCode::NotWasm]);
    assert_eq!(codes(&look([]).await), [ProblemCode::NotWasm]);
    let whole = component("strategies/dummy");
    let cut = look(&whole[..whole.len() / 2]).await;
    assert_eq!(codes(&cut), [ProblemCode::Malformed]);
    assert!(cut[0].expected.contains("cut off"), "{cut:?}");
    let options = CheckOptions { max_component_bytes: 1000, ..CheckOptions::default() };
    let large = check_with(whole, options).await.problems;
    assert_eq!(codes(&large), [ProblemCode::TooLarge]);
    assert!(large[0].message.ends_with("at most 1000 are allowed"));
}

#[tokio::test]
async fn every_import_that_is_not_offered_is_told_with_what_is() {
    let problems = look(border(
        r#"(import "wasi:sockets/tcp@0.2.0" (instance (export "connect" (func))))
           (import "wasi:filesystem/types@0.2.0" (instance (export "open" (func))))
           (import "wasi:cli/environment@0.2.0" (instance (export "get-environment" (func))))
           (import "watcher:openstack/requests@0.1.0" (instance (export "send" (func))))
           (import "watcher:metrics/metric@0.1.0" (instance))
           (import "watcher:log/log@0.1.0" (instance (export "wirte" (func))))
           (import "watcher:clock/clock@0.2.0" (instance (export "now" (func (result u64)))))
           (import "watcher:random/random@0.1.0" (func))
           (import "plain" (func))
           (instance $exports)
           (export "watcher:strategy/strategy@0.1.0" (instance $exports))"#,
    ))
    .await;
    let at = |name: &str| find(&problems, name);
    let sockets = at("wasi:sockets/tcp@0.2.0");
    assert_eq!(sockets.code, ProblemCode::Import);
    assert!(sockets.message.ends_with("sockets are never offered: a plugin reaches no network"));
    assert!(at("wasi:filesystem/types@0.2.0").message.ends_with("files are never offered: a plugin has no disk"));
    assert!(at("wasi:cli/environment@0.2.0").expected.contains("wasm32-unknown-unknown"));
    assert_eq!(at("watcher:openstack/requests@0.1.0").expected, "it is offered to: action");
    assert_eq!(at("watcher:metrics/metric@0.1.0").expected, "perhaps watcher:metrics/metrics@0.1.0");
    let wirte = at("watcher:log/log@0.1.0#wirte");
    assert_eq!((wirte.code, wirte.expected.as_str()), (ProblemCode::ImportType, "write"));
    assert_eq!(at("watcher:clock/clock@0.2.0").code, ProblemCode::WitVersion);
    assert_eq!(at("watcher:random/random@0.1.0").code, ProblemCode::ImportType);
    assert!(at("plain").expected.starts_with("a strategy is offered watcher:types/types@0.1.0"));
    // And its interface lacks everything.
    let execute = at("watcher:strategy/strategy@0.1.0#execute");
    assert_eq!(execute.code, ProblemCode::Export);
    assert_eq!(execute.expected, "func(parameters: json, configuration: json) -> result<solution, failure>");
    assert_eq!(problems.len(), 12, "{problems:#?}");
}

#[tokio::test]
async fn an_export_of_another_type_is_told_in_the_words_of_the_wit() {
    let text = |interface: &str, function: &str| {
        border(&format!(
            r#"(core module $m (func (export "f") (result i32) i32.const 0))
               (core instance $m (instantiate $m))
               (func $f (result u32) (canon lift (core func $m "f")))
               (instance $exports (export "{function}" (func $f)))
               (export "{interface}" (instance $exports))"#
        ))
    };
    let problems = look(text("watcher:planner/planner@0.1.0", "describe")).await;
    let describe = find(&problems, "watcher:planner/planner@0.1.0#describe");
    assert_eq!(describe.code, ProblemCode::ExportType);
    assert_eq!(describe.message, "describe of watcher:planner/planner@0.1.0 is func() -> u32");
    assert_eq!(describe.expected, "func() -> json, that is func() -> string");
    let schedule = find(&problems, "watcher:planner/planner@0.1.0#schedule");
    assert_eq!(schedule.code, ProblemCode::Export);

    let problems = look(text("watcher:planner/planner@0.1.0", "shedule")).await;
    let schedule = find(&problems, "watcher:planner/planner@0.1.0#schedule");
    assert_eq!(schedule.message, "watcher:planner/planner@0.1.0 has no function schedule (it has \"shedule\")");
    let problems = look(text("watcher:planner/planner@1.0.0", "describe")).await;
    assert_eq!(codes(&problems), [ProblemCode::WitVersion]);
    let problems = look(text("watcher:planer/planner@0.1.0", "describe")).await;
    assert_eq!(codes(&problems), [ProblemCode::Kind]);
    assert!(problems[0].message.ends_with("it exports watcher:planer/planner@0.1.0"));
}

#[tokio::test]
async fn a_plugin_is_of_one_kind() {
    let problems = look(border(
        r#"(instance $exports)
           (export "watcher:strategy/strategy@0.1.0" (instance $exports))
           (export "watcher:action/action@0.1.0" (instance $exports))"#,
    ))
    .await;
    assert_eq!(codes(&problems), [ProblemCode::Kind]);
}

#[tokio::test]
async fn everything_wrong_in_a_description_is_told_with_its_place() {
    let mut value = description(PluginKind::Strategy);
    value["name"] = json!("No Name");
    value["version"] = json!("1");
    value["goal"]["efficacy_specification"] =
        json!([{"name": "n", "description": "", "unit": null, "schema": {"type": "nombre"}}]);
    value["parameters_schema"] = json!({
        "definitions": {"a": {"items": {"$ref": "#/definitions/b"}}, "b": {"items": {"$ref": "#/definitions/a"}}},
        "properties": {"x": {"$ref": "http://169.254.169.254/latest"}},
    });
    value["configuration_schema"] = json!({"properties": {"threshold": {"type": "number", "default": "high"}}});
    value["paramters"] = json!({});
    let options = CheckOptions::default();
    let report = check_with(Plugin::new(PluginKind::Strategy).describing(&value.to_string()).build(), options).await;
    let at = |place: &str| find(&report.problems, &format!("description#{place}"));
    assert_eq!(at("/name").code, ProblemCode::Name);
    assert_eq!(at("/version").code, ProblemCode::Version);
    assert_eq!(at("/goal/efficacy_specification/0/schema/type").code, ProblemCode::Schema);
    assert_eq!(at("/parameters_schema/properties/x/$ref").code, ProblemCode::SchemaReference);
    assert_eq!(at("/parameters_schema/definitions/a").code, ProblemCode::SchemaReference);
    assert_eq!(at("/configuration_schema/properties/threshold/default").code, ProblemCode::SchemaDefault);
    assert_eq!(report.warnings[0].code, ProblemCode::UnknownField);
    assert!(report.description.is_none() && report.kind == Some(PluginKind::Strategy));
}

#[tokio::test]
async fn a_plugin_that_declares_a_failure_on_the_generated_cluster_is_accepted() {
    // The result is an error: a code, a message, not retryable, the plugin's fault; all empty.
    let declares = "(i32.store8 (i32.const 4096) (i32.const 1)) i32.const 4096";
    let plugin = Plugin::new(PluginKind::ScoringEngine).body("calculate-scores", declares).build();
    let report = check(plugin).await;
    assert!(report.accepted(), "{:#?}", report.problems);
    assert!(matches!(report.trials[0].outcome, TrialOutcome::Declared { .. }), "{:?}", report.trials);
    assert!(matches!(report.determinism, Determinism::NotTried { .. }));
}

#[tokio::test]
async fn a_plugin_whose_parameters_nobody_can_guess_is_not_tried_and_accepted() {
    let mut value = description(PluginKind::Strategy);
    value["parameters_schema"] =
        json!({"properties": {"key": {"type": "string", "pattern": "^[0-9]{40}$"}}, "required": ["key"]});
    let report = check(Plugin::new(PluginKind::Strategy).describing(&value.to_string()).build()).await;
    assert!(report.accepted(), "{:#?}", report.problems);
    let Determinism::NotTried { reason } = report.determinism else { panic!() };
    assert!(reason.starts_with("its parameters have fields without defaults"), "{reason}");
}

#[tokio::test]
async fn a_plugin_that_crashes_or_never_ends_when_it_is_tried_is_refused() {
    let crash = Plugin::new(PluginKind::Planner).body("schedule", "unreachable").build();
    let problems = check(crash).await.problems;
    assert_eq!(codes(&problems), [ProblemCode::TrialCrashed]);
    assert!(problems[0].message.contains("plugin text crashed: wasm `unreachable` instruction executed"));
    let endless = Plugin::new(PluginKind::Planner).build();
    let problems = check(endless).await.problems;
    assert_eq!(codes(&problems), [ProblemCode::TrialLimit]);
    assert!(problems[0].message.ends_with("the fuel limit of 4000000000 units was reached"), "{problems:?}");
    // A plan without the actions.
    let garbage = Plugin::new(PluginKind::Planner).returns_nothing("schedule").build();
    assert_eq!(codes(&check(garbage).await.problems), [ProblemCode::TrialOutput]);
}

#[tokio::test]
async fn memory_that_another_instance_left_is_never_seen() {
    // Writes where it has not written yet, and crashes if something stands there already.
    let dirty = "(if (i32.load (i32.const 500000)) (then unreachable)) (i32.store (i32.const 500000) (i32.const 7))";
    let nothing = support::text::ZEROES_AT;
    let plugin = Plugin::new(PluginKind::Strategy)
        .body("execute", format!("{dirty} i32.const {nothing}"))
        .body("global-efficacy", format!("{dirty} i32.const {nothing}"));
    let report = check(plugin.build()).await;
    assert!(report.accepted(), "{:#?}", report.problems);
    assert_eq!(report.determinism, Determinism::Agreed { calls: vec!["execute".to_owned()] });
}

#[tokio::test]
async fn what_could_differ_between_two_runs_does_not() {
    let bench = Bench::new();
    let checker = InProcess::new(Arc::clone(&bench.runtime), 1);
    // It looks at random numbers, time, the order of a hash map, the bits of a NaN, and every column.
    let mut report = Report::new(watcher_domain::Digest([0; 32]), 0);
    for _ in 0..2 {
        report = checker.check(component("guests/hostile-strategy"), CheckOptions::default()).await.unwrap();
        assert!(report.accepted(), "{:#?}", report.problems);
    }
    assert_eq!(report.determinism, Determinism::Agreed { calls: vec!["execute".to_owned()] });
}

#[tokio::test]
async fn compiled_code_is_there_for_the_first_run() {
    let bench = Bench::alone(|_| {});
    let checker = InProcess::new(Arc::clone(&bench.runtime), 1);
    let report = checker.check(component("planners/weight"), CheckOptions::default()).await.unwrap();
    assert!(report.compilation.unwrap().duration_us > 0);
    let again = bench.again();
    let report = InProcess::new(Arc::clone(&again.runtime), 1)
        .check(component("planners/weight"), CheckOptions::default())
        .await;
    assert_eq!(report.unwrap().compilation, None, "it was compiled before");
    assert_eq!(again.runtime.counters().compiled, 0);
}

#[tokio::test]
async fn a_checker_that_has_enough_to_do_says_so() {
    let bench = Bench::new();
    let checker = InProcess::new(Arc::clone(&bench.runtime), 1);
    let first = checker.check(component("planners/weight"), CheckOptions::default());
    tokio::pin!(first);
    assert!(futures::poll!(&mut first).is_pending());
    let second = checker.check(component("planners/weight"), CheckOptions::default()).await;
    assert!(matches!(second, Err(CheckError::Busy { .. })), "{second:?}");
    assert!(first.await.unwrap().accepted());
}

#[tokio::test]
async fn a_report_is_json_and_back() {
    let report = check(component("actions/nop")).await;
    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(value["verdict"], Value::from("accepted"));
    assert_eq!(serde_json::from_value::<Report>(value).unwrap(), report);
}
