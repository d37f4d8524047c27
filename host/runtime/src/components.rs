//! Components ready to run: compiled at most once each, kept in memory while they are used, and on disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::Engine;
use wasmtime::component::Component;
use watcher_domain::ports::ComponentSource;
use watcher_domain::report::{CheckError, CheckOptions, Depth, PluginChecker};
use watcher_domain::{Digest, PluginKind};
use watcher_fair::{FairPermits, Owner, Permit, chore};

use crate::cache::DiskCache;
use crate::check::structure;
use crate::runtime::RuntimeOptions;
use crate::world::{Prepared, Worlds};

/// How long a project waits at most for its own compilations, and those of others, before one more.
const PATIENCE: Duration = Duration::from_mins(10);

/// A component that can be started.
pub(crate) struct Loaded {
    pub(crate) digest: Digest,
    pub(crate) prepared: Prepared,
    component: Component,
    /// Names of its imports.
    pub(crate) imports: Vec<String>,
    /// What it calls itself, once it was asked.
    pub(crate) name: OnceLock<String>,
}

impl Loaded {
    pub(crate) const fn kind(&self) -> PluginKind {
        self.prepared.kind()
    }

    /// Bytes of its compiled code and its tables: what it takes of addresses, and of memory once it has run, but for a part of that.
    fn bytes(&self) -> usize {
        let image = self.component.image_range();
        (image.end as usize).saturating_sub(image.start as usize)
    }

    /// What to call it in messages.
    pub(crate) fn label(&self) -> String {
        self.name.get().cloned().unwrap_or_else(|| self.digest.to_string())
    }
}

/// Why a component cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    #[error("there is no component with this digest")]
    Missing,
    #[error("the stored component has another digest: {0}")]
    Tampered(Digest),
    #[error("the component cannot be read")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the compiler ended without an answer")]
    Compiler,
    #[error("it cannot be compiled now")]
    Elsewhere(#[source] CheckError),
    #[error("its code cannot be kept: the folder for compiled components is full, or cannot be written to")]
    NoRoom,
    #[error("it was not compiled within {} min, for others were", PATIENCE.as_secs() / 60)]
    Busy,
}

/// How often components were compiled and loaded, since the runtime began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Components compiled from their bytes.
    pub compiled: u64,
    /// Compiled components taken from disk.
    pub from_disk: u64,
}

struct Entry {
    cell: Arc<OnceCell<Arc<Loaded>>>,
    used: u64,
}

#[derive(Default)]
struct Recent {
    entries: HashMap<Digest, Entry>,
    clock: u64,
}

/// What compiling needs, shared with the threads that compile.
struct Workshop {
    engine: Engine,
    worlds: Worlds,
    disk: DiskCache,
    compiled: AtomicU64,
    from_disk: AtomicU64,
}

/// Who compiles, and puts the code on disk, in place of this process.
struct Elsewhere {
    compiler: Arc<dyn PluginChecker>,
    /// As many as it compiles at once: how long that takes is decided by whoever wrote the components.
    turns: Arc<FairPermits>,
}

/// All components.
pub(crate) struct Components {
    source: Arc<dyn ComponentSource>,
    workshop: Arc<Workshop>,
    /// Compiling one component already uses every core.
    compiling: Arc<Semaphore>,
    elsewhere: OnceLock<Elsewhere>,
    recent: Mutex<Recent>,
    max_loaded: usize,
    max_loaded_bytes: usize,
    max_bytes: usize,
    always_compile: bool,
}

impl Components {
    pub(crate) fn new(
        source: Arc<dyn ComponentSource>,
        engine: Engine,
        worlds: Worlds,
        disk: DiskCache,
        options: &RuntimeOptions,
    ) -> Self {
        let (compiled, from_disk) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            source,
            workshop: Arc::new(Workshop { engine, worlds, disk, compiled, from_disk }),
            compiling: Arc::new(Semaphore::new(1)),
            elsewhere: OnceLock::new(),
            recent: Mutex::default(),
            max_loaded: options.max_loaded.max(1),
            max_loaded_bytes: options.max_loaded_bytes,
            max_bytes: options.max_component_bytes,
            always_compile: options.always_compile,
        }
    }

    /// Has somebody else compile from now on, so many at once. Only the first one is listened to.
    pub(crate) fn compile_elsewhere(&self, compiler: Arc<dyn PluginChecker>, at_once: usize) {
        let turns = FairPermits::new(at_once, at_once.div_ceil(2));
        drop(self.elsewhere.set(Elsewhere { compiler, turns }));
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            compiled: self.workshop.compiled.load(Ordering::Relaxed),
            from_disk: self.workshop.from_disk.load(Ordering::Relaxed),
        }
    }

    /// The component with this digest. If it has to be compiled, that is its owner's turn: whoever waits for the same one as well comes with a turn of its
    /// own, and does not wait for those of others.
    pub(crate) async fn get(&self, digest: Digest, owner: &Owner) -> Result<Arc<Loaded>, LoadError> {
        let cell = self.cell(digest);
        if let Some(loaded) = cell.get() {
            return Ok(Arc::clone(loaded));
        }
        let _turn = self.turn(digest, owner).await?;
        cell.get_or_try_init(|| self.load(digest, None)).await.cloned()
    }

    /// The right to have a component compiled elsewhere; none if there is nothing to compile.
    async fn turn(&self, digest: Digest, owner: &Owner) -> Result<Option<Permit>, LoadError> {
        let Some(elsewhere) = self.elsewhere.get() else { return Ok(None) };
        let workshop = Arc::clone(&self.workshop);
        if in_background(move || workshop.disk.has(digest)).await? {
            return Ok(None);
        }
        let turn = tokio::time::timeout(PATIENCE, elsewhere.turns.acquire(owner.clone())).await;
        turn.map(Some).map_err(|_| LoadError::Busy)
    }

    /// A component that somebody brought. Its code stays on disk only if that is said, now or with [`keep`](Self::keep).
    pub(crate) async fn take(&self, bytes: Arc<[u8]>, keep: bool) -> Result<Arc<Loaded>, LoadError> {
        if bytes.len() > self.max_bytes {
            let reason = format!("it has {} bytes; at most {} are allowed", bytes.len(), self.max_bytes);
            return Err(LoadError::Invalid(vec![reason]));
        }
        let hashed = Arc::clone(&bytes);
        let digest = in_background(move || digest_of(&hashed)).await?;
        let cell = self.cell(digest);
        cell.get_or_try_init(|| self.load(digest, Some((bytes, keep)))).await.cloned()
    }

    /// Keeps the code of a component on disk.
    pub(crate) async fn keep(&self, loaded: &Arc<Loaded>) -> Result<(), LoadError> {
        let (workshop, loaded) = (Arc::clone(&self.workshop), Arc::clone(loaded));
        in_background(move || {
            if !workshop.disk.has(loaded.digest) {
                workshop.keep(loaded.digest, &loaded.component);
            }
        })
        .await
    }

    /// Where a component is, or will be: whoever comes first loads it, others wait for it.
    fn cell(&self, digest: Digest) -> Arc<OnceCell<Arc<Loaded>>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.clock += 1;
        let now = recent.clock;
        if !recent.entries.contains_key(&digest)
            && recent.entries.len() >= self.max_loaded
            && let Some(oldest) = recent.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(&digest, _)| digest)
        {
            recent.entries.remove(&oldest);
        }
        let entry = recent.entries.entry(digest).or_insert_with(|| Entry { cell: Arc::default(), used: now });
        entry.used = now;
        Arc::clone(&entry.cell)
    }

    /// Makes room for code of so many bytes: components that were not used for longest are forgotten.
    fn make_room(&self, bytes: usize) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut loaded: Vec<(u64, usize, Digest)> = Vec::new();
        for (&digest, entry) in &recent.entries {
            loaded.extend(entry.cell.get().map(|loaded| (entry.used, loaded.bytes(), digest)));
        }
        loaded.sort_unstable_by_key(|&(used, ..)| used);
        let mut all = loaded.iter().fold(bytes, |all, (_, bytes, _)| all.saturating_add(*bytes));
        for (_, bytes, digest) in loaded {
            if all <= self.max_loaded_bytes {
                break;
            }
            recent.entries.remove(&digest);
            all -= bytes;
        }
    }

    async fn load(&self, digest: Digest, brought: Option<(Arc<[u8]>, bool)>) -> Result<Arc<Loaded>, LoadError> {
        let workshop = Arc::clone(&self.workshop);
        let kept = match &brought {
            Some(_) if self.always_compile => None,
            Some(_) | None => in_background(move || workshop.load(digest)).await?,
        };
        let component = match (kept, brought) {
            (Some(component), _) => component,
            (None, Some((bytes, keep))) => self.compile(digest, bytes, keep).await?,
            (None, None) => self.compile(digest, self.fetch(digest).await?, true).await?,
        };
        let (prepared, imports) = self.workshop.worlds.prepare(&component).map_err(LoadError::Invalid)?;
        let loaded = Loaded { digest, prepared, component, imports, name: OnceLock::new() };
        self.make_room(loaded.bytes());
        Ok(Arc::new(loaded))
    }

    async fn compile(&self, digest: Digest, bytes: Arc<[u8]>, keep: bool) -> Result<Component, LoadError> {
        if let Some(Elsewhere { compiler, .. }) = self.elsewhere.get() {
            let most = u64::try_from(self.max_bytes).unwrap_or(u64::MAX);
            let options = CheckOptions { max_component_bytes: most, depth: Depth::Code, project: None };
            let report = compiler.check(Arc::clone(&bytes), options).await.map_err(LoadError::Elsewhere)?;
            let workshop = Arc::clone(&self.workshop);
            if let Some(component) = in_background(move || workshop.load(digest)).await? {
                return Ok(component);
            }
            if !report.accepted() {
                return Err(LoadError::Invalid(report.problems.into_iter().map(|problem| problem.message).collect()));
            }
            // Its code found no room on the disk. Who wrote it decides what compiling it costs, so it is not compiled here either.
            return Err(LoadError::NoRoom);
        }
        let permit = Arc::clone(&self.compiling).acquire_owned().await.map_err(|_| LoadError::Compiler)?;
        let workshop = Arc::clone(&self.workshop);
        in_background(move || {
            // Held by the thread: a caller that gives up does not make room for another compilation.
            let _permit = permit;
            workshop.compile(digest, &bytes, keep)
        })
        .await?
    }

    async fn fetch(&self, digest: Digest) -> Result<Arc<[u8]>, LoadError> {
        let bytes = self.source.component(digest).await.map_err(LoadError::Source)?.ok_or(LoadError::Missing)?;
        let hashed = Arc::clone(&bytes);
        let found = in_background(move || digest_of(&hashed)).await?;
        if found == digest { Ok(bytes) } else { Err(LoadError::Tampered(found)) }
    }
}

impl Workshop {
    fn load(&self, digest: Digest) -> Option<Component> {
        let component = self.disk.load(&self.engine, digest)?;
        self.from_disk.fetch_add(1, Ordering::Relaxed);
        Some(component)
    }

    fn compile(&self, digest: Digest, bytes: &[u8], keep: bool) -> Result<Component, LoadError> {
        let invalid = |error: wasmtime::Error| LoadError::Invalid(vec![format!("it cannot be compiled: {error:#}")]);
        let problems = structure::check(bytes);
        if !problems.is_empty() {
            return Err(LoadError::Invalid(problems.into_iter().map(|problem| problem.message).collect()));
        }
        let component = Component::from_binary(&self.engine, bytes).map_err(invalid)?;
        self.compiled.fetch_add(1, Ordering::Relaxed);
        if !keep {
            return Ok(component);
        }
        self.keep(digest, &component);
        // The file is mapped rather than kept: its pages are read when they run, and can be given back.
        Ok(self.disk.load(&self.engine, digest).unwrap_or(component))
    }

    fn keep(&self, digest: Digest, component: &Component) {
        if let Ok(compiled) = component.serialize() {
            self.disk.store(digest, &compiled);
        }
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// With a lower priority: the threads on which the compiler shares out its work inherit it from the first one that compiles.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
    chore(work).await.map_err(|_| LoadError::Compiler)
}
