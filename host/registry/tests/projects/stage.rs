//! A registry over a database, with a clock that stands still and ids that count up.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use watcher_cluster::AuditScope;
use watcher_domain::clock::{CountingIds, MockClock};
use watcher_domain::plugin::{Description, Specifics};
use watcher_domain::ports::{InspectError, Inspection, PluginInspector};
use watcher_domain::{
    Audit, AuditId, AuditState, AuditType, Clock as _, Digest, Ids as _, PluginId, PluginKind, ProjectId, Stamps,
    Strategy,
};
use watcher_registry::{Actor, Registry, RegistryError, Release, StoredComponents, Upload};
use watcher_store::{Page, Reference, SortDir, Store, Stored, Visibility, audit, goal, plugin, strategy};

/// A component of these tests is its description as JSON.
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
        let imports = vec!["watcher:log/log@0.1.0".to_owned()];
        Ok(Inspection { digest: Digest([0; 32]), kind, description, imports })
    }
}

pub(crate) struct Stage {
    pub(crate) store: Store,
    pub(crate) clock: Arc<MockClock>,
    pub(crate) ids: Arc<CountingIds>,
    pub(crate) registry: Registry,
}

pub(crate) fn project(name: &str) -> ProjectId {
    ProjectId(name.to_owned())
}

pub(crate) fn actor(name: &str) -> Actor {
    Actor { project: Some(project(name)), user: Some(format!("user-of-{name}")), is_admin: false }
}

pub(crate) fn admin() -> Actor {
    Actor { is_admin: true, ..actor("admins") }
}

pub(crate) fn visible(name: &str) -> Visibility {
    Visibility::Project(project(name))
}

/// A strategy; `extra` makes other bytes of it.
pub(crate) fn strategy_of(name: &str, version: &str, goal: &str, extra: &str) -> Value {
    json!({
        "name": name, "version": version, "display_name": format!("{name} {extra}"), "description": extra,
        "configuration_schema": {},
        "goal": {"name": goal, "display_name": format!("Goal {goal}"), "efficacy_specification": []},
        "parameters_schema": {"properties": {"period": {"type": "number", "default": 300}}},
        "metrics": [], "planner": "weight",
    })
}

pub(crate) fn action(name: &str, version: &str, extra: &str) -> Value {
    json!({
        "name": name, "version": version, "display_name": name, "description": extra, "configuration_schema": {},
        "parameters_schema": {}, "requests": [],
    })
}

pub(crate) fn upload(description: &Value) -> Upload {
    Upload { component: description.to_string().into_bytes().into(), notes: None, signature: None }
}

impl Stage {
    pub(crate) fn new(store: &Store, first_id: u64) -> Self {
        let (clock, ids) = (Arc::new(MockClock::default()), Arc::new(CountingIds::starting_at(first_id)));
        let registry = Registry::new(store.clone(), Arc::new(JsonInspector), clock.clone(), ids.clone());
        Self { store: store.clone(), clock, ids, registry }
    }

    /// With components whose bytes are kept as these say.
    pub(crate) fn keeping(mut self, components: &StoredComponents) -> Self {
        self.registry = self.registry.with_components(components.clone());
        self
    }

    /// With the built-in strategy `basic`, action `nop` and goal `server_consolidation`.
    pub(crate) async fn with_built_in(store: &Store) -> Self {
        let stage = Self::new(store, 0);
        let built_in = [strategy_of("basic", "1.0.0", "server_consolidation", "built in"), action("nop", "1.0.0", "")];
        let built_in = built_in.iter().map(|it| ("built-in".to_owned(), upload(it).component)).collect();
        stage.registry.register_built_in(built_in).await.unwrap();
        stage
    }

    pub(crate) async fn upload(&self, owner: &str, description: &Value) -> Result<Release, RegistryError> {
        self.send(&actor(owner), upload(description)).await
    }

    pub(crate) async fn send(&self, actor: &Actor, upload: Upload) -> Result<Release, RegistryError> {
        let place = self.registry.begin_upload(actor).await?;
        self.registry.upload(place, actor, upload).await
    }

    /// The strategies that a project sees, by name and whose: the list that clients get.
    pub(crate) async fn strategies(&self, visible: &Visibility) -> Vec<Stored<Strategy>> {
        let page =
            Page { limit: 100, marker: None, sort: strategy::Sort::Serial, dir: SortDir::Asc, show_deleted: false };
        let mut tx = self.store.read().await.unwrap();
        strategy::list(&mut tx, &strategy::StrategyFilter::default(), &page, visible).await.unwrap()
    }

    pub(crate) async fn strategy_names(&self, who: &str) -> Vec<String> {
        self.strategies(&visible(who)).await.into_iter().map(|row| row.value.name).collect()
    }

    pub(crate) async fn strategy(&self, name: &str, who: &str) -> Option<Stored<Strategy>> {
        let mut tx = self.store.read().await.unwrap();
        strategy::find(&mut tx, &Reference::Name(name.to_owned()), false, &visible(who)).await.unwrap()
    }

    pub(crate) async fn goal_names(&self, visible: &Visibility) -> Vec<String> {
        let page = Page { limit: 100, marker: None, sort: goal::Sort::Serial, dir: SortDir::Asc, show_deleted: false };
        let mut tx = self.store.read().await.unwrap();
        goal::list(&mut tx, &page, visible).await.unwrap().into_iter().map(|row| row.value.name).collect()
    }

    /// The version that a project gets when it names a plugin.
    pub(crate) async fn latest(&self, kind: PluginKind, name: &str, who: &str) -> Option<Digest> {
        let mut tx = self.store.read().await.unwrap();
        plugin::latest(&mut tx, kind, name, &visible(who)).await.unwrap().map(|version| version.digest)
    }

    pub(crate) async fn runs(&self, digest: Digest, who: &str) -> bool {
        let mut tx = self.store.read().await.unwrap();
        plugin::runnable(&mut tx, digest, &visible(who)).await.unwrap().is_some()
    }

    pub(crate) async fn sees(&self, plugin: PluginId, who: &str) -> bool {
        let mut tx = self.store.read().await.unwrap();
        plugin::find(&mut tx, plugin, false, &visible(who)).await.unwrap().is_some()
    }

    /// What happened to a plugin, oldest first.
    pub(crate) async fn events(&self, plugin: PluginId, filter: &plugin::EventFilter) -> Vec<String> {
        let mut tx = self.store.read().await.unwrap();
        let events = plugin::events(&mut tx, plugin, filter, None, SortDir::Asc, 100).await.unwrap();
        events.into_iter().map(|event| event.event).collect()
    }

    /// A continuous audit of a project by a strategy, in a state.
    pub(crate) async fn audit(&self, owner: &str, strategy: &Strategy, state: AuditState) -> AuditId {
        let audit = Audit {
            id: AuditId(self.ids.uuid()),
            project_id: Some(project(owner)),
            name: self.ids.uuid().to_string(),
            audit_type: AuditType::Continuous,
            state,
            parameters: serde_json::Map::new(),
            interval: Some("60".to_owned()),
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
            stamps: Stamps::new(self.clock.now()),
        };
        let mut tx = self.store.begin().await.unwrap();
        audit::insert(&mut tx, &audit).await.unwrap();
        tx.commit().await.unwrap();
        audit.id
    }
}
