//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Config, Loaded, document, environment};
use crate::{db, decide, demo, plugin, policy, serve, show, simulate, telemetry};

/// Resource optimization for OpenStack, with strategies and actions in a sandbox.
#[derive(Debug, Parser)]
#[command(name = "watcher-host", version, disable_help_subcommand = true)]
pub struct Cli {
    /// Configuration file (TOML).
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sets one option: SECTION.OPTION=VALUE. Wins over the environment (`WATCHER_SECTION__OPTION`) and the file.
    #[arg(long = "set", global = true, value_name = "SETTING")]
    pub settings: Vec<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in one process: API, decision engine, applier.
    Serve,
    /// Run a strategy and a planner on a saved cluster and print the plan, without any service.
    Decide(DecideArgs),
    /// Run a simulated cloud, or generate clusters for it.
    Simulator(SimulatorArgs),
    /// Show the main job: simulated cloud, audit, action plan, actions, before and after.
    Demo(DemoArgs),
    /// Look after the database.
    Db {
        /// What to do with it.
        #[command(subcommand)]
        command: DbCommand,
    },
    /// Show who may do what.
    Policy {
        /// What to show.
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Write, build, check, try and share plugins.
    Plugin(plugin::PluginArgs),
    /// Check one component for a service that started this process.
    #[command(name = plugin::CHECK_WORKER, hide = true)]
    CheckWorker,
    /// Show the configuration.
    Config {
        /// What to show.
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

/// Arguments of `decide`.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// Cluster file to decide on.
    #[arg(long, value_name = "FILE", required_unless_present = "case", conflicts_with = "case")]
    pub cluster: Option<PathBuf>,
    /// Strategy by name. Without it, the cluster file's own `strategy`.
    #[arg(long, value_name = "NAME", conflicts_with = "plugin")]
    pub strategy: Option<String>,
    /// Strategy as a component that is not installed.
    #[arg(long, value_name = "FILE.wasm")]
    pub plugin: Option<PathBuf>,
    /// Parameters, a JSON object.
    #[arg(long, value_name = "JSON")]
    pub params: Option<String>,
    /// Audit scope, a JSON array.
    #[arg(long, value_name = "JSON")]
    pub scope: Option<String>,
    /// Seed of the strategy's random numbers.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where to write the report (JSON).
    #[arg(long, value_name = "FILE", conflicts_with = "case")]
    pub report: Option<PathBuf>,
    /// Cluster file with its own strategy, parameters and scope. Can be given many times.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "report_dir")]
    pub case: Vec<PathBuf>,
    /// Where to write one report per case, named as the case.
    #[arg(long, value_name = "DIR")]
    pub report_dir: Option<PathBuf>,
}

/// Arguments of `simulator`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SimulatorArgs {
    /// Makes cluster files.
    #[command(subcommand)]
    pub command: Option<SimulatorCommand>,
    /// Cloud to simulate.
    #[command(flatten)]
    pub run: SimulatorRunArgs,
}

/// Arguments of a simulated cloud.
#[derive(Debug, Args)]
pub struct SimulatorRunArgs {
    /// Cluster file to simulate.
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:5050")]
    pub listen: SocketAddr,
    /// Where the catalogue says the optimization service is.
    #[arg(long, default_value = "http://127.0.0.1:9322")]
    pub infra_optim_url: String,
    /// How long a migration takes, in milliseconds.
    #[arg(long, default_value_t = 200)]
    pub migration_ms: u64,
    /// Serve the file's traces, following the clock, instead of its constant metrics.
    #[arg(long)]
    pub traces: bool,
    /// Let a migration go wherever it is sent, whatever Placement would say.
    #[arg(long)]
    pub no_capacity_check: bool,
    /// Faults that are on from the start: a JSON array, as the admin call takes it.
    #[arg(long, value_name = "JSON")]
    pub faults: Option<String>,
}

/// Commands beside the simulated cloud itself.
#[derive(Debug, Subcommand)]
pub enum SimulatorCommand {
    /// Make a cluster file of any size.
    Generate {
        /// Compute nodes.
        #[arg(long)]
        hosts: usize,
        /// Instances.
        #[arg(long)]
        instances: usize,
        /// The same seed makes the same cluster.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Where to write it; standard output if missing.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Cluster file; a generated cluster if missing.
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Strategy to run.
    #[arg(long, default_value = "vm_workload_consolidation", value_name = "NAME")]
    pub strategy: String,
    /// Its parameters, a JSON object.
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub params: String,
    /// Where to write the report (JSON).
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Leave service and simulated cloud running, and print the environment for the stock client.
    #[arg(long)]
    pub keep: bool,
    /// How long a migration takes in the simulated cloud, in milliseconds.
    #[arg(long, default_value_t = 50)]
    pub migration_ms: u64,
    /// Compute nodes of a generated cluster.
    #[arg(long, default_value_t = 40)]
    pub hosts: usize,
    /// Instances of a generated cluster.
    #[arg(long, default_value_t = 250)]
    pub instances: usize,
    /// Seed of a generated cluster.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Refuse migrations to a host without room by Placement's accounting, as a real scheduler does. Strategies that pack by use
    /// and not by allocation then see some of their migrations refused.
    #[arg(long)]
    pub enforce_capacity: bool,
    /// Faults of the simulated cloud: a JSON array, as its admin call takes it.
    #[arg(long, value_name = "JSON")]
    pub faults: Option<String>,
}

/// Commands for the database.
#[derive(Debug, Clone, Subcommand)]
pub enum DbCommand {
    /// Bring the schema to this program's version.
    Upgrade,
    /// Say whether the schema fits this program.
    Version,
    /// Move the components that projects uploaded to where `blobs.store` says. Services may run meanwhile; it can be stopped and repeated.
    MoveBlobs {
        /// Another place: `database`, or one that the configuration names.
        #[arg(long, value_name = "PLACE")]
        to: Option<String>,
    },
    /// Remove for good what was soft-deleted: audit templates, audits, action plans, actions and efficacy indicators. Services may run meanwhile; it can
    /// be stopped and repeated.
    Purge(PurgeArgs),
}

/// Arguments of `db purge`.
#[derive(Debug, Clone, Args)]
pub struct PurgeArgs {
    /// Only what was soft-deleted so many days ago or more.
    #[arg(short = 'd', long, value_name = "DAYS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=36_500))]
    pub age_in_days: u32,
    /// Remove no more rows than this; recordings, which go with audits and plans, are not counted.
    #[arg(short = 'n', long, value_name = "NUMBER")]
    pub max_number: Option<u64>,
    /// Only what is for this goal, by name or UUID.
    #[arg(short = 't', long, value_name = "GOAL")]
    pub goal: Option<String>,
    /// Leave action plans alone that have ended and are not deleted, but whose audits are; such an audit stays, too.
    #[arg(short = 'e', long)]
    pub exclude_orphans: bool,
    /// Only say how much there is to remove.
    #[arg(long)]
    pub dry_run: bool,
}

/// Commands for the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Print every option with its value.
    Show {
        /// Say where each value comes from.
        #[arg(long)]
        origin: bool,
    },
    /// Print all options with their defaults and meanings, as Markdown.
    Document,
}

/// Commands for the policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print all rules in force, with where each comes from.
    List {
        /// How: `yaml` is a policy file.
        #[arg(long, value_enum, default_value_t = PolicyFormat::Yaml)]
        format: PolicyFormat,
    },
    /// Say whether a rule allows a caller, and why. Ends with 1 if it does not.
    Check(PolicyCheckArgs),
}

/// How rules are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyFormat {
    /// As a policy file.
    Yaml,
    /// As a list of objects.
    Json,
}

/// Arguments of `policy check`.
#[derive(Debug, Args)]
pub struct PolicyCheckArgs {
    /// Rule to ask for, e.g. `audit:get`.
    pub rule: String,
    /// Roles of the caller, parted by commas.
    #[arg(long, value_delimiter = ',', value_name = "ROLE")]
    pub roles: Vec<String>,
    /// Project that the caller's token is scoped to.
    #[arg(long, value_name = "ID")]
    pub project: Option<String>,
    /// The caller.
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Domain that the caller's token is scoped to.
    #[arg(long, value_name = "ID", conflicts_with = "project")]
    pub domain: Option<String>,
    /// Whether the caller's token is scoped to the whole system.
    #[arg(long, conflicts_with_all = ["project", "domain"])]
    pub system: bool,
    /// Attribute of what the caller wants to do it to; without any it is the caller's own.
    #[arg(long, value_name = "NAME=VALUE")]
    pub target: Vec<String>,
}

/// Runs a command to its end.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Command::CheckWorker = cli.command {
        return plugin::check_worker();
    }
    if let Command::Config { command: ConfigCommand::Document } = cli.command {
        show::print(document().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let loaded = Config::load(cli.config.as_deref(), environment(), &cli.settings)?;
    let Loaded { config, .. } = &loaded;
    if let Command::Config { command: ConfigCommand::Show { origin } } = cli.command {
        show::config(&loaded, origin);
        return Ok(ExitCode::SUCCESS);
    }
    telemetry::start(&quiet_unless_serving(&cli.command, config))?;
    if let Command::Policy { command } = &cli.command {
        let rules = policy::load(&config.policy)?;
        return match command {
            PolicyCommand::List { format } => {
                show::print(&policy::list(&config.policy, &rules, *format));
                Ok(ExitCode::SUCCESS)
            }
            PolicyCommand::Check(arguments) => {
                let (allowed, text) = policy::check(&rules, arguments)?;
                show::print(&text);
                Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
        };
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve => serve::run(config.clone()).await.map(|()| ExitCode::SUCCESS),
            Command::Decide(arguments) => decide::run(config, arguments).await,
            Command::Simulator(arguments) => simulate::run(arguments).await.map(|()| ExitCode::SUCCESS),
            Command::Demo(arguments) => Box::pin(demo::run(config.clone(), arguments)).await,
            Command::Db { command } => db::run(config, command).await.map(|()| ExitCode::SUCCESS),
            Command::Plugin(arguments) => plugin::run(config, arguments).await,
            Command::Config { .. } | Command::Policy { .. } | Command::CheckWorker => Ok(ExitCode::SUCCESS),
        }
    })
}

/// Commands that print their own results log warnings only, unless somebody set a level.
fn quiet_unless_serving(command: &Command, config: &Config) -> crate::config::LogConfig {
    let mut log = config.log.clone();
    if log == crate::config::LogConfig::default()
        && matches!(command, Command::Decide(_) | Command::Demo(_) | Command::Plugin(_))
    {
        "error".clone_into(&mut log.level);
    }
    log
}
