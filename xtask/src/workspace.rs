//! What Cargo knows about this workspace: where it lies, where it builds, and which of its packages are plugins.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{process, settings};

/// The workspace that this program belongs to.
pub(crate) struct Workspace {
    /// The folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// Every package that becomes a component, sorted by kind and name.
    pub(crate) guests: Vec<Guest>,
}

/// One package that becomes a component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Guest {
    /// What it is, as the folder of its component says.
    pub(crate) kind: Kind,
    /// Name within its kind, as `vm-workload-consolidation`.
    pub(crate) name: String,
    /// Cargo's package name, as `strategy-vm-workload-consolidation`.
    pub(crate) package: String,
    /// Whether the package has a `cdylib` target, without which no module comes out.
    pub(crate) has_module: bool,
}

/// The kinds of guests, each a folder of sources and a folder of components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `plugins/strategies`
    Strategies,
    /// `plugins/actions`
    Actions,
    /// `plugins/planners`
    Planners,
    /// `plugins/scoring`
    Scoring,
    /// `tests/guests`: guests that misbehave on purpose, or that tests upload
    Guests,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Strategies, Self::Actions, Self::Planners, Self::Scoring, Self::Guests];

    /// The folder under `target/plugins`.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Strategies => "strategies",
            Self::Actions => "actions",
            Self::Planners => "planners",
            Self::Scoring => "scoring",
            Self::Guests => "guests",
        }
    }

    fn sources(self) -> &'static str {
        match self {
            Self::Strategies => "plugins/strategies",
            Self::Actions => "plugins/actions",
            Self::Planners => "plugins/planners",
            Self::Scoring => "plugins/scoring",
            Self::Guests => "tests/guests",
        }
    }
}

impl Workspace {
    /// Asks `cargo metadata`.
    pub(crate) fn load() -> Result<Self> {
        // Set at run time by `cargo run`; the other one is right as long as the checkout stays where it was built.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
            .join("Cargo.toml");
        let mut command = process::cargo();
        command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(&manifest);
        let output = command.output().with_context(|| format!("cannot run {}", settings::cargo().to_string_lossy()))?;
        if !output.status.success() {
            anyhow::bail!("`cargo metadata` failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Self::from_metadata(&output.stdout)
    }

    fn from_metadata(json: &[u8]) -> Result<Self> {
        let metadata: Metadata = serde_json::from_slice(json).context("`cargo metadata` says something unexpected")?;
        let mut guests: Vec<Guest> = metadata
            .packages
            .iter()
            .filter_map(|package| Guest::from_package(package, &metadata.workspace_root))
            .collect();
        guests.sort();
        Ok(Self { root: metadata.workspace_root, target: metadata.target_directory, guests })
    }

    /// Where the components are, with their `manifest.json`.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.target.join("plugins")
    }
}

impl Guest {
    fn from_package(package: &Package, root: &Path) -> Option<Self> {
        let folder = package.manifest_path.parent()?;
        let sources = folder.parent()?;
        let kind = Kind::ALL.into_iter().find(|kind| sources == root.join(kind.sources()))?;
        let name = folder.file_name()?.to_str()?.to_owned();
        let has_module = package.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "cdylib"));
        Some(Self { kind, name, package: package.name.clone(), has_module })
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_become_guests_by_their_folder() {
        let json = br#"{
            "workspace_root": "/w", "target_directory": "/w/target",
            "packages": [
                {"name": "watcher-store", "manifest_path": "/w/host/store/Cargo.toml", "targets": [{"kind": ["lib"]}]},
                {"name": "guest-loops", "manifest_path": "/w/tests/guests/loops/Cargo.toml", "targets": [{"kind": ["lib"]}]},
                {"name": "strategy-dummy", "manifest_path": "/w/plugins/strategies/dummy/Cargo.toml",
                 "targets": [{"kind": ["cdylib", "rlib"]}, {"kind": ["test"]}]}
            ]}"#;
        let workspace = Workspace::from_metadata(json).unwrap();
        let dummy = Guest {
            kind: Kind::Strategies,
            name: "dummy".to_owned(),
            package: "strategy-dummy".to_owned(),
            has_module: true,
        };
        let loops = Guest {
            kind: Kind::Guests,
            name: "loops".to_owned(),
            package: "guest-loops".to_owned(),
            has_module: false,
        };
        assert_eq!(workspace.guests, [dummy, loops]);
        assert_eq!(workspace.plugins(), Path::new("/w/target/plugins"));
    }
}
