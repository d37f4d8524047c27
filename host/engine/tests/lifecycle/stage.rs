//! A decision engine whose clock stands still, and whose strategy recommends one action.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watcher_bus::Bus;
use watcher_cluster::{AuditScope, ClusterDataModel};
use watcher_domain::clock::{CountingIds, MockClock};
use watcher_domain::metric::{Samples, StatisticQuery};
use watcher_domain::plugin::{
    ActionSpecifics, Description, GoalDescription, PluginVersion, Specifics, StrategySpecifics,
};
use watcher_domain::ports::{
    CollectError, Collector, Datasource, PlannerRun, PlannerRunner, RunError, ScoringRun, ScoringRunner, Snapshot,
    StrategyOutcome, StrategyRun, StrategyRunner,
};
use watcher_domain::{
    ActionPlan, ActionPlanId, ActionPlanState, Audit, AuditEvent, AuditId, AuditState, AuditType, Blame, Clock as _,
    Digest, Failure, Goal, GoalId, Ids as _, PlannedAction, PluginId, PluginKind, Solution, SolutionAction, Stamps,
    Strategy, StrategyId, Timestamp,
};
use watcher_engine::{Engine, EngineOptions};
use watcher_store::testing::{install, sqlite};
use watcher_store::{Page, SortDir, Store, Visibility, action_plan, audit, goal, strategy};

/// What the strategy does when it is run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Behaviour {
    /// Recommends one action.
    #[default]
    Recommend,
    /// Recommends one action, after so long.
    Take(Duration),
    /// Says that it cannot.
    Fail,
    /// Says so many times that it cannot now; then recommends one action.
    FailForNow(usize),
    /// Gives back what makes no sense.
    Break,
    /// Has a bug.
    Panic,
    /// Never ends.
    Hang,
    /// Recommends one action, but meanwhile this happens to the audit.
    Meanwhile(AuditId, AuditEvent),
}

/// Runs what is no component.
pub(crate) struct Runner {
    store: Store,
    clock: Arc<MockClock>,
    pub(crate) behaviour: Mutex<Behaviour>,
    /// When runs began.
    pub(crate) began: Mutex<Vec<Timestamp>>,
    /// Is told of every run that hangs.
    pub(crate) hangs: tokio::sync::Notify,
}

#[async_trait]
impl StrategyRunner for Runner {
    async fn run_strategy(&self, _: StrategyRun) -> Result<StrategyOutcome, RunError> {
        self.began.lock().unwrap().push(self.clock.now());
        let behaviour = *self.behaviour.lock().unwrap();
        match behaviour {
            Behaviour::Take(time) => self.clock.advance(time),
            Behaviour::FailForNow(times) if self.began.lock().unwrap().len() <= times => {
                return Err(RunError::Declared(failure("not now").retryable()));
            }
            Behaviour::Recommend | Behaviour::FailForNow(_) => {}
            Behaviour::Fail => return Err(RunError::Declared(failure("no way"))),
            Behaviour::Break => {
                return Err(RunError::InvalidOutput {
                    plugin: "broken".to_owned(),
                    reason: "it makes no sense".to_owned(),
                });
            }
            Behaviour::Panic => panic!("a bug"),
            Behaviour::Hang => {
                self.hangs.notify_one();
                std::future::pending::<()>().await;
            }
            Behaviour::Meanwhile(id, event) => move_audit(&self.store, id, event, self.clock.now()).await,
        }
        let action = SolutionAction { action_type: "nop".to_owned(), input_parameters: Map::new() };
        let solution = Solution { actions: vec![action], efficacy_indicators: Vec::new() };
        Ok(StrategyOutcome { solution, global_efficacy: Vec::new() })
    }
}

#[async_trait]
impl PlannerRunner for Runner {
    async fn run_planner(&self, run: PlannerRun) -> Result<Vec<PlannedAction>, RunError> {
        let planned = |action| PlannedAction { action, parents: Vec::new() };
        Ok((0..).take(run.actions.len()).map(planned).collect())
    }
}

#[async_trait]
impl ScoringRunner for Runner {
    async fn run_scoring(&self, run: ScoringRun) -> Result<Vec<String>, RunError> {
        Ok(vec!["{}".to_owned(); run.features.len()])
    }
}

fn failure(message: &str) -> Failure {
    Failure { blame: Blame::Plugin, code: "failed".to_owned(), message: message.to_owned(), retryable: false }
}

/// A cloud without anything.
struct Nothing(Arc<MockClock>);

#[async_trait]
impl Collector for Nothing {
    async fn collect(&self, _: &AuditScope) -> Result<Snapshot, CollectError> {
        Ok(Snapshot { model: ClusterDataModel::default(), as_of: self.0.now() })
    }
}

#[async_trait]
impl Datasource for Nothing {
    async fn statistic(&self, _: &StatisticQuery, _: &ClusterDataModel, _: Timestamp) -> Result<Samples, Failure> {
        Err(failure("there are no metrics"))
    }

    fn has(&self, _: &str) -> bool {
        false
    }
}

/// Lets somebody's wish happen to an audit, if its state allows it.
pub(crate) async fn move_audit(store: &Store, id: AuditId, event: AuditEvent, now: Timestamp) {
    let mut tx = store.begin().await.unwrap();
    let from = audit::get(&mut tx, id).await.unwrap().unwrap().state;
    if let Ok(to) = from.after(event) {
        assert!(audit::transition(&mut tx, id, from, to, now).await.unwrap());
        tx.commit().await.unwrap();
    }
}

pub(crate) struct Stage {
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) clock: Arc<MockClock>,
    pub(crate) ids: Arc<CountingIds>,
    pub(crate) runner: Arc<Runner>,
    pub(crate) engine: Engine,
    goal: GoalId,
    strategy: StrategyId,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let store = sqlite().await;
        let (clock, ids) = (Arc::new(MockClock::default()), Arc::new(CountingIds::default()));
        let stamps = Stamps::new(clock.now());
        let goal = Goal {
            id: GoalId(ids.uuid()),
            name: "dummy".to_owned(),
            display_name: "Dummy goal".to_owned(),
            efficacy_specification: Vec::new(),
            stamps,
        };
        let strategy = Strategy {
            id: StrategyId(ids.uuid()),
            name: "dummy".to_owned(),
            display_name: "Dummy strategy".to_owned(),
            goal_id: goal.id,
            parameters_spec: json!({}),
            digest: Digest([1; 32]),
            stamps,
        };
        let mut tx = store.begin().await.unwrap();
        let described = GoalDescription {
            name: "dummy".to_owned(),
            display_name: "Dummy goal".to_owned(),
            efficacy_specification: Vec::new(),
        };
        let specifics = [
            (
                "dummy",
                Specifics::Strategy(StrategySpecifics {
                    goal: described,
                    parameters_schema: json!({}),
                    metrics: Vec::new(),
                    planner: "weight".to_owned(),
                }),
            ),
            ("weight", Specifics::Planner {}),
            ("nop", Specifics::Action(ActionSpecifics { parameters_schema: json!({}), requests: Vec::new() })),
        ];
        for ((name, specifics), byte) in specifics.into_iter().zip(1..) {
            let kind = match &specifics {
                Specifics::Strategy(_) => PluginKind::Strategy,
                Specifics::Planner {} => PluginKind::Planner,
                Specifics::Action(_) => PluginKind::Action,
                Specifics::ScoringEngine(_) => PluginKind::ScoringEngine,
            };
            let version = PluginVersion {
                plugin_id: PluginId(ids.uuid()),
                project_id: None,
                kind,
                digest: Digest([byte; 32]),
                description: Description {
                    name: name.to_owned(),
                    version: "1.0.0".to_owned(),
                    display_name: name.to_owned(),
                    description: String::new(),
                    configuration_schema: Value::Null,
                    specifics,
                },
                imports: Vec::new(),
                size_bytes: 1,
                stamps,
            };
            install(&mut tx, &version, &[byte]).await;
        }
        goal::insert(&mut tx, &goal).await.unwrap();
        strategy::insert(&mut tx, &strategy).await.unwrap();
        tx.commit().await.unwrap();
        let runner = Arc::new(Runner {
            store: store.clone(),
            clock: Arc::clone(&clock),
            behaviour: Mutex::default(),
            began: Mutex::default(),
            hangs: tokio::sync::Notify::new(),
        });
        let bus = Bus::in_process();
        let engine = engine(&store, &bus, &clock, &ids, &runner);
        Self { store, bus, clock, ids, runner, engine, goal: goal.id, strategy: strategy.id }
    }

    /// Ends the process and starts another one after some time; what ran is lost.
    pub(crate) fn restart(&mut self, away: Duration) {
        self.clock.advance(away);
        self.engine = self.another_engine();
    }

    pub(crate) fn another_engine(&self) -> Engine {
        engine(&self.store, &self.bus, &self.clock, &self.ids, &self.runner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.runner.behaviour.lock().unwrap() = behaviour;
    }

    /// When runs began.
    pub(crate) fn began(&self) -> Vec<Timestamp> {
        self.runner.began.lock().unwrap().clone()
    }

    pub(crate) async fn create(&self, audit_type: AuditType, change: impl FnOnce(&mut Audit)) -> AuditId {
        let id = self.ids.uuid();
        let mut row = Audit {
            id: AuditId(id),
            project_id: None,
            name: id.to_string(),
            audit_type,
            state: AuditState::Pending,
            parameters: Map::new(),
            interval: (audit_type == AuditType::Continuous).then(|| "60".to_owned()),
            goal_id: self.goal,
            strategy_id: Some(self.strategy),
            scope: AuditScope::default(),
            auto_trigger: false,
            force: false,
            next_run_time: None,
            hostname: None,
            start_time: None,
            end_time: None,
            status_message: None,
            stamps: Stamps::new(self.now()),
        };
        change(&mut row);
        let mut tx = self.store.begin().await.unwrap();
        audit::insert(&mut tx, &row).await.unwrap();
        tx.commit().await.unwrap();
        row.id
    }

    pub(crate) async fn read(&self, id: AuditId) -> Audit {
        let mut tx = self.store.read().await.unwrap();
        audit::get(&mut tx, id).await.unwrap().unwrap().value
    }

    /// Changes an audit as a client does.
    pub(crate) async fn change(&self, id: AuditId, change: impl FnOnce(&mut Audit)) {
        let mut changed = self.read(id).await;
        change(&mut changed);
        let mut tx = self.store.begin().await.unwrap();
        assert!(audit::update(&mut tx, &changed, self.now()).await.unwrap());
        tx.commit().await.unwrap();
    }

    pub(crate) async fn happen(&self, id: AuditId, event: AuditEvent) {
        move_audit(&self.store, id, event, self.now()).await;
    }

    /// Calls the webhook of an EVENT audit; whether it is accepted.
    pub(crate) async fn call_webhook(&self, id: AuditId) -> bool {
        let mut tx = self.store.begin().await.unwrap();
        let accepted = audit::trigger(&mut tx, id, self.now()).await.unwrap();
        tx.commit().await.unwrap();
        accepted
    }

    pub(crate) async fn plans(&self, of: AuditId) -> Vec<ActionPlan> {
        let mut tx = self.store.read().await.unwrap();
        let filter = action_plan::ActionPlanFilter { audit: Some(of), ..Default::default() };
        let page = Page {
            limit: 10_000,
            marker: None,
            sort: action_plan::Sort::Serial,
            dir: SortDir::Asc,
            show_deleted: false,
        };
        let plans = action_plan::list(&mut tx, &filter, &page, &Visibility::All).await.unwrap();
        plans.into_iter().map(|plan| plan.value).collect()
    }

    /// Inserts a plan of the audit's project.
    pub(crate) async fn plan_of(&self, audit: AuditId, state: ActionPlanState) -> ActionPlanId {
        let project_id = self.read(audit).await.project_id;
        let plan = ActionPlan {
            id: ActionPlanId(self.ids.uuid()),
            project_id,
            audit_id: audit,
            strategy_id: self.strategy,
            state,
            global_efficacy: Vec::new(),
            hostname: None,
            status_message: None,
            strategy_digest: Digest([1; 32]),
            planner_digest: Digest([2; 32]),
            snapshot_id: None,
            stamps: Stamps::new(self.now()),
        };
        let mut tx = self.store.begin().await.unwrap();
        action_plan::insert(&mut tx, &plan).await.unwrap();
        tx.commit().await.unwrap();
        plan.id
    }

    pub(crate) async fn end_plan(&self, id: ActionPlanId) {
        let mut tx = self.store.begin().await.unwrap();
        let (from, to) = (ActionPlanState::Ongoing, ActionPlanState::Succeeded);
        assert!(action_plan::transition(&mut tx, id, from, to, self.now()).await.unwrap());
        tx.commit().await.unwrap();
    }

    pub(crate) async fn run(&self, id: AuditId) {
        self.engine.run_audit(id, &CancellationToken::new()).await.unwrap();
    }

    /// Runs whatever is due now, and what becomes due by that.
    pub(crate) async fn settle(&self) -> Option<Timestamp> {
        loop {
            let upcoming = self.engine.look().await.unwrap();
            if upcoming.due.is_empty() {
                return upcoming.next;
            }
            for id in upcoming.due {
                self.run(id).await;
            }
        }
    }

    /// Lets time pass as the service does: from one time at which something is due to the next.
    pub(crate) async fn pass(&self, time: Duration) {
        let until = self.now() + time;
        while let Some(next) = self.settle().await.filter(|next| *next <= until) {
            self.clock.advance((next - self.now()).to_std().unwrap());
        }
        if let Ok(rest) = (until - self.now()).to_std() {
            self.clock.advance(rest);
        }
        self.settle().await;
    }
}

fn engine(store: &Store, bus: &Bus, clock: &Arc<MockClock>, ids: &Arc<CountingIds>, runner: &Arc<Runner>) -> Engine {
    let worker: Uuid = ids.uuid();
    let nothing = Arc::new(Nothing(Arc::clone(clock)));
    Engine {
        store: store.clone(),
        bus: bus.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        strategies: runner.clone(),
        planners: runner.clone(),
        scoring: runner.clone(),
        guard: Arc::new(watcher_domain::ports::Unguarded),
        collector: nothing.clone(),
        datasource: nothing,
        options: EngineOptions { hostname: "host".to_owned(), ..EngineOptions::default() },
        worker,
        large_plans: tokio::sync::Semaphore::new(1),
        started_at: clock.now(),
    }
}
