//! A bug in what the applier calls: the plan ends, and the service goes on.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watcher_applier::service::Service;
use watcher_applier::{Applier, ApplierOptions};
use watcher_bus::{Bus, Event, Work};
use watcher_cluster::AuditScope;
use watcher_domain::clock::{CountingIds, MockClock};
use watcher_domain::cloud::{CloudRequest, CloudResponse};
use watcher_domain::journal::ActionPhase;
use watcher_domain::plugin::{ActionSpecifics, Description, PluginVersion, Specifics};
use watcher_domain::ports::{ActionCall, ActionOutcome, ActionRunner, CloudRequests, RunError, Unguarded};
use watcher_domain::{
    Action, ActionId, ActionPlan, ActionPlanId, ActionPlanState, ActionState, Audit, AuditId, AuditState, AuditType,
    Blame, Clock as _, Digest, Failure, Goal, GoalId, Ids as _, PluginId, PluginKind, Stamps, Strategy, StrategyId,
};
use watcher_store::testing::{install, sqlite};
use watcher_store::{Store, action, action_plan, audit, goal, strategy};

const HANDLER: Digest = Digest([1; 32]);

/// Does nothing, or panics in `execute` where the action's parameters ask for it.
struct Handler;

#[async_trait]
impl ActionRunner for Handler {
    async fn call_action(&self, call: ActionCall) -> Result<ActionOutcome, RunError> {
        let is_due = call.phase == ActionPhase::Execute && call.parameters.contains_key("bug");
        assert!(!is_due, "a bug");
        Ok(ActionOutcome::Done)
    }

    async fn describe_effect(&self, _: Digest, _: Map<String, Value>) -> Result<Vec<Value>, RunError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl CloudRequests for Handler {
    async fn send(&self, _: &CloudRequest) -> Result<CloudResponse, Failure> {
        Err(Failure::new(Blame::Cloud, "unreachable", "there is no cloud"))
    }
}

struct Stage {
    store: Store,
    bus: Bus,
    clock: Arc<MockClock>,
    ids: Arc<CountingIds>,
    audit: AuditId,
    strategy: StrategyId,
}

impl Stage {
    async fn set() -> Self {
        let (store, clock, ids) = (sqlite().await, Arc::new(MockClock::default()), Arc::new(CountingIds::default()));
        let stamps = Stamps::new(clock.now());
        let (goal_id, strategy_id) = (GoalId(ids.uuid()), StrategyId(ids.uuid()));
        let goal = Goal {
            id: goal_id,
            name: "dummy".to_owned(),
            display_name: "Dummy goal".to_owned(),
            efficacy_specification: Vec::new(),
            stamps,
        };
        let strategy = Strategy {
            id: strategy_id,
            name: "dummy".to_owned(),
            display_name: "Dummy strategy".to_owned(),
            goal_id,
            parameters_spec: json!({}),
            digest: Digest([2; 32]),
            stamps,
        };
        let handler = |name: &str, digest, kind, specifics| PluginVersion {
            plugin_id: PluginId(ids.uuid()),
            project_id: None,
            kind,
            digest,
            description: Description {
                name: name.to_owned(),
                version: "1.0.0".to_owned(),
                display_name: name.to_owned(),
                description: String::new(),
                configuration_schema: json!({}),
                specifics,
            },
            imports: Vec::new(),
            size_bytes: 1,
            stamps,
        };
        let nop = Specifics::Action(ActionSpecifics { parameters_schema: json!({}), requests: Vec::new() });
        let nop = handler("nop", HANDLER, PluginKind::Action, nop);
        let planner = handler("weight", Digest([2; 32]), PluginKind::Planner, Specifics::Planner {});
        let audit = Audit {
            id: AuditId(ids.uuid()),
            project_id: None,
            name: "audit".to_owned(),
            audit_type: AuditType::Oneshot,
            state: AuditState::Succeeded,
            parameters: Map::new(),
            interval: None,
            goal_id,
            strategy_id: Some(strategy_id),
            scope: AuditScope::default(),
            auto_trigger: false,
            force: false,
            next_run_time: None,
            hostname: None,
            start_time: None,
            end_time: None,
            status_message: None,
            stamps,
        };
        let mut tx = store.begin().await.unwrap();
        install(&mut tx, &nop, &[1]).await;
        install(&mut tx, &planner, &[2]).await;
        goal::insert(&mut tx, &goal).await.unwrap();
        strategy::insert(&mut tx, &strategy).await.unwrap();
        audit::insert(&mut tx, &audit).await.unwrap();
        tx.commit().await.unwrap();
        Self { store, bus: Bus::in_process(), clock, ids, audit: audit.id, strategy: strategy_id }
    }

    fn service(&self) -> Service {
        Service::new(Arc::new(Applier {
            store: self.store.clone(),
            bus: self.bus.clone(),
            clock: self.clock.clone(),
            handlers: Arc::new(Handler),
            guard: Arc::new(Unguarded),
            cloud: Arc::new(Handler),
            options: ApplierOptions::default(),
            worker: Uuid::nil(),
        }))
    }

    /// A started plan of two actions, one after the other, with parameters for the first.
    async fn plan(&self, parameters: Map<String, Value>) -> ActionPlanId {
        let stamps = Stamps::new(self.clock.now());
        let plan = ActionPlan {
            id: ActionPlanId(self.ids.uuid()),
            project_id: None,
            audit_id: self.audit,
            strategy_id: self.strategy,
            state: ActionPlanState::Pending,
            global_efficacy: Vec::new(),
            hostname: None,
            status_message: None,
            strategy_digest: Digest([2; 32]),
            planner_digest: Digest([2; 32]),
            snapshot_id: None,
            stamps,
        };
        let first = Action {
            id: ActionId(self.ids.uuid()),
            action_plan_id: plan.id,
            position: 0,
            action_type: "nop".to_owned(),
            input_parameters: parameters,
            state: ActionState::Pending,
            parents: Vec::new(),
            status_message: None,
            digest: HANDLER,
            stamps,
        };
        let second = Action {
            id: ActionId(self.ids.uuid()),
            position: 1,
            input_parameters: Map::new(),
            parents: vec![first.id],
            ..first.clone()
        };
        let mut tx = self.store.begin().await.unwrap();
        action_plan::insert(&mut tx, &plan).await.unwrap();
        action::insert_many(&mut tx, &[first, second]).await.unwrap();
        tx.commit().await.unwrap();
        self.bus.publish(Work::RunActionPlan { action_plan_id: plan.id });
        plan.id
    }

    async fn read(&self, id: ActionPlanId) -> (ActionPlan, Vec<Action>) {
        let mut tx = self.store.read().await.unwrap();
        let plan = action_plan::get(&mut tx, id).await.unwrap().unwrap().value;
        (plan, action::list_of_plan(&mut tx, id).await.unwrap())
    }
}

/// The state in which a plan is told to have ended.
async fn ended(events: &mut tokio::sync::broadcast::Receiver<Event>, id: ActionPlanId) -> ActionPlanState {
    loop {
        if let Event::ActionPlan { action_plan_id, state, .. } = events.recv().await.unwrap()
            && action_plan_id == id
            && state != ActionPlanState::Ongoing
        {
            return state;
        }
    }
}

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
