//! `watcher-host plugin`: write, build, check, try and share plugins.

pub mod bench;
pub mod build;
mod check;
pub mod client;
pub mod new;
pub mod oci;
mod report;
pub mod sdk;
pub mod sign;
pub mod table;
pub mod templates;
pub mod test;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
    /// Make the project of a new plugin, which builds, tests and runs as it is.
    New(new::NewArgs),
    /// Build a project's component.
    Build(build::BuildArgs),
    /// Check a component as the service does when it is uploaded. Fails if it would be refused.
    Check(CheckArgs),
    /// Run a component in the sandbox and show what it does: the plan, the cluster after it, the phases of an action, scores.
    Test(test::TestArgs),
    /// Measure what a strategy or planner uses against the size of the cluster.
    Bench(bench::BenchArgs),
    /// Make a key to sign components with.
    Key(sign::KeyArgs),
    /// Sign a component; the signature is printed as JSON.
    Sign(sign::SignArgs),
    /// Push a component to an OCI registry, with the report of its check and its signatures.
    Publish(oci::PublishArgs),
    /// Pull a component from an OCI registry into a file.
    Fetch(oci::FetchArgs),
    /// What the service does with plugins.
    #[command(flatten)]
    Client(client::Client),
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
        PluginCommand::New(arguments) => new::run(&arguments).map(|()| ExitCode::SUCCESS),
        PluginCommand::Build(arguments) => {
            tokio::task::spawn_blocking(move || build::run(&arguments)).await?.map(|()| ExitCode::SUCCESS)
        }
        PluginCommand::Check(arguments) => check::run(config, arguments).await,
        PluginCommand::Test(arguments) => Box::pin(test::run(config, arguments)).await,
        PluginCommand::Bench(arguments) => Box::pin(bench::run(config, arguments)).await,
        PluginCommand::Key(arguments) => sign::key(&arguments).map(|()| ExitCode::SUCCESS),
        PluginCommand::Sign(arguments) => sign::sign(&arguments).map(|()| ExitCode::SUCCESS),
        PluginCommand::Publish(arguments) => Box::pin(oci::publish(config, arguments)).await,
        PluginCommand::Fetch(arguments) => Box::pin(oci::fetch(arguments)).await,
        PluginCommand::Client(client) => Box::pin(client::run(client)).await,
    }
}

/// The other side of a check: see [`worker::serve`].
pub fn check_worker() -> anyhow::Result<ExitCode> {
    worker::serve().context("a plugin cannot be checked")?;
    Ok(ExitCode::SUCCESS)
}

/// Set by a program that answers to [`CHECK_WORKER`].
static IS_WORKER: AtomicBool = AtomicBool::new(false);

/// Says that this program, started with [`CHECK_WORKER`], calls [`check_worker`]: only `main` knows.
pub fn can_be_worker() {
    IS_WORKER.store(true, Ordering::Relaxed);
}

/// What checks components before they are stored: other processes of this program; within this process where the program is another one,
/// as in tests.
pub fn checker(config: &Config, runtime: &Arc<Runtime>) -> anyhow::Result<Arc<dyn PluginChecker>> {
    Ok(match itself()? {
        Some(program) => Arc::new(worker_of(config, program)?),
        None => Arc::new(InProcess::new(Arc::clone(runtime), IN_PROCESS_AT_ONCE)),
    })
}

/// Who compiles components whose code is not in the cache when they are to run: processes of their own as well, apart from those that check
/// uploads, so that many uploads do not keep audits waiting. Nobody where the program is another one.
pub fn compiler(config: &Config) -> anyhow::Result<Option<Arc<dyn PluginChecker>>> {
    let Some(program) = itself()? else { return Ok(None) };
    Ok(Some(Arc::new(worker_of(config, program)?)))
}

/// This program, if it can be a worker.
fn itself() -> anyhow::Result<Option<PathBuf>> {
    let program = std::env::current_exe().context("cannot find this program itself")?;
    Ok(IS_WORKER.load(Ordering::Relaxed).then_some(program))
}

/// A checker that starts `program`.
pub fn worker_of(config: &Config, program: PathBuf) -> anyhow::Result<Worker> {
    // The file may be replaced while the service runs; compiled code has to come from the program that will run it.
    let itself = PathBuf::from("/proc/self/exe");
    let running = std::env::current_exe().is_ok_and(|running| running == program);
    let program = if running && itself.exists() { itself } else { program };
    let sandbox = RuntimeOptions { cache_dir: wiring::cache_dir(&config.sandbox)?, ..RuntimeOptions::default() };
    let registry = &config.registry;
    Ok(Worker::new(WorkerOptions {
        at_once: registry.check_workers,
        waiting: registry.max_waiting_checks,
        patience: Duration::from_secs(registry.check_wait_s),
        deadline: Duration::from_secs(registry.check_deadline_s),
        cpu_s: registry.check_cpu_s,
        memory_bytes: registry.check_memory_bytes,
        ..WorkerOptions::new(program, vec![CHECK_WORKER.into()], &sandbox)
    }))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use crate::cli::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_that_asks_the_service_takes_its_address() {
        for command in [
            "push x.wasm",
            "list",
            "share calm p",
            "grant calm --all",
            "quota",
            "set calm --visibility shared",
            "signatures calm",
            "signing-policy all --require execution",
        ] {
            let words = ["watcher-host", "plugin"].into_iter().chain(command.split(' '));
            Cli::try_parse_from(words.chain(["--url", "http://127.0.0.1:1", "--json"])).unwrap();
        }
        assert!(Cli::try_parse_from(["watcher-host", "plugin", "grant", "calm"]).is_err());
    }

    /// Words of a line as a shell takes them apart, without a comment or where the output goes.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quote = None;
        for letter in line.chars() {
            match (quote, letter) {
                (None, '\'' | '"') => quote = Some(letter),
                (Some(open), _) if open == letter => quote = None,
                (None, '#' | '>') if words.last().is_some_and(String::is_empty) => break,
                (None, ' ') => words.push(String::new()),
                _ => words.last_mut().unwrap().push(letter),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_command_of_the_documents_is_one() {
        let documents = concat!(
            include_str!("../../../../docs/plugins/tutorial.md"),
            include_str!("../../../../docs/plugins/actions.md"),
            include_str!("../../../../docs/plugins/checking.md"),
            include_str!("../../../../docs/plugins/registry.md"),
            include_str!("../../../../docs/plugins/signatures.md"),
        );
        let commands: Vec<_> = documents.lines().filter(|line| line.starts_with("watcher-host ")).collect();
        assert!(commands.len() > 20, "{commands:?}");
        for command in commands {
            let parsed = Cli::try_parse_from(words(command));
            assert!(parsed.is_ok(), "{command}: {}", parsed.unwrap_err());
        }
    }
}
