//! Building the guests: every plugin and every test guest becomes a component under `target/plugins`.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use watcher_guest_build::compile::Modules;
use watcher_guest_build::progress::Step;
use watcher_guest_build::toolchain::{self, WasmToolchain};
use watcher_guest_build::{component, files};

use crate::{
    manifest::{Entry, Manifest},
    workspace::{Guest, Workspace},
};

/// Builds the guests of these packages, all of them when none is named, and returns how many there are.
pub(crate) fn build(workspace: &Workspace, packages: &[String]) -> Result<usize> {
    let guests = select(&workspace.guests, packages)?;
    let toolchain = toolchain::ensure(&workspace.target.join("wasm-toolchain"))?;
    let step = Step::start("plugins");
    match build_with(workspace, &toolchain, &guests, packages.is_empty(), &step) {
        Ok(changed) => {
            step.done(&format!("{} components, {changed} changed", guests.len()));
            Ok(guests.len())
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

/// Prints what is in `target/plugins`.
pub(crate) fn list(workspace: &Workspace) {
    for entry in Manifest::read(&workspace.plugins()).components {
        eprintln!("    {:<52} {:>9} bytes  sha256 {}", entry.path.display(), entry.bytes, entry.digest);
    }
}

fn select(guests: &[Guest], packages: &[String]) -> Result<Vec<Guest>> {
    if packages.is_empty() {
        return Ok(guests.to_vec());
    }
    packages
        .iter()
        .map(|package| {
            let found = guests.iter().find(|guest| guest.package == *package);
            found.cloned().with_context(|| {
                let known: Vec<&str> = guests.iter().map(|guest| guest.package.as_str()).collect();
                format!("there is no guest package `{package}`; there are {}", known.join(", "))
            })
        })
        .collect()
}

/// Returns how many components changed.
fn build_with(
    workspace: &Workspace,
    toolchain: &WasmToolchain,
    guests: &[Guest],
    all: bool,
    step: &Step,
) -> Result<usize> {
    let mut problems = Vec::new();
    let (with_module, without): (Vec<_>, Vec<_>) = guests.iter().cloned().partition(|guest| guest.has_module);
    for guest in without {
        problems.push(format!("{}: builds no module; add `[lib] crate-type = [\"cdylib\"]`", guest.package));
    }
    let modules =
        if with_module.is_empty() { BTreeMap::new() } else { compile(workspace, toolchain, &with_module, step)? };

    let folder = workspace.plugins();
    let _lock = lock(&folder)?;
    let mut manifest = if all { Manifest::default() } else { Manifest::read(&folder) };
    let mut changed = 0;
    for guest in &with_module {
        step.note(&format!("component {}", guest.package));
        let component = modules
            .get(&guest.package)
            .context("Cargo built no module for it")
            .and_then(|module| fs::read(module).with_context(|| format!("cannot read {}", module.display())))
            .and_then(|module| component::encode(&module));
        match component {
            Ok(component) => {
                let path = Path::new(guest.kind.folder()).join(&guest.name).with_extension("wasm");
                changed += usize::from(files::replace(&folder.join(&path), &component)?);
                manifest.set(Entry {
                    path,
                    kind: guest.kind.folder().to_owned(),
                    name: guest.name.clone(),
                    digest: files::digest(&component),
                    bytes: u64::try_from(component.len())?,
                });
            }
            Err(error) => problems.push(format!("{}: {error:#}", guest.package)),
        }
    }
    if all {
        remove_others(&folder, &manifest)?;
    }
    manifest.write(&folder)?;
    if !problems.is_empty() {
        bail!("not every guest became a component:\n  {}", problems.join("\n  "));
    }
    Ok(changed)
}

/// Compiles packages to core modules: package name to file.
fn compile(
    workspace: &Workspace,
    toolchain: &WasmToolchain,
    guests: &[Guest],
    step: &Step,
) -> Result<BTreeMap<String, PathBuf>> {
    let packages: Vec<String> = guests.iter().map(|guest| guest.package.clone()).collect();
    let modules = Modules {
        folder: &workspace.root,
        packages: &packages,
        profile: "guest",
        target: &workspace.target.join("guests"),
        remap: &[(workspace.root.clone(), "/watcher")],
    };
    modules.compile(toolchain, step)
}

/// Removes components of guests that are gone.
fn remove_others(folder: &Path, manifest: &Manifest) -> Result<()> {
    for kind in fs::read_dir(folder)?.flatten().filter(|kind| kind.path().is_dir()) {
        for file in fs::read_dir(kind.path())?.flatten().map(|file| file.path()) {
            let listed = manifest.components.iter().any(|entry| folder.join(&entry.path) == file);
            if !listed && file.extension().is_some_and(|extension| extension == "wasm") {
                fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
            }
        }
    }
    Ok(())
}

/// One writer of `target/plugins` at a time.
fn lock(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = folder.join(".lock");
    let lock = File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", file.display()))?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Kind;

    fn guest(package: &str) -> Guest {
        Guest { kind: Kind::Strategies, name: "dummy".to_owned(), package: package.to_owned(), has_module: true }
    }

    #[test]
    fn an_unknown_package_is_refused_with_the_known_ones() {
        let guests = [guest("strategy-dummy"), guest("action-nop")];
        let error = select(&guests, &["strategy-dumy".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "there is no guest package `strategy-dumy`; there are strategy-dummy, action-nop");
        assert_eq!(select(&guests, &["action-nop".to_owned()]).unwrap(), [guest("action-nop")]);
        assert_eq!(select(&guests, &[]).unwrap().len(), 2);
    }

    #[test]
    fn components_of_guests_that_are_gone_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("strategies")).unwrap();
        for name in ["kept.wasm", "gone.wasm", "notes.txt"] {
            fs::write(folder.path().join("strategies").join(name), b"x").unwrap();
        }
        let mut manifest = Manifest::default();
        manifest.set(Entry {
            path: "strategies/kept.wasm".into(),
            kind: "strategies".to_owned(),
            name: "kept".to_owned(),
            digest: String::new(),
            bytes: 1,
        });
        remove_others(folder.path(), &manifest).unwrap();
        assert!(folder.path().join("strategies/kept.wasm").exists());
        assert!(!folder.path().join("strategies/gone.wasm").exists());
        assert!(folder.path().join("strategies/notes.txt").exists());
    }
}
