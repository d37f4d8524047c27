//! Components ready to run: compiled at most once each, kept in memory while they are used, and on disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::Engine;
use wasmtime::component::Component;
use watcher_domain::ports::ComponentSource;
use watcher_domain::report::{CheckError, CheckOptions, PluginChecker};
use watcher_domain::{Digest, PluginKind};
use watcher_fair::chore;

use crate::cache::DiskCache;
use crate::check::structure;
use crate::runtime::RuntimeOptions;
use crate::world::{Prepared, Worlds};

/// A component that can be started.
pub(crate) struct Loaded {
    pub(crate) digest: Digest,
    pub(crate) prepared: Prepared,
    /// Names of its imports.
    pub(crate) imports: Vec<String>,
    /// What it calls itself, once it was asked.
    pub(crate) name: OnceLock<String>,
}

impl Loaded {
    pub(crate) const fn kind(&self) -> PluginKind {
        self.prepared.kind()
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

/// All components.
pub(crate) struct Components {
    source: Arc<dyn ComponentSource>,
    workshop: Arc<Workshop>,
    /// Compiling one component already uses every core.
    compiling: Arc<Semaphore>,
    /// Who compiles, and puts the code on disk; nobody for this process itself.
    elsewhere: OnceLock<Arc<dyn PluginChecker>>,
    recent: Mutex<Recent>,
    max_loaded: usize,
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
            max_bytes: options.max_component_bytes,
            always_compile: options.always_compile,
        }
    }

    /// Has somebody else compile from now on. Only the first one is listened to.
    pub(crate) fn compile_elsewhere(&self, compiler: Arc<dyn PluginChecker>) {
        drop(self.elsewhere.set(compiler));
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            compiled: self.workshop.compiled.load(Ordering::Relaxed),
            from_disk: self.workshop.from_disk.load(Ordering::Relaxed),
        }
    }

    /// The component with this digest.
    pub(crate) async fn get(&self, digest: Digest) -> Result<Arc<Loaded>, LoadError> {
        let cell = self.cell(digest);
        cell.get_or_try_init(|| self.load(digest, None)).await.cloned()
    }

    /// A component that somebody brought.
    pub(crate) async fn take(&self, bytes: Arc<[u8]>) -> Result<Arc<Loaded>, LoadError> {
        if bytes.len() > self.max_bytes {
            let reason = format!("it has {} bytes; at most {} are allowed", bytes.len(), self.max_bytes);
            return Err(LoadError::Invalid(vec![reason]));
        }
        let hashed = Arc::clone(&bytes);
        let digest = in_background(move || digest_of(&hashed)).await?;
        let cell = self.cell(digest);
        cell.get_or_try_init(|| self.load(digest, Some(bytes))).await.cloned()
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

    async fn load(&self, digest: Digest, bytes: Option<Arc<[u8]>>) -> Result<Arc<Loaded>, LoadError> {
        let workshop = Arc::clone(&self.workshop);
        let kept = match &bytes {
            Some(_) if self.always_compile => None,
            Some(_) | None => in_background(move || workshop.load(digest)).await?,
        };
        let component = match (kept, bytes) {
            (Some(component), _) => component,
            (None, Some(bytes)) => self.compile(digest, bytes).await?,
            (None, None) => self.compile(digest, self.fetch(digest).await?).await?,
        };
        let (prepared, imports) = self.workshop.worlds.prepare(&component).map_err(LoadError::Invalid)?;
        Ok(Arc::new(Loaded { digest, prepared, imports, name: OnceLock::new() }))
    }

    async fn compile(&self, digest: Digest, bytes: Arc<[u8]>) -> Result<Component, LoadError> {
        if let Some(elsewhere) = self.elsewhere.get() {
            let most = u64::try_from(self.max_bytes).unwrap_or(u64::MAX);
            let options = CheckOptions { max_component_bytes: most, trials: false };
            let report = elsewhere.check(Arc::clone(&bytes), options).await.map_err(LoadError::Elsewhere)?;
            let workshop = Arc::clone(&self.workshop);
            // Whatever else was found wrong with it, it was checked when it came.
            if let Some(component) = in_background(move || workshop.load(digest)).await? {
                return Ok(component);
            }
            if !report.accepted() {
                return Err(LoadError::Invalid(report.problems.into_iter().map(|problem| problem.message).collect()));
            }
            // Its code found no room on the disk.
        }
        let permit = Arc::clone(&self.compiling).acquire_owned().await.map_err(|_| LoadError::Compiler)?;
        let workshop = Arc::clone(&self.workshop);
        in_background(move || {
            // Held by the thread: a caller that gives up does not make room for another compilation.
            let _permit = permit;
            workshop.compile(digest, &bytes)
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

    fn compile(&self, digest: Digest, bytes: &[u8]) -> Result<Component, LoadError> {
        let invalid = |error: wasmtime::Error| LoadError::Invalid(vec![format!("it cannot be compiled: {error:#}")]);
        let problems = structure::check(bytes);
        if !problems.is_empty() {
            return Err(LoadError::Invalid(problems.into_iter().map(|problem| problem.message).collect()));
        }
        let component = Component::from_binary(&self.engine, bytes).map_err(invalid)?;
        self.compiled.fetch_add(1, Ordering::Relaxed);
        if let Ok(compiled) = component.serialize() {
            self.disk.store(digest, &compiled);
        }
        // The file is mapped rather than kept: its pages are read when they run, and can be given back.
        Ok(self.disk.load(&self.engine, digest).unwrap_or(component))
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// With a lower priority: the threads on which the compiler shares out its work inherit it from the first one that compiles.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
    chore(work).await.map_err(|_| LoadError::Compiler)
}
