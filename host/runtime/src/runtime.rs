//! The sandbox as the rest of the service sees it: options, and what every call of a guest has in common.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use wasmtime::{Engine, Store};
use watcher_domain::limits::{LimitHit, LimitName};
use watcher_domain::ports::{Clock, ComponentSource, Ids, RunError};
use watcher_domain::report::Usage;
use watcher_domain::{Digest, Limits, PluginKind, SystemClock, SystemIds};

use crate::cache::{Bounds, DiskCache};
use crate::call::{Call, Outside};
use crate::components::{Components, Counters, LoadError, Loaded};
use crate::output::Bad;
use crate::world::Worlds;
use crate::{describe, engine, limits};

/// How the sandbox is set up.
#[derive(Clone)]
pub struct RuntimeOptions {
    /// Compiled components are kept in a folder of their own below this one.
    pub cache_dir: PathBuf,
    /// How many compiled components are kept on disk.
    pub cache_files: usize,
    /// How many bytes of compiled components are kept on disk.
    pub cache_bytes: u64,
    /// How many components are kept ready in memory.
    pub max_loaded: usize,
    /// How many instances run at once; more wait. Each reserves addresses, not memory. A quarter as many more are kept for scoring engines,
    /// which strategies wait for: they could wait for ever if they took all places themselves.
    pub max_instances: u32,
    /// How many calls may wait; more are refused.
    pub max_waiting: usize,
    /// Largest component in bytes.
    pub max_component_bytes: usize,
    /// Tells action handlers the time.
    pub clock: Arc<dyn Clock>,
    /// Gives action handlers their seeds.
    pub ids: Arc<dyn Ids>,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self {
            cache_dir: PathBuf::from("cache"),
            cache_files: 512,
            cache_bytes: 4 << 30,
            max_loaded: 256,
            max_instances: 64,
            max_waiting: 4096,
            max_component_bytes: 64 << 20,
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
        }
    }
}

/// Why the sandbox cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine refuses its settings, or the machine what they need.
    #[error("the WebAssembly engine cannot be set up")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Runs plugins of every kind, each call in a fresh instance.
pub struct Runtime {
    engine: Engine,
    components: Components,
    slots: Semaphore,
    scoring_slots: Semaphore,
    waiting: AtomicUsize,
    max_waiting: usize,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
}

impl Runtime {
    /// Sets the sandbox up.
    pub fn new(options: RuntimeOptions, components: Arc<dyn ComponentSource>) -> Result<Arc<Self>, RuntimeError> {
        let max_instances = options.max_instances.max(1);
        let scoring_instances = max_instances.div_ceil(4);
        let engine = engine::new(max_instances.saturating_add(scoring_instances))?;
        let worlds = Worlds::new(&engine).map_err(|error| RuntimeError::Engine(error.into()))?;
        let bounds = Bounds { files: options.cache_files, bytes: options.cache_bytes };
        let disk = DiskCache::open(&options.cache_dir, &engine, bounds, Arc::clone(&options.clock));
        let components =
            Components::new(components, engine.clone(), worlds, disk, options.max_loaded, options.max_component_bytes);
        Ok(Arc::new(Self {
            engine,
            components,
            slots: Semaphore::new(max_instances as usize),
            scoring_slots: Semaphore::new(scoring_instances as usize),
            waiting: AtomicUsize::new(0),
            max_waiting: options.max_waiting,
            clock: options.clock,
            ids: options.ids,
        }))
    }

    /// How often components were compiled and loaded.
    pub fn counters(&self) -> Counters {
        self.components.counters()
    }

    /// Makes a component ready, so that its first call does not wait for the compiler.
    pub async fn warm(&self, digest: Digest) -> Result<(), RunError> {
        self.load(digest).await.map(drop)
    }

    /// Starts one instance of a component and drops it: what every call costs before the guest runs, for measurements.
    pub async fn instantiate_once(&self, digest: Digest) -> Result<(), RunError> {
        let loaded = self.load(digest).await?;
        let call = Call::new(loaded.label(), describe::limits(), Outside::Nothing);
        self.run(&loaded, call, describe::limits(), |store, loaded| Box::pin(loaded.prepared.start(store))).await
    }

    pub(crate) async fn load(&self, digest: Digest) -> Result<Arc<Loaded>, RunError> {
        let unavailable =
            |error: LoadError| RunError::Unavailable { plugin: digest.to_string(), reason: reason(&error) };
        self.components.get(digest).await.map_err(unavailable)
    }

    pub(crate) async fn take(&self, bytes: Arc<[u8]>) -> Result<Arc<Loaded>, LoadError> {
        self.components.take(bytes).await
    }

    /// A component that must be of a kind.
    pub(crate) async fn load_kind(&self, digest: Digest, kind: PluginKind) -> Result<Arc<Loaded>, RunError> {
        let loaded = self.load(digest).await?;
        if loaded.kind() == kind {
            return Ok(loaded);
        }
        let reason = format!("it is of kind {}, not {kind}", loaded.kind());
        Err(RunError::Unavailable { plugin: loaded.label(), reason })
    }

    /// Runs one call in a fresh instance: waits for a free one, gives it its limits, ends it at its deadline, and says what went wrong.
    pub(crate) async fn run<T: Send>(
        &self,
        loaded: &Loaded,
        call: Call,
        limits: Limits,
        body: impl for<'a> FnOnce(&'a mut Store<Call>, &'a Loaded) -> BoxFuture<'a, wasmtime::Result<T>> + Send,
    ) -> Result<T, RunError> {
        self.run_metered(loaded, call, limits, &mut Usage::default(), body).await
    }

    /// The same, and adds what the call used, however it ended.
    pub(crate) async fn run_metered<T: Send>(
        &self,
        loaded: &Loaded,
        call: Call,
        limits: Limits,
        usage: &mut Usage,
        body: impl for<'a> FnOnce(&'a mut Store<Call>, &'a Loaded) -> BoxFuture<'a, wasmtime::Result<T>> + Send,
    ) -> Result<T, RunError> {
        let _slot = self.slot(loaded, &limits).await?;
        let mut store = Store::new(&self.engine, call);
        limits::apply(&mut store, &limits).map_err(|error| RunError::Host(error.into()))?;
        let begin = std::time::Instant::now();
        let result = match deadline(&limits) {
            None => Ok(body(&mut store, loaded).await),
            Some(deadline) => tokio::time::timeout_at(deadline, body(&mut store, loaded)).await,
        };
        usage.fuel += limits.fuel.saturating_sub(store.get_fuel().unwrap_or(limits.fuel));
        usage.duration_us += u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        let call = store.data_mut();
        usage.memory_bytes = usage.memory_bytes.max(call.memory.used());
        let describing = matches!(call.outside, Outside::Nothing);
        call.log.close();
        match result {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => {
                tracing::debug!(plugin.digest = %loaded.digest, error = ?error, "a guest ended without a result");
                let error = limits::explain(&error, call, &limits, String::new());
                Err(self.named(loaded, error, describing).await)
            }
            Err(_) => {
                let hit = LimitHit { limit: LimitName::Deadline, value: limits.deadline_ms };
                Err(self.named(loaded, RunError::Limit { plugin: String::new(), hit }, describing).await)
            }
        }
    }

    fn slots_of(&self, loaded: &Loaded) -> &Semaphore {
        match loaded.kind() {
            PluginKind::ScoringEngine => &self.scoring_slots,
            PluginKind::Strategy | PluginKind::Planner | PluginKind::Action => &self.slots,
        }
    }

    async fn slot(&self, loaded: &Loaded, limits: &Limits) -> Result<SemaphorePermit<'_>, RunError> {
        let slots = self.slots_of(loaded);
        if let Ok(slot) = slots.try_acquire() {
            return Ok(slot);
        }
        let busy = |reason: &str| RunError::Unavailable { plugin: loaded.label(), reason: reason.to_owned() };
        let waiting = Waiting::enter(&self.waiting);
        if waiting.before >= self.max_waiting {
            return Err(busy("too many calls wait for the sandbox"));
        }
        match tokio::time::timeout(limits.deadline(), slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) => Err(busy("the sandbox is closed")),
            Err(_) => Err(busy("no instance became free before the deadline of the call")),
        }
    }

    /// Puts the plugin's name into an error. A component that was never asked for its name is asked now, unless it was describing itself
    /// that failed.
    async fn named(&self, loaded: &Loaded, error: RunError, describing: bool) -> RunError {
        let plugin = match loaded.name.get() {
            Some(name) => name.clone(),
            None if describing => loaded.digest.to_string(),
            None => self.ask_name(loaded).await.unwrap_or_else(|| loaded.digest.to_string()),
        };
        match error {
            RunError::Limit { hit, .. } => RunError::Limit { plugin, hit },
            RunError::Trap { reason, .. } => RunError::Trap { plugin, reason },
            RunError::InvalidOutput { reason, .. } => RunError::InvalidOutput { plugin, reason },
            RunError::Unavailable { reason, .. } => RunError::Unavailable { plugin, reason },
            other @ (RunError::Declared(_) | RunError::Journal(_) | RunError::Host(_)) => other,
        }
    }

    async fn ask_name(&self, loaded: &Loaded) -> Option<String> {
        // Without a slot of its own the question would overrun the pool; without a free one the digest has to do.
        let _slot = self.slots_of(loaded).try_acquire().ok()?;
        let limits = describe::limits();
        let mut store = Store::new(&self.engine, Call::new(loaded.label(), limits, Outside::Nothing));
        limits::apply(&mut store, &limits).ok()?;
        let answer = tokio::time::timeout(limits.deadline(), loaded.prepared.describe(&mut store)).await;
        let description = describe::parse(loaded.kind(), &answer.ok()?.ok()?).ok()?;
        Some(loaded.name.get_or_init(|| description.name).clone())
    }

    /// A result that does not pass its checks.
    pub(crate) async fn refused(&self, loaded: &Loaded, bad: Bad) -> RunError {
        let plugin = String::new();
        let error = match bad {
            Bad::Limit(hit) => RunError::Limit { plugin, hit },
            Bad::Invalid(reason) => RunError::InvalidOutput { plugin, reason },
        };
        self.named(loaded, error, false).await
    }
}

/// When a call that starts now has to end; none if that is beyond all time.
pub(crate) fn deadline(limits: &Limits) -> Option<Instant> {
    Instant::now().checked_add(limits.deadline())
}

/// Takes what a guest declared apart.
pub(crate) fn declared<T>(
    result: Result<T, crate::bindings::imports::watcher::types::types::Failure>,
) -> Result<T, RunError> {
    result.map_err(|failure| RunError::Declared(crate::output::failure(&failure)))
}

/// An error with everything behind it, as one clause.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        Self { before: count.fetch_add(1, Ordering::Relaxed), count }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes of a result from which looking at it takes longer than a guest may keep a thread.
const LARGE: usize = 1 << 20;

/// Does work on a result of so many bytes, away from the threads that serve others if it is large.
pub(crate) async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunError> {
    if bytes < LARGE {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| RunError::Host(Box::new(error)))
}
