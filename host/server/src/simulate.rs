//! `watcher-host simulator`.

use std::path::Path;

use anyhow::Context as _;
use watcher_cluster::ClusterFile;
use watcher_simulator::{GenerateOptions, Simulator, SimulatorOptions, generate};

use crate::cli::{SimulatorArgs, SimulatorCommand, SimulatorRunArgs};
use crate::show::print;

/// Reads a cluster file, and says which file when it cannot.
pub fn read_cluster(path: &Path) -> anyhow::Result<ClusterFile> {
    let text = std::fs::read(path).with_context(|| format!("cannot read cluster file {}", path.display()))?;
    ClusterFile::parse(&text).with_context(|| format!("cluster file {} is refused", path.display()))
}

/// Runs a simulated cloud until it is interrupted, or makes a cluster file.
pub async fn run(arguments: SimulatorArgs) -> anyhow::Result<()> {
    match arguments.command {
        Some(SimulatorCommand::Generate { hosts, instances, seed, output }) => {
            let file = generate(&GenerateOptions { hosts, instances, seed, ..GenerateOptions::default() });
            let text = serde_json::to_string(&file)?;
            match output {
                None => print(&text),
                Some(path) => {
                    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
                }
            }
            Ok(())
        }
        None => serve(arguments.run).await,
    }
}

async fn serve(arguments: SimulatorRunArgs) -> anyhow::Result<()> {
    let path = arguments.cluster.context("--cluster FILE is missing: which cluster is to be simulated?")?;
    let file = read_cluster(&path)?;
    let options = SimulatorOptions {
        listen: arguments.listen,
        infra_optim_url: arguments.infra_optim_url,
        live_migration_ms: arguments.migration_ms,
        cold_migration_ms: arguments.migration_ms,
        traces: arguments.traces,
        enforce_capacity: !arguments.no_capacity_check,
        faults: faults(arguments.faults.as_deref())?,
        ..SimulatorOptions::default()
    };
    let running = Simulator::new(file, options).start().await?;
    print(&format!("simulated cloud: identity at {}", running.endpoints().identity));
    tokio::signal::ctrl_c().await.context("cannot wait for an interrupt")?;
    running.shutdown().await;
    Ok(())
}

/// Parses faults as the simulator's admin call takes them.
pub fn faults(text: Option<&str>) -> anyhow::Result<watcher_simulator::FaultOptions> {
    text.map_or_else(
        || Ok(watcher_simulator::FaultOptions::default()),
        |text| serde_json::from_str(text).context("--faults is not a list of faults"),
    )
}
