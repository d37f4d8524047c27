//! The service around the engine: messages, stops, and the end of a process.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use watcher_bus::{Control, Event, Work};
use watcher_domain::{AuditEvent, AuditId, AuditState, AuditType, ProjectId};
use watcher_engine::service::Service;

use crate::stage::{Behaviour, Stage};

#[expect(clippy::unnecessary_wraps, reason = "owners of audits are optional")]
fn project(name: &str) -> Option<ProjectId> {
    Some(ProjectId(name.to_owned()))
}

/// Waits until an audit is told to be in a state.
async fn told(events: &mut tokio::sync::broadcast::Receiver<Event>, id: AuditId, expected: AuditState) {
    loop {
        if let Event::Audit { audit_id, state, .. } = events.recv().await.unwrap()
            && (audit_id, state) == (id, expected)
        {
            return;
        }
    }
}

#[tokio::test]
async fn audits_run_when_messages_say_so() {
    let stage = Stage::set().await;
    let shutdown = CancellationToken::new();
    let service = tokio::spawn(Service::new(Arc::new(stage.another_engine())).run(shutdown.clone()));
    let mut events = stage.bus.events();
    let oneshot = stage.create(AuditType::Oneshot, |_| {}).await;
    stage.bus.publish(Work::RunAudit { audit_id: oneshot });
    told(&mut events, oneshot, AuditState::Succeeded).await;
    let continuous = stage.create(AuditType::Continuous, |_| {}).await;
    stage.bus.publish(Control::ScheduleChanged);
    told(&mut events, continuous, AuditState::Ongoing).await;
    shutdown.cancel();
    service.await.unwrap();
}

#[tokio::test]
async fn a_run_that_somebody_stops_is_dropped_and_one_that_is_shut_down_is_given_back() {
    let stage = Stage::set().await;
    stage.behave(Behaviour::Hang);
    let shutdown = CancellationToken::new();
    let service = tokio::spawn(Service::new(Arc::new(stage.another_engine())).run(shutdown.clone()));
    let mut events = stage.bus.events();
    let (stopped, other) =
        (stage.create(AuditType::Oneshot, |_| {}).await, stage.create(AuditType::Oneshot, |_| {}).await);
    stage.bus.publish(Work::RunAudit { audit_id: stopped });
    stage.runner.hangs.notified().await;
    stage.happen(stopped, AuditEvent::Cancel).await;
    stage.bus.publish(Control::AuditStopped { audit_id: stopped });
    stage.bus.publish(Work::RunAudit { audit_id: other });
    told(&mut events, other, AuditState::Ongoing).await;
    shutdown.cancel();
    service.await.unwrap();
    assert_eq!(stage.read(stopped).await.state, AuditState::Cancelled);
    assert_eq!(stage.read(other).await.state, AuditState::Pending);
    assert!(stage.plans(stopped).await.is_empty() && stage.plans(other).await.is_empty());
}

#[tokio::test]
async fn a_run_that_panics_fails_its_audit_and_the_next_one_runs() {
    let stage = Stage::set().await;
    stage.behave(Behaviour::Panic);
    let shutdown = CancellationToken::new();
    let service = tokio::spawn(Service::new(Arc::new(stage.another_engine())).run(shutdown.clone()));
    let mut events = stage.bus.events();
    for audit_type in [AuditType::Oneshot, AuditType::Continuous] {
        let crashed = stage.create(audit_type, |_| {}).await;
        stage.bus.publish(Work::RunAudit { audit_id: crashed });
        stage.bus.publish(Control::ScheduleChanged);
        told(&mut events, crashed, AuditState::Failed).await;
        let message = stage.read(crashed).await.status_message;
        assert_eq!(
            message.as_deref(),
            Some("the decision engine crashed while it ran the audit, and its log says why")
        );
    }
    stage.behave(Behaviour::Recommend);
    let next = stage.create(AuditType::Oneshot, |_| {}).await;
    stage.bus.publish(Work::RunAudit { audit_id: next });
    told(&mut events, next, AuditState::Succeeded).await;
    shutdown.cancel();
    service.await.unwrap();
}

#[tokio::test]
async fn a_project_with_more_audits_than_places_does_not_hold_up_another() {
    let stage = Stage::set().await;
    stage.behave(Behaviour::Hang);
    let shutdown = CancellationToken::new();
    let service = tokio::spawn(Service::new(Arc::new(stage.another_engine())).run(shutdown.clone()));
    let mut events = stage.bus.events();
    for _ in 0..120 {
        let audit_id = stage.create(AuditType::Oneshot, |audit| audit.project_id = project("busy")).await;
        stage.bus.publish(Work::RunAudit { audit_id });
    }
    let other = stage.create(AuditType::Oneshot, |audit| audit.project_id = project("other")).await;
    stage.bus.publish(Control::ScheduleChanged);
    told(&mut events, other, AuditState::Ongoing).await;
    shutdown.cancel();
    service.await.unwrap();
}

#[tokio::test]
async fn runs_of_a_project_that_stored_too_much_wait_and_those_of_others_do_not() {
    let stage = Stage::set().await;
    let shutdown = CancellationToken::new();
    let mut engine = stage.another_engine();
    engine.options.limits.shares.stored_bytes_per_hour = 100;
    // The next run of the project begins when what the one before stored was counted.
    engine.options.max_project_audit_workers = 1;
    let service = tokio::spawn(Service::new(Arc::new(engine)).run(shutdown.clone()));
    let mut events = stage.bus.events();
    let storing = stage.create(AuditType::Oneshot, |audit| audit.project_id = project("storing")).await;
    stage.bus.publish(Work::RunAudit { audit_id: storing });
    told(&mut events, storing, AuditState::Succeeded).await;
    let next = stage.create(AuditType::Oneshot, |audit| audit.project_id = project("storing")).await;
    stage.bus.publish(Work::RunAudit { audit_id: next });
    let other = stage.create(AuditType::Oneshot, |audit| audit.project_id = project("other")).await;
    stage.bus.publish(Work::RunAudit { audit_id: other });
    told(&mut events, other, AuditState::Succeeded).await;
    assert_eq!(stage.read(next).await.state, AuditState::Pending);
    shutdown.cancel();
    service.await.unwrap();
    assert_eq!(stage.read(next).await.state, AuditState::Pending);
}

#[tokio::test]
async fn runs_that_fail_again_and_again_by_the_fault_of_their_plugin_wait_and_those_of_others_do_not() {
    let stage = Stage::set().await;
    stage.behave(Behaviour::Break);
    let shutdown = CancellationToken::new();
    let mut engine = stage.another_engine();
    engine.options.plugin_failures_per_minute = 1;
    // The next run of the project begins when the failure of the one before was counted.
    engine.options.max_project_audit_workers = 1;
    let service = tokio::spawn(Service::new(Arc::new(engine)).run(shutdown.clone()));
    let mut events = stage.bus.events();
    let failing = stage.create(AuditType::Oneshot, |audit| audit.project_id = project("failing")).await;
    stage.bus.publish(Work::RunAudit { audit_id: failing });
    told(&mut events, failing, AuditState::Failed).await;
    stage.behave(Behaviour::Recommend);
    let next = stage.create(AuditType::Oneshot, |audit| audit.project_id = project("failing")).await;
    stage.bus.publish(Work::RunAudit { audit_id: next });
    for _ in 0..3 {
        let other = stage.create(AuditType::Oneshot, |audit| audit.project_id = project("other")).await;
        stage.bus.publish(Work::RunAudit { audit_id: other });
        told(&mut events, other, AuditState::Succeeded).await;
    }
    assert_eq!(stage.read(next).await.state, AuditState::Pending);
    shutdown.cancel();
    service.await.unwrap();
    assert_eq!(stage.read(next).await.state, AuditState::Pending);
}
