//! The API over a real database, an in-process bus, a clock that stands still and ids that count up.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;
use watcher_api::{
    ApiOptions, ApiState, AuthError, Authentication, Caller, Places, Policy, Probe, ProbeError, Requirements,
    TokenCheck,
};
use watcher_bus::Bus;
use watcher_cluster::{AuditScope, ClusterDataModel, ComputeModel};
use watcher_domain::clock::{CountingIds, MockClock};
use watcher_domain::plugin::{Description, Digest, PluginKind, Specifics};
use watcher_domain::ports::{InspectError, Inspection, PluginInspector};
use watcher_domain::{
    Action, ActionId, ActionPlan, ActionPlanId, ActionPlanState, ActionState, AuditId, Clock as _, Goal, GoalId,
    Ids as _, IndicatorSpec, ProjectId, ScoringEngine, ScoringEngineId, Stamps, Strategy, StrategyId,
};
use watcher_registry::Registry;
use watcher_store::{Store, action, action_plan, audit, goal, scoring_engine, strategy};

use crate::contract;

/// The service under test.
pub(crate) struct Service {
    pub(crate) router: Router,
    pub(crate) store: Store,
    pub(crate) policy: Arc<Policy>,
    pub(crate) bus: Bus,
    pub(crate) clock: Arc<MockClock>,
    pub(crate) ids: Arc<CountingIds>,
    pub(crate) engine: Arc<Engine>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The sentence of an error.
    pub(crate) fn fault(&self) -> String {
        let inner: Value = serde_json::from_str(self.json()["error_message"].as_str().unwrap()).unwrap();
        inner["faultstring"].as_str().unwrap_or_else(|| panic!("{inner}")).to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Knows the tokens `admin`, `member-a`, `member-b` and `service`; `away` stands for a Keystone that does not answer.
pub(crate) struct Tokens;

#[async_trait]
impl TokenCheck for Tokens {
    async fn check(&self, token: &str) -> Result<Caller, AuthError> {
        let (project, role) = match token {
            "admin" => ("admins", "Admin"),
            "member-a" => ("a", "member"),
            "member-b" => ("b", "member"),
            "service" => ("services", "service"),
            "away" => return Err(AuthError::Unavailable("connection refused".to_owned())),
            _ => return Err(AuthError::Rejected),
        };
        Ok(Caller {
            project_id: Some(ProjectId(project.to_owned())),
            roles: vec![role.to_owned()],
            ..Caller::default()
        })
    }
}

/// A decision engine without datasource, which sees what a test lets it see.
#[derive(Default)]
pub(crate) struct Engine {
    /// The cluster; none for a decision engine that does not answer.
    pub(crate) cluster: Mutex<Option<ClusterDataModel>>,
    /// Whether questions are never answered at all.
    pub(crate) hangs: AtomicBool,
}

#[async_trait]
impl Probe for Engine {
    async fn requirements(&self, _: &Strategy) -> Result<Requirements, ProbeError> {
        Ok(Requirements::default())
    }

    async fn compute_model(&self, scope: &AuditScope) -> Result<Arc<ComputeModel>, ProbeError> {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let cluster = self.cluster.lock().unwrap().clone().ok_or_else(|| ProbeError("no cloud".to_owned()))?;
        Ok(Arc::new(scope.apply(cluster).unwrap().compute))
    }
}

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

impl Service {
    /// Without authentication.
    pub(crate) async fn new() -> Self {
        Self::with(Authentication::None, ApiOptions::default()).await
    }

    /// With the tokens of [`Tokens`].
    pub(crate) async fn with_tokens() -> Self {
        Self::with_tokens_and(ApiOptions::default()).await
    }

    /// The same with options.
    pub(crate) async fn with_tokens_and(options: ApiOptions) -> Self {
        let uri = "http://keystone.example:5000".to_owned();
        Self::with(Authentication::Keystone { tokens: Arc::new(Tokens), uri }, options).await
    }

    pub(crate) async fn with(authentication: Authentication, options: ApiOptions) -> Self {
        let store = Store::connect("sqlite::memory:").await.unwrap();
        store.migrate().await.unwrap();
        Self::on(store, authentication, options)
    }

    /// On a database that has its tables.
    pub(crate) fn on(store: Store, authentication: Authentication, options: ApiOptions) -> Self {
        let (bus, ids) = (Bus::in_process(), Arc::new(CountingIds::starting_at(1000)));
        let (clock, engine) = (Arc::new(MockClock::default()), Arc::new(Engine::default()));
        let registry = Registry::new(store.clone(), Arc::new(JsonInspector), clock.clone(), ids.clone());
        let policy = Arc::new(Policy::default());
        let state = ApiState {
            store: store.clone(),
            registry: Arc::new(registry),
            bus: bus.clone(),
            authentication,
            policy: policy.clone(),
            probe: engine.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            options: Arc::new(options),
            places: Places::default(),
        };
        Self { router: watcher_api::router(state), store, policy, bus, clock, ids, engine }
    }

    /// Adds a goal and returns its id.
    pub(crate) async fn add_goal(
        &self,
        id: Uuid,
        name: &str,
        display_name: &str,
        indicators: Vec<IndicatorSpec>,
    ) -> GoalId {
        let goal = Goal {
            id: GoalId(id),
            name: name.to_owned(),
            display_name: display_name.to_owned(),
            efficacy_specification: indicators,
            stamps: Stamps::new(self.clock.now()),
        };
        let mut tx = self.store.begin().await.unwrap();
        goal::insert(&mut tx, &goal).await.unwrap();
        tx.commit().await.unwrap();
        goal.id
    }

    /// Adds a strategy and returns its id.
    pub(crate) async fn add_strategy(
        &self,
        id: Uuid,
        name: &str,
        display_name: &str,
        goal_id: GoalId,
        parameters: Value,
    ) -> StrategyId {
        let strategy = Strategy {
            id: StrategyId(id),
            name: name.to_owned(),
            display_name: display_name.to_owned(),
            goal_id,
            parameters_spec: parameters,
            digest: Digest([7; 32]),
            stamps: Stamps::new(self.clock.now()),
        };
        let mut tx = self.store.begin().await.unwrap();
        strategy::insert(&mut tx, &strategy).await.unwrap();
        tx.commit().await.unwrap();
        strategy.id
    }

    /// Adds a scoring engine.
    pub(crate) async fn add_scoring_engine(&self, id: Uuid, name: &str, description: String, metainfo: String) {
        let stamps = Stamps::new(self.clock.now());
        let engine = ScoringEngine { id: ScoringEngineId(id), name: name.to_owned(), description, metainfo, stamps };
        let mut tx = self.store.begin().await.unwrap();
        scoring_engine::insert(&mut tx, &engine).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Adds the goals `dummy` and `server_consolidation` with the strategies `dummy` and `basic`.
    pub(crate) async fn add_two_goals(&self) {
        let dummy = self.add_goal(Uuid::from_u128(1), "dummy", "Dummy goal", Vec::new()).await;
        let indicator = IndicatorSpec {
            name: "compute_nodes_count".to_owned(),
            description: "The total number of enabled compute nodes.".to_owned(),
            unit: None,
            schema: json!({"type": "integer", "minimum": 0}),
            required: true,
        };
        let consolidation =
            self.add_goal(Uuid::from_u128(2), "server_consolidation", "Server Consolidation", vec![indicator]).await;
        let parameters = json!({"properties": {
            "para1": {"type": "number", "default": 3.2, "minimum": 1.0, "maximum": 10.2},
            "para2": {"type": "string", "default": "hello"},
        }});
        self.add_strategy(Uuid::from_u128(11), "dummy", "Dummy strategy", dummy, parameters).await;
        self.add_strategy(Uuid::from_u128(12), "basic", "Basic offline consolidation", consolidation, json!({})).await;
    }

    /// Makes a oneshot audit of strategy `dummy`.
    pub(crate) async fn add_audit(&self, name: &str) -> AuditId {
        let body = json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy", "name": name});
        let answer = self.call("POST", "/v1/audits", Some(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        AuditId(answer.json()["uuid"].as_str().unwrap().parse().unwrap())
    }

    /// A plan of two `nop` actions for an audit, in its project.
    pub(crate) async fn recommend(&self, audit_id: AuditId) -> ActionPlanId {
        let mut tx = self.store.begin().await.unwrap();
        let project_id = audit::get(&mut tx, audit_id).await.unwrap().unwrap().project_id.clone();
        let stamps = Stamps::new(self.clock.now());
        let plan = ActionPlan {
            id: ActionPlanId(self.ids.uuid()),
            project_id,
            audit_id,
            strategy_id: StrategyId(Uuid::from_u128(11)),
            state: ActionPlanState::Recommended,
            global_efficacy: Vec::new(),
            hostname: None,
            status_message: None,
            strategy_digest: Digest([7; 32]),
            planner_digest: Digest([8; 32]),
            snapshot_id: None,
            stamps,
        };
        let ids = [self.ids.uuid(), self.ids.uuid()];
        let action = |position: u32, parents: &[u32]| Action {
            id: ActionId(ids[position as usize]),
            action_plan_id: plan.id,
            position,
            action_type: "nop".to_owned(),
            input_parameters: object(json!({"message": "hello"})),
            state: ActionState::Pending,
            parents: parents.iter().map(|parent| ActionId(ids[*parent as usize])).collect(),
            status_message: None,
            digest: Digest([9; 32]),
            stamps,
        };
        action_plan::insert(&mut tx, &plan).await.unwrap();
        action::insert_many(&mut tx, &[action(0, &[]), action(1, &[0])]).await.unwrap();
        tx.commit().await.unwrap();
        plan.id
    }

    /// Sends a request with the headers given, and `Host: watcher.example:9322`.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header("host", "watcher.example:9322");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let answer =
            Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() };
        contract::check(method, path, &answer);
        answer
    }

    /// Sends a request in microversion 1.7, with JSON if there is a body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_as("admin", method, path, body).await
    }

    /// The same with a token.
    pub(crate) async fn call_as(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut headers = vec![("x-auth-token", token), ("openstack-api-version", "infra-optim 1.7")];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.map(|body| serde_json::to_vec(&body).unwrap()).unwrap_or_default();
        self.send(method, path, &headers, body).await
    }
}

/// An object literal as a map.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

/// The folder of shared reference data: `WATCHER_SHARED`, or `shared` beside the project.
pub(crate) fn shared() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests find shared data by environment")]
    let folder = std::env::var("WATCHER_SHARED")
        .map_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    if folder.is_dir() {
        Some(folder)
    } else {
        println!("SKIPPED: {} is not there; set WATCHER_SHARED", folder.display());
        None
    }
}
