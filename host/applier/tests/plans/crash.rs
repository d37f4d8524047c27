//! A bug in what the applier calls: the plan ends, and the service goes on.

use serde_json::{Map, json};
use tokio_util::sync::CancellationToken;
use watcher_applier::ApplierOptions;
use watcher_domain::{ActionPlanState, ActionState};

use crate::stage::{Stage, ended};

#[tokio::test]
async fn a_plan_whose_handler_panics_fails_at_once_and_the_next_one_is_carried_out() {
    let stage = Stage::set().await;
    let shutdown = CancellationToken::new();
    let mut events = stage.bus.events();
    let service = tokio::spawn(stage.service().run(shutdown.clone()));
    let bug = Map::from_iter([("bug".to_owned(), json!(true))]);
    // More than may run at once: none keeps its place.
    for _ in 0..=ApplierOptions::default().max_plans {
        let crashed = stage.plan(bug.clone()).await;
        assert_eq!(ended(&mut events, crashed).await, ActionPlanState::Failed);
        let (plan, actions) = stage.read(crashed).await;
        let reason = "the applier crashed while it carried out the action plan, and its log says why";
        assert_eq!(plan.status_message.as_deref(), Some(reason));
        let states: Vec<_> = actions.iter().map(|action| action.state).collect();
        assert_eq!(states, [ActionState::Failed, ActionState::Cancelled]);
        let lost = format!("{reason}; nobody knows what came of this action: look at its resource");
        assert_eq!(actions[0].status_message, Some(lost));
    }
    let sound = stage.plan(Map::new()).await;
    assert_eq!(ended(&mut events, sound).await, ActionPlanState::Succeeded);
    shutdown.cancel();
    service.await.unwrap();
}
