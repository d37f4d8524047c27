//! Components made to hurt whoever checks or runs them. Each ends in its own clear error, and the next plugin is checked as if nothing had been.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use support::text::{Plugin, description, sums, with_module};
use support::{Bench, Cloud, Pages, action_call, component, planner_run, strategy_run};
use watcher_domain::clock::MockClock;
use watcher_domain::journal::ActionPhase;
use watcher_domain::ports::{
    ActionRunner as _, Clock as _, PlannerRunner as _, RunError, ScoringRun, ScoringRunner as _, StrategyRunner as _,
};
use watcher_domain::report::{CheckOptions, Depth, PluginChecker as _, Problem, ProblemCode, Report};
use watcher_domain::{Account, Limits, PluginKind};
use watcher_runtime::check::InProcess;

/// What the check says of a component; it must not take for ever, and the runtime must work afterwards.
async fn report(bytes: impl Into<Arc<[u8]>>) -> Report {
    let bench = Bench::new();
    let checker = InProcess::new(Arc::clone(&bench.runtime), 1);
    let options = CheckOptions { depth: Depth::Description, ..CheckOptions::default() };
    let report = checker.check(bytes.into(), options).await.unwrap();
    bench.still_works().await;
    report
}

/// What is wrong with a component.
async fn problems(bytes: impl Into<Arc<[u8]>>) -> Vec<Problem> {
    report(bytes).await.problems
}

/// The only problem of a component, as code and message.
async fn only(bytes: impl Into<Arc<[u8]>>) -> (ProblemCode, String) {
    let mut problems = problems(bytes).await;
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let problem = problems.remove(0);
    (problem.code, problem.message)
}

fn planner() -> Plugin {
    Plugin::new(PluginKind::Planner)
}

const LOOP: &str = "(loop (br 0)) unreachable";

fn small() -> Limits {
    Limits { fuel: 5_000_000, ..Limits::default() }
}

const OUT_OF_FUEL: &str = "plugin text: the fuel limit of 5000000 units was reached";

#[tokio::test]
async fn a_loop_is_ended_in_every_export_of_every_kind() {
    let bench = Bench::new();
    let add = async |plugin: Plugin| {
        let bytes = plugin.build();
        let options = CheckOptions { depth: Depth::Description, ..CheckOptions::default() };
        let checker = InProcess::new(Arc::clone(&bench.runtime), 1);
        let report = checker.check(Arc::clone(&bytes), options).await.unwrap();
        assert!(report.accepted(), "{:#?}", report.problems);
        bench.put(report.digest, bytes);
        report.digest
    };
    let mut errors: Vec<(&str, RunError)> = Vec::new();
    for (name, plugin) in [
        ("execute", Plugin::new(PluginKind::Strategy)),
        ("global-efficacy", Plugin::new(PluginKind::Strategy).returns_nothing("execute")),
    ] {
        let mut run = strategy_run(add(plugin).await, json!({}));
        run.limits = small();
        errors.push((name, bench.runtime.run_strategy(run).await.unwrap_err()));
    }
    let mut run = planner_run(add(planner()).await, Vec::new(), json!({}));
    run.limits = small();
    errors.push(("schedule", bench.runtime.run_planner(run).await.unwrap_err()));
    let run = ScoringRun {
        digest: add(Plugin::new(PluginKind::ScoringEngine)).await,
        features: vec!["1".to_owned()],
        configuration: Map::new(),
        time: MockClock::default().now(),
        seed: 1,
        limits: small(),
        account: Account::default(),
    };
    errors.push(("calculate-scores", bench.runtime.run_scoring(run).await.unwrap_err()));
    let handler = add(Plugin::new(PluginKind::Action)).await;
    for &phase in ActionPhase::ALL {
        let (cloud, pages) = (Arc::new(Cloud::default()), Arc::new(Pages::default()));
        let mut call = action_call(handler, phase, json!({}), &cloud, &pages);
        call.limits = small();
        errors.push((phase.as_str(), bench.runtime.call_action(call).await.unwrap_err()));
    }
    for (name, error) in errors {
        assert_eq!(error.to_string(), OUT_OF_FUEL, "{name}");
    }
    let error = bench.runtime.describe_effect(handler, Map::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "plugin text: the fuel limit of 1000000000 units was reached");
    bench.still_works().await;
}

#[tokio::test]
async fn describe_is_ended_whatever_it_does() {
    for (body, parts, code, words) in [
        (LOOP, "", ProblemCode::DescribeLimit, "the fuel limit of 1000000000 units was reached"),
        ("unreachable", "", ProblemCode::DescribeCrashed, "wasm `unreachable` instruction executed"),
        (
            "(call $deep)",
            "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))",
            ProblemCode::DescribeLimit,
            "the stack limit of 1048576 bytes was reached",
        ),
        (
            "(loop (drop (memory.grow 1 (i32.const 1000))) (drop (memory.grow 2 (i32.const 1000))) (br 0)) unreachable",
            "(memory 1) (memory 1)",
            ProblemCode::DescribeLimit,
            "the memory limit of 268435456 bytes was reached",
        ),
        (
            "unreachable",
            "(func $start (loop (br 0))) (start $start)",
            ProblemCode::DescribeLimit,
            "the fuel limit of 1000000000 units was reached",
        ),
        ("i32.const 2147483640", "", ProblemCode::DescriptionJson, "pointer"),
    ] {
        let (found, message) = only(planner().body("describe", body).part(parts).build()).await;
        assert_eq!(found, code, "{message}");
        assert!(message.contains(words), "{message} has no {words:?}");
    }
}

#[tokio::test]
async fn tables_of_several_modules_are_one_sum() {
    let tables = "(table 100000 funcref) ".repeat(32);
    let (code, message) = only(planner().part(&tables).body("describe", "unreachable").build()).await;
    // 32 tables of 100 000 elements are 25 600 000 bytes, which fits; it crashes as it says.
    assert_eq!(code, ProblemCode::DescribeCrashed, "{message}");
    let (code, message) = only(planner().part(&"(table 1 funcref) ".repeat(40)).build()).await;
    assert_eq!(code, ProblemCode::Structure);
    assert!(message.ends_with(" tables; at most 32 are allowed"), "{message}");
}

#[tokio::test]
async fn texts_that_are_none_and_texts_that_are_too_much() {
    let (code, message) = only(planner().describing_bytes(b"\xff\xfe{}").build()).await;
    assert_eq!(code, ProblemCode::DescriptionJson);
    assert!(message.contains("utf-8"), "{message}");
    let (code, _) = only(planner().describing("{\"name\": ").build()).await;
    assert_eq!(code, ProblemCode::DescriptionJson);
    let mut giant = description(PluginKind::Planner);
    giant["description"] = json!("x".repeat(2 << 20));
    let (code, message) = only(planner().describing(&giant.to_string()).build()).await;
    assert_eq!(code, ProblemCode::DescribeLimit);
    assert!(message.ends_with("the output limit of 262144 bytes was reached"), "{message}");
    giant["description"] = json!("x".repeat(5000));
    let (code, message) = only(planner().describing(&giant.to_string()).build()).await;
    assert_eq!(code, ProblemCode::FieldLength);
    assert_eq!(message, "description has 5000 characters, and must have 0 to 4096");
    let deep = format!("{{\"name\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let (code, message) = only(planner().describing(&deep).build()).await;
    assert_eq!(code, ProblemCode::DescriptionJson);
    assert!(message.contains("recursion limit exceeded"), "{message}");
    giant["description"] = json!("\u{1b}]0;owned\u{7}");
    let (code, message) = only(planner().describing(&giant.to_string()).build()).await;
    assert_eq!((code, message.as_str()), (ProblemCode::FieldType, "description has the character U+001B"));
}

/// A planner with this configuration schema.
async fn with_schema(schema: Value) -> Vec<Problem> {
    let mut value = description(PluginKind::Planner);
    value["configuration_schema"] = schema;
    problems(planner().describing(&value.to_string()).build()).await
}

#[tokio::test]
async fn schemas_that_blow_up_are_refused_with_their_place() {
    let doubling: Map<String, Value> = (0..25)
        .map(|n| {
            let below = json!({"$ref": format!("#/definitions/d{}", n + 1)});
            (format!("d{n}"), json!({"anyOf": [below, below]}))
        })
        .chain([("d25".to_owned(), json!({}))])
        .collect();
    let deep = (0..60).fold(json!({}), |inner, _| json!({"not": inner}));
    for (schema, code, words) in [
        (json!({"$ref": "#"}), ProblemCode::SchemaReference, "refers to itself"),
        (json!({"properties": {"a": {"$ref": "#/properties/a"}}}), ProblemCode::SchemaReference, "refers to itself"),
        (json!({"$ref": "http://169.254.169.254/x"}), ProblemCode::SchemaReference, "leads out of the schema"),
        (json!({"$ref": "file:///etc/passwd"}), ProblemCode::SchemaReference, "leads out of the schema"),
        (json!({"$ref": "#/nowhere"}), ProblemCode::SchemaReference, "leads nowhere"),
        (json!({"definitions": doubling}), ProblemCode::SchemaSize, "more than 20000 schemas"),
        (
            json!({"properties": {"a": deep.clone(), "b": {"not": {"not": {"not": {"not": deep}}}}}}),
            ProblemCode::SchemaSize,
            "64 deep",
        ),
        (json!({"pattern": "(?=(a+))\\1+$"}), ProblemCode::SchemaPattern, "look-around"),
        (json!({"pattern": "((x{1000}){1000}){1000}"}), ProblemCode::SchemaPattern, "too large"),
        (json!({"pattern": "a".repeat(1001)}), ProblemCode::SchemaPattern, "1001 characters; at most 1000"),
        (json!({"$schema": "http://127.0.0.1:1/schema"}), ProblemCode::Schema, "the only dialect"),
        (json!({"type": 7}), ProblemCode::Schema, "7"),
    ] {
        let problems = with_schema(schema.clone()).await;
        let problem = problems.first().unwrap_or_else(|| panic!("{schema} is accepted"));
        assert_eq!(problem.code, code, "{schema}: {problem:?}");
        assert!(problem.message.contains(words), "{schema}: {problem:?}");
        assert!(problem.at.starts_with("description#/configuration_schema"), "{problem:?}");
    }
    // Catastrophic elsewhere, linear here.
    assert_eq!(with_schema(json!({"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"})).await, []);
}

#[tokio::test]
async fn bombs_for_the_compiler_are_counted_before_it_sees_them() {
    let many = with_module(&planner().build(), &sums(100_001, 0));
    let (code, message) = only(many).await;
    assert_eq!(code, ProblemCode::Structure);
    assert!(
        message.starts_with("it has 10000") && message.ends_with(" functions; at most 100000 are allowed"),
        "{message}"
    );
    let (code, message) = only(with_module(&planner().build(), &sums(1, 400_000))).await;
    assert_eq!(code, ProblemCode::Structure);
    assert_eq!(message, "it has 2400004 bytes in one function; at most 2097152 are allowed");
    let locals =
        "(func (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64))".repeat(10);
    assert_eq!(problems(planner().part(&locals).build()).await, [], "two hundred locals are nothing");
}

#[tokio::test]
async fn odd_code_is_compiled_in_bounded_time() {
    // A jump table of fifty thousand places, in a function that is otherwise nothing.
    let table = format!("(func (param i32) (block (block (br_table {} (local.get 0)))))", "0 1 ".repeat(25_000));
    assert_eq!(problems(planner().part(&table).build()).await, []);
    let nested = format!("(func {} {})", "(block ".repeat(5_000), ")".repeat(5_000));
    assert_eq!(problems(planner().part(&nested).build()).await, []);
    let wide = format!("(type (func {}))", "(param i64) ".repeat(900));
    assert_eq!(problems(planner().part(&wide).build()).await, []);
}

#[tokio::test]
async fn what_the_sandbox_has_switched_off_is_named() {
    // Subtypes of functions, which the engine lets through by itself without a garbage collector, end the whole process when they are looked at.
    let subtypes = "(type $a (sub (func))) (type $b (sub $a (func))) (func $g (type $b))";
    let compared = [
        format!(
            "{subtypes} (table $t 2 funcref) (elem (table $t) (i32.const 0) func $g) \
                 (func (call_indirect $t (type $a) (i32.const 0)))"
        ),
        format!("{subtypes} (elem declare func $g) (func (result i32) (ref.test (ref $a) (ref.func $g)))"),
        format!("{subtypes} (elem declare func $g) (func (drop (ref.cast (ref $a) (ref.func $g))))"),
    ];
    for part in compared.iter().map(String::as_str).chain([
        "(type $s (struct (field i32))) (func (param (ref $s)))",
        "(func (param externref) (drop (ref.i31 (i32.const 1))))",
        "(tag $t) (func (throw $t))",
        "(func (param (ref func)))",
        "(memory $shared 1 1 shared)",
        "(memory $large i64 1)",
        "(func (param v128 v128 v128) (result v128) (i8x16.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))",
    ]) {
        let (code, message) = only(planner().part(part).build()).await;
        assert_eq!(code, ProblemCode::Feature, "{message}");
    }
}

#[tokio::test]
async fn components_within_components_bring_no_code() {
    let inner = component("planners/weight");
    let mut outer = b"\0asm\x0d\0\x01\0".to_vec();
    outer.push(4);
    let mut length = inner.len();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap();
        length >>= 7;
        outer.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            break;
        }
    }
    outer.extend(inner.iter());
    let problems = problems(outer).await;
    let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [ProblemCode::NestedCode, ProblemCode::Kind], "{problems:#?}");
}

#[tokio::test]
async fn names_without_end_do_not_make_reports_without_end() {
    let long = "a".repeat(20_000);
    let imports: Vec<String> = (0..400).map(|n| format!("(import \"n{n}-{long}\" (func))")).collect();
    let imports = imports.concat();
    let text = format!(
        "(component {imports} (instance $exports) (export \"watcher:planner/planner@0.1.0\" (instance $exports)))"
    );
    let found = problems(wat::parse_str(text).unwrap()).await;
    assert_eq!(found.len(), 200);
    assert!(found.iter().all(|problem| problem.message.len() < 1_000), "{:?}", found[0]);
    let many: Vec<String> = (0..600).map(|n| format!("(import \"n{n}\" (func))")).collect();
    let many = many.concat();
    let found = problems(wat::parse_str(format!("(component {many})")).unwrap()).await;
    assert_eq!(found[0].message, "it has 600 imports and exports of the component; at most 500 are allowed");
    let many: Vec<String> = (0..20_000).map(|n| format!("(import \"n{n}\" (func))")).collect();
    let many = many.concat();
    let told = report(wat::parse_str(format!("(component {many})")).unwrap()).await;
    assert_eq!((told.problems.len(), told.imports.len()), (1, 0), "{:?}", told.problems);
}

#[tokio::test]
async fn ten_thousand_calls_of_imports_are_served_and_one_more_than_allowed_is_not() {
    let bench = Bench::new();
    let digest = bench.add("guests/hostile-strategy").await.digest;
    let flood = |limits: Limits| {
        let mut run = strategy_run(digest, json!({"behaviour": "flood-log", "amount": 10_000}));
        run.limits = limits;
        bench.runtime.run_strategy(run)
    };
    flood(Limits { host_calls: 20_000, ..Limits::default() }).await.unwrap();
    let error = flood(Limits { host_calls: 9_000, ..Limits::default() }).await.unwrap_err();
    assert_eq!(error.to_string(), "plugin hostile: the host calls limit of 9000 calls was reached");
}

#[tokio::test]
async fn after_a_time_out_the_next_call_starts_afresh() {
    let bench = Bench::with(|options| options.max_instances = 1);
    // A guest that was cut off while it wrote would be seen by the next call, if there were anything left of it.
    let mark = "(if (i32.load (i32.const 500000)) (then unreachable)) (i32.store (i32.const 500000) (i32.const 7))";
    let plugin = planner().body("schedule", format!("{mark} {LOOP}")).build();
    let digest = bench.runtime_digest(&plugin).await;
    for _ in 0..5 {
        let mut run = planner_run(digest, Vec::new(), json!({}));
        run.limits = Limits { deadline_ms: 100, fuel: u64::MAX, ..Limits::default() };
        let error = bench.runtime.run_planner(run).await.unwrap_err();
        assert_eq!(error.to_string(), "plugin text: the wall-clock limit of 100 ms was reached");
    }
    bench.still_works().await;
}
