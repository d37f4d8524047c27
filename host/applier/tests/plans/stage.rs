//! An applier whose clock stands still, and whose handlers are made of Rust.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use watcher_applier::service::Service;
use watcher_applier::{Applier, ApplierOptions};
use watcher_bus::{Bus, Event, Work};
use watcher_cluster::AuditScope;
use watcher_domain::clock::{CountingIds, MockClock};
use watcher_domain::cloud::{CloudRequest, CloudResponse, Method};
use watcher_domain::journal::{ActionPhase, Begun, JournalAnswer, JournalCall};
use watcher_domain::plugin::{ActionSpecifics, Description, PluginVersion, Specifics};
use watcher_domain::ports::{ActionCall, ActionOutcome, ActionRunner, CloudRequests, RunError, Unguarded};
use watcher_domain::{
    Action, ActionId, ActionPlan, ActionPlanId, ActionPlanState, ActionState, Audit, AuditId, AuditState, AuditType,
    Blame, Clock as _, Digest, Failure, Goal, GoalId, Ids as _, PluginId, PluginKind, Stamps, Strategy, StrategyId,
};
use watcher_store::testing::{install, sqlite};
use watcher_store::{Store, action, action_plan, audit, goal, strategy};

const HANDLER: Digest = Digest([1; 32]);

/// Does nothing in `execute` but what the action's parameters ask for: a panic (`bug`), or a request with this method (`send`) and a failure that says that it may
/// work later, so many times (`fails`).
#[derive(Default)]
pub(crate) struct Handler {
    /// The phases that were called.
    pub(crate) called: Mutex<Vec<ActionPhase>>,
}

impl Handler {
    /// How often a phase was called.
    pub(crate) fn calls(&self, phase: ActionPhase) -> usize {
        self.called.lock().unwrap().iter().filter(|called| **called == phase).count()
    }
}

#[async_trait]
impl ActionRunner for Handler {
    async fn call_action(&self, call: ActionCall) -> Result<ActionOutcome, RunError> {
        self.called.lock().unwrap().push(call.phase);
        if call.phase != ActionPhase::Execute {
            return Ok(ActionOutcome::Done);
        }
        assert!(!call.parameters.contains_key("bug"), "a bug");
        let Some(times) = call.parameters.get("fails").and_then(Value::as_u64) else { return Ok(ActionOutcome::Done) };
        if let Some(method) = call.parameters.get("send").and_then(Value::as_str) {
            let request = CloudRequest {
                service_type: "compute".to_owned(),
                method: if method == "GET" { Method::Get } else { Method::Post },
                path: "/servers".to_owned(),
                query: Vec::new(),
                body: None,
                microversion: None,
            };
            let begun = call.journal.begin(0, &JournalCall::Request { request }).await.map_err(RunError::Journal)?;
            assert_eq!(begun, Begun::New, "what is tried again begins with an empty journal");
            let answer = match call.parameters.get("unanswered").and_then(Value::as_str) {
                Some(code) => JournalAnswer::Failed { failure: Failure::new(Blame::Cloud, code, "no answer") },
                None => JournalAnswer::Response {
                    response: CloudResponse { status: 200, headers: Vec::new(), body: String::new() },
                },
            };
            call.journal.finish(0, &answer).await.map_err(RunError::Journal)?;
        }
        if self.calls(ActionPhase::Execute) as u64 <= times {
            return Err(RunError::Declared(Failure::new(Blame::Cloud, "busy", "not now").retryable()));
        }
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

pub(crate) struct Stage {
    store: Store,
    pub(crate) bus: Bus,
    pub(crate) handler: Arc<Handler>,
    clock: Arc<MockClock>,
    ids: Arc<CountingIds>,
    audit: AuditId,
    strategy: StrategyId,
}

impl Stage {
    pub(crate) async fn set() -> Self {
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
        Self {
            store,
            bus: Bus::in_process(),
            handler: Arc::default(),
            clock,
            ids,
            audit: audit.id,
            strategy: strategy_id,
        }
    }

    pub(crate) fn service(&self) -> Service {
        Service::new(Arc::new(Applier {
            store: self.store.clone(),
            bus: self.bus.clone(),
            clock: self.clock.clone(),
            handlers: Arc::clone(&self.handler) as _,
            guard: Arc::new(Unguarded),
            cloud: Arc::clone(&self.handler) as _,
            options: ApplierOptions { retry_wait: Duration::ZERO, ..ApplierOptions::default() },
            worker: Uuid::nil(),
        }))
    }

    /// A started plan of two actions, one after the other, with parameters for the first.
    pub(crate) async fn plan(&self, parameters: Map<String, Value>) -> ActionPlanId {
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

    pub(crate) async fn read(&self, id: ActionPlanId) -> (ActionPlan, Vec<Action>) {
        let mut tx = self.store.read().await.unwrap();
        let plan = action_plan::get(&mut tx, id).await.unwrap().unwrap().value;
        (plan, action::list_of_plan(&mut tx, id).await.unwrap())
    }
}

/// The state in which a plan is told to have ended.
pub(crate) async fn ended(events: &mut tokio::sync::broadcast::Receiver<Event>, id: ActionPlanId) -> ActionPlanState {
    loop {
        if let Event::ActionPlan { action_plan_id, state, .. } = events.recv().await.unwrap()
            && action_plan_id == id
            && state != ActionPlanState::Ongoing
        {
            return state;
        }
    }
}
