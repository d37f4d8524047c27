//! Single runs: what stops them, what they leave behind.

use std::time::Duration;

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use watcher_bus::{Received, Role, Work};
use watcher_domain::service::DECISION_ENGINE;
use watcher_domain::{ActionPlanState, AuditEvent, AuditState, AuditType, ProjectId};
use watcher_engine::EngineOptions;
use watcher_store::{Reference, recording, service, snapshot};

use crate::stage::{Behaviour, Stage};

#[tokio::test]
async fn a_oneshot_audit_is_cancelled_while_a_plan_is_applied_unless_it_insists() {
    let stage = Stage::set().await;
    let polite = stage.create(AuditType::Oneshot, |_| {}).await;
    let insisting = stage.create(AuditType::Oneshot, |audit| audit.force = true).await;
    stage.plan_of(polite, ActionPlanState::Ongoing).await;
    stage.settle().await;
    let read = stage.read(polite).await;
    assert_eq!(read.state, AuditState::Cancelled);
    assert!(read.status_message.unwrap().starts_with("an action plan is being applied"));
    assert_eq!(stage.read(insisting).await.state, AuditState::Succeeded);
    assert_eq!(stage.began().len(), 1);
}

#[tokio::test]
async fn plans_that_another_project_or_nobody_applies_do_not_stop_an_audit() {
    let stage = Stage::set().await;
    let project = |name: &str| Some(ProjectId(name.to_owned()));
    let theirs = stage.create(AuditType::Oneshot, |audit| audit.project_id = project("theirs")).await;
    stage.plan_of(theirs, ActionPlanState::Ongoing).await;
    let ours = stage.create(AuditType::Oneshot, |audit| audit.project_id = project("ours")).await;
    stage.settle().await;
    assert_eq!(stage.read(ours).await.state, AuditState::Succeeded);
    assert_eq!(stage.read(theirs).await.state, AuditState::Cancelled);
    let nobodys = stage.create(AuditType::Oneshot, |_| {}).await;
    stage.plan_of(nobodys, ActionPlanState::Ongoing).await;
    let ours = stage.create(AuditType::Oneshot, |audit| audit.project_id = project("ours")).await;
    stage.settle().await;
    assert_eq!(stage.read(ours).await.state, AuditState::Succeeded);
    assert_eq!(stage.read(nobodys).await.state, AuditState::Cancelled);
}

#[tokio::test]
async fn the_plan_of_an_audit_with_auto_trigger_is_started() {
    let stage = Stage::set().await;
    let audit = stage.create(AuditType::Oneshot, |audit| audit.auto_trigger = true).await;
    let mut applier = stage.bus.subscribe(Role::Applier);
    stage.settle().await;
    let plans = stage.plans(audit).await;
    assert_eq!(plans[0].state, ActionPlanState::Pending);
    let started = applier.receive().now_or_never();
    assert_eq!(started, Some(Received::Work(Work::RunActionPlan { action_plan_id: plans[0].id })));
}

#[tokio::test]
async fn a_plan_is_not_started_by_itself_while_too_many_of_its_project_wait() {
    let mut stage = Stage::set().await;
    stage.engine.options.limits.shares.active_plans = 1;
    let project = |name: &str| Some(ProjectId(name.to_owned()));
    let mut states = Vec::new();
    for name in ["busy", "busy", "other"] {
        let audit = stage.create(AuditType::Oneshot, |audit| {
            audit.auto_trigger = true;
            audit.project_id = project(name);
        });
        let audit = audit.await;
        stage.settle().await;
        let plan = stage.plans(audit).await.remove(0);
        states.push((plan.state, plan.status_message.is_some()));
    }
    let (started, left) = ((ActionPlanState::Pending, false), (ActionPlanState::Recommended, true));
    assert_eq!(states, [started, left, started]);
}

#[tokio::test]
async fn a_run_that_is_cancelled_or_suspended_records_nothing() {
    for (audit_type, event, state) in [
        (AuditType::Oneshot, AuditEvent::Cancel, AuditState::Cancelled),
        (AuditType::Continuous, AuditEvent::Cancel, AuditState::Cancelled),
        (AuditType::Continuous, AuditEvent::Suspend, AuditState::Suspended),
        (AuditType::Event, AuditEvent::Cancel, AuditState::Cancelled),
    ] {
        let stage = Stage::set().await;
        let audit = stage.create(audit_type, |_| {}).await;
        if audit_type == AuditType::Event {
            assert!(stage.call_webhook(audit).await);
        }
        stage.behave(Behaviour::Meanwhile(audit, event));
        stage.settle().await;
        assert_eq!(stage.read(audit).await.state, state, "{audit_type} {event}");
        assert!(stage.plans(audit).await.is_empty(), "{audit_type} {event}");
        assert_eq!(stage.began().len(), 1);
    }
}

#[tokio::test]
async fn a_suspended_oneshot_audit_runs_from_the_beginning_when_it_is_resumed() {
    let stage = Stage::set().await;
    let audit = stage.create(AuditType::Oneshot, |_| {}).await;
    stage.behave(Behaviour::Meanwhile(audit, AuditEvent::Suspend));
    stage.settle().await;
    stage.behave(Behaviour::Recommend);
    stage.happen(audit, AuditEvent::Resume).await;
    stage.settle().await;
    assert_eq!(stage.read(audit).await.state, AuditState::Succeeded);
    assert_eq!(stage.plans(audit).await.len(), 1);
}

#[tokio::test]
async fn an_event_audit_runs_once_for_all_calls_before_its_run_and_again_after_it() {
    let stage = Stage::set().await;
    let audit = stage.create(AuditType::Event, |_| {}).await;
    stage.settle().await;
    assert!(stage.began().is_empty(), "nobody called it");
    for runs in [1, 2] {
        assert!(stage.call_webhook(audit).await && stage.call_webhook(audit).await);
        stage.settle().await;
        assert_eq!(stage.began().len(), runs);
        assert_eq!(stage.read(audit).await.state, AuditState::Succeeded);
    }
    let plan = stage.plan_of(audit, ActionPlanState::Ongoing).await;
    assert!(stage.call_webhook(audit).await);
    stage.settle().await;
    let read = stage.read(audit).await;
    assert_eq!(read.state, AuditState::Succeeded);
    let message = "the last trigger had no effect: an action plan was being applied";
    assert_eq!(read.status_message.as_deref(), Some(message));
    stage.end_plan(plan).await;
    stage.settle().await;
    assert_eq!(stage.began().len(), 2, "the trigger is gone");
    stage.behave(Behaviour::Fail);
    assert!(stage.call_webhook(audit).await);
    stage.settle().await;
    assert_eq!(stage.read(audit).await.state, AuditState::Failed);
    assert!(!stage.call_webhook(audit).await, "a failed audit takes no calls");
}

#[tokio::test]
async fn a_run_that_is_interrupted_is_given_back_and_another_engine_runs_it_at_once() {
    for audit_type in [AuditType::Oneshot, AuditType::Event] {
        let mut stage = Stage::set().await;
        let audit = stage.create(audit_type, |_| {}).await;
        assert_eq!(stage.call_webhook(audit).await, audit_type == AuditType::Event);
        stage.behave(Behaviour::Hang);
        let interrupt = CancellationToken::new();
        let interrupted = async {
            stage.runner.hangs.notified().await;
            interrupt.cancel();
        };
        let (ran, ()) = futures::join!(stage.engine.run_audit(audit, &interrupt), interrupted);
        ran.unwrap();
        assert_eq!(stage.read(audit).await.state, AuditState::Pending);
        stage.behave(Behaviour::Recommend);
        stage.restart(Duration::ZERO);
        stage.settle().await;
        assert_eq!(stage.read(audit).await.state, AuditState::Succeeded, "{audit_type}");
        assert_eq!(stage.plans(audit).await.len(), 1);
    }
}

#[tokio::test]
async fn runs_of_a_process_that_died_are_taken_up_when_its_leases_have_run_out() {
    let mut stage = Stage::set().await;
    let begin = stage.now();
    let oneshot = stage.create(AuditType::Oneshot, |_| {}).await;
    let continuous = stage.create(AuditType::Continuous, |_| {}).await;
    stage.behave(Behaviour::Hang);
    for id in stage.engine.look().await.unwrap().due {
        let never = CancellationToken::new();
        tokio::select! {
            _ = stage.engine.run_audit(id, &never) => panic!("it hangs"),
            () = stage.runner.hangs.notified() => {}
        }
    }
    stage.behave(Behaviour::Recommend);
    stage.restart(Duration::from_secs(30));
    stage.settle().await;
    assert_eq!(stage.began(), [begin, begin], "the leases still hold");
    stage.pass(Duration::from_secs(91)).await;
    assert_eq!(stage.read(oneshot).await.state, AuditState::Succeeded);
    assert_eq!((stage.plans(oneshot).await.len(), stage.plans(continuous).await.len()), (1, 0));
    let next = stage.read(continuous).await.next_run_time.unwrap();
    assert_eq!(next, begin + Duration::from_mins(3), "it waits for the next time of its grid");
    stage.pass(Duration::from_mins(1)).await;
    assert_eq!(stage.plans(continuous).await.len(), 1);
}

#[tokio::test]
async fn plans_that_nobody_started_are_superseded_after_their_expiry() {
    let mut stage = Stage::set().await;
    let audit = stage.create(AuditType::Oneshot, |_| {}).await;
    stage.settle().await;
    let day = Duration::from_hours(24);
    stage.clock.advance(day);
    assert!(stage.engine.supersede_old_plans().await.unwrap().is_empty());
    stage.clock.advance(Duration::from_secs(1));
    let never = EngineOptions { action_plan_expiry: Duration::ZERO, ..stage.engine.options.clone() };
    let options = std::mem::replace(&mut stage.engine.options, never);
    assert!(stage.engine.supersede_old_plans().await.unwrap().is_empty(), "zero is never");
    stage.engine.options = options;
    assert_eq!(stage.engine.supersede_old_plans().await.unwrap().len(), 1);
    let plan = stage.plans(audit).await.remove(0);
    assert_eq!(plan.state, ActionPlanState::Superseded);
    assert_eq!(plan.status_message.as_deref(), Some("nobody started the action plan within 86400 s"));
}

#[tokio::test]
async fn recordings_and_their_snapshots_are_dropped_when_they_are_old_and_audits_go_on() {
    let mut stage = Stage::set().await;
    let day = Duration::from_hours(24);
    stage.engine.options.recordings_kept = 2 * day;
    let mut audits = Vec::new();
    for _ in 0..4 {
        audits.push(stage.create(AuditType::Oneshot, |_| {}).await);
        stage.settle().await;
        stage.clock.advance(day);
        stage.engine.drop_recordings().await.unwrap();
    }
    let mut tx = stage.store.read().await.unwrap();
    let mut kept = Vec::new();
    for audit in audits {
        assert_eq!(stage.read(audit).await.state, AuditState::Succeeded);
        kept.push(recording::get(&mut tx, audit).await.unwrap());
    }
    drop(tx);
    assert_eq!(kept.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true, true]);
    let snapshots: Vec<_> = kept.into_iter().flatten().map(|kept| kept.snapshot_id).collect();
    assert_eq!(snapshots[0], snapshots[1], "the cluster stayed the same");

    stage.clock.advance(30 * day);
    assert_eq!(stage.engine.drop_recordings().await.unwrap(), 3);
    let mut tx = stage.store.read().await.unwrap();
    assert_eq!(snapshot::get(&mut tx, snapshots[0]).await.unwrap(), None);
    drop(tx);
    let audit = stage.create(AuditType::Oneshot, |_| {}).await;
    stage.settle().await;
    assert_eq!(stage.read(audit).await.state, AuditState::Succeeded, "the same cluster is kept again");
    let never = EngineOptions { recordings_kept: Duration::ZERO, ..stage.engine.options.clone() };
    stage.engine.options = never;
    stage.clock.advance(300 * day);
    assert_eq!(stage.engine.drop_recordings().await.unwrap(), 0, "zero is for ever");
}

#[tokio::test]
async fn a_decision_engine_gives_signs_of_life() {
    let stage = Stage::set().await;
    for _ in 0..2 {
        stage.clock.advance(Duration::from_mins(1));
        stage.engine.beat().await.unwrap();
        let mut tx = stage.store.read().await.unwrap();
        let found = service::find(&mut tx, &Reference::Name(DECISION_ENGINE.to_owned()), false).await.unwrap().unwrap();
        assert_eq!((found.host.as_str(), found.last_seen_up), ("host", Some(stage.now())));
    }
}

#[tokio::test]
async fn an_audit_whose_process_goes_away_again_and_again_fails_whatever_its_type() {
    for audit_type in [AuditType::Oneshot, AuditType::Continuous, AuditType::Event] {
        let mut stage = Stage::set().await;
        let audit = stage.create(audit_type, |_| {}).await;
        stage.behave(Behaviour::Hang);
        if audit_type == AuditType::Event {
            assert!(stage.call_webhook(audit).await);
        }
        for _ in 0..5 {
            stage.restart(Duration::from_mins(10));
            let begun = stage.began().len();
            tokio::select! {
                () = stage.pass(Duration::from_mins(2)) => panic!("it did not begin"),
                () = stage.runner.hangs.notified() => {}
            }
            assert_eq!(stage.began().len(), begun + 1, "{audit_type}");
        }
        stage.behave(Behaviour::Recommend);
        stage.restart(Duration::from_mins(10));
        stage.pass(Duration::from_mins(2)).await;
        let read = stage.read(audit).await;
        let told = "the audit was begun 5 times and never ended: each time the process that ran it went away";
        assert_eq!((read.state, read.status_message.as_deref()), (AuditState::Failed, Some(told)), "{audit_type}");
        assert_eq!(stage.began().len(), 5, "{audit_type}");
    }
}

#[tokio::test]
async fn a_run_is_tried_again_only_if_its_failure_says_that_it_may_work_later() {
    let tries = [
        (Behaviour::FailForNow(2), AuditState::Succeeded, None, 3),
        (
            Behaviour::FailForNow(10),
            AuditState::Failed,
            Some("strategy dummy failed: not now; it was tried 3 times"),
            3,
        ),
        (Behaviour::Fail, AuditState::Failed, Some("strategy dummy failed: no way"), 1),
    ];
    for (behaviour, state, message, runs) in tries {
        let mut stage = Stage::set().await;
        stage.engine.options.retry_wait = Duration::ZERO;
        stage.behave(behaviour);
        let audit = stage.create(AuditType::Oneshot, |_| {}).await;
        stage.settle().await;
        let read = stage.read(audit).await;
        assert_eq!((read.state, read.status_message.as_deref()), (state, message), "{behaviour:?}");
        assert_eq!(stage.began().len(), runs, "{behaviour:?}");
        assert_eq!(stage.plans(audit).await.len(), usize::from(state == AuditState::Succeeded));
    }
}
