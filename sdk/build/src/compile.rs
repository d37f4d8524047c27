//! Running Cargo for `wasm32-unknown-unknown`: packages become core modules.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{
    process,
    progress::Step,
    toolchain::{TARGET, WasmToolchain},
};

/// What is to be compiled.
#[derive(Debug, Clone, Copy)]
pub struct Modules<'a> {
    /// Folder of the package or workspace.
    pub folder: &'a Path,
    /// Packages, by name.
    pub packages: &'a [String],
    /// Cargo's profile.
    pub profile: &'a str,
    /// Where Cargo builds. One of its own for each toolchain: another compiler would throw out the results of the first.
    pub target: &'a Path,
    /// Paths of this machine that no component shall carry, and what stands for them.
    pub remap: &'a [(PathBuf, &'a str)],
}

impl Modules<'_> {
    /// Compiles the packages: package name to the file of its core module.
    pub fn compile(&self, toolchain: &WasmToolchain, step: &Step) -> Result<BTreeMap<String, PathBuf>> {
        let mut cargo = process::cargo();
        cargo
            .args(["build", "--profile", self.profile, "--target", TARGET])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(self.folder)
            .env("CARGO_TARGET_DIR", self.target)
            .env("CARGO_TERM_PROGRESS_WHEN", "never");
        for package in self.packages {
            cargo.args(["-p", package]);
        }
        self.flags(&mut cargo, toolchain);
        toolchain.apply(&mut cargo);
        let messages = process::run_behind(step, &mut cargo)?;
        Ok(modules_in(&messages))
    }

    /// Whatever flags the user has for the host are not for guests.
    fn flags(&self, cargo: &mut Command, toolchain: &WasmToolchain) {
        let home = std::env::home_dir().unwrap_or_default();
        let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
        let flags: Vec<String> = std::iter::once((cargo_home.as_path(), "/cargo"))
            .chain(self.remap.iter().map(|(from, to)| (from.as_path(), *to)))
            .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
            .chain(toolchain.identity())
            .collect();
        cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    }
}

fn modules_in(messages: &[u8]) -> BTreeMap<String, PathBuf> {
    let mut modules = BTreeMap::new();
    for line in messages.split(|&byte| byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Message>(line) else { continue };
        if message.reason != "compiler-artifact" || !message.target.kind.iter().any(|kind| kind == "cdylib") {
            continue;
        }
        let module = message.filenames.into_iter().find(|file| file.extension().is_some_and(|kind| kind == "wasm"));
        // The target is named as the package, with underscores.
        if let Some(module) = module {
            modules.insert(message.target.name.replace('_', "-"), module);
        }
    }
    modules
}

/// One package that stands alone, as Cargo sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The workspace that it belongs to; itself, if to none.
    pub workspace: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
}

impl Package {
    /// The package whose `Cargo.toml` lies in `folder`.
    ///
    /// # Errors
    /// When there is none, when it builds no module for a component, and what Cargo says against it.
    pub fn find(folder: &Path) -> Result<Self> {
        let manifest = folder.join("Cargo.toml");
        if !manifest.is_file() {
            bail!("{} is no folder of a Rust plugin: it has no Cargo.toml", folder.display());
        }
        let folder = folder.canonicalize().with_context(|| format!("cannot open {}", folder.display()))?;
        let mut command = process::cargo();
        command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(&folder);
        let output = command.output().with_context(|| {
            format!("cannot run {}; install Rust from https://rustup.rs", command.get_program().to_string_lossy())
        })?;
        if !output.status.success() {
            bail!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Self::from_metadata(&output.stdout, &folder.join("Cargo.toml"))
    }

    fn from_metadata(json: &[u8], manifest: &Path) -> Result<Self> {
        let metadata: Metadata = serde_json::from_slice(json).context("`cargo metadata` says something unexpected")?;
        let found = metadata.packages.into_iter().find(|package| package.manifest_path == manifest);
        let Some(package) = found else {
            bail!("{} is no package; give the folder of one plugin", manifest.display());
        };
        if !package.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "cdylib")) {
            bail!("{} builds no module; add `crate-type = [\"cdylib\", \"rlib\"]` to its [lib]", package.name);
        }
        Ok(Self {
            name: package.name,
            version: package.version,
            folder: manifest.parent().unwrap_or(manifest).to_owned(),
            workspace: metadata.workspace_root,
            target: metadata.target_directory,
        })
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<PackageEntry>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct PackageEntry {
    name: String,
    version: String,
    manifest_path: PathBuf,
    targets: Vec<TargetKinds>,
}

#[derive(Deserialize)]
struct TargetKinds {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Target,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_in_cargos_messages() {
        let messages = br#"{"reason":"compiler-artifact","target":{"name":"serde","kind":["lib"]},"filenames":["/t/libserde.rlib"]}
{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","target":{"name":"strategy_dummy","kind":["cdylib","rlib"]},"filenames":["/t/strategy_dummy.wasm","/t/libstrategy_dummy.rlib"]}
{"reason":"build-finished","success":true}
"#;
        let modules = modules_in(messages);
        assert_eq!(
            modules.into_iter().collect::<Vec<_>>(),
            [("strategy-dummy".to_owned(), "/t/strategy_dummy.wasm".into())]
        );
    }

    fn package(kind: &str, manifest: &str) -> Result<Package> {
        let json = format!(
            r#"{{"workspace_root": "/p", "target_directory": "/p/target", "packages": [
                {{"name": "calm", "version": "1.2.3", "manifest_path": "/p/Cargo.toml", "targets": [{{"kind": ["{kind}"]}}]}}
            ]}}"#
        );
        Package::from_metadata(json.as_bytes(), Path::new(manifest))
    }

    #[test]
    fn a_package_that_makes_no_module_is_refused_with_the_line_to_add() {
        assert_eq!(package("cdylib", "/p/Cargo.toml").unwrap().name, "calm");
        let error = package("rlib", "/p/Cargo.toml").unwrap_err().to_string();
        assert_eq!(error, r#"calm builds no module; add `crate-type = ["cdylib", "rlib"]` to its [lib]"#);
        let error = package("cdylib", "/other/Cargo.toml").unwrap_err().to_string();
        assert_eq!(error, "/other/Cargo.toml is no package; give the folder of one plugin");
    }

    #[test]
    fn a_folder_without_a_manifest_is_no_plugin() {
        let folder = tempfile::tempdir().unwrap();
        let error = Package::find(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("is no folder of a Rust plugin: it has no Cargo.toml"), "{error}");
    }
}
