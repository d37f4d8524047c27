//! Guests that misbehave: each fails its own call with an error that names the limit and its value, and nothing else suffers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Bench, Memory, dummy_parameters, planner_run, strategy_run};
use watcher_domain::ports::{Fault, PlannerRunner as _, RunError, StrategyOutcome, StrategyRunner as _};
use watcher_domain::recording::Seen;
use watcher_domain::{Limits, SolutionAction};

async fn run(bench: &Bench, behaviour: &str, amount: u32, limits: Limits) -> Result<StrategyOutcome, RunError> {
    let digest = bench.add("guests/hostile-strategy").await.digest;
    let mut run = strategy_run(digest, json!({"behaviour": behaviour, "amount": amount}));
    run.limits = limits;
    bench.runtime.run_strategy(run).await
}

/// Runs a behaviour that must fail by the guest's fault, shows that the sandbox still works, and gives the error's text.
async fn fails(behaviour: &str, amount: u32, limits: Limits) -> String {
    let bench = Bench::new();
    let error = run(&bench, behaviour, amount, limits).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Guest, "{error}");
    bench.still_works().await;
    error.to_string()
}

fn memory(mebibytes: u64) -> Limits {
    Limits { memory_bytes: mebibytes << 20, ..Limits::default() }
}

#[tokio::test]
async fn a_guest_that_computes_for_ever_runs_out_of_fuel() {
    let error = fails("loop", 0, Limits { fuel: 50_000_000, ..Limits::default() }).await;
    assert_eq!(error, "plugin hostile: the fuel limit of 50000000 units was reached");
}

#[tokio::test]
async fn a_guest_that_computes_for_ever_meets_its_deadline_and_leaves_the_thread_to_others_meanwhile() {
    let bench = Bench::with(|options| options.threads = std::num::NonZeroUsize::new(1));
    let digest = bench.add("strategies/dummy").await.digest;
    let limits = Limits { deadline_ms: 1500, fuel: u64::MAX, ..Limits::default() };
    let hostile = run(&bench, "loop", 0, limits);
    let good = async {
        let others = tokio::time::timeout(Duration::from_mins(1), async {
            for _ in 0..3 {
                bench.runtime.run_strategy(strategy_run(digest, dummy_parameters())).await.unwrap();
            }
        });
        others.await.unwrap();
        "the others are done"
    };
    // One thread: if the loop kept it, the others would come after it.
    tokio::pin!(hostile);
    tokio::select! {
        biased;
        early = &mut hostile => panic!("the loop ended first: {early:?}"),
        done = good => assert_eq!(done, "the others are done"),
    }
    let error = hostile.await.unwrap_err().to_string();
    assert_eq!(error, "plugin hostile: the wall-clock limit of 1500 ms was reached");
    bench.still_works().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_ends() {
    let bench = Bench::with(|options| options.max_instances = 1);
    let limits = Limits { fuel: u64::MAX, ..Limits::default() };
    let call = run(&bench, "loop", 0, limits);
    assert!(tokio::time::timeout(Duration::from_millis(1500), call).await.is_err());
    bench.still_works().await;
}

#[tokio::test]
async fn a_memory_bomb_is_told_from_a_crash_however_it_grows() {
    for behaviour in ["allocate", "allocate-at-once", "grow-page-by-page"] {
        let error = fails(behaviour, 0, memory(64)).await;
        assert_eq!(error, "plugin hostile: the memory limit of 67108864 bytes was reached", "{behaviour}");
    }
}

#[tokio::test]
async fn a_panic_is_a_crash_with_its_text() {
    let error = fails("panic", 0, Limits::default()).await;
    assert!(
        error.starts_with("plugin hostile crashed: wasm `unreachable` instruction executed; last error: "),
        "{error}"
    );
    assert!(error.ends_with("out of ideas"), "{error}");
}

#[tokio::test]
async fn a_crash_without_a_word_and_a_wild_read_are_crashes() {
    let error = fails("unreachable", 0, Limits::default()).await;
    assert_eq!(error, "plugin hostile crashed: wasm `unreachable` instruction executed");
    let error = fails("read-beyond-memory", 0, Limits::default()).await;
    assert_eq!(error, "plugin hostile crashed: out of bounds memory access");
}

#[tokio::test]
async fn a_recursion_runs_out_of_stack_whichever_stack_it_uses() {
    for behaviour in ["recurse", "recurse-with-large-frames"] {
        let error = fails(behaviour, 0, Limits::default()).await;
        assert_eq!(error, "plugin hostile: the stack limit of 1048576 bytes was reached", "{behaviour}");
    }
}

#[tokio::test]
async fn a_flooded_log_is_cut_off_and_fails_nobody() {
    let bench = Bench::new();
    let limits = Limits { log_bytes: 10_000, ..Limits::default() };
    run(&bench, "flood-log", 1000, limits).await.unwrap();
}

#[tokio::test]
async fn calls_of_imports_and_what_they_carry_are_bounded() {
    let error = fails("flood-calls", 0, Limits { host_calls: 5000, ..Limits::default() }).await;
    assert_eq!(error, "plugin hostile: the host calls limit of 5000 calls was reached");
    let small = Limits { host_call_fuel: 1 << 20, ..Limits::default() };
    let error = fails("log-one-message", 2 << 20, small).await;
    assert_eq!(error, "plugin hostile: the host-call fuel limit of 1048576 bytes was reached");
    // Texts without bytes are work, too.
    for behaviour in ["log-empty-fields", "name-empty-metrics"] {
        let error = fails(behaviour, 50_000, small).await;
        assert_eq!(error, "plugin hostile: the host-call fuel limit of 1048576 bytes was reached", "{behaviour}");
        run(&Bench::new(), behaviour, 5_000, small).await.unwrap();
    }
    // More than the engine itself copies.
    let small = Limits { host_call_fuel: 1 << 20, output_bytes: 1 << 20, ..Limits::default() };
    let error = fails("log-one-message", 4 << 20, small).await;
    assert_eq!(error, "plugin hostile: the host-call fuel limit of 1048576 bytes was reached");
}

#[tokio::test]
async fn questions_about_metrics_are_bounded() {
    let error = fails("flood-metrics", 0, Limits { requests: 100, ..Limits::default() }).await;
    assert_eq!(error, "plugin hostile: the outside requests limit of 100 requests was reached");
}

#[tokio::test]
async fn what_a_recording_has_to_keep_is_bounded() {
    for behaviour in ["flood-metrics", "flood-metric-names"] {
        let bench = Bench::new();
        let digest = bench.add("guests/hostile-strategy").await.digest;
        let mut run = strategy_run(digest, json!({"behaviour": behaviour, "amount": 1000}));
        run.limits.recording_bytes = 1 << 20;
        let recorder = Arc::new(Memory::default());
        run.recorder = Arc::clone(&recorder) as _;
        let error = bench.runtime.run_strategy(run).await.unwrap_err().to_string();
        assert_eq!(error, "plugin hostile: the recording limit of 1048576 bytes was reached", "{behaviour}");
        // What is counted is memory; as text it is about as much.
        let kept = serde_json::to_vec(&*recorder.0.lock().unwrap()).unwrap().len();
        assert!((100 << 10..=2 << 20).contains(&kept), "{behaviour}: {kept}");
    }
}

#[tokio::test]
async fn nonsense_is_answered_with_a_code_and_only_real_questions_are_recorded() {
    let bench = Bench::new();
    let digest = bench.add("guests/hostile-strategy").await.digest;
    let mut run = strategy_run(digest, json!({"behaviour": "ask-nonsense"}));
    let recorder = Arc::new(Memory::default());
    run.recorder = Arc::clone(&recorder) as _;
    let outcome = bench.runtime.run_strategy(run).await.unwrap();
    let expected = json!([
        "invalid-query",
        "metric-not-available",
        "invalid-query",
        "invalid-query",
        "invalid-query",
        "invalid-query",
        "[42.0]",
        "unknown-column",
        "[true, false]",
    ]);
    assert_eq!(outcome.solution.actions[0].input_parameters["codes"], expected);
    let seen = recorder.0.lock().unwrap();
    let kinds: Vec<_> = seen
        .iter()
        .map(|seen| match seen {
            Seen::Statistic { query, answer } => format!("{} {}", query.metric, answer.is_ok()),
            Seen::Available { answer, .. } => format!("{answer:?}"),
            Seen::ScoringEngines { .. } | Seen::Scores { .. } => "scoring".to_owned(),
        })
        .collect();
    assert_eq!(kinds, ["no_such_metric false", "host_cpu_usage true", "[true, false]"]);
}

#[tokio::test]
async fn garbage_is_refused_and_says_where_it_is() {
    let error = fails("return-invalid-json", 0, Limits::default()).await;
    let expected =
        "plugin hostile returned something invalid: the input parameters of action 1 (nop) are not a JSON object";
    assert!(error.starts_with(expected), "{error}");
    let error = fails("return-resource-id", 0, Limits::default()).await;
    assert!(error.ends_with("the input parameters of action 0 (nop) have resource_id, which the host adds"), "{error}");
    for depth in [100, 10_000] {
        let error = fails("return-deep-json", depth, Limits::default()).await;
        assert!(error.contains("action 0 (nop)"), "{error}");
    }
    let error = fails("return-nan", 0, Limits::default()).await;
    assert!(error.ends_with("efficacy indicator ratio is NaN, not a finite number"), "{error}");
}

#[tokio::test]
async fn the_size_of_a_solution_is_bounded() {
    let small = Limits { output_bytes: 1 << 20, host_call_fuel: 1 << 20, ..Limits::default() };
    let large = Limits { output_bytes: 1 << 20, ..Limits::default() };
    for limits in [small, large] {
        let error = fails("return-many-bytes", 2 << 20, limits).await;
        assert_eq!(error, "plugin hostile: the output limit of 1048576 bytes was reached");
    }
    let error = fails("return-many-actions", 1000, Limits { actions: 999, ..Limits::default() }).await;
    assert_eq!(error, "plugin hostile: the actions limit of 999 actions was reached");
}

#[tokio::test]
async fn a_declared_failure_is_shortened_to_a_status_message() {
    let bench = Bench::new();
    let RunError::Declared(failure) =
        run(&bench, "declare-a-long-failure", 100_000, Limits::default()).await.unwrap_err()
    else {
        panic!("the failure was declared")
    };
    assert_eq!((failure.code.as_str(), failure.message.len()), ("TooLong", 4096));
}

#[tokio::test]
async fn two_runs_on_the_same_input_see_and_decide_the_same_bytes() {
    let (first, second) = (Bench::new(), Bench::new());
    let mut texts = Vec::new();
    for bench in [&first, &first, &second] {
        let outcome = run(bench, "look-around", 0, Limits::default()).await.unwrap();
        texts.push(serde_json::to_string(&outcome.solution).unwrap());
    }
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[0], texts[2], "another sandbox, the same decision");
    let parameters = serde_json::from_str::<Value>(&texts[0]).unwrap()["actions"][0]["input_parameters"].clone();
    assert_eq!(parameters["time_us"], json!(1_767_225_600_000_000_u64));
    assert_eq!(parameters["bits_of_nan"], json!(0x7ff8_0000_0000_0000_u64), "the canonical NaN");

    let digest = first.add("guests/hostile-strategy").await.digest;
    let mut other_seed = strategy_run(digest, json!({"behaviour": "look-around"}));
    other_seed.seed += 1;
    let outcome = first.runtime.run_strategy(other_seed).await.unwrap();
    assert_ne!(outcome.solution.actions[0].input_parameters["random"], parameters["random"]);
}

#[tokio::test]
async fn a_plan_that_is_no_plan_is_refused() {
    let bench = Bench::new();
    let digest = bench.add("guests/hostile-planner").await.digest;
    let action = |n: u32| SolutionAction {
        action_type: "nop".to_owned(),
        input_parameters: support::object(json!({"message": n.to_string()})),
    };
    let mut limits = Limits::default();
    for (behaviour, expected) in [
        ("circle", "place 0 of the plan has parent 1, which does not come before it"),
        ("twice", "action 0 of the solution is planned twice"),
        ("forget", "the plan has 0 of 3 actions of the solution"),
        ("invent", "place 0 of the plan names action 3 of a solution of 3"),
        ("many-parents", "the output limit of 1048576 bytes was reached"),
    ] {
        limits.output_bytes = 1 << 20;
        let mut run = planner_run(digest, (0..3).map(action).collect(), json!({"behaviour": behaviour}));
        run.limits = limits;
        let error = bench.runtime.run_planner(run).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Guest);
        assert!(error.to_string().ends_with(expected), "{behaviour}: {error}");
    }
    bench.still_works().await;
}
