//! `target/plugins/manifest.json`: every component that was built, with its size and digest.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use watcher_guest_build::files;

/// The name of the file, next to the folders of components.
pub(crate) const FILE: &str = "manifest.json";

/// The list itself, sorted by path.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// One entry per component.
    pub(crate) components: Vec<Entry>,
}

/// One component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Relative to the manifest, as `strategies/dummy.wasm`.
    pub(crate) path: PathBuf,
    /// The folder that it lies in: `strategies`, `actions`, `planners`, `scoring`, or `guests` for tests.
    pub(crate) kind: String,
    /// Name within its kind.
    pub(crate) name: String,
    /// SHA-256 of the component in lower-case hexadecimal digits.
    pub(crate) digest: String,
    /// Size of the component.
    pub(crate) bytes: u64,
}

impl Manifest {
    /// What an earlier build left; empty when there is none, or an unreadable one.
    pub(crate) fn read(folder: &Path) -> Self {
        let bytes = fs::read(folder.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Writes the list if it changed.
    pub(crate) fn write(&mut self, folder: &Path) -> Result<()> {
        self.components.sort();
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        files::replace(&folder.join(FILE), text.as_bytes()).map(drop)
    }

    /// Puts an entry in place of the one with the same path.
    pub(crate) fn set(&mut self, entry: Entry) {
        self.components.retain(|known| known.path != entry.path);
        self.components.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, digest: &str) -> Entry {
        Entry {
            path: path.into(),
            kind: "strategies".to_owned(),
            name: "dummy".to_owned(),
            digest: digest.to_owned(),
            bytes: 3,
        }
    }

    #[test]
    fn a_manifest_survives_writing_and_reading() {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest = Manifest::default();
        manifest.set(entry("strategies/dummy.wasm", "old"));
        manifest.set(entry("actions/nop.wasm", "a"));
        manifest.set(entry("strategies/dummy.wasm", "new"));
        manifest.write(folder.path()).unwrap();
        let read = Manifest::read(folder.path());
        assert_eq!(read, manifest);
        let digests: Vec<_> = read.components.iter().map(|entry| entry.digest.as_str()).collect();
        assert_eq!(digests, ["a", "new"]);
    }

    #[test]
    fn an_unreadable_manifest_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), b"{").unwrap();
        assert_eq!(Manifest::read(folder.path()), Manifest::default());
    }
}
