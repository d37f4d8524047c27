//! `plugin new`: the project of a new plugin.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use watcher_domain::PluginKind;

use super::sdk::Sdk;
use super::templates::{self, Language, Names};
use crate::show::print;

/// Arguments of `plugin new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name of the plugin, in `snake_case` or `kebab-case`.
    pub name: String,
    /// What it is for.
    #[arg(long, value_enum)]
    pub kind: Kind,
    /// What it is written in.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub lang: Language,
    /// Folder of the project; a new one called as the plugin if missing.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The SDK's source: a checkout of this project, or its sdk/rust. Without it `WATCHER_SDK`, or what this program was built from.
    #[arg(long, value_name = "DIR")]
    pub sdk: Option<PathBuf>,
    /// Git repository of this project, to take the SDK from.
    #[arg(long, value_name = "URL", conflicts_with = "sdk")]
    pub sdk_git: Option<String>,
    /// Commit of that repository.
    #[arg(long, value_name = "COMMIT", requires = "sdk_git")]
    pub sdk_rev: Option<String>,
}

/// What a plugin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Decides what should change in a cluster.
    Strategy,
    /// Carries out one type of action.
    Action,
    /// Orders the actions of a solution into a plan.
    Planner,
    /// Turns features into scores, for strategies that ask.
    ScoringEngine,
}

impl From<Kind> for PluginKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Strategy => Self::Strategy,
            Kind::Action => Self::Action,
            Kind::Planner => Self::Planner,
            Kind::ScoringEngine => Self::ScoringEngine,
        }
    }
}

/// Makes the project, and says what can be done with it.
pub fn run(arguments: &NewArgs) -> anyhow::Result<()> {
    let names = Names::parse(&arguments.name)?;
    let sdk = Sdk::find(arguments.sdk.as_deref(), arguments.sdk_git.as_deref(), arguments.sdk_rev.as_deref())?;
    let folder = arguments.dir.clone().unwrap_or_else(|| PathBuf::from(&names.kebab));
    refuse_full(&folder)?;
    let kind = PluginKind::from(arguments.kind);
    for (path, text) in templates::project(arguments.lang, kind, &names, &sdk.dependency()) {
        write(&folder.join(path), text.as_bytes())?;
    }
    // The versions of dependencies that the SDK was tested with; Cargo takes out what the plugin does not need.
    if let Some(lock) = sdk.root().and_then(|root| std::fs::read(root.join("Cargo.lock")).ok()) {
        write(&folder.join("Cargo.lock"), &lock)?;
    }
    let shown = folder.display();
    print(&format!("{} is {} in {shown}; what it does is in {shown}/src", names.snake, templates::with_article(kind)));
    print(&format!("\n  cd {shown}\n  cargo test"));
    print(&format!("  watcher-host plugin build     # {}.wasm", names.snake));
    print(&format!("  watcher-host plugin test{}", example(kind)));
    Ok(())
}

/// Arguments with which `plugin test` tries what the template makes.
const fn example(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Strategy => "      # the plan for cluster.json, and the cluster after it",
        PluginKind::Planner => "      # the plan of the actions of strategy basic for cluster.json",
        PluginKind::Action => " --params '{\"resource_id\": \"host-1\"}'",
        PluginKind::ScoringEngine => " --features '[[1, 2], [4]]'",
    }
}

fn refuse_full(folder: &Path) -> anyhow::Result<()> {
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => bail!("{} is there already, and not empty", folder.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot look into {}", folder.display())),
    }
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let write = || {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        std::fs::write(path, content)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
