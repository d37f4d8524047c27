//! `watcher-host plugin`: work with plugins.

mod check;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use watcher_domain::ports::PluginChecker;
use watcher_runtime::check::InProcess;
use watcher_runtime::check::worker::{self, Worker, WorkerOptions};
use watcher_runtime::{Runtime, RuntimeOptions};

use crate::config::Config;
use crate::wiring;

/// The hidden command that the service starts itself with to check a component.
pub const CHECK_WORKER: &str = "check-worker";

/// Checks that run at once within this process, where it cannot start itself again.
const IN_PROCESS_AT_ONCE: usize = 4;

/// Arguments of `plugin`.
#[derive(Debug, Args)]
pub struct PluginArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PluginCommand,
}

/// Commands for plugins.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Check a component as the service does when it is uploaded. Fails if it would be refused.
    Check(CheckArgs),
}

/// Arguments of `plugin check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Component to check.
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// Do not run it on a generated cluster.
    #[arg(long)]
    pub no_trials: bool,
}

/// Runs a command.
pub async fn run(config: &Config, arguments: PluginArgs) -> anyhow::Result<ExitCode> {
    match arguments.command {
        PluginCommand::Check(arguments) => check::run(config, arguments).await,
    }
}

/// The other side of a check: see [`worker::serve`].
pub fn check_worker() -> anyhow::Result<ExitCode> {
    worker::serve().context("a plugin cannot be checked")?;
    Ok(ExitCode::SUCCESS)
}

/// What checks components before they are stored: other processes of this program; within this process where the program is another one,
/// as in tests.
pub fn checker(config: &Config, runtime: &Arc<Runtime>) -> anyhow::Result<Arc<dyn PluginChecker>> {
    let program = std::env::current_exe().context("cannot find this program itself")?;
    if program.file_stem().is_none_or(|name| name != "watcher-host") {
        return Ok(Arc::new(InProcess::new(Arc::clone(runtime), IN_PROCESS_AT_ONCE)));
    }
    Ok(Arc::new(worker_of(config, program)?))
}

/// A checker that starts `program`.
pub fn worker_of(config: &Config, program: PathBuf) -> anyhow::Result<Worker> {
    // The file may be replaced while the service runs; compiled code has to come from the program that will run it.
    let itself = PathBuf::from("/proc/self/exe");
    let running = std::env::current_exe().is_ok_and(|running| running == program);
    let program = if running && itself.exists() { itself } else { program };
    let sandbox = RuntimeOptions { cache_dir: wiring::cache_dir(&config.sandbox)?, ..RuntimeOptions::default() };
    Ok(Worker::new(WorkerOptions::new(program, vec![CHECK_WORKER.into()], &sandbox)))
}
