//! The built-in components on disk, and a library of components in memory for commands that have no database.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use sha2::Digest as _;
use watcher_domain::ports::{ComponentSource, Inspection, PluginInspector};
use watcher_domain::{Digest, PluginKind};

use crate::config::{PluginsConfig, variable};

/// Folders of built-in components. What strategies need comes first: a strategy that is listed can run.
const FOLDERS: [&str; 4] = ["planners", "actions", "scoring", "strategies"];
/// Components that come before the others of their folder, which are sorted by name: rows are listed in the order in which they were made, and
/// clients of the original know this one.
const FIRST: [&str; 4] = ["dummy-scorer", "dummy-min-scorer", "dummy-max-scorer", "dummy-avg-scorer"];
/// Largest component that is read; built-in ones are some hundred kilobytes.
const MAX_COMPONENT_BYTES: u64 = 64 << 20;

/// Where the built-in components are: as configured, else named by `WATCHER_PLUGINS_DIR`, else beside the program.
pub fn plugins_dir(config: &PluginsConfig) -> anyhow::Result<PathBuf> {
    if !config.dir.is_empty() {
        return Ok(PathBuf::from(&config.dir));
    }
    if let Some(dir) = variable("WATCHER_PLUGINS_DIR") {
        return Ok(PathBuf::from(dir));
    }
    let program = std::env::current_exe().context("cannot find this program's own folder")?;
    let beside = program.ancestors().skip(1).take(3).map(|folder| folder.join("plugins"));
    let found = beside.into_iter().find(|folder| folder.join("strategies").is_dir());
    found.context(
        "there are no built-in plugins beside the program; set plugins.dir, or build them with `cargo xtask guests`",
    )
}

/// Reads all components of the folder, kind by kind, in the order in which they are to be registered.
pub fn read_components(dir: &Path) -> anyhow::Result<Vec<(PathBuf, Arc<[u8]>)>> {
    let mut components = Vec::new();
    for folder in FOLDERS {
        let folder = dir.join(folder);
        let entries = std::fs::read_dir(&folder).with_context(|| {
            format!("cannot read the plugins in {}; build them with `cargo xtask guests`", folder.display())
        })?;
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
            .collect();
        // Without the extension: `dummy` comes before `dummy-with-resize`.
        paths.sort_by_cached_key(|path| (place(path), path.with_extension("")));
        for path in paths {
            components.push((path.clone(), read_component(&path)?));
        }
    }
    if components.is_empty() {
        bail!("there are no plugins in {}; build them with `cargo xtask guests`", dir.display());
    }
    Ok(components)
}

/// Where a component stands in its folder.
fn place(path: &Path) -> usize {
    let name = path.file_stem().and_then(std::ffi::OsStr::to_str);
    FIRST.iter().position(|first| Some(*first) == name).unwrap_or(FIRST.len())
}

/// Reads one component.
pub fn read_component(path: &Path) -> anyhow::Result<Arc<[u8]>> {
    let size = std::fs::metadata(path).with_context(|| format!("cannot read plugin {}", path.display()))?.len();
    if size > MAX_COMPONENT_BYTES {
        bail!("plugin {} has {size} bytes, which is more than {MAX_COMPONENT_BYTES}", path.display());
    }
    Ok(std::fs::read(path).with_context(|| format!("cannot read plugin {}", path.display()))?.into())
}

/// Components in memory, by digest.
#[derive(Debug, Default)]
pub struct Library {
    bytes: Mutex<HashMap<Digest, Arc<[u8]>>>,
    known: Mutex<HashMap<(PluginKind, String), Inspection>>,
}

#[async_trait]
impl ComponentSource for Library {
    async fn component(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.bytes.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned())
    }
}

impl Library {
    /// Adds a component: inspects it, and finds it again by its kind and the name it gives itself.
    pub async fn add(
        &self,
        inspector: &dyn PluginInspector,
        path: &Path,
        component: Arc<[u8]>,
    ) -> anyhow::Result<Inspection> {
        let digest = Digest(sha2::Sha256::digest(&component).into());
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, Arc::clone(&component));
        let inspection =
            inspector.inspect(component).await.with_context(|| format!("plugin {} is refused", path.display()))?;
        let key = (inspection.kind, inspection.description.name.clone());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, inspection.clone());
        Ok(inspection)
    }

    /// The component of this kind and name.
    pub fn find(&self, kind: PluginKind, name: &str) -> Option<Inspection> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&(kind, name.to_owned())).cloned()
    }

    /// Names of one kind, sorted.
    pub fn names(&self, kind: PluginKind) -> Vec<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> =
            known.keys().filter(|(known, _)| *known == kind).map(|(_, name)| name.clone()).collect();
        names.sort();
        names
    }
}
