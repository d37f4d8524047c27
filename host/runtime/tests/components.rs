//! What is refused before it runs, what is compiled and when, and limits that only odd components reach.

#![expect(clippy::unwrap_used, clippy::type_complexity, reason = "a test fails by panicking, and may be dense")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use support::{Bench, Cloud, Pages, action_call, dummy_parameters, strategy_run};
use tokio::sync::{Semaphore, mpsc};
use watcher_domain::journal::ActionPhase;
use watcher_domain::ports::{
    ActionRunner as _, InspectError, PluginInspector as _, RunError, StrategyRun, StrategyRunner as _,
};
use watcher_domain::report::{CheckError, CheckOptions, Depth, PluginChecker, Report};
use watcher_domain::{Account, Digest, PluginKind, ProjectId};
use watcher_runtime::check::InProcess;

/// A planner made of a core module in text: its functions, and what else it has.
fn planner(parts: &str) -> Arc<[u8]> {
    let core = format!(
        r#"(module
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "watcher:planner/planner@0.1.0#schedule") (param i32 i32 i32 i32) (result i32) unreachable)
            {parts})"#
    );
    let mut module = wat::parse_str(core).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_dir(folder).unwrap();
    let world = resolve.select_world(&[package], Some("planner")).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8).unwrap();
    wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap().into()
}

const MEMORY: &str = r#"(memory (export "memory") 1)"#;
const DESCRIBE: &str = r#"(func (export "watcher:planner/planner@0.1.0#describe") (result i32)"#;

async fn describe(parts: &str) -> RunError {
    let bench = Bench::new();
    let error = match bench.runtime.inspect(planner(parts)).await {
        Err(InspectError::Describe(error)) => error,
        other => panic!("{other:?}"),
    };
    bench.still_works().await;
    error
}

/// The text after the plugin's digest.
async fn describe_text(parts: &str) -> String {
    let text = describe(parts).await.to_string();
    text.split_once(": the ").map_or(text.clone(), |(_, rest)| format!("the {rest}"))
}

const MEMORY_LIMIT: &str = "the memory limit of 268435456 bytes was reached";

#[tokio::test]
async fn tables_and_memories_are_counted_together() {
    let table = format!(
        "{MEMORY} (table $t 1 funcref) {DESCRIBE}
            (loop (drop (table.grow $t (ref.null func) (i32.const 10000))) (br 0)) unreachable)"
    );
    // The pool's largest table is smaller than the limit: growing fails, as a guest expects, and nothing more happens.
    assert!(describe_text(&table).await.contains("the fuel limit"), "a table alone ends at its largest size");

    let memories = format!(
        "{MEMORY} (memory $second 1) {DESCRIBE}
            (drop (memory.grow 0 (i32.const 3000)))
            (drop (memory.grow $second (i32.const 3000))) unreachable)"
    );
    assert_eq!(describe_text(&memories).await, MEMORY_LIMIT);
}

#[tokio::test]
async fn memory_that_is_there_from_the_start_is_counted() {
    let parts = format!(r#"(memory (export "memory") 10000) {DESCRIBE} unreachable)"#);
    assert_eq!(describe_text(&parts).await, MEMORY_LIMIT);
}

#[tokio::test]
async fn a_guest_that_asks_for_more_than_its_own_maximum_is_told_no() {
    let parts = format!(
        r#"(memory (export "memory") 1 2) {DESCRIBE}
            (if (i32.ne (memory.grow (i32.const 9)) (i32.const -1)) (then unreachable))
            (loop (br 0)) unreachable)"#
    );
    assert_eq!(describe_text(&parts).await, "the fuel limit of 1000000000 units was reached");
}

#[tokio::test]
async fn a_loop_before_the_first_call_is_ended_too() {
    let parts = format!("{MEMORY} (func $start (loop (br 0))) (start $start) {DESCRIBE} unreachable)");
    assert_eq!(describe_text(&parts).await, "the fuel limit of 1000000000 units was reached");
}

#[tokio::test]
async fn a_recursion_without_memory_runs_out_of_stack() {
    let parts = format!(
        "{MEMORY} {DESCRIBE} (call $deeper)) (func $deeper (result i32) (i32.add (call $deeper) (i32.const 1)))"
    );
    assert_eq!(describe_text(&parts).await, "the stack limit of 1048576 bytes was reached");
}

#[tokio::test]
async fn texts_that_are_no_texts_are_invalid_output() {
    let returns = |ptr: u32, len: u32| {
        format!(
            "{MEMORY} {DESCRIBE} (i32.store (i32.const 8) (i32.const {ptr})) (i32.store (i32.const 12) (i32.const {len})) i32.const 8)"
        )
    };
    for parts in [
        returns(65_000, 1000),
        returns(u32::MAX, 1),
        format!(r#"{} (data (i32.const 100) "\ff\fe")"#, returns(100, 2)),
        format!(r#"{} (data (i32.const 100) "[]")"#, returns(100, 2)),
    ] {
        let error = describe(&parts).await;
        assert!(matches!(error, RunError::InvalidOutput { .. }), "{error:?}");
    }
    let large = returns(0, 2 << 20).replace(r#""memory") 1)"#, r#""memory") 100)"#);
    assert_eq!(describe_text(&large).await, "the output limit of 262144 bytes was reached");
}

#[tokio::test]
async fn handles_are_bounded() {
    let text = r#"(component
        (type $r (resource (rep i32)))
        (core func $new (canon resource.new $r))
        (core module $m
            (import "" "new" (func $new (param i32) (result i32)))
            (func $start (loop (drop (call $new (i32.const 1))) (br 0)))
            (start $start))
        (core module $nothing (func (export "f")))
        (core instance $nothing (instantiate $nothing))
        (func $f (canon lift (core func $nothing "f")))
        (core instance (instantiate $m (with "" (instance (export "new" (func $new))))))
        (instance $exports (export "describe" (func $f)) (export "schedule" (func $f)))
        (export "watcher:planner/planner@0.1.0" (instance $exports)))"#;
    let bench = Bench::new();
    let error = bench.runtime.inspect(wat::parse_str(text).unwrap().into()).await.unwrap_err();
    let InspectError::Describe(error) = error else { panic!("{error:?}") };
    assert!(error.to_string().ends_with("the resource table limit of 1000 handles was reached"), "{error}");
    bench.still_works().await;
}

async fn refused(bytes: Vec<u8>) -> Vec<String> {
    match Bench::new().runtime.inspect(bytes.into()).await {
        Err(InspectError::Invalid(reasons)) => reasons,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_import_that_is_not_offered_is_named() {
    let text = r#"(component
        (import "wasi:cli/environment@0.2.0" (instance (export "get-environment" (func))))
        (import "watcher:openstack/requests@0.1.0" (instance (export "send" (func))))
        (import "watcher:log/log@0.1.0" (instance (export "erase" (func))))
        (import "watcher:clock/clock@0.2.0" (instance (export "now" (func (result u64)))))
        (import "watcher:random/random@0.1.0" (func))
        (instance $exports)
        (export "watcher:strategy/strategy@0.1.0" (instance $exports)))"#;
    let reasons = refused(wat::parse_str(text).unwrap()).await;
    let expected = [
        "it imports wasi:cli/environment@0.2.0, which no strategy is offered",
        "it imports watcher:openstack/requests@0.1.0, which no strategy is offered",
        "it imports erase of watcher:log/log@0.1.0, which this host does not have",
        "it imports watcher:clock/clock@0.2.0; this host offers watcher:clock/clock@0.1.0",
        "it imports watcher:random/random@0.1.0 as something else than an interface",
        "a strategy is offered watcher:types/types@0.1.0, watcher:log/log@0.1.0, watcher:clock/clock@0.1.0, \
         watcher:random/random@0.1.0, watcher:cluster/compute@0.1.0, watcher:metrics/metrics@0.1.0, \
         watcher:scoring/engines@0.1.0",
    ];
    assert_eq!(reasons, expected);
}

#[tokio::test]
async fn what_is_no_plugin_is_refused_with_the_reason() {
    assert_eq!(refused(b"#!/bin/sh".to_vec()).await, ["it is no WebAssembly"]);
    let core = refused(wat::parse_str("(module)").unwrap()).await;
    assert!(core[0].starts_with("it is a core module, not a component"), "{core:?}");
    let empty = refused(wat::parse_str("(component)").unwrap()).await;
    assert!(
        empty[0].starts_with("it exports no plugin interface; one of watcher:strategy/strategy@0.1.0"),
        "{empty:?}"
    );
    let mut broken = wat::parse_str("(component (core module))").unwrap();
    broken.truncate(broken.len() - 3);
    assert!(refused(broken).await[0].starts_with("it cannot be read: "));
    let text = r#"(component (instance $e)
        (export "watcher:strategy/strategy@0.1.0" (instance $e)) (export "watcher:action/action@0.1.0" (instance $e)))"#;
    let both = refused(wat::parse_str(text).unwrap()).await;
    assert_eq!(both, ["it exports watcher:strategy/strategy and watcher:action/action; a plugin is of one kind"]);
    let text = r#"(component (instance $e) (export "watcher:strategy/strategy@9.0.0" (instance $e)))"#;
    let future = refused(wat::parse_str(text).unwrap()).await;
    assert_eq!(future, ["it exports watcher:strategy/strategy@9.0.0; this host runs version 0.1.0"]);
    let text = r#"(component (instance $e) (export "watcher:action/action@0.1.0" (instance $e)))"#;
    let bare = refused(wat::parse_str(text).unwrap()).await;
    assert!(bare[0].starts_with("it does not fit the world `action`: "), "{bare:?}");
}

#[tokio::test]
async fn a_component_of_another_kind_or_another_digest_is_not_run() {
    let bench = Bench::new();
    let digest = bench.add("strategies/dummy").await.digest;
    let (cloud, journal) = (Arc::<Cloud>::default(), Arc::<Pages>::default());
    let call = action_call(digest, ActionPhase::Execute, json!({}), &cloud, &journal);
    let error = bench.runtime.call_action(call).await.unwrap_err().to_string();
    assert_eq!(error, "plugin dummy is not available: it is of kind strategy, not action");

    let missing = Digest([7; 32]);
    let error = bench.runtime.run_strategy(strategy_run(missing, json!({}))).await.unwrap_err().to_string();
    assert_eq!(error, format!("plugin {missing} is not available: there is no component with this digest"));

    bench.put(missing, support::component("strategies/dummy"));
    let error = bench.runtime.run_strategy(strategy_run(missing, json!({}))).await.unwrap_err().to_string();
    assert_eq!(error, format!("plugin {missing} is not available: the stored component has another digest: {digest}"));
}

#[tokio::test]
async fn imports_and_description_of_a_built_plugin_are_read() {
    let bench = Bench::new();
    let action = bench.add("actions/migrate").await;
    assert_eq!((action.kind, action.description.name.as_str()), (PluginKind::Action, "migrate"));
    assert!(action.imports.iter().any(|import| import == "watcher:openstack/requests@0.1.0"), "{:?}", action.imports);
}

fn compiled_files(bench: &Bench) -> Vec<PathBuf> {
    let folder = bench.folder.join("components");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// `(compiled, from disk)`
fn counters(bench: &Bench) -> (u64, u64) {
    let counters = bench.runtime.counters();
    (counters.compiled, counters.from_disk)
}

#[tokio::test]
async fn a_component_is_compiled_by_whoever_else_does_it_and_taken_from_disk() {
    let (bench, other) = {
        let bench = Bench::alone(|_| {});
        let other = bench.again();
        (bench, other)
    };
    bench.runtime.compile_elsewhere(Arc::new(InProcess::new(Arc::clone(&other.runtime), 1)), 1);
    bench.still_works().await;
    let (ours, theirs) = (bench.runtime.counters(), other.runtime.counters());
    assert_eq!((ours.compiled, ours.from_disk, theirs.compiled), (0, 1, 1));
    let many = format!("{MEMORY} {DESCRIBE} unreachable) {}", "(memory 0) ".repeat(8));
    let refused = bench.runtime.inspect(planner(&many)).await;
    let said = "it has 9 memories; at most 8 are allowed";
    assert!(matches!(&refused, Err(InspectError::Invalid(reasons)) if reasons == &[said]), "{refused:?}");
}

/// Says which component it was asked to compile, and compiles it when it is let.
struct Held {
    begun: mpsc::UnboundedSender<Digest>,
    let_through: Semaphore,
    inner: InProcess,
}

#[async_trait]
impl PluginChecker for Held {
    async fn check(&self, component: Arc<[u8]>, options: CheckOptions) -> Result<Report, CheckError> {
        self.begun.send(Digest(sha256(&component))).unwrap();
        self.let_through.acquire().await.unwrap().forget();
        self.inner.check(component, options).await
    }
}

#[tokio::test]
async fn a_project_whose_components_compile_slowly_leaves_room_for_those_of_others() {
    let bench = Bench::alone(|_| {});
    let other = bench.again();
    let (begun, mut next) = mpsc::unbounded_channel();
    let held =
        Arc::new(Held { begun, let_through: Semaphore::new(0), inner: InProcess::new(Arc::clone(&other.runtime), 4) });
    bench.runtime.compile_elsewhere(Arc::clone(&held) as _, 2);
    let run = |name: &str, project: &str| {
        let component = support::component(name);
        let digest = Digest(sha256(&component));
        bench.put(digest, component);
        let account = Account { project: Some(ProjectId(project.to_owned())), ..Account::default() };
        let run = StrategyRun { account, ..strategy_run(digest, dummy_parameters()) };
        let runtime = Arc::clone(&bench.runtime);
        (digest, tokio::spawn(async move { runtime.run_strategy(run).await }))
    };
    let (first, dummy) = run("strategies/dummy", "slow");
    assert_eq!(next.recv().await, Some(first));
    let (second, basic) = run("strategies/basic", "slow");
    let (theirs, actuator) = run("strategies/actuator", "quick");
    assert_eq!(next.recv().await, Some(theirs), "the other project's, not the second one of the same");
    assert!(next.try_recv().is_err());
    held.let_through.add_permits(3);
    assert_eq!(next.recv().await, Some(second));
    dummy.await.unwrap().unwrap();
    // These want other parameters, which is said by components that run.
    for run in [basic, actuator] {
        let ended = run.await.unwrap();
        assert!(!matches!(ended, Err(RunError::Unavailable { .. })), "{ended:?}");
    }
}

#[tokio::test]
async fn nothing_is_left_on_disk_of_a_component_that_is_refused() {
    let bench = Bench::alone(|_| {});
    let checker = InProcess::new(Arc::clone(&bench.runtime), 1);
    let crashes = planner(&format!("{MEMORY} {DESCRIBE} unreachable)"));
    let report = checker.check(Arc::clone(&crashes), CheckOptions::default()).await.unwrap();
    assert!(!report.accepted() && report.compilation.is_some(), "{report:#?}");
    assert_eq!(compiled_files(&bench), Vec::<PathBuf>::new());

    let report = checker.check(support::component("strategies/dummy"), CheckOptions::default()).await.unwrap();
    assert!(report.accepted(), "{:#?}", report.problems);
    assert_eq!(compiled_files(&bench).len(), 1);

    // One that was let in by an earlier version, and is to run, is compiled whatever it says of itself.
    let other = Bench::alone(|_| {});
    let checker = InProcess::new(Arc::clone(&other.runtime), 1);
    let code = CheckOptions { depth: Depth::Code, ..CheckOptions::default() };
    assert!(checker.check(crashes, code).await.unwrap().accepted());
    assert_eq!(compiled_files(&other).len(), 1);
}

#[tokio::test]
async fn a_component_is_compiled_once_and_then_taken_from_disk() {
    let bench = Bench::alone(|_| {});
    let digest = bench.add("strategies/dummy").await.digest;
    for _ in 0..3 {
        bench.runtime.run_strategy(strategy_run(digest, dummy_parameters())).await.unwrap();
    }
    assert_eq!(counters(&bench), (1, 0), "one compilation serves every call");
    let folder = bench.folder.join("components");
    assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);

    let again = bench.again();
    again.still_works().await;
    assert_eq!(counters(&again), (0, 1));
}

#[tokio::test]
async fn many_calls_at_once_share_one_compilation() {
    let bench = Bench::alone(|_| {});
    let digest = bench.add("strategies/dummy").await.digest;
    let again = bench.again();
    again.put(digest, support::component("strategies/dummy"));
    std::fs::remove_file(&compiled_files(&bench)[0]).unwrap();
    let runs = (0..20).map(|_| again.runtime.run_strategy(strategy_run(digest, dummy_parameters())));
    futures::future::try_join_all(runs).await.unwrap();
    assert_eq!(counters(&again), (1, 0), "twenty calls on four instances, one compilation");
}

#[tokio::test]
async fn a_compiled_file_that_is_damaged_or_not_ours_is_compiled_again() {
    let bench = Bench::alone(|_| {});
    bench.add("strategies/dummy").await;
    let sound = compiled_files(&bench).pop().unwrap();
    let bytes = std::fs::read(&sound).unwrap();

    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let damages: [(&str, &dyn Fn(&Path)); 4] = [
        ("a flipped bit", &|path| std::fs::write(path, &flipped).unwrap()),
        ("a file cut short", &|path| std::fs::write(path, &bytes[..1000]).unwrap()),
        ("an empty file", &|path| std::fs::write(path, b"").unwrap()),
        ("a file that others can write", &|path| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).unwrap();
        }),
    ];
    for (what, damage) in damages {
        damage(&sound);
        let again = bench.again();
        again.still_works().await;
        assert_eq!(counters(&again), (1, 0), "{what}");
        let next = bench.again();
        next.still_works().await;
        assert_eq!(counters(&next), (0, 1), "after {what} the file is sound again");
    }

    // A well-named file whose content is no machine code of this engine.
    let garbage = b"\x7fELF nothing of worth";
    let name = sound.file_name().unwrap().to_str().unwrap();
    let stem = &name[..name.rfind('-').unwrap()];
    std::fs::remove_file(&sound).unwrap();
    std::fs::write(sound.with_file_name(format!("{stem}-{}.cwasm", hex::encode(sha256(garbage)))), garbage).unwrap();
    let again = bench.again();
    again.still_works().await;
    assert_eq!(counters(&again), (1, 0));
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

#[tokio::test]
async fn the_folder_of_compiled_components_is_bounded_and_dispensable() {
    let bench = Bench::alone(|options| options.cache_files = 2);
    for name in ["strategies/dummy", "planners/weight", "actions/nop"] {
        bench.clock.advance(std::time::Duration::from_secs(1));
        bench.add(name).await;
    }
    assert_eq!(compiled_files(&bench).len(), 2);
    let again = bench.again();
    again.add("actions/nop").await;
    again.add("strategies/dummy").await;
    assert_eq!(counters(&again), (1, 1), "the one that was not used for longest was evicted");

    let without = Bench::alone(|options| {
        std::fs::write(options.cache_dir.join("components"), b"a file where the folder should be").unwrap();
    });
    without.still_works().await;
    assert_eq!(counters(&without), (1, 0));
}

#[tokio::test]
async fn components_leave_memory_when_others_come() {
    let bench = Bench::alone(|options| options.max_loaded = 1);
    let digest = bench.add("strategies/dummy").await.digest;
    bench.add("planners/weight").await;
    bench.runtime.run_strategy(strategy_run(digest, dummy_parameters())).await.unwrap();
    assert_eq!(counters(&bench), (2, 1));
    bench.runtime.warm(digest).await.unwrap();
    bench.runtime.instantiate_once(digest).await.unwrap();
    assert_eq!(counters(&bench), (2, 1));
}

#[tokio::test]
async fn components_leave_memory_when_there_is_too_much_code() {
    let run = async |bench: &Bench| {
        let digest = bench.add("strategies/dummy").await.digest;
        bench.add("planners/weight").await;
        bench.runtime.run_strategy(strategy_run(digest, dummy_parameters())).await.unwrap();
        bench.runtime.run_strategy(strategy_run(digest, dummy_parameters())).await.unwrap();
        counters(bench)
    };
    assert_eq!(run(&Bench::alone(|options| options.max_loaded_bytes = 64 << 20)).await, (2, 0));
    let small = Bench::alone(|options| options.max_loaded_bytes = 1 << 10);
    assert_eq!(run(&small).await, (2, 1), "one is kept, however large it is");
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_a_free_instance_and_a_full_queue_refuses() {
    let bench = Bench::still(|options| {
        options.max_action_instances = 1;
        options.max_waiting = 1;
    });
    let digest = bench.add("actions/sleep").await.digest;
    let sleep = || {
        let (cloud, journal) = (Arc::<Cloud>::default(), Arc::<Pages>::default());
        let call = action_call(digest, ActionPhase::Execute, json!({"duration": 60.0}), &cloud, &journal);
        bench.runtime.call_action(call)
    };
    let before = tokio::time::Instant::now();
    let (first, second, third) = tokio::join!(sleep(), sleep(), sleep());
    assert!(first.is_ok() && second.is_ok());
    assert!(before.elapsed() >= std::time::Duration::from_mins(2), "one after the other");
    let text = third.unwrap_err().to_string();
    assert_eq!(text, "plugin sleep is not available: too many calls wait for the sandbox");
}
