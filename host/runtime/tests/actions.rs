//! Action handlers: grants, the journal, waits, and limits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use support::{Bench, Cloud, Pages, action_call};
use watcher_domain::Failure;
use watcher_domain::clock::MockClock;
use watcher_domain::journal::{ActionPhase, Begun, JournalAnswer, JournalCall, JournalError};
use watcher_domain::ports::{ActionOutcome, ActionRunner as _, Clock as _, Fault, Journal, RunError};

struct Stage {
    bench: Bench,
    digest: watcher_domain::Digest,
    cloud: Arc<Cloud>,
    journal: Arc<Pages>,
}

impl Stage {
    async fn new() -> Self {
        Self::on(Bench::new()).await
    }

    /// For a test whose time stands still.
    async fn still() -> Self {
        Self::on(Bench::still(|_| {})).await
    }

    async fn on(bench: Bench) -> Self {
        let digest = bench.add("guests/hostile-action").await.digest;
        Self { bench, digest, cloud: Arc::default(), journal: Arc::default() }
    }

    async fn call(&self, phase: ActionPhase, parameters: Value) -> Result<ActionOutcome, RunError> {
        let call = action_call(self.digest, phase, parameters, &self.cloud, &self.journal);
        self.bench.runtime.call_action(call).await
    }

    async fn declared(&self, phase: ActionPhase, parameters: Value) -> Failure {
        match self.call(phase, parameters).await {
            Err(RunError::Declared(failure)) => failure,
            other => panic!("{other:?}"),
        }
    }

    fn sent(&self) -> Vec<String> {
        self.cloud.0.lock().unwrap().iter().map(ToString::to_string).collect()
    }

    /// Forgets the last answer, as if the process had died before it was written.
    fn lose_last_answer(&self) {
        self.journal.0.lock().unwrap().last_mut().unwrap().1 = None;
    }
}

fn send(method: &str, path: &str) -> Value {
    json!({"behaviour": "send", "method": method, "path": path})
}

#[tokio::test]
async fn a_granted_request_is_sent_and_another_is_refused_by_name() {
    let stage = Stage::new().await;
    let outcome = stage.call(ActionPhase::Execute, send("GET", "/servers/a")).await.unwrap();
    assert_eq!((outcome, stage.sent()), (ActionOutcome::Done, vec!["GET compute /servers/a".to_owned()]));

    stage.journal.0.lock().unwrap().clear();
    let failure = stage.declared(ActionPhase::Execute, send("DELETE", "/servers/a")).await;
    assert_eq!(failure.code, "not-granted");
    assert_eq!(failure.message, "DELETE compute /servers/a is not declared by this plugin");

    stage.journal.0.lock().unwrap().clear();
    let more = json!({"behaviour": "send-raw", "service": "compute", "method": "GET", "path": "/servers/a",
                      "query": [["all_tenants", "1"]]});
    let failure = stage.declared(ActionPhase::Execute, more).await;
    assert_eq!(failure.code, "not-granted");
    assert!(failure.message.starts_with("GET compute /servers/a has the query key \"all_tenants\""), "{failure:?}");
    assert_eq!(stage.sent().len(), 1);
    stage.bench.still_works().await;
}

#[tokio::test]
async fn a_request_that_could_lead_elsewhere_is_invalid() {
    let stage = Stage::new().await;
    for (method, path) in [("GET", "/servers/../flavors"), ("BREW", "/servers/a"), ("GET", "servers")] {
        assert_eq!(stage.declared(ActionPhase::Execute, send(method, path)).await.code, "invalid-request");
    }
    assert!(stage.sent().is_empty());
}

#[tokio::test]
async fn a_phase_that_only_looks_cannot_change_anything() {
    let stage = Stage::new().await;
    let post = send("POST", "/servers/a/action");
    for phase in [ActionPhase::PreCondition, ActionPhase::PostCondition] {
        stage.journal.0.lock().unwrap().clear();
        let failure = stage.declared(phase, post.clone()).await;
        assert_eq!(failure.code, "not-granted");
        assert_eq!(failure.message, format!("POST compute /servers/a/action is refused: {phase} only reads"));
        stage.journal.0.lock().unwrap().clear();
        stage.call(phase, send("GET", "/servers/a")).await.unwrap();
    }
    assert_eq!(stage.sent(), ["GET compute /servers/a", "GET compute /servers/a"]);
}

#[tokio::test]
async fn the_number_of_requests_is_bounded() {
    let stage = Stage::new().await;
    let parameters = json!({"behaviour": "flood-requests", "method": "GET", "path": "/servers/a"});
    let mut call = action_call(stage.digest, ActionPhase::Execute, parameters, &stage.cloud, &stage.journal);
    call.limits.requests = 7;
    let Err(RunError::Declared(failure)) = stage.bench.runtime.call_action(call).await else { panic!() };
    assert_eq!(failure.code, "too-many-requests");
    assert_eq!(failure.message, "the outside requests limit of 7 requests was reached");
    assert_eq!(stage.sent().len(), 7);
}

#[tokio::test]
async fn what_a_handler_has_the_journal_keep_is_bounded() {
    let stage = Stage::new().await;
    let parameters = json!({"behaviour": "flood-requests", "method": "GET", "path": "/servers/a"});
    let mut call = action_call(stage.digest, ActionPhase::Execute, parameters, &stage.cloud, &stage.journal);
    call.limits.journal_bytes = 2000;
    let error = stage.bench.runtime.call_action(call).await.unwrap_err();
    assert!(error.to_string().ends_with("the journal limit of 2000 bytes was reached"), "{error}");
    let kept = stage.journal.0.lock().unwrap();
    let bytes: u64 = kept
        .iter()
        .map(|(call, answer)| call.size_bytes() + answer.as_ref().map_or(0, JournalAnswer::size_bytes))
        .sum();
    assert!((1000..=2000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn a_long_reason_to_skip_is_shortened() {
    let stage = Stage::new().await;
    let outcome = stage.call(ActionPhase::PreCondition, json!({"behaviour": "skip-with-a-long-reason"})).await.unwrap();
    assert!(matches!(outcome, ActionOutcome::Skip(reason) if reason.len() == 4096));
}

#[tokio::test(start_paused = true)]
async fn every_outside_call_is_journaled_and_fed_back_without_being_made_again() {
    let stage = Stage::still().await;
    let parameters = json!({"behaviour": "use-everything", "duration_ms": 60_000});
    stage.call(ActionPhase::Execute, parameters.clone()).await.unwrap();
    let kinds: Vec<_> = stage
        .journal
        .calls()
        .iter()
        .map(|call| match call {
            JournalCall::Now => "now".to_owned(),
            JournalCall::Random { count } => format!("random {count}"),
            JournalCall::Sleep { duration_ms } => format!("sleep {duration_ms}"),
            JournalCall::Request { request } => request.to_string(),
        })
        .collect();
    let wanted =
        ["now", "random 8", "GET compute /servers/a", "now", "sleep 60000", "POST compute /servers/a/action", "now"];
    assert_eq!(kinds, wanted);
    let sent = stage.sent();

    let before = tokio::time::Instant::now();
    stage.bench.clock.advance(Duration::from_secs(1000));
    stage.call(ActionPhase::Execute, parameters).await.unwrap();
    assert_eq!(stage.sent(), sent, "nothing was sent again");
    assert_eq!(before.elapsed(), Duration::ZERO, "nothing was waited for again");
    assert_eq!(stage.journal.calls().len(), wanted.len());
}

#[tokio::test]
async fn a_request_in_doubt_is_repeated_only_if_it_reads() {
    let stage = Stage::new().await;
    stage.call(ActionPhase::Execute, send("GET", "/servers/a")).await.unwrap();
    stage.lose_last_answer();
    stage.call(ActionPhase::Execute, send("GET", "/servers/a")).await.unwrap();
    assert_eq!(stage.sent().len(), 2);

    stage.journal.0.lock().unwrap().clear();
    stage.call(ActionPhase::Execute, send("POST", "/servers/a/action")).await.unwrap();
    stage.lose_last_answer();
    let failure = stage.declared(ActionPhase::Execute, send("POST", "/servers/a/action")).await;
    assert_eq!(failure.code, "outcome-unknown");
    assert_eq!(stage.sent().len(), 3);
    let again = stage.declared(ActionPhase::Execute, send("POST", "/servers/a/action")).await;
    assert_eq!(again, failure, "and the answer stays the same");
}

#[tokio::test(start_paused = true)]
async fn of_a_wait_in_doubt_only_what_is_left_is_waited_for() {
    let stage = Stage::still().await;
    let wait = json!({"behaviour": "wait", "duration_ms": 60_000});
    stage.call(ActionPhase::Execute, wait.clone()).await.unwrap();
    stage.lose_last_answer();
    stage.bench.clock.advance(Duration::from_secs(45));
    let before = tokio::time::Instant::now();
    stage.call(ActionPhase::Execute, wait).await.unwrap();
    let waited = before.elapsed();
    assert!(waited >= Duration::from_secs(15) && waited < Duration::from_secs(16), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_is_refused_at_once() {
    let stage = Stage::still().await;
    let before = tokio::time::Instant::now();
    for duration_ms in [3_600_001, u64::MAX] {
        stage.journal.0.lock().unwrap().clear();
        let failure =
            stage.declared(ActionPhase::Execute, json!({"behaviour": "wait", "duration_ms": duration_ms})).await;
        assert_eq!(failure.code, "deadline-exceeded");
    }
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_loop_after_a_wait_is_still_ended() {
    let stage = Stage::new().await;
    let parameters = json!({"behaviour": "wait-then-loop", "duration_ms": 20});
    let mut call = action_call(stage.digest, ActionPhase::Execute, parameters, &stage.cloud, &stage.journal);
    call.limits.fuel = u64::MAX;
    call.limits.deadline_ms = 1000;
    let error = stage.bench.runtime.call_action(call).await.unwrap_err().to_string();
    assert_eq!(error, "plugin hostile: the wall-clock limit of 1000 ms was reached");
    stage.bench.still_works().await;
}

#[tokio::test]
async fn a_handler_that_asks_for_something_else_than_its_journal_says_is_stopped() {
    let stage = Stage::new().await;
    stage.call(ActionPhase::Execute, send("GET", "/servers/a")).await.unwrap();
    let error = stage.call(ActionPhase::Execute, send("GET", "/servers/b")).await.unwrap_err();
    assert!(matches!(error, RunError::Journal(JournalError::NotDeterministic { sequence: 0, .. })), "{error:?}");
    assert_eq!(error.fault(), Fault::Guest);
    assert_eq!(stage.sent().len(), 1);
}

#[tokio::test]
async fn an_answer_of_another_kind_stops_the_handler() {
    let stage = Stage::new().await;
    stage.call(ActionPhase::Execute, send("GET", "/servers/a")).await.unwrap();
    stage.journal.0.lock().unwrap()[0].1 = Some(JournalAnswer::Slept);
    let error = stage.call(ActionPhase::Execute, send("GET", "/servers/a")).await.unwrap_err();
    let text = "handler is not deterministic: call 0 was a wait, and is now GET compute /servers/a";
    assert_eq!(error.to_string(), text);
}

/// A journal that another applier has taken over.
struct Fenced;

#[async_trait]
impl Journal for Fenced {
    async fn begin(&self, _: u32, _: &JournalCall) -> Result<Begun, JournalError> {
        Ok(Begun::New)
    }

    async fn finish(&self, _: u32, _: &JournalAnswer) -> Result<(), JournalError> {
        Err(JournalError::Fenced)
    }
}

#[tokio::test]
async fn a_fenced_journal_ends_the_call_and_the_handler_cannot_hide_it() {
    let stage = Stage::new().await;
    let mut call =
        action_call(stage.digest, ActionPhase::Execute, send("GET", "/servers/a"), &stage.cloud, &stage.journal);
    call.journal = Arc::new(Fenced);
    let error = stage.bench.runtime.call_action(call).await.unwrap_err();
    assert!(matches!(error, RunError::Journal(JournalError::Fenced)), "{error:?}");
    assert_eq!(error.fault(), Fault::Host);
}

#[tokio::test]
async fn a_handler_sees_the_time_of_the_clock() {
    let stage = Stage::new().await;
    let parameters = json!({"behaviour": "use-everything", "duration_ms": 0});
    stage.call(ActionPhase::Execute, parameters).await.unwrap();
    let time_us = u64::try_from(MockClock::default().now().timestamp_micros()).unwrap();
    assert_eq!(stage.journal.0.lock().unwrap()[0].1, Some(JournalAnswer::Now { time_us }));
}
