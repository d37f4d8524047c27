//! The sandbox as the rest of the service sees it: options, and what every call of a guest has in common.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use tokio::time::Instant;
use tracing::Instrument as _;
use wasmtime::{Engine, Store};
use watcher_domain::limits::{LimitHit, LimitName};
use watcher_domain::ports::{CallEnd, CallUsage, Clock, ComponentSource, Ids, Meter, RunError, Unmetered};
use watcher_domain::report::{PluginChecker, Usage};
use watcher_domain::{Account, Digest, Limits, PluginKind, SystemClock, SystemIds};
use watcher_fair::{FairPermits, FairThreads, Owner, Permit, chore};

use crate::cache::{Bounds, DiskCache};
use crate::call::{Call, Outside};
use crate::components::{Components, Counters, LoadError, Loaded};
use crate::handler::Paces;
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
    /// Components that somebody brings are compiled even if their compiled code is kept, so that the time that it takes does not tell whether
    /// somebody else brought them before.
    pub always_compile: bool,
    /// How many components are kept ready in memory.
    pub max_loaded: usize,
    /// How many bytes of compiled code these have together at most, but for one component that has more by itself.
    pub max_loaded_bytes: usize,
    /// How many instances of strategies and planners run at once; more wait. Each reserves addresses, not memory. A quarter as many more are kept for
    /// what instances that run may wait for, which could be for ever if they took all places themselves: scoring engines, and the abort of an action.
    pub max_instances: u32,
    /// How many instances of action handlers run at once; more wait. They have places of their own, for they may wait for hours.
    pub max_action_instances: u32,
    /// How many calls may wait; more are refused.
    pub max_waiting: usize,
    /// Largest component in bytes.
    pub max_component_bytes: usize,
    /// Threads of their own that guests run on at a time, shared out fairly among projects. None: on the threads of whoever calls, first come
    /// first served, which is for tools and tests.
    pub threads: Option<NonZeroUsize>,
    /// Tells action handlers the time.
    pub clock: Arc<dyn Clock>,
    /// Gives action handlers their seeds.
    pub ids: Arc<dyn Ids>,
    /// Is told what every call used.
    pub meter: Arc<dyn Meter>,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self {
            cache_dir: PathBuf::from("cache"),
            cache_files: 512,
            cache_bytes: 4 << 30,
            always_compile: false,
            max_loaded: 256,
            max_loaded_bytes: 2 << 30,
            max_instances: 64,
            max_action_instances: 64,
            max_waiting: 4096,
            max_component_bytes: 64 << 20,
            threads: None,
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            meter: Arc::new(Unmetered),
        }
    }
}

/// Why the sandbox cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine refuses its settings, or the machine what they need.
    #[error("the WebAssembly engine cannot be set up")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The machine has no threads left.
    #[error(transparent)]
    Threads(#[from] watcher_fair::StartError),
}

/// Runs plugins of every kind, each call in a fresh instance.
pub struct Runtime {
    engine: Engine,
    components: Components,
    slots: Arc<FairPermits>,
    action_slots: Arc<FairPermits>,
    side_slots: Arc<FairPermits>,
    /// How many of them one project has at most: its scoring engines must not hold up the aborts of others.
    side_share: usize,
    threads: Option<FairThreads>,
    waiting: AtomicUsize,
    max_waiting: usize,
    meter: Arc<dyn Meter>,
    pub(crate) paces: Arc<Paces>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
}

impl Runtime {
    /// Sets the sandbox up.
    pub fn new(options: RuntimeOptions, components: Arc<dyn ComponentSource>) -> Result<Arc<Self>, RuntimeError> {
        let max_instances = options.max_instances.max(1);
        let (action_instances, side_instances) = (options.max_action_instances.max(1), max_instances.div_ceil(4));
        let engine = engine::new(max_instances.saturating_add(action_instances).saturating_add(side_instances))?;
        let worlds = Worlds::new(&engine).map_err(|error| RuntimeError::Engine(error.into()))?;
        let bounds = Bounds { files: options.cache_files, bytes: options.cache_bytes };
        let disk = DiskCache::open(&options.cache_dir, &engine, bounds, Arc::clone(&options.clock));
        let components = Components::new(components, engine.clone(), worlds, disk, &options);
        Ok(Arc::new(Self {
            engine,
            components,
            slots: FairPermits::new(max_instances as usize, max_instances as usize),
            action_slots: FairPermits::new(action_instances as usize, action_instances as usize),
            side_slots: FairPermits::new(side_instances as usize, side_instances as usize),
            side_share: side_instances.div_ceil(2) as usize,
            threads: options.threads.map(FairThreads::start).transpose()?,
            meter: options.meter,
            paces: Arc::default(),
            waiting: AtomicUsize::new(0),
            max_waiting: options.max_waiting,
            clock: options.clock,
            ids: options.ids,
        }))
    }

    /// Has components compiled by somebody who puts their code into this sandbox's cache, from now on: another process, whose memory and computing time
    /// are limited. What a component costs to compile is decided by whoever wrote it: of the compilations that it does at once, one project has at most half.
    pub fn compile_elsewhere(&self, compiler: Arc<dyn PluginChecker>, at_once: usize) {
        self.components.compile_elsewhere(compiler, at_once);
    }

    /// How often components were compiled and loaded.
    pub fn counters(&self) -> Counters {
        self.components.counters()
    }

    /// Makes a component ready, so that its first call does not wait for the compiler.
    pub async fn warm(&self, digest: Digest) -> Result<(), RunError> {
        self.load(digest, &None).await.map(drop)
    }

    /// Starts one instance of a component and drops it: what every call costs before the guest runs, for measurements.
    pub async fn instantiate_once(&self, digest: Digest) -> Result<(), RunError> {
        let loaded = self.load(digest, &None).await?;
        let call = Call::new(loaded.label(), describe::limits(), Outside::Nothing);
        self.run(&loaded, call, &Account::default(), |store, loaded| Box::pin(loaded.prepared.start(store))).await
    }

    pub(crate) async fn load(&self, digest: Digest, owner: &Owner) -> Result<Arc<Loaded>, RunError> {
        let unavailable =
            |error: LoadError| RunError::Unavailable { plugin: digest.to_string(), reason: reason(&error) };
        self.components.get(digest, owner).await.map_err(unavailable)
    }

    /// See [`Components::take`].
    pub(crate) async fn take(&self, bytes: Arc<[u8]>, keep: bool) -> Result<Arc<Loaded>, LoadError> {
        self.components.take(bytes, keep).await
    }

    /// See [`Components::keep`].
    pub(crate) async fn keep(&self, loaded: &Arc<Loaded>) -> Result<(), LoadError> {
        self.components.keep(loaded).await
    }

    /// A component that must be of a kind, to run for its owner.
    pub(crate) async fn load_kind(
        &self,
        digest: Digest,
        kind: PluginKind,
        owner: &Owner,
    ) -> Result<Arc<Loaded>, RunError> {
        let loaded = self.load(digest, owner).await?;
        if loaded.kind() == kind {
            return Ok(loaded);
        }
        let reason = format!("it is of kind {}, not {kind}", loaded.kind());
        Err(RunError::Unavailable { plugin: loaded.label(), reason })
    }

    /// Runs one call in a fresh instance: waits for a free one, gives it its limits, ends it at its deadline, and says what went wrong.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        loaded: &Arc<Loaded>,
        call: Call,
        account: &Account,
        body: impl for<'a> FnOnce(&'a mut Store<Call>, &'a Loaded) -> BoxFuture<'a, wasmtime::Result<T>> + Send + 'static,
    ) -> Result<T, RunError> {
        self.run_metered(loaded, call, account, &mut Usage::default(), body).await
    }

    /// The same, and adds what the call used, however it ended.
    pub(crate) async fn run_metered<T: Send + 'static>(
        &self,
        loaded: &Arc<Loaded>,
        call: Call,
        account: &Account,
        usage: &mut Usage,
        body: impl for<'a> FnOnce(&'a mut Store<Call>, &'a Loaded) -> BoxFuture<'a, wasmtime::Result<T>> + Send + 'static,
    ) -> Result<T, RunError> {
        let slot = self.slot(loaded, &call, account).await?;
        let bill = Bill::new(Arc::clone(&self.meter), account, loaded.digest);
        let work = guest(self.engine.clone(), Arc::clone(loaded), call, bill, slot, body);
        let Ended { result, used, describing } = self.compute(account, work).await.ok_or_else(|| closed(loaded))??;
        usage.fuel += used.fuel;
        usage.duration_us += used.duration_us;
        usage.memory_bytes = usage.memory_bytes.max(used.memory_bytes);
        match result {
            Ok(result) => Ok(result),
            Err(error) => Err(self.named(loaded, error, describing, account).await),
        }
    }

    /// Does work of a guest where guests run. None if there is no such place any more.
    async fn compute<T: Send + 'static>(
        &self,
        account: &Account,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        match &self.threads {
            Some(threads) => threads.run(account.project.clone(), work.in_current_span()).await,
            None => Some(work.await),
        }
    }

    /// The places for a call, and how many of them one project has at most.
    fn slots_of(&self, loaded: &Loaded, is_abort: bool) -> (&Arc<FairPermits>, usize) {
        let side = (&self.side_slots, self.side_share);
        match loaded.kind() {
            PluginKind::ScoringEngine => side,
            PluginKind::Action if is_abort => side,
            PluginKind::Action => (&self.action_slots, usize::MAX),
            PluginKind::Strategy | PluginKind::Planner => (&self.slots, usize::MAX),
        }
    }

    async fn slot(&self, loaded: &Loaded, call: &Call, account: &Account) -> Result<Permit, RunError> {
        let busy = |reason: String| RunError::Unavailable { plugin: loaded.label(), reason };
        let share = account.shares.concurrent_calls;
        if share == 0 {
            return Err(busy("the project may run no plugins: its limit of concurrent calls is 0".to_owned()));
        }
        let (slots, most) = self.slots_of(loaded, call.is_abort());
        let within = usize::try_from(share).unwrap_or(usize::MAX).min(most);
        let mut place = std::pin::pin!(slots.acquire_within(account.project.clone(), within));
        // Most calls find a free instance at once, and count among nobody who waits.
        if let std::task::Poll::Ready(slot) = futures::poll!(place.as_mut()) {
            return Ok(slot);
        }
        let waiting = Waiting::enter(&self.waiting);
        if waiting.before >= self.max_waiting {
            return Err(busy("too many calls wait for the sandbox".to_owned()));
        }
        tokio::time::timeout(call.limits.deadline(), place).await.map_err(|_| {
            let reason = "no instance became free before the deadline of the call";
            busy(format!("{reason}; a project has at most {within} at a time"))
        })
    }

    /// Puts the plugin's name into an error. A component that was never asked for its name is asked now, unless it was describing itself
    /// that failed.
    async fn named(&self, loaded: &Arc<Loaded>, error: RunError, describing: bool, account: &Account) -> RunError {
        let plugin = match loaded.name.get() {
            Some(name) => name.clone(),
            None if describing => loaded.digest.to_string(),
            None => self.ask_name(loaded, account).await.unwrap_or_else(|| loaded.digest.to_string()),
        };
        match error {
            RunError::Limit { hit, .. } => RunError::Limit { plugin, hit },
            RunError::Trap { reason, .. } => RunError::Trap { plugin, reason },
            RunError::InvalidOutput { reason, .. } => RunError::InvalidOutput { plugin, reason },
            RunError::Unavailable { reason, .. } => RunError::Unavailable { plugin, reason },
            other @ (RunError::Declared(_) | RunError::Journal(_) | RunError::Host(_)) => other,
        }
    }

    async fn ask_name(&self, loaded: &Arc<Loaded>, account: &Account) -> Option<String> {
        // Without a slot of its own the question would overrun the pool; without a free one the digest has to do.
        let slot = futures::FutureExt::now_or_never(self.slots_of(loaded, false).0.acquire(account.project.clone()))?;
        let call = Call::new(loaded.label(), describe::limits(), Outside::Nothing);
        let bill = Bill::new(Arc::new(Unmetered), account, loaded.digest);
        let work = guest(self.engine.clone(), Arc::clone(loaded), call, bill, slot, |store, loaded| {
            Box::pin(loaded.prepared.describe(store))
        });
        let answer: String = self.compute(account, work).await?.ok()?.result.ok()?;
        let description = describe::parse(loaded.kind(), &answer).ok()?;
        Some(loaded.name.get_or_init(|| description.name).clone())
    }

    /// A result that does not pass its checks.
    pub(crate) async fn refused(&self, loaded: &Arc<Loaded>, bad: Bad, account: &Account) -> RunError {
        let plugin = String::new();
        let error = match bad {
            Bad::Limit(hit) => RunError::Limit { plugin, hit },
            Bad::Invalid(reason) => RunError::InvalidOutput { plugin, reason },
        };
        self.named(loaded, error, false, account).await
    }
}

/// A call of a guest that has ended.
struct Ended<T> {
    result: Result<T, RunError>,
    used: Usage,
    /// Whether the guest was describing itself.
    describing: bool,
}

/// One call of a guest from its start to its end, wherever it is polled. Errors lack the plugin's name.
async fn guest<T: Send + 'static>(
    engine: Engine,
    loaded: Arc<Loaded>,
    call: Call,
    mut bill: Bill,
    slot: Permit,
    body: impl for<'a> FnOnce(&'a mut Store<Call>, &'a Loaded) -> BoxFuture<'a, wasmtime::Result<T>> + Send + 'static,
) -> Result<Ended<T>, RunError> {
    let limits = call.limits;
    let mut store = Store::new(&engine, call);
    limits::apply(&mut store, &limits).map_err(|error| RunError::Host(error.into()))?;
    let begin = std::time::Instant::now();
    let deadline = deadline(&limits);
    if let Outside::Handler(handler) = &mut store.data_mut().outside {
        handler.begins(deadline);
    }
    let result = match deadline {
        None => Ok(body(&mut store, &loaded).await),
        Some(deadline) => tokio::time::timeout_at(deadline, body(&mut store, &loaded)).await,
    };
    let used = Usage {
        fuel: limits.fuel.saturating_sub(store.get_fuel().unwrap_or(limits.fuel)),
        memory_bytes: store.data().memory.used(),
        duration_us: u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX),
    };
    let call = store.data_mut();
    let describing = matches!(call.outside, Outside::Nothing);
    call.log.close();
    let result = match result {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => {
            tracing::debug!(plugin.digest = %loaded.digest, error = ?error, "a guest ended without a result");
            Err(limits::explain(&error, call, &limits, String::new()))
        }
        Err(_) => {
            let hit = LimitHit { limit: LimitName::Deadline, value: limits.deadline_ms };
            Err(RunError::Limit { plugin: String::new(), hit })
        }
    };
    bill.close(used, call.requests(), result.as_ref().err());
    // Until here: the instance is one of those that the pool has room for.
    drop(store);
    drop(slot);
    Ok(Ended { result, used, describing })
}

/// Tells the meter what a call used, also if nobody waits for its end.
struct Bill {
    meter: Arc<dyn Meter>,
    usage: Option<CallUsage>,
    begin: std::time::Instant,
}

impl Bill {
    fn new(meter: Arc<dyn Meter>, account: &Account, digest: Digest) -> Self {
        let project = account.project.clone();
        let usage = CallUsage { project, digest, usage: Usage::default(), requests: 0, end: CallEnd::Dropped };
        Self { meter, usage: Some(usage), begin: std::time::Instant::now() }
    }

    fn close(&mut self, used: Usage, requests: u64, error: Option<&RunError>) {
        let Some(usage) = self.usage.take() else { return };
        let end = match error {
            None | Some(RunError::Declared(_) | RunError::Unavailable { .. } | RunError::Host(_)) => CallEnd::Returned,
            Some(RunError::Limit { .. }) => CallEnd::Limit,
            Some(RunError::Trap { .. } | RunError::InvalidOutput { .. }) => CallEnd::Crashed,
            Some(RunError::Journal(_)) => CallEnd::Dropped,
        };
        self.meter.used(CallUsage { usage: used, requests, end, ..usage });
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        let Some(mut usage) = self.usage.take() else { return };
        usage.usage.duration_us = u64::try_from(self.begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.meter.used(usage);
    }
}

fn closed(loaded: &Loaded) -> RunError {
    RunError::Unavailable { plugin: loaded.label(), reason: "the sandbox is closed".to_owned() }
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
    chore(work).await.map_err(|error| RunError::Host(Box::new(error)))
}
