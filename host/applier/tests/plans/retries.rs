//! What is tried again, and what is not.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use watcher_domain::journal::ActionPhase;
use watcher_domain::{ActionPlanState, ActionState};

use crate::stage::{Stage, ended};

/// Carries out a plan whose first action has these parameters; how often it was executed, its state and its message.
async fn carry_out(parameters: Value) -> (usize, ActionState, Option<String>) {
    let stage = Stage::set().await;
    let shutdown = CancellationToken::new();
    let mut events = stage.bus.events();
    let service = tokio::spawn(stage.service().run(shutdown.clone()));
    let plan = stage.plan(parameters.as_object().unwrap().clone()).await;
    let is_done = ended(&mut events, plan).await == ActionPlanState::Succeeded;
    let (_, mut actions) = stage.read(plan).await;
    // Once it worked, the second action is executed as well.
    let executed = stage.handler.calls(ActionPhase::Execute) - usize::from(is_done);
    shutdown.cancel();
    service.await.unwrap();
    let action = actions.remove(0);
    (executed, action.state, action.status_message)
}

#[tokio::test]
async fn an_execution_is_tried_again_only_while_it_says_so_and_cannot_have_changed_anything() {
    let failed = |tries: &str| {
        Some(format!("Action failed in execute: not now{tries}; the resource was brought back to where it was"))
    };
    let thrice = "; it was tried 3 times";
    for (parameters, executions, state, message) in [
        (json!({"fails": 2}), 3, ActionState::Succeeded, None),
        (json!({"fails": 9}), 3, ActionState::Failed, failed(thrice)),
        (json!({"fails": 2, "send": "GET"}), 3, ActionState::Succeeded, None),
        (json!({"fails": 2, "send": "POST"}), 1, ActionState::Failed, failed("")),
        (json!({"fails": 2, "send": "POST", "unanswered": "unreachable"}), 3, ActionState::Succeeded, None),
        (json!({"fails": 2, "send": "POST", "unanswered": "too-many-requests"}), 3, ActionState::Succeeded, None),
        (json!({"fails": 2, "send": "POST", "unanswered": "outcome-unknown"}), 1, ActionState::Failed, failed("")),
    ] {
        let ended = carry_out(parameters.clone()).await;
        assert_eq!(ended, (executions, state, message), "{parameters}");
    }
}
