//! `plugin build`: from a project to a component.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use watcher_guest_build::compile::{Modules, Package};
use watcher_guest_build::progress::Step;
use watcher_guest_build::{component, files, toolchain};

use super::sdk::Sdk;
use crate::show::print;
use crate::wiring;

/// Arguments of `plugin build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Folder of the project.
    #[arg(default_value = ".", value_name = "DIR")]
    pub dir: PathBuf,
    /// Where to write the component; into the project, named as the plugin, if missing.
    #[arg(long, short, value_name = "FILE.wasm")]
    pub output: Option<PathBuf>,
}

/// A component that was built.
pub struct Built {
    /// Where it is.
    pub path: PathBuf,
    /// How large it is.
    pub bytes: usize,
    /// SHA-256, as the service writes it.
    pub digest: String,
}

/// Builds, and prints what came out.
pub fn run(arguments: &BuildArgs) -> anyhow::Result<()> {
    let built = build(&arguments.dir, arguments.output.as_deref())?;
    print(&format!("{}  {} bytes  {}", built.path.display(), built.bytes, built.digest));
    Ok(())
}

/// Builds the project in a folder.
pub fn build(folder: &Path, output: Option<&Path>) -> anyhow::Result<Built> {
    let package = Package::find(folder)?;
    let sdk = Sdk::own();
    let toolchain = toolchain::ensure(&toolchain_cache(sdk.as_ref())?)?;
    let step = Step::start(format!("component {} {}", package.name, package.version));
    let remap: Vec<(PathBuf, &str)> = sdk
        .iter()
        .filter_map(|sdk| Some((sdk.root()?.to_owned(), "/watcher")))
        .chain([(package.folder.clone(), "/plugin")])
        .collect();
    let modules = Modules {
        folder: &package.folder,
        packages: std::slice::from_ref(&package.name),
        profile: "release",
        target: &package.target.join("plugin"),
        remap: &remap,
    };
    let encoded = modules.compile(&toolchain, &step).and_then(|modules| {
        let module = modules.get(&package.name.replace('_', "-")).context("Cargo built no module for it")?;
        let module = std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
        component::encode(&module)
    });
    let component = match encoded {
        Ok(component) => component,
        Err(error) => {
            step.failed();
            return Err(error);
        }
    };
    let named = folder.join(package.name.replace('-', "_")).with_extension("wasm");
    let path = output.map_or(named, Path::to_owned);
    files::replace(&path, &component)?;
    step.done("");
    Ok(Built { path, bytes: component.len(), digest: format!("sha256:{}", files::digest(&component)) })
}

/// The compiler that this project's own plugins are built with serves here too; without it, one in the user's cache.
fn toolchain_cache(sdk: Option<&Sdk>) -> anyhow::Result<PathBuf> {
    let own = sdk.and_then(Sdk::root).map(|root| root.join("target/wasm-toolchain"));
    match own.filter(|folder| folder.is_dir()) {
        Some(folder) => Ok(folder),
        None => Ok(wiring::user_cache().context("there is no place for a compiler")?.join("wasm-toolchain")),
    }
}
