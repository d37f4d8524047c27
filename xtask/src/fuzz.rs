//! `cargo xtask fuzz-api`: requests made from the description of the API, thrown at a service on the simulated cloud. `cargo xtask fuzz`: the
//! made-up plugins and requests of the sandbox's tests, for as long as wanted.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use crate::{
    conformance::{demo, python},
    guests, launch, preflight, process,
    services::Services,
    workspace::Workspace,
};

/// What is made up.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Target {
    /// Components that are uploaded
    Plugins,
    /// Requests of action handlers
    Requests,
}

/// What to throw, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What is made up
    target: Target,
    /// How long
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Where chance begins: the same seed makes the same cases. From the clock if missing
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the tests of the sandbox that make their cases up.
pub(crate) fn sandbox(workspace: &Workspace, options: &Options) -> Result<()> {
    preflight::c_compiler()?;
    guests::build(workspace, &[])?;
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().context("the clock stands before 1970")?;
    let seed = options.seed.unwrap_or(since.as_secs());
    let test = match options.target {
        Target::Plugins => "plugins_made_up_by_chance",
        Target::Requests => "requests_made_up_by_chance",
    };
    let mut cargo = process::cargo();
    cargo
        .args(["test", "--workspace", "--test", "fuzz", "--", test, "--nocapture"])
        .env("WATCHER_FUZZ_SECONDS", options.seconds.to_string())
        .env("WATCHER_FUZZ_SEED", seed.to_string())
        .env("WATCHER_PLUGINS_DIR", workspace.plugins())
        .current_dir(&workspace.root);
    process::run_openly(&mut cargo).with_context(|| format!("a case of seed {seed} failed"))
}

/// Builds and starts everything, and checks every answer against the description; `arguments` are for schemathesis.
pub(crate) fn api(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    preflight::c_compiler()?;
    let services = Services::new()?;
    let fuzz = workspace.root.join("tests/fuzz");
    let python = python::environment(workspace, "fuzz", &fuzz.join("requirements.txt"))?;
    guests::build(workspace, &[])?;
    let demo = demo::start(workspace, &services, &launch::service(workspace)?, demo::SMALL)?;
    let mut command = python::script(&python);
    command.arg(fuzz.join("run.py")).args(arguments).envs(demo.environment).current_dir(&workspace.target);
    process::run_openly(&mut command)
        .with_context(|| format!("the API does not keep to its description; see {}", demo.log.display()))
}
