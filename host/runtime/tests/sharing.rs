//! Several projects in one sandbox: computing time, places and requests are shared out, and what everybody used is counted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use serde_json::json;
use support::{Bench, Cloud, Pages, action_call, dummy_parameters, strategy_run};
use tokio::sync::Notify;
use watcher_domain::journal::ActionPhase;
use watcher_domain::limits::Shares;
use watcher_domain::ports::{
    ActionCall, ActionRunner as _, CallEnd, CallUsage, Meter, RunError, StrategyRun, StrategyRunner as _,
};
use watcher_domain::{Account, Digest, Limits, ProjectId};

fn account(project: &str) -> Account {
    Account { project: Some(ProjectId(project.to_owned())), shares: Shares::default() }
}

/// A call that computes until somebody ends it.
fn endless(digest: Digest, project: &str) -> StrategyRun {
    StrategyRun {
        limits: Limits { fuel: u64::MAX, ..Limits::default() },
        account: account(project),
        ..strategy_run(digest, json!({"behaviour": "loop", "amount": 0}))
    }
}

#[derive(Default)]
struct Book {
    calls: Mutex<Vec<CallUsage>>,
    written: Notify,
}

impl Book {
    /// The calls of a project, as soon as there is one.
    async fn of(&self, project: &str) -> Vec<CallUsage> {
        let project = account(project).project;
        loop {
            let calls = self.calls.lock().unwrap().clone();
            let own: Vec<_> = calls.into_iter().filter(|call| call.project == project).collect();
            if !own.is_empty() {
                return own;
            }
            self.written.notified().await;
        }
    }
}

impl Meter for Book {
    fn used(&self, call: CallUsage) {
        self.calls.lock().unwrap().push(call);
        self.written.notify_one();
    }
}

#[tokio::test]
async fn calls_without_end_of_one_project_do_not_hold_up_another() {
    let bench = Bench::with(|options| {
        options.threads = NonZeroUsize::new(1);
        options.max_instances = 32;
    });
    let (hostile, dummy) =
        (bench.add("guests/hostile-strategy").await.digest, bench.add("strategies/dummy").await.digest);
    let mut calls: FuturesUnordered<_> =
        (0..12).map(|_| bench.runtime.run_strategy(endless(hostile, "hostile"))).collect();
    let good = async {
        for _ in 0..20 {
            let run = StrategyRun { account: account("good"), ..strategy_run(dummy, dummy_parameters()) };
            bench.runtime.run_strategy(run).await.unwrap();
        }
    };
    tokio::select! {
        biased;
        ended = calls.next() => panic!("a loop ended: {ended:?}"),
        () = good => {}
    }
}

#[tokio::test]
async fn a_project_has_no_more_calls_at_a_time_than_its_limit_and_others_find_room() {
    let bench = Bench::new();
    let (hostile, dummy) =
        (bench.add("guests/hostile-strategy").await.digest, bench.add("strategies/dummy").await.digest);
    let few = |project: &str, concurrent_calls| Account {
        shares: Shares { concurrent_calls, ..Shares::default() },
        ..account(project)
    };
    let mut taken = Box::pin(bench.runtime.run_strategy(StrategyRun { account: few("a", 1), ..endless(hostile, "a") }));
    assert!(futures::poll!(taken.as_mut()).is_pending());
    let run = |account| StrategyRun {
        account,
        limits: Limits { deadline_ms: 300, ..Limits::default() },
        ..strategy_run(dummy, dummy_parameters())
    };
    let error = bench.runtime.run_strategy(run(few("a", 1))).await.unwrap_err().to_string();
    let reason = "no instance became free before the deadline of the call; a project has at most 1 at a time";
    assert_eq!(error, format!("plugin dummy is not available: {reason}"));
    bench.runtime.run_strategy(run(few("a", 2))).await.unwrap();
    bench.runtime.run_strategy(run(few("b", 1))).await.unwrap();
    let error = bench.runtime.run_strategy(run(few("c", 0))).await.unwrap_err().to_string();
    assert!(error.ends_with("the project may run no plugins: its limit of concurrent calls is 0"), "{error}");
}

#[tokio::test]
async fn an_abort_finds_room_where_what_it_stops_has_taken_all() {
    let bench = Bench::with(|options| options.max_instances = 1);
    let (hostile, nop) = (bench.add("guests/hostile-strategy").await.digest, bench.add("actions/nop").await.digest);
    let mut taken = Box::pin(bench.runtime.run_strategy(endless(hostile, "a")));
    assert!(futures::poll!(taken.as_mut()).is_pending());
    let (cloud, journal) = (Arc::<Cloud>::default(), Arc::<Pages>::default());
    let call = action_call(nop, ActionPhase::Abort, json!({"message": "x"}), &cloud, &journal);
    bench.runtime.call_action(ActionCall { account: account("a"), ..call }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_project_wait_for_their_turn_and_fail_if_it_comes_after_the_deadline() {
    let bench = Bench::still(|_| {});
    let digest = bench.add("guests/hostile-action").await.digest;
    let (cloud, limits) = (Arc::<Cloud>::default(), Shares { requests_per_minute: 10, ..Shares::default() });
    let send = |project: &str, deadline_ms| {
        let parameters = json!({"behaviour": "send", "method": "GET", "path": "/servers/a"});
        let mut call = action_call(digest, ActionPhase::Execute, parameters, &cloud, &Arc::<Pages>::default());
        call.account = Account { shares: limits, ..account(project) };
        call.limits.deadline_ms = deadline_ms;
        bench.runtime.call_action(call)
    };
    let begin = tokio::time::Instant::now();
    send("a", 60_000).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(1), "the first one goes at once");
    send("a", 60_000).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(6), "ten in a minute are six seconds apart");
    let before = tokio::time::Instant::now();
    send("b", 60_000).await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(1), "another project has turns of its own");
    let Err(RunError::Declared(failure)) = send("a", 1_000).await else { panic!("it was sent") };
    assert_eq!((failure.code.as_str(), failure.retryable), ("too-many-requests", true));
    let told = "GET compute /servers/a was not sent: the project's limit of 10 requests per minute was reached";
    assert_eq!(failure.message, told);
    assert_eq!(cloud.0.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn questions_of_a_project_about_metrics_wait_for_their_turn() {
    let bench = Bench::still(|_| {});
    let digest = bench.add("guests/hostile-strategy").await.digest;
    let ask = |account| {
        let limits = Limits { requests: 3, ..Limits::default() };
        let run = strategy_run(digest, json!({"behaviour": "flood-metrics", "amount": 0}));
        bench.runtime.run_strategy(StrategyRun { account, limits, ..run })
    };
    let few = Shares { requests_per_minute: 10, ..Shares::default() };
    let begin = tokio::time::Instant::now();
    let error = ask(Account { shares: few, ..account("a") }).await.unwrap_err();
    assert!(error.to_string().contains("requests limit of 3 requests was reached"), "{error}");
    assert!(begin.elapsed() >= Duration::from_secs(12), "the second after six seconds, the third after twelve");
    let begin = tokio::time::Instant::now();
    ask(Account { shares: few, project: None }).await.unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(1), "tools ask as they like");
}

#[tokio::test(start_paused = true)]
async fn looks_at_the_clock_of_a_project_are_paced_for_each_is_journaled() {
    let bench = Bench::still(|_| {});
    let digest = bench.add("actions/sleep").await.digest;
    let cloud = Arc::<Cloud>::default();
    let mut call = action_call(digest, ActionPhase::Execute, json!({"duration": 0.0}), &cloud, &Arc::default());
    call.account = Account { shares: Shares { requests_per_minute: 1, ..Shares::default() }, ..account("a") };
    let begin = tokio::time::Instant::now();
    bench.runtime.call_action(call).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(6), "one when the wait begins, one for the wait: ten in a minute");
}

#[tokio::test(start_paused = true)]
async fn actions_that_wait_leave_strategies_their_places() {
    let bench = Bench::still(|options| {
        options.max_instances = 1;
        options.max_action_instances = 1;
    });
    let (sleep, dummy) = (bench.add("actions/sleep").await.digest, bench.add("strategies/dummy").await.digest);
    let cloud = Arc::<Cloud>::default();
    let call = action_call(sleep, ActionPhase::Execute, json!({"duration": 3000.0}), &cloud, &Arc::default());
    let mut waits = Box::pin(bench.runtime.call_action(call));
    let run = bench.runtime.run_strategy(strategy_run(dummy, dummy_parameters()));
    tokio::select! {
        biased;
        ended = &mut waits => panic!("it did not wait: {ended:?}"),
        ran = run => drop(ran.unwrap()),
    }
    waits.await.unwrap();
}

#[tokio::test]
async fn every_call_is_counted_for_its_project_however_it_ends() {
    let book = Arc::new(Book::default());
    let bench = Bench::with(|options| options.meter = Arc::clone(&book) as _);
    let (hostile, dummy) =
        (bench.add("guests/hostile-strategy").await.digest, bench.add("strategies/dummy").await.digest);
    let nobody = std::mem::take(&mut *book.calls.lock().unwrap());
    assert!(nobody.iter().all(|call| call.project.is_none()), "looking into a component is nobody's");
    let run = |project: &str| StrategyRun { account: account(project), ..strategy_run(dummy, dummy_parameters()) };
    bench.runtime.run_strategy(run("good")).await.unwrap();
    let limits = Limits { fuel: 1_000_000, ..Limits::default() };
    bench.runtime.run_strategy(StrategyRun { limits, ..endless(hostile, "endless") }).await.unwrap_err();
    let call = bench.runtime.run_strategy(endless(hostile, "dropped"));
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err());
    // It ends on its thread, when it gives that back: after whoever stopped waiting has gone on.
    let dropped = book.of("dropped").await;
    assert_eq!(dropped.iter().map(|call| call.end).collect::<Vec<_>>(), [CallEnd::Dropped]);
    bench.still_works().await;
    let good = book.of("good").await;
    assert_eq!(good.iter().map(|call| (call.digest, call.end)).collect::<Vec<_>>(), [(dummy, CallEnd::Returned); 2]);
    assert!(good.iter().all(|call| call.usage.fuel > 0 && call.usage.memory_bytes > 0 && call.requests == 0));
    let limited = book.of("endless").await;
    let ends: Vec<_> = limited.iter().map(|call| (call.end, call.usage.fuel)).collect();
    assert_eq!(ends, [(CallEnd::Limit, 1_000_000)]);
}
