//! Rows for tests, with ids that count up and a clock that stands still until it is moved.

use serde_json::{Map, Value, json};
use watcher_cluster::AuditScope;
use watcher_domain::clock::{CountingIds, MockClock};
use watcher_domain::efficacy::{EfficacyIndicator, GlobalEfficacy, IndicatorSpec};
use watcher_domain::plugin::{
    ActionSpecifics, Description, GoalDescription, PluginVersion, ScoringEngineSpecifics, Specifics, StrategySpecifics,
};
use watcher_domain::{
    Action, ActionId, ActionPlan, ActionPlanId, ActionPlanState, ActionState, Audit, AuditId, AuditState,
    AuditTemplate, AuditTemplateId, AuditType, Clock as _, Digest, EfficacyIndicatorId, Goal, GoalId, Ids as _,
    PluginId, PluginKind, ProjectId, ScoringEngine, ScoringEngineId, Stamps, Strategy, StrategyId, Timestamp,
};
use watcher_store::{Store, Tx, action, action_plan, audit, goal, strategy};

/// Takes back what the newest two migrations made.
pub(crate) const UNDO: &str = "DROP TABLE plan_components; DROP INDEX plugin_events_project; \
     DROP INDEX plugin_events_happened; DROP INDEX plugin_events_owner; \
     DROP INDEX audit_templates_project; DROP INDEX audits_project; DROP INDEX action_plans_project; DROP INDEX actions_project; \
     ALTER TABLE audits DROP COLUMN lost_runs; \
     DELETE FROM schema_migrations WHERE version >= 110";

#[derive(Default)]
pub(crate) struct Fixtures {
    pub(crate) clock: MockClock,
    ids: CountingIds,
}

/// A goal with a strategy, an audit by it, and the plan that it recommends.
pub(crate) struct Chain {
    pub(crate) goal: Goal,
    pub(crate) strategy: Strategy,
    pub(crate) audit: Audit,
    pub(crate) plan: ActionPlan,
}

/// Numbers and texts that a careless way through a database would change.
pub(crate) fn awkward() -> Map<String, Value> {
    let value = json!({
        "zebra": 1, "apple": -0.0, "float": 1e16, "sum": 0.1 + 0.2, "tiny": 5e-324, "large": 18_446_744_073_709_551_615_u64,
        "text": "naïve 'quote' \\ \u{1F600}", "nested": {"b": [1, 1.0, null, true], "a": {}}, "exact": 1.000_000_000_000_000_2,
    });
    value.as_object().unwrap().clone()
}

#[expect(clippy::unnecessary_wraps, reason = "owners of rows are optional")]
pub(crate) fn project(name: &str) -> Option<ProjectId> {
    Some(ProjectId(name.to_owned()))
}

pub(crate) const fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

impl Fixtures {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn later(&self, seconds: u64) -> Timestamp {
        self.clock.advance(std::time::Duration::from_secs(seconds));
        self.now()
    }

    pub(crate) fn uuid(&self) -> uuid::Uuid {
        self.ids.uuid()
    }

    fn stamps(&self) -> Stamps {
        Stamps::new(self.now())
    }

    pub(crate) fn goal(&self, name: &str) -> Goal {
        Goal {
            id: GoalId(self.uuid()),
            name: name.to_owned(),
            display_name: format!("Goal {name}"),
            efficacy_specification: vec![IndicatorSpec {
                name: "released_nodes_count".to_owned(),
                description: "Nodes that are free.".to_owned(),
                unit: None,
                schema: json!({"type": "integer", "minimum": 0}),
                required: true,
            }],
            stamps: self.stamps(),
        }
    }

    pub(crate) fn strategy(&self, name: &str, goal: &Goal) -> Strategy {
        Strategy {
            id: StrategyId(self.uuid()),
            name: name.to_owned(),
            display_name: format!("Strategy {name}"),
            goal_id: goal.id,
            parameters_spec: Value::Object(awkward()),
            digest: digest(1),
            stamps: self.stamps(),
        }
    }

    pub(crate) fn template(&self, name: &str, goal: &Goal, strategy: Option<&Strategy>) -> AuditTemplate {
        AuditTemplate {
            id: AuditTemplateId(self.uuid()),
            project_id: None,
            name: name.to_owned(),
            description: None,
            goal_id: goal.id,
            strategy_id: strategy.map(|strategy| strategy.id),
            scope: AuditScope(vec![json!({"compute": [{"host_aggregates": [{"id": "*"}]}]})]),
            default_parameters: awkward(),
            stamps: self.stamps(),
        }
    }

    pub(crate) fn audit(&self, name: &str, goal: &Goal, strategy: Option<&Strategy>) -> Audit {
        Audit {
            id: AuditId(self.uuid()),
            project_id: None,
            name: name.to_owned(),
            audit_type: AuditType::Oneshot,
            state: AuditState::Pending,
            parameters: awkward(),
            interval: None,
            goal_id: goal.id,
            strategy_id: strategy.map(|strategy| strategy.id),
            scope: AuditScope::default(),
            auto_trigger: false,
            force: true,
            next_run_time: None,
            hostname: None,
            start_time: None,
            end_time: None,
            status_message: None,
            stamps: self.stamps(),
        }
    }

    pub(crate) fn plan(&self, audit: &Audit, strategy: &Strategy) -> ActionPlan {
        ActionPlan {
            id: ActionPlanId(self.uuid()),
            project_id: audit.project_id.clone(),
            audit_id: audit.id,
            strategy_id: strategy.id,
            state: ActionPlanState::Recommended,
            global_efficacy: vec![GlobalEfficacy {
                name: "released_nodes_ratio".to_owned(),
                description: String::new(),
                unit: Some("%".to_owned()),
                value: 100.0 / 3.0,
            }],
            hostname: None,
            status_message: None,
            strategy_digest: digest(1),
            planner_digest: digest(2),
            snapshot_id: None,
            stamps: self.stamps(),
        }
    }

    pub(crate) fn actions(&self, plan: &ActionPlan, count: u32) -> Vec<Action> {
        let mut actions: Vec<Action> = Vec::new();
        for position in 0..count {
            actions.push(Action {
                id: ActionId(self.uuid()),
                action_plan_id: plan.id,
                position,
                action_type: if position % 3 == 0 { "migrate" } else { "nop" }.to_owned(),
                input_parameters: awkward(),
                state: ActionState::Pending,
                parents: actions.last().map(|action| action.id).into_iter().collect(),
                status_message: None,
                digest: digest(3),
                stamps: self.stamps(),
            });
        }
        actions
    }

    pub(crate) fn scoring_engine(&self, name: &str) -> ScoringEngine {
        ScoringEngine {
            id: ScoringEngineId(self.uuid()),
            name: name.to_owned(),
            description: "Scores.".to_owned(),
            metainfo: "{\n  \"columns\": [1, 2.50]}".to_owned(),
            stamps: self.stamps(),
        }
    }

    pub(crate) fn indicator(&self, plan: &ActionPlan, name: &str, value: f64) -> EfficacyIndicator {
        EfficacyIndicator {
            id: EfficacyIndicatorId(self.uuid()),
            action_plan_id: plan.id,
            name: name.to_owned(),
            description: "An indicator.".to_owned(),
            unit: Some("%".to_owned()),
            value,
        }
    }

    pub(crate) fn version(&self, name: &str, kind: PluginKind, digest: Digest) -> PluginVersion {
        let specifics = match kind {
            PluginKind::Strategy => Specifics::Strategy(StrategySpecifics {
                goal: GoalDescription {
                    name: "dummy".to_owned(),
                    display_name: "Dummy goal".to_owned(),
                    efficacy_specification: Vec::new(),
                },
                parameters_schema: Value::Object(awkward()),
                metrics: vec!["instance_cpu_usage".to_owned()],
                planner: "weight".to_owned(),
            }),
            PluginKind::Action => {
                Specifics::Action(ActionSpecifics { parameters_schema: json!({}), requests: Vec::new() })
            }
            PluginKind::ScoringEngine => {
                Specifics::ScoringEngine(ScoringEngineSpecifics { metainfo: "{\"columns\": []}".to_owned() })
            }
            PluginKind::Planner => Specifics::Planner {},
        };
        PluginVersion {
            plugin_id: PluginId(self.uuid()),
            project_id: None,
            kind,
            digest,
            description: Description {
                name: name.to_owned(),
                version: "1.2.3".to_owned(),
                display_name: name.to_uppercase(),
                description: "What it does.".to_owned(),
                configuration_schema: json!({"properties": {}}),
                specifics,
            },
            imports: vec!["watcher:log/log@0.1.0".to_owned()],
            size_bytes: 5,
            stamps: self.stamps(),
        }
    }

    /// Inserts goal, strategy, audit and plan, and commits.
    pub(crate) async fn chain(&self, store: &Store) -> Chain {
        let name = self.uuid().to_string();
        let goal = self.goal(&name);
        let strategy = self.strategy(&name, &goal);
        let audit = self.audit(&name, &goal, Some(&strategy));
        let plan = self.plan(&audit, &strategy);
        let mut tx = store.begin().await.unwrap();
        goal::insert(&mut tx, &goal).await.unwrap();
        strategy::insert(&mut tx, &strategy).await.unwrap();
        audit::insert(&mut tx, &audit).await.unwrap();
        action_plan::insert(&mut tx, &plan).await.unwrap();
        tx.commit().await.unwrap();
        Chain { goal, strategy, audit, plan }
    }

    /// Inserts an audit with what it needs, changed by `change`, and commits.
    pub(crate) async fn inserted_audit(&self, store: &Store, change: impl FnOnce(&mut Audit)) -> Audit {
        let chain = self.chain(store).await;
        let mut audit = self.audit(&self.uuid().to_string(), &chain.goal, Some(&chain.strategy));
        change(&mut audit);
        let mut tx = store.begin().await.unwrap();
        audit::insert(&mut tx, &audit).await.unwrap();
        tx.commit().await.unwrap();
        audit
    }

    /// Inserts a plan with so many actions and what it needs, in a state, and commits.
    pub(crate) async fn inserted_plan(
        &self,
        store: &Store,
        state: ActionPlanState,
        actions: u32,
    ) -> (ActionPlan, Vec<Action>) {
        let chain = self.chain(store).await;
        let mut plan = self.plan(&chain.audit, &chain.strategy);
        plan.state = state;
        let actions = self.actions(&plan, actions);
        let mut tx = store.begin().await.unwrap();
        action_plan::insert(&mut tx, &plan).await.unwrap();
        action::insert_many(&mut tx, &actions).await.unwrap();
        tx.commit().await.unwrap();
        (plan, actions)
    }
}

/// The plan as it is now.
pub(crate) async fn reread_plan(tx: &mut Tx, id: ActionPlanId) -> ActionPlan {
    action_plan::get(tx, id).await.unwrap().unwrap().value
}

/// The audit as it is now.
pub(crate) async fn reread_audit(tx: &mut Tx, id: AuditId) -> Audit {
    audit::get(tx, id).await.unwrap().unwrap().value
}
