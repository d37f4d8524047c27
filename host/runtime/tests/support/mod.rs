//! What the tests of the sandbox share: compiled plugins, and an outside that answers what a test wants.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "each test file uses its part, and a part that fails fails its test"
)]

pub(crate) mod text;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use watcher_cluster::ClusterDataModel;
use watcher_domain::clock::{CountingIds, MockClock};
use watcher_domain::cloud::{CloudRequest, CloudResponse, Method, Permission, RequestPattern};
use watcher_domain::journal::{ActionPhase, Begun, JournalAnswer, JournalCall, JournalError};
use watcher_domain::metric::{Samples, StatisticQuery};
use watcher_domain::ports::{
    ActionCall, Clock as _, CloudRequests, ComponentSource, Datasource, Inspection, Journal, PlannerRun,
    PluginInspector as _, Recorder, StrategyRun, StrategyRunner as _,
};
use watcher_domain::recording::Seen;
use watcher_domain::{Account, Digest, Failure, Limits, SolutionAction, Timestamp};
use watcher_runtime::{Runtime, RuntimeOptions};

/// A component that `cargo xtask guests` built, e.g. `strategies/dummy`.
pub(crate) fn component(name: &str) -> Arc<[u8]> {
    let folder = std::env::var_os("WATCHER_PLUGINS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"), PathBuf::from);
    let path = folder.join(name).with_extension("wasm");
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests` first", path.display()))
        .into()
}

/// Components by digest.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<HashMap<Digest, Arc<[u8]>>>);

#[async_trait]
impl ComponentSource for Shelf {
    async fn component(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.lock().unwrap().get(&digest).cloned())
    }
}

/// A sandbox with a cache folder of its own.
pub(crate) struct Bench {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) clock: Arc<MockClock>,
    pub(crate) folder: PathBuf,
    own: Option<Arc<tempfile::TempDir>>,
}

impl Bench {
    /// With the cache that the tests share: most are not about compiling.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same for a test whose time stands still: guests run on the thread of the test, so that time waits for them.
    pub(crate) fn still(change: impl FnOnce(&mut RuntimeOptions)) -> Self {
        Self::with(|options| {
            options.threads = None;
            change(options);
        })
    }

    /// The same with other options.
    pub(crate) fn with(change: impl FnOnce(&mut RuntimeOptions)) -> Self {
        Self::at(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sandbox"), None, change)
    }

    /// With a cache of its own, empty.
    pub(crate) fn alone(change: impl FnOnce(&mut RuntimeOptions)) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::at(folder.path().to_path_buf(), Some(folder), change)
    }

    /// Another sandbox on the same cache.
    pub(crate) fn again(&self) -> Self {
        Self::at(self.folder.clone(), self.own.clone(), |_| {})
    }

    fn at(folder: PathBuf, own: Option<Arc<tempfile::TempDir>>, change: impl FnOnce(&mut RuntimeOptions)) -> Self {
        let (shelf, clock) = (Arc::new(Shelf::default()), Arc::new(MockClock::default()));
        let mut options = RuntimeOptions {
            cache_dir: folder.clone(),
            max_instances: 4,
            threads: NonZeroUsize::new(2),
            clock: Arc::clone(&clock) as _,
            ids: Arc::new(CountingIds::default()),
            ..RuntimeOptions::default()
        };
        change(&mut options);
        let runtime = Runtime::new(options, Arc::clone(&shelf) as _).unwrap();
        Self { runtime, shelf, clock, folder, own }
    }

    /// Looks into a built component and makes it available.
    pub(crate) async fn add(&self, name: &str) -> Inspection {
        let bytes = component(name);
        let inspection = self.runtime.inspect(Arc::clone(&bytes)).await.unwrap();
        self.shelf.0.lock().unwrap().insert(inspection.digest, bytes);
        inspection
    }

    /// The good plugin still runs: what happened before has hurt nobody else.
    pub(crate) async fn still_works(&self) {
        let digest = self.add("strategies/dummy").await.digest;
        let outcome = self.runtime.run_strategy(strategy_run(digest, dummy_parameters())).await.unwrap();
        assert_eq!(outcome.solution.actions.len(), 3);
    }

    /// Looks into a component made by a test and makes it available.
    pub(crate) async fn runtime_digest(&self, bytes: &Arc<[u8]>) -> Digest {
        let digest = self.runtime.inspect(Arc::clone(bytes)).await.unwrap().digest;
        self.put(digest, Arc::clone(bytes));
        digest
    }

    /// Makes bytes available under any digest.
    pub(crate) fn put(&self, digest: Digest, bytes: Arc<[u8]>) {
        self.shelf.0.lock().unwrap().insert(digest, bytes);
    }
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Answers every statistic with one sample.
pub(crate) struct OneSample;

#[async_trait]
impl Datasource for OneSample {
    async fn statistic(&self, _: &StatisticQuery, _: &ClusterDataModel, _: Timestamp) -> Result<Samples, Failure> {
        Ok(Samples { rows: vec![0], values: vec![42.0] })
    }

    fn has(&self, metric: &str) -> bool {
        metric == "host_cpu_usage"
    }
}

/// Keeps what was seen.
#[derive(Default)]
pub(crate) struct Memory(pub(crate) Mutex<Vec<Seen>>);

impl Recorder for Memory {
    fn record(&self, seen: Seen) {
        self.0.lock().unwrap().push(seen);
    }
}

pub(crate) fn strategy_run(digest: Digest, parameters: Value) -> StrategyRun {
    StrategyRun {
        digest,
        parameters: object(parameters),
        configuration: Map::new(),
        model: Arc::default(),
        datasource: Arc::new(OneSample),
        scoring: None,
        recorder: Arc::new(Memory::default()),
        time: MockClock::default().now(),
        seed: 7,
        limits: Limits::default(),
        account: Account::default(),
    }
}

pub(crate) fn dummy_parameters() -> Value {
    json!({"para1": 3.2, "para2": "hello"})
}

pub(crate) fn planner_run(digest: Digest, actions: Vec<SolutionAction>, configuration: Value) -> PlannerRun {
    PlannerRun {
        digest,
        actions: Arc::new(actions),
        configuration: object(configuration),
        model: Arc::default(),
        time: MockClock::default().now(),
        seed: 7,
        limits: Limits::default(),
        account: Account::default(),
    }
}

/// A cloud that answers everything with 200 and keeps what it was asked.
#[derive(Default)]
pub(crate) struct Cloud(pub(crate) Mutex<Vec<CloudRequest>>);

#[async_trait]
impl CloudRequests for Cloud {
    async fn send(&self, request: &CloudRequest) -> Result<CloudResponse, Failure> {
        self.0.lock().unwrap().push(request.clone());
        Ok(CloudResponse { status: 200, headers: Vec::new(), body: r#"{"ok": true}"#.to_owned() })
    }
}

/// A journal in memory: calls with their answers, if they have any yet.
#[derive(Default)]
pub(crate) struct Pages(pub(crate) Mutex<Vec<(JournalCall, Option<JournalAnswer>)>>);

impl Pages {
    pub(crate) fn calls(&self) -> Vec<JournalCall> {
        self.0.lock().unwrap().iter().map(|(call, _)| call.clone()).collect()
    }
}

#[async_trait]
impl Journal for Pages {
    async fn begin(&self, sequence: u32, call: &JournalCall) -> Result<Begun, JournalError> {
        let mut pages = self.0.lock().unwrap();
        match pages.get(sequence as usize) {
            None => {
                pages.push((call.clone(), None));
                Ok(Begun::New)
            }
            Some((written, _)) if written != call => Err(JournalError::NotDeterministic {
                sequence,
                recorded: format!("{written:?}"),
                called: format!("{call:?}"),
            }),
            Some((_, Some(answer))) => Ok(Begun::Answered(answer.clone())),
            Some((_, None)) => Ok(Begun::InDoubt),
        }
    }

    async fn finish(&self, sequence: u32, answer: &JournalAnswer) -> Result<(), JournalError> {
        self.0.lock().unwrap()[sequence as usize].1 = Some(answer.clone());
        Ok(())
    }
}

pub(crate) fn pattern(method: Method, path: &str) -> RequestPattern {
    RequestPattern::new("compute", method, path)
}

/// A call of an action handler, with a cloud and a journal that the test keeps.
pub(crate) fn action_call(
    digest: Digest,
    phase: ActionPhase,
    parameters: Value,
    cloud: &Arc<Cloud>,
    journal: &Arc<Pages>,
) -> ActionCall {
    ActionCall {
        digest,
        phase,
        parameters: object(parameters),
        configuration: Map::new(),
        permission: Permission::built_in(vec![
            pattern(Method::Get, "/servers/{id}"),
            pattern(Method::Post, "/servers/{id}/action"),
        ]),
        cloud: Arc::clone(cloud) as _,
        journal: Arc::clone(journal) as _,
        limits: Limits::for_actions(),
        account: Account::default(),
    }
}
