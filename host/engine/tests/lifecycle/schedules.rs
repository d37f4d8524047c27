//! CONTINUOUS audits: when they run, and when they end.

use std::time::Duration;

use watcher_domain::{ActionPlanState, AuditEvent, AuditState, AuditType};

use crate::stage::{Behaviour, Stage};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn an_audit_runs_at_once_and_then_at_every_interval_and_its_last_plan_stands() {
    let stage = Stage::set().await;
    let begin = stage.now();
    let audit = stage.create(AuditType::Continuous, |_| {}).await;
    stage.pass(MINUTE * 3).await;
    assert_eq!(stage.began(), [begin, begin + MINUTE, begin + MINUTE * 2, begin + MINUTE * 3]);
    let read = stage.read(audit).await;
    assert_eq!((read.state, read.next_run_time), (AuditState::Ongoing, Some(begin + MINUTE * 4)));
    assert_eq!(read.hostname.as_deref(), Some("host"));
    let plans = stage.plans(audit).await;
    let states: Vec<_> = plans.iter().map(|plan| plan.state).collect();
    let (cancelled, recommended) = (ActionPlanState::Cancelled, ActionPlanState::Recommended);
    assert_eq!(states, [cancelled, cancelled, cancelled, recommended]);
    let message = plans[2].status_message.as_deref().unwrap();
    assert_eq!(message, format!("a newer run of the audit recommends action plan {}", plans[3].id));
}

#[tokio::test]
async fn times_that_pass_during_a_run_are_left_out_and_the_grid_stays() {
    let stage = Stage::set().await;
    let begin = stage.now();
    let audit = stage.create(AuditType::Continuous, |_| {}).await;
    stage.behave(Behaviour::Take(MINUTE * 2 + Duration::from_secs(1)));
    stage.settle().await;
    assert_eq!(stage.read(audit).await.next_run_time, Some(begin + MINUTE * 3));
    assert_eq!(stage.began(), [begin]);
}

#[tokio::test]
async fn a_cron_audit_waits_for_its_first_time() {
    let stage = Stage::set().await;
    let begin = stage.now();
    let audit = stage.create(AuditType::Continuous, |audit| audit.interval = Some("*/5 * * * * 30".to_owned())).await;
    stage.settle().await;
    let first = begin + Duration::from_secs(30);
    let read = stage.read(audit).await;
    assert_eq!((read.state, read.next_run_time), (AuditState::Pending, Some(first)));
    stage.pass(MINUTE * 6).await;
    assert_eq!(stage.began(), [first, first + MINUTE * 5]);
}

#[tokio::test]
async fn an_interval_without_later_times_ends_the_audit_and_one_without_sense_fails_it() {
    let stage = Stage::set().await;
    let over = stage.create(AuditType::Continuous, |audit| audit.interval = Some("0 0 1 1 * 0 2020".to_owned())).await;
    let broken = stage.create(AuditType::Continuous, |audit| audit.interval = Some("often".to_owned())).await;
    stage.settle().await;
    let read = stage.read(over).await;
    assert_eq!(read.state, AuditState::Succeeded);
    assert_eq!(read.status_message.as_deref(), Some("interval 0 0 1 1 * 0 2020 has no later time"));
    let read = stage.read(broken).await;
    assert_eq!(read.state, AuditState::Failed);
    assert!(read.status_message.unwrap().contains("columns"));
}

#[tokio::test]
async fn an_audit_runs_from_its_start_time_and_succeeds_at_its_end_time() {
    let stage = Stage::set().await;
    let (start, end) = (stage.now() + MINUTE, stage.now() + MINUTE * 3);
    let audit = stage
        .create(AuditType::Continuous, |audit| {
            (audit.start_time, audit.end_time) = (Some(start), Some(end));
        })
        .await;
    stage.pass(Duration::from_secs(59)).await;
    let read = stage.read(audit).await;
    assert_eq!((read.state, read.next_run_time), (AuditState::Pending, None));
    stage.pass(MINUTE * 5).await;
    assert_eq!(stage.began(), [start, start + MINUTE]);
    assert_eq!(stage.read(audit).await.state, AuditState::Succeeded);
}

#[tokio::test]
async fn after_a_restart_missed_times_are_left_out() {
    let mut stage = Stage::set().await;
    let begin = stage.now();
    let audit = stage.create(AuditType::Continuous, |_| {}).await;
    stage.settle().await;
    stage.restart(MINUTE * 3 + Duration::from_secs(10));
    stage.settle().await;
    assert_eq!(stage.began(), [begin]);
    assert_eq!(stage.read(audit).await.next_run_time, Some(begin + MINUTE * 4));
    stage.pass(MINUTE).await;
    assert_eq!(stage.began(), [begin, begin + MINUTE * 4]);
}

#[tokio::test]
async fn a_changed_interval_counts_at_once() {
    let stage = Stage::set().await;
    let begin = stage.now();
    let audit = stage.create(AuditType::Continuous, |audit| audit.interval = Some("86400".to_owned())).await;
    stage.pass(Duration::from_secs(5)).await;
    stage.change(audit, |audit| audit.interval = Some("10".to_owned())).await;
    stage.pass(Duration::from_secs(10)).await;
    assert_eq!(stage.began(), [begin, begin + Duration::from_secs(10)]);
    stage.change(audit, |audit| audit.interval = Some("0 12 * * *".to_owned())).await;
    stage.settle().await;
    assert_eq!(stage.read(audit).await.next_run_time.unwrap().to_rfc3339(), "2026-01-01T12:00:00+00:00");
}

#[tokio::test]
async fn a_suspended_audit_does_not_run_and_goes_on_at_the_next_time_of_its_grid() {
    let stage = Stage::set().await;
    let begin = stage.now();
    let audit = stage.create(AuditType::Continuous, |_| {}).await;
    stage.pass(Duration::from_secs(10)).await;
    stage.happen(audit, AuditEvent::Suspend).await;
    stage.pass(MINUTE * 3).await;
    assert_eq!(stage.read(audit).await.state, AuditState::Suspended);
    stage.happen(audit, AuditEvent::Resume).await;
    stage.pass(MINUTE).await;
    assert_eq!(stage.began(), [begin, begin + MINUTE * 4]);
    stage.happen(audit, AuditEvent::Cancel).await;
    stage.pass(MINUTE * 3).await;
    assert_eq!(stage.began().len(), 2);
    assert_eq!(stage.read(audit).await.state, AuditState::Cancelled);
}

#[tokio::test]
async fn runs_are_left_out_while_a_plan_is_applied_unless_the_audit_insists() {
    let stage = Stage::set().await;
    let begin = stage.now();
    let polite = stage.create(AuditType::Continuous, |_| {}).await;
    let insisting = stage.create(AuditType::Continuous, |audit| audit.force = true).await;
    let plan = stage.plan_of(polite, ActionPlanState::Ongoing).await;
    stage.pass(MINUTE).await;
    let read = stage.read(polite).await;
    assert_eq!((read.state, read.next_run_time), (AuditState::Pending, Some(begin + MINUTE * 2)));
    assert_eq!(read.status_message.as_deref(), Some("the last run was left out: an action plan was being applied"));
    assert_eq!(stage.plans(insisting).await.len(), 2);
    stage.end_plan(plan).await;
    stage.pass(MINUTE).await;
    let read = stage.read(polite).await;
    assert_eq!((read.state, read.status_message), (AuditState::Ongoing, None));
}

#[tokio::test]
async fn a_failed_run_ends_the_audit_and_leaves_the_last_plan() {
    let stage = Stage::set().await;
    let audit = stage.create(AuditType::Continuous, |_| {}).await;
    stage.settle().await;
    stage.behave(Behaviour::Fail);
    stage.pass(MINUTE * 3).await;
    let read = stage.read(audit).await;
    assert_eq!(read.state, AuditState::Failed);
    assert!(read.status_message.unwrap().contains("no way"));
    assert_eq!(stage.began().len(), 2, "it does not run again");
    let states: Vec<_> = stage.plans(audit).await.iter().map(|plan| plan.state).collect();
    assert_eq!(states, [ActionPlanState::Recommended]);
}
