//! `plugin test`: runs a component in the sandbox and shows what it does.

mod action;
mod decision;
mod journal;
mod scoring;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use watcher_cluster::ClusterFile;
use watcher_domain::PluginKind;
use watcher_simulator::{GenerateOptions, generate};

use super::build;
use crate::config::Config;
use crate::decide::Bench;
use crate::simulate::read_cluster;

/// Arguments of `plugin test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Folder of a project, which is built first, or a component.
    #[arg(default_value = ".", value_name = "DIR|FILE.wasm")]
    pub plugin: PathBuf,
    /// Cluster file. Without it cluster.json beside the component, or a generated cluster.
    #[arg(long, value_name = "FILE", conflicts_with = "hosts")]
    pub cluster: Option<PathBuf>,
    /// Generate a cluster of so many compute nodes.
    #[arg(long, value_name = "COUNT")]
    pub hosts: Option<usize>,
    /// Instances of a generated cluster; six on each compute node if missing.
    #[arg(long, value_name = "COUNT")]
    pub instances: Option<usize>,
    /// Parameters, a JSON object: of the audit for a strategy or planner, of the action for an action handler.
    #[arg(long, value_name = "JSON")]
    pub params: Option<String>,
    /// Audit scope, a JSON array.
    #[arg(long, value_name = "JSON")]
    pub scope: Option<String>,
    /// Seed of random numbers, and of a generated cluster.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// For a planner: the strategy whose actions it orders. The cluster file's own, or `basic`, if missing.
    #[arg(long, value_name = "NAME")]
    pub strategy: Option<String>,
    /// Component that the plugin works with and that is not installed. Can be given many times.
    #[arg(long, value_name = "FILE.wasm")]
    pub with: Vec<PathBuf>,
    /// For a scoring engine: what it is asked, a JSON array with one item for each score.
    #[arg(long, value_name = "JSON")]
    pub features: Option<String>,
    /// For an action handler: revert the action after it was done.
    #[arg(long)]
    pub revert: bool,
    /// For an action handler: call `abort` so long after `execute` began, in milliseconds.
    #[arg(long, value_name = "MS", conflicts_with = "revert")]
    pub abort_after: Option<u64>,
    /// For an action handler: how long a migration takes in the simulated cloud, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 200)]
    pub migration_ms: u64,
    /// Rows of a table that are shown; 0 shows all.
    #[arg(long, default_value_t = 40)]
    pub rows: usize,
    /// Where to write the report of a strategy or planner (JSON).
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Builds what has to be built, finds out its kind, and runs it.
pub async fn run(config: &Config, arguments: TestArgs) -> anyhow::Result<ExitCode> {
    let path = component(&arguments.plugin).await?;
    let bench = Bench::load(config).await?;
    for other in &arguments.with {
        bench.add(other).await?;
    }
    let plugin = bench.add(&path).await?;
    arguments.refuse_foreign(plugin.kind)?;
    match plugin.kind {
        PluginKind::Strategy | PluginKind::Planner => decision::run(&bench, plugin, &arguments).await,
        PluginKind::Action => action::run(config, &bench, plugin, &arguments).await,
        PluginKind::ScoringEngine => scoring::run(config, &bench, plugin, &arguments).await,
    }
}

/// The component itself, or what the project in a folder builds.
pub async fn component(plugin: &std::path::Path) -> anyhow::Result<PathBuf> {
    if !plugin.is_dir() {
        return Ok(plugin.to_owned());
    }
    let folder = plugin.to_owned();
    Ok(tokio::task::spawn_blocking(move || build::build(&folder, None)).await??.path)
}

impl TestArgs {
    /// An option that says nothing to this kind is a misunderstanding.
    fn refuse_foreign(&self, kind: PluginKind) -> anyhow::Result<()> {
        let given = [
            ("--strategy", self.strategy.is_some(), PluginKind::Planner),
            ("--features", self.features.is_some(), PluginKind::ScoringEngine),
            ("--revert", self.revert, PluginKind::Action),
            ("--abort-after", self.abort_after.is_some(), PluginKind::Action),
        ];
        match given.into_iter().find(|(_, is_given, of)| *is_given && *of != kind) {
            Some((option, _, of)) => bail!("{option} is for plugins of kind {of}; this one is of kind {kind}"),
            None => Ok(()),
        }
    }

    /// The cluster to try it on.
    fn cluster(&self) -> anyhow::Result<ClusterFile> {
        let folder = if self.plugin.is_dir() { Some(self.plugin.as_path()) } else { self.plugin.parent() };
        let own = folder.map(|folder| folder.join("cluster.json")).unwrap_or_default();
        match (&self.cluster, self.hosts) {
            (Some(path), _) => read_cluster(path),
            (None, None) if own.is_file() => read_cluster(&own),
            (None, hosts) => {
                let hosts = hosts.unwrap_or(20);
                let instances = self.instances.unwrap_or(6 * hosts);
                Ok(generate(&GenerateOptions { hosts, instances, seed: self.seed, ..GenerateOptions::default() }))
            }
        }
    }

    /// How many of `count` rows are shown.
    fn shown(&self, count: usize) -> usize {
        if self.rows == 0 { count } else { count.min(self.rows) }
    }

    /// The parameters, if any are given.
    fn parameters(&self) -> anyhow::Result<Option<serde_json::Map<String, serde_json::Value>>> {
        self.params.as_deref().map(serde_json::from_str).transpose().context("--params is not a JSON object")
    }
}
