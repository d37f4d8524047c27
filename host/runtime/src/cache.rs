//! Compiled components on disk.
//!
//! A file is machine code that the process will run, so it is loaded only from a folder that nobody else can write to, only if it is
//! this user's, and only if its bytes have the hash that its name says. The name is
//! `<digest of the component>-<hash of engine version and settings>-<hash of the file>.cwasm`; files come into being under another name
//! and are renamed, so a reader never sees half of one. Whatever is wrong with a file, it is removed and the component compiled again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;
use watcher_domain::Digest;
use watcher_domain::ports::Clock;

const EXTENSION: &str = ".cwasm";
const TEMPORARY: &str = ".new-";

/// Older temporary files were left by a process that was killed.
const ABANDONED: Duration = Duration::from_hours(1);

/// How many files, and how many bytes, are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

/// The folder; without one every start compiles.
pub(crate) struct DiskCache {
    folder: Option<PathBuf>,
    settings: String,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    temporaries: AtomicU64,
}

/// Turns a [`Hash`] into SHA-256: the hashes of the standard library are neither stable nor wide.
struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |number, &byte| (number << 8) | u64::from(byte))
    }
}

fn settings_of(engine: &Engine) -> String {
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

impl DiskCache {
    /// Opens the cache in a folder of its own below `parent`, and makes it if it is not there. A folder that cannot be trusted or made
    /// is logged and not used.
    pub(crate) fn open(parent: &Path, engine: &Engine, bounds: Bounds, clock: Arc<dyn Clock>) -> Self {
        let folder = parent.join("components");
        let folder = match own_folder(&folder) {
            Ok(()) => Some(folder),
            Err(error) => {
                let path = folder.display();
                tracing::warn!(error = %error, "folder {path} is not used for compiled components: {error}");
                None
            }
        };
        let cache = Self { folder, settings: settings_of(engine), bounds, clock, temporaries: AtomicU64::new(0) };
        cache.evict();
        cache
    }

    /// The compiled component, if it is here and sound.
    pub(crate) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let prefix = self.prefix(digest);
        for (path, name) in self.files() {
            let Some(content) = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(EXTENSION)) else {
                continue;
            };
            match self.open_file(engine, &path, content) {
                Ok(component) => return Some(component),
                Err(error) => {
                    let path = path.display();
                    tracing::warn!(error = %error, "compiled component {path} is not used: {error}");
                    self.remove(Path::new(&name));
                }
            }
        }
        None
    }

    /// Whether there is a file for it, sound or not.
    pub(crate) fn has(&self, digest: Digest) -> bool {
        let prefix = self.prefix(digest);
        self.files().iter().any(|(_, name)| name.starts_with(&prefix) && name.ends_with(EXTENSION))
    }

    fn open_file(&self, engine: &Engine, path: &Path, content: &str) -> Result<Component, Unsound> {
        let mut file = File::open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() || meta.uid() != me() || meta.mode() & 0o022 != 0 {
            return Err(Unsound::Foreign);
        }
        if meta.len() > self.bounds.bytes || content != hash(&mut file)? {
            return Err(Unsound::Content);
        }
        // The time of its last use decides what is evicted; it does not matter if it cannot be set.
        drop(file.set_modified(self.now()));
        #[expect(unsafe_code, reason = "the engine cannot tell its own machine code from another's; we can, see above")]
        // SAFETY: the file was written by `store`, from this engine's own compiler: it lies in a folder that only this user can write to,
        // belongs to this user, its content has the hash that `store` gave it, and its name carries the hash of the engine's version and
        // settings. Files are replaced by renaming and never changed, so the mapping stays as it is.
        let component = unsafe { Component::deserialize_file(engine, path) };
        component.map_err(|error| Unsound::Engine(error.to_string()))
    }

    /// Keeps a compiled component. Failing to do so is logged: the next start compiles again.
    pub(crate) fn store(&self, digest: Digest, compiled: &[u8]) {
        let Some(folder) = &self.folder else { return };
        let name = format!("{}{}{EXTENSION}", self.prefix(digest), hex::encode(Sha256::digest(compiled)));
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!("{TEMPORARY}{}-{number}", std::process::id()));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(compiled)?;
            file.set_modified(self.now())?;
            fs::rename(&temporary, folder.join(&name))
        };
        if let Err(error) = write() {
            drop(fs::remove_file(&temporary));
            tracing::warn!(error = %error, "compiled component {digest} cannot be kept in {}: {error}", folder.display());
        }
        self.evict();
    }

    fn prefix(&self, digest: Digest) -> String {
        format!("{}-{}-", hex::encode(digest.0), self.settings)
    }

    fn now(&self) -> SystemTime {
        SystemTime::from(self.clock.now())
    }

    /// Path and name of every file.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let entries = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        let entries = entries.into_iter().flatten().flatten();
        entries.filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?))).collect()
    }

    /// Removes what was left half written, then the files that were not used for longest, until the bounds are kept.
    fn evict(&self) {
        let mut kept = Vec::new();
        for (path, name) in self.files() {
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if name.starts_with(TEMPORARY) {
                if self.now().duration_since(used).is_ok_and(|age| age > ABANDONED) {
                    self.remove(Path::new(&name));
                }
            } else {
                kept.push((used, meta.len(), name));
            }
        }
        kept.sort();
        let mut bytes: u64 = kept.iter().map(|(_, size, _)| size).sum();
        let mut files = kept.len();
        for (_, size, name) in kept {
            if files <= self.bounds.files && bytes <= self.bounds.bytes {
                break;
            }
            self.remove(Path::new(&name));
            files -= 1;
            bytes -= size;
        }
    }

    fn remove(&self, name: &Path) {
        if let Some(folder) = &self.folder {
            drop(fs::remove_file(folder.join(name)));
        }
    }
}

/// Why a file or folder is not used.
#[derive(Debug, thiserror::Error)]
enum Unsound {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it belongs to somebody else, or others can write to it")]
    Foreign,
    #[error("its content is not what its name says")]
    Content,
    #[error("{0}")]
    Engine(String),
}

fn me() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn own_folder(folder: &Path) -> Result<(), Unsound> {
    match DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    let meta = fs::symlink_metadata(folder)?;
    if !meta.is_dir() || meta.uid() != me() {
        return Err(Unsound::Foreign);
    }
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn hash(file: &mut File) -> io::Result<String> {
    let mut sha = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(sha.finalize())),
            count => sha.update(&buffer[..count]),
        }
    }
}
