//! Registering built-in plugins, with an inspector that reads components as JSON.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use watcher_cluster::AuditScope;
use watcher_domain::clock::{CountingIds, MockClock};
use watcher_domain::plugin::{Description, Specifics};
use watcher_domain::ports::{ComponentSource as _, InspectError, Inspection, PluginInspector};
use watcher_domain::{
    Action, ActionId, ActionPlan, ActionPlanId, ActionPlanState, ActionState, Audit, AuditId, AuditState,
    AuditTemplate, AuditTemplateId, AuditType, Clock as _, Digest, Ids as _, PluginKind, Stamps,
};
use watcher_registry::{Registered, Registry, StoredComponents};
use watcher_store::testing::{backends, run};
use watcher_store::{
    Page, Reference, SortDir, Store, Stored, Visibility, action, action_description, action_plan, audit,
    audit_template, goal, plugin, scoring_engine, strategy,
};

/// A component of these tests is its description as JSON; its digest is the inspector's business as little as the registry's.
struct JsonInspector;

#[async_trait]
impl PluginInspector for JsonInspector {
    async fn inspect(&self, component: Arc<[u8]>) -> Result<Inspection, InspectError> {
        let description: Description = serde_json::from_slice(&component)
            .map_err(|_| InspectError::Invalid(vec!["not a component".to_owned(), "no magic number".to_owned()]))?;
        let kind = match description.specifics {
            Specifics::Strategy(_) => PluginKind::Strategy,
            Specifics::Action(_) => PluginKind::Action,
            Specifics::ScoringEngine(_) => PluginKind::ScoringEngine,
            Specifics::Planner {} => PluginKind::Planner,
        };
        let digest = Digest([0; 32]);
        Ok(Inspection { digest, kind, description, imports: vec!["watcher:log/log@0.1.0".to_owned()] })
    }
}

/// Refuses everything, as an engine with wrong settings would.
struct NoInspector;

#[async_trait]
impl PluginInspector for NoInspector {
    async fn inspect(&self, _: Arc<[u8]>) -> Result<Inspection, InspectError> {
        Err(InspectError::Invalid(vec!["this host runs nothing".to_owned()]))
    }
}

struct Fixture {
    store: Store,
    clock: Arc<MockClock>,
    ids: Arc<CountingIds>,
    registry: Registry,
}

type Component = (String, Arc<[u8]>);

fn fixture(store: &Store, first_id: u64) -> Fixture {
    let (clock, ids) = (Arc::new(MockClock::default()), Arc::new(CountingIds::starting_at(first_id)));
    let registry = Registry::new(store.clone(), Arc::new(JsonInspector), clock.clone(), ids.clone());
    Fixture { store: store.clone(), clock, ids, registry }
}

fn component(file: &str, description: &Value) -> Component {
    (file.to_owned(), description.to_string().into_bytes().into())
}

fn strategy_component(name: &str, goal: &str, change: impl FnOnce(&mut Value)) -> Component {
    let mut description = json!({
        "name": name, "version": "1.0.0", "display_name": format!("Strategy {name}"), "description": "Decides.",
        "configuration_schema": {},
        "goal": {"name": goal, "display_name": format!("Goal {goal}"), "efficacy_specification": []},
        "parameters_schema": {"properties": {"period": {"type": "number", "default": 300}}},
        "metrics": [], "planner": "weight",
    });
    change(&mut description);
    component(&format!("{name}.wasm"), &description)
}

fn planner_component(version: &str) -> Component {
    let description = json!({
        "name": "weight", "version": version, "display_name": "Weight", "description": "", "configuration_schema": {},
    });
    component("weight.wasm", &description)
}

fn action_component(description: &str) -> Component {
    let description = json!({
        "name": "nop", "version": "1.0.0", "display_name": "Nop", "description": description, "configuration_schema": {},
        "parameters_schema": {}, "requests": [],
    });
    component("nop.wasm", &description)
}

fn builtin() -> Vec<Component> {
    vec![
        planner_component("1.0.0"),
        action_component("Does nothing."),
        strategy_component("basic", "server_consolidation", |_| {}),
        strategy_component("dummy", "dummy", |_| {}),
    ]
}

impl Fixture {
    async fn register(&self, components: Vec<Component>) -> Vec<Registered> {
        self.registry.register_built_in(components).await.unwrap()
    }

    async fn strategy(&self, name: &str) -> Option<Stored<watcher_domain::Strategy>> {
        let mut tx = self.store.read().await.unwrap();
        strategy::find(&mut tx, &Reference::Name(name.to_owned()), false, &Visibility::All).await.unwrap()
    }

    async fn goal(&self, name: &str) -> Option<Stored<watcher_domain::Goal>> {
        let mut tx = self.store.read().await.unwrap();
        goal::find(&mut tx, &Reference::Name(name.to_owned()), false, &Visibility::All).await.unwrap()
    }

    /// A template, and an audit in a state with a plan in a state and one action, all of this strategy.
    async fn use_strategy(&self, name: &str, audit_state: AuditState, plan_state: ActionPlanState) -> Used {
        let strategy = self.strategy(name).await.unwrap();
        let stamps = Stamps::new(self.clock.now());
        let template = AuditTemplate {
            id: AuditTemplateId(self.ids.uuid()),
            project_id: None,
            name: self.ids.uuid().to_string(),
            description: None,
            goal_id: strategy.goal_id,
            strategy_id: Some(strategy.id),
            scope: AuditScope::default(),
            default_parameters: serde_json::Map::new(),
            stamps,
        };
        let audit = Audit {
            id: AuditId(self.ids.uuid()),
            project_id: None,
            name: self.ids.uuid().to_string(),
            audit_type: AuditType::Oneshot,
            state: audit_state,
            parameters: serde_json::Map::new(),
            interval: None,
            goal_id: strategy.goal_id,
            strategy_id: Some(strategy.id),
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
        let plan = ActionPlan {
            id: ActionPlanId(self.ids.uuid()),
            project_id: None,
            audit_id: audit.id,
            strategy_id: strategy.id,
            state: plan_state,
            global_efficacy: Vec::new(),
            hostname: None,
            status_message: None,
            strategy_digest: strategy.digest,
            planner_digest: strategy.digest,
            snapshot_id: None,
            stamps,
        };
        let action = Action {
            id: ActionId(self.ids.uuid()),
            action_plan_id: plan.id,
            position: 0,
            action_type: "nop".to_owned(),
            input_parameters: serde_json::Map::new(),
            state: ActionState::Pending,
            parents: Vec::new(),
            status_message: None,
            digest: strategy.digest,
            stamps,
        };
        let mut tx = self.store.begin().await.unwrap();
        audit_template::insert(&mut tx, &template).await.unwrap();
        audit::insert(&mut tx, &audit).await.unwrap();
        action_plan::insert(&mut tx, &plan).await.unwrap();
        action::insert_many(&mut tx, std::slice::from_ref(&action)).await.unwrap();
        tx.commit().await.unwrap();
        Used { template: template.id, audit: audit.id, plan: plan.id, action: action.id, digest: strategy.digest }
    }

    async fn look(&self, used: &Used) -> (Stored<AuditTemplate>, Stored<Audit>, Stored<ActionPlan>, Stored<Action>) {
        let mut tx = self.store.read().await.unwrap();
        (
            audit_template::get(&mut tx, used.template).await.unwrap().unwrap(),
            audit::get(&mut tx, used.audit).await.unwrap().unwrap(),
            action_plan::get(&mut tx, used.plan).await.unwrap().unwrap(),
            action::get(&mut tx, used.action).await.unwrap().unwrap(),
        )
    }
}

struct Used {
    template: AuditTemplateId,
    audit: AuditId,
    plan: ActionPlanId,
    action: ActionId,
    digest: Digest,
}

#[tokio::test]
async fn built_in_plugins_become_rows_and_their_bytes_come_back() {
    for store in backends().await {
        let fixture = fixture(&store, 0);
        let components = builtin();
        let outcomes = fixture.register(components.clone()).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Registered::New { .. })), "{outcomes:?}");

        let basic = fixture.strategy("basic").await.unwrap();
        assert_eq!(basic.goal_id, fixture.goal("server_consolidation").await.unwrap().id);
        assert_eq!(basic.parameters_spec["properties"]["period"]["default"], 300);
        let source = StoredComponents::new(store.clone());
        assert_eq!(source.component(basic.digest).await.unwrap().unwrap(), components[2].1);
        assert_eq!(source.component(Digest([9; 32])).await.unwrap(), None);

        let mut tx = store.read().await.unwrap();
        let planner = plugin::latest(&mut tx, PluginKind::Planner, "weight", &Visibility::All).await.unwrap().unwrap();
        assert_eq!((planner.description.version.as_str(), planner.project_id), ("1.0.0", None));
        assert_eq!(planner.imports, ["watcher:log/log@0.1.0"]);
        assert_eq!(action_description::list(&mut tx).await.unwrap()["nop"], "Does nothing.");
    }
}

#[tokio::test]
async fn registering_again_changes_nothing() {
    for store in backends().await {
        let fixture = fixture(&store, 0);
        fixture.register(builtin()).await;
        let (basic, goal) = (fixture.strategy("basic").await, fixture.goal("dummy").await);
        fixture.clock.advance(std::time::Duration::from_mins(1));
        let outcomes = fixture.register(builtin()).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Registered::Known { .. })), "{outcomes:?}");
        assert_eq!(fixture.strategy("basic").await, basic);
        assert_eq!(fixture.goal("dummy").await, goal);
        let mut tx = store.read().await.unwrap();
        assert_eq!(plugin::versions(&mut tx, PluginKind::Planner).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_may_register_at_once() {
    for store in backends().await {
        let mut tasks = tokio::task::JoinSet::new();
        for process in 0..4 {
            let url = store.url.clone();
            tasks.spawn(async move {
                let store = Store::connect(&url).await.unwrap();
                fixture(&store, process * 1000).register(builtin()).await
            });
        }
        let outcomes: Vec<Registered> = tasks.join_all().await.into_iter().flatten().collect();
        let new = outcomes.iter().filter(|outcome| matches!(outcome, Registered::New { .. })).count();
        assert_eq!((outcomes.len(), new), (16, 4), "{}: {outcomes:?}", store.name);
        let mut tx = store.read().await.unwrap();
        let page = Page { limit: 99, marker: None, sort: goal::Sort::Serial, dir: SortDir::Asc, show_deleted: true };
        assert_eq!(goal::list(&mut tx, &page, &Visibility::All).await.unwrap().len(), 2);
        let filter = strategy::StrategyFilter::default();
        let page =
            Page { limit: 99, marker: None, sort: strategy::Sort::Serial, dir: SortDir::Asc, show_deleted: true };
        assert_eq!(strategy::list(&mut tx, &filter, &page, &Visibility::All).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_component_that_cannot_be_used_is_named_and_does_not_stop_the_others() {
    for store in backends().await {
        let fixture = fixture(&store, 0);
        let mut components = builtin();
        components.insert(1, ("broken.wasm".to_owned(), Arc::from(&b"garbage"[..])));
        let outcomes = fixture.register(components).await;
        assert_eq!(outcomes.len(), 5);
        let unavailable = Registered::Unavailable {
            name: "broken.wasm".to_owned(),
            reason: "not a component; no magic number".to_owned(),
        };
        assert!(outcomes.contains(&unavailable), "{outcomes:?}");
        assert!(fixture.strategy("basic").await.is_some());
    }
}

#[tokio::test]
async fn new_code_for_the_same_strategy_keeps_its_row_and_what_uses_it() {
    for store in backends().await {
        let fixture = fixture(&store, 0);
        fixture.register(builtin()).await;
        let before = fixture.strategy("basic").await.unwrap();
        let used = fixture.use_strategy("basic", AuditState::Pending, ActionPlanState::Recommended).await;
        let mut components = builtin();
        components[2] = strategy_component("basic", "server_consolidation", |basic| basic["version"] = json!("1.0.1"));
        fixture.register(components.clone()).await;

        let after = fixture.strategy("basic").await.unwrap();
        assert_eq!(after.id, before.id);
        assert_ne!(after.digest, before.digest);
        let (_, audit, plan, _) = fixture.look(&used).await;
        assert_eq!((audit.state, plan.state), (AuditState::Pending, ActionPlanState::Recommended));
        assert_eq!(plan.strategy_digest, used.digest, "a plan keeps the component that it was made with");
        let source = StoredComponents::new(store.clone());
        assert!(source.component(used.digest).await.unwrap().is_some());

        // Back again: the component that is there runs, not the one with the highest number.
        fixture.register(builtin()).await;
        assert_eq!(fixture.strategy("basic").await.unwrap().digest, before.digest);
    }
}

#[tokio::test]
async fn other_bytes_under_the_same_version_are_another_version_and_the_last_one_runs() {
    for store in backends().await {
        let fixture = fixture(&store, 0);
        let running = async || {
            let mut tx = store.read().await.unwrap();
            let latest = plugin::latest(&mut tx, PluginKind::Planner, "weight", &Visibility::All).await;
            latest.unwrap().unwrap().description.display_name
        };
        let rebuilt = |display_name: &str| {
            let description = json!({
                "name": "weight", "version": "1.0.0", "display_name": display_name, "description": "",
                "configuration_schema": {},
            });
            vec![component("weight.wasm", &description)]
        };
        for display_name in ["first", "second", "first"] {
            fixture.register(rebuilt(display_name)).await;
            assert_eq!(running().await, display_name);
        }
        let mut tx = store.read().await.unwrap();
        assert_eq!(plugin::versions(&mut tx, PluginKind::Planner).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_strategy_with_other_parameters_is_another_row_and_what_waits_on_it_is_cancelled() {
    for store in backends().await {
        let fixture = fixture(&store, 0);
        fixture.register(builtin()).await;
        let before = fixture.strategy("basic").await.unwrap();
        let waiting = fixture.use_strategy("basic", AuditState::Pending, ActionPlanState::Recommended).await;
        let ended = fixture.use_strategy("basic", AuditState::Succeeded, ActionPlanState::Ongoing).await;
        let other = fixture.use_strategy("dummy", AuditState::Pending, ActionPlanState::Recommended).await;
        let mut components = builtin();
        components[2] = strategy_component("basic", "server_consolidation", |basic| {
            basic["parameters_schema"]["properties"]["period"]["default"] = json!(600);
        });
        fixture.register(components).await;

        let after = fixture.strategy("basic").await.unwrap();
        assert_ne!(after.id, before.id);
        assert_eq!(after.goal_id, before.goal_id);
        let mut tx = store.read().await.unwrap();
        assert!(strategy::get(&mut tx, before.id).await.unwrap().unwrap().stamps.deleted_at.is_some());
        let (template, audit, plan, action) = fixture.look(&waiting).await;
        assert_eq!((template.strategy_id, audit.strategy_id), (Some(after.id), Some(after.id)));
        assert_eq!((plan.strategy_id, plan.strategy_digest), (after.id, before.digest));
        assert_eq!((audit.state, plan.state), (AuditState::Cancelled, ActionPlanState::Cancelled));
        assert_eq!(action.state, ActionState::Cancelled);
        assert_eq!(audit.status_message.as_deref(), Some("the strategy was changed or removed"));
        let (_, audit, plan, action) = fixture.look(&ended).await;
        assert_eq!(
            (audit.state, plan.state),
            (AuditState::Succeeded, ActionPlanState::Ongoing),
            "what ended or runs stays"
        );
        assert_eq!((audit.strategy_id, action.state), (Some(after.id), ActionState::Pending));
        let (_, audit, plan, _) = fixture.look(&other).await;
        assert_eq!((audit.state, plan.state), (AuditState::Pending, ActionPlanState::Recommended));
    }
}

#[tokio::test]
async fn a_goal_measured_otherwise_is_another_row_and_its_strategies_with_it() {
    for store in backends().await {
        let fixture = fixture(&store, 0);
        fixture.register(builtin()).await;
        let (goal, before) = (fixture.goal("dummy").await.unwrap(), fixture.strategy("dummy").await.unwrap());
        let used = fixture.use_strategy("dummy", AuditState::Ongoing, ActionPlanState::Pending).await;
        let mut components = builtin();
        components[3] = strategy_component("dummy", "dummy", |dummy| {
            dummy["goal"]["efficacy_specification"] = json!([
                {"name": "x", "description": "X.", "unit": "%", "schema": {"type": "number"}, "required": true}
            ]);
        });
        fixture.register(components).await;
        let (new_goal, after) = (fixture.goal("dummy").await.unwrap(), fixture.strategy("dummy").await.unwrap());
        assert_ne!((new_goal.id, after.id), (goal.id, before.id));
        assert_eq!(new_goal.efficacy_specification[0].name, "x");
        let (template, audit, plan, _) = fixture.look(&used).await;
        assert_eq!((template.goal_id, template.strategy_id), (new_goal.id, Some(after.id)));
        assert_eq!((audit.goal_id, audit.strategy_id), (new_goal.id, Some(after.id)));
        assert_eq!((audit.state, plan.state), (AuditState::Cancelled, ActionPlanState::Cancelled));
    }
}

#[tokio::test]
async fn a_strategy_that_no_plugin_brings_is_deleted_with_its_goal_if_nobody_else_has_it() {
    for store in backends().await {
        let fixture = fixture(&store, 0);
        let mut components = builtin();
        components.push(strategy_component("other", "server_consolidation", |_| {}));
        fixture.register(components).await;
        let lonely = fixture.use_strategy("dummy", AuditState::Pending, ActionPlanState::Pending).await;
        let shared = fixture.use_strategy("other", AuditState::Pending, ActionPlanState::Recommended).await;
        fixture.register(builtin().into_iter().take(3).collect()).await;

        assert!(fixture.strategy("dummy").await.is_none() && fixture.goal("dummy").await.is_none());
        assert!(fixture.strategy("other").await.is_none() && fixture.goal("server_consolidation").await.is_some());
        let (template, audit, plan, action) = fixture.look(&lonely).await;
        assert!(template.stamps.deleted_at.is_some());
        assert_eq!((audit.state, plan.state), (AuditState::Cancelled, ActionPlanState::Cancelled));
        assert_eq!(action.state, ActionState::Cancelled);
        let (template, audit, plan, _) = fixture.look(&shared).await;
        assert_eq!(
            (template.strategy_id, template.stamps.deleted_at),
            (None, None),
            "another strategy may reach the goal"
        );
        assert_eq!((audit.state, plan.state), (AuditState::Cancelled, ActionPlanState::Cancelled));

        fixture.register(builtin()).await;
        assert!(fixture.strategy("dummy").await.is_some() && fixture.goal("dummy").await.is_some());
    }
}

fn engine_component(name: &str, metainfo: &str) -> Component {
    let description = json!({
        "name": name, "version": "1.0.0", "display_name": name, "description": format!("Engine {name}"),
        "configuration_schema": {}, "metainfo": metainfo,
    });
    component(&format!("{name}.wasm"), &description)
}

#[tokio::test]
async fn scoring_engines_follow_their_components() {
    for store in backends().await {
        let fixture = fixture(&store, 0);
        let engines = async || {
            let mut tx = store.read().await.unwrap();
            let rows = scoring_engine::list_built_in(&mut tx).await.unwrap();
            rows.into_iter().map(|row| (row.name.clone(), row.metainfo.clone(), row.id)).collect::<Vec<_>>()
        };
        let components = |metainfo: &str| vec![engine_component("b", metainfo), engine_component("a", "")];
        fixture.register(components("one")).await;
        let first = engines().await;
        assert_eq!(
            (first[0].0.as_str(), first[0].1.as_str(), first[1].0.as_str()),
            ("b", "one", "a"),
            "{}",
            store.name
        );
        fixture.register(components("one")).await;
        assert_eq!(engines().await, first, "registering again changes nothing");
        fixture.register(components("two")).await;
        let second = engines().await;
        assert_eq!(second[0], first[1], "an engine that says the same keeps its row");
        assert_eq!((second[1].0.as_str(), second[1].1.as_str()), ("b", "two"));
        assert_ne!(second[1].2, first[0].2);
        fixture.register(vec![engine_component("a", "")]).await;
        assert_eq!(engines().await, first[1..]);
        let mut tx = store.read().await.unwrap();
        let latest = plugin::latest(&mut tx, PluginKind::ScoringEngine, "b", &Visibility::All).await.unwrap();
        assert_eq!(latest.unwrap().description.description, "Engine b");
    }
}

#[tokio::test]
async fn goals_that_are_always_there_need_no_strategy_and_are_not_changed_by_one() {
    for store in backends().await {
        let mut fixture = fixture(&store, 0);
        let built_in = watcher_domain::goal::built_in();
        fixture.registry =
            Registry::new(store.clone(), Arc::new(JsonInspector), fixture.clock.clone(), fixture.ids.clone())
                .with_goals(built_in.clone());
        let other = strategy_component("other", "other_goal", |_| {});
        fixture.register(builtin().into_iter().chain([other]).collect()).await;
        let mut tx = store.read().await.unwrap();
        let rows = goal::list_built_in(&mut tx).await.unwrap();
        drop(tx);
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        let wanted: Vec<&str> = built_in.iter().map(|goal| goal.name.as_str()).chain(["other_goal"]).collect();
        assert_eq!(names, wanted, "{}", store.name);
        let dummy = fixture.goal("dummy").await.unwrap();
        assert_eq!(dummy.display_name, "Dummy goal", "what a strategy says about it does not count");
        assert_eq!(fixture.strategy("dummy").await.unwrap().goal_id, dummy.id);
        fixture.register(Vec::new()).await;
        assert_eq!(fixture.goal("dummy").await, Some(dummy));
        assert!(fixture.strategy("dummy").await.is_none() && fixture.goal("other_goal").await.is_none());
    }
}

#[tokio::test]
async fn a_strategy_that_cannot_be_loaded_today_keeps_its_rows() {
    for store in backends().await {
        let fixture = fixture(&store, 0);
        fixture.register(builtin()).await;
        let used = fixture.use_strategy("dummy", AuditState::Pending, ActionPlanState::Recommended).await;
        let broken = Registry::new(store.clone(), Arc::new(NoInspector), fixture.clock.clone(), fixture.ids.clone());
        let outcomes = broken.register_built_in(builtin()).await.unwrap();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Registered::Unavailable { .. })), "{outcomes:?}");
        assert!(fixture.strategy("dummy").await.is_some());

        let one_broken =
            Registry::new(store.clone(), Arc::new(AllBut("dummy")), fixture.clock.clone(), fixture.ids.clone());
        one_broken.register_built_in(builtin()).await.unwrap();
        assert!(fixture.strategy("dummy").await.is_some() && fixture.goal("dummy").await.is_some());
        let (_, audit, plan, _) = fixture.look(&used).await;
        assert_eq!((audit.state, plan.state), (AuditState::Pending, ActionPlanState::Recommended));
    }
}

/// Refuses one plugin.
struct AllBut(&'static str);

#[async_trait]
impl PluginInspector for AllBut {
    async fn inspect(&self, component: Arc<[u8]>) -> Result<Inspection, InspectError> {
        let inspection = JsonInspector.inspect(component).await?;
        if inspection.description.name == self.0 {
            return Err(InspectError::Invalid(vec!["this host does not run it".to_owned()]));
        }
        Ok(inspection)
    }
}

#[tokio::test]
async fn bytes_that_are_not_what_their_digest_says_are_refused() {
    for store in backends().await {
        let fixture = fixture(&store, 0);
        fixture.register(builtin()).await;
        let basic = fixture.strategy("basic").await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let swap = "UPDATE components SET size_bytes = (SELECT MAX(size_bytes) FROM components), \
                    content = (SELECT content FROM components ORDER BY size_bytes LIMIT 1)";
        run(&mut tx, swap).await.unwrap();
        tx.commit().await.unwrap();
        let error = StoredComponents::new(store.clone()).component(basic.digest).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("the stored component {} has the digest sha256:", basic.digest)), "{error}");
    }
}
