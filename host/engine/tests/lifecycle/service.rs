//! The service around the engine: messages, stops, and the end of a process.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use watcher_bus::{Control, Event, Work};
use watcher_domain::{AuditEvent, AuditId, AuditState, AuditType};
use watcher_engine::service::Service;

use crate::stage::{Behaviour, Stage};

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
