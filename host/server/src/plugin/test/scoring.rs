//! Scoring engines: one score for each of the features.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;
use watcher_domain::ports::{Clock as _, Inspection, ScoringRun, ScoringRunner as _};
use watcher_domain::{Account, SystemClock};

use super::TestArgs;
use crate::config::Config;
use crate::decide::Bench;
use crate::plugin::table::{Column, Table};
use crate::show::print;

/// Asks the engine, and prints what it says.
pub(super) async fn run(
    config: &Config,
    bench: &Bench,
    plugin: Inspection,
    arguments: &TestArgs,
) -> anyhow::Result<ExitCode> {
    let name = plugin.description.name.clone();
    let given = arguments.features.as_deref().with_context(|| {
        format!("--features JSON is missing: what is {name} to be asked? An array with one item for each score")
    })?;
    let features: Vec<Value> = serde_json::from_str(given).context("--features is not a JSON array")?;
    let digest = plugin.digest;
    let run = ScoringRun {
        digest,
        features: features.iter().map(Value::to_string).collect(),
        configuration: bench.resolve(plugin).complete_configuration()?,
        time: SystemClock.now(),
        seed: arguments.seed,
        limits: config.sandbox.scoring_limits,
        account: Account::default(),
    };
    let scores = bench.runtime().run_scoring(run).await?;
    let shown = arguments.shown(scores.len());
    let mut table = Table::new(&[Column::Number("#"), Column::Text("features"), Column::Text("score")]);
    for (place, (features, score)) in features.iter().zip(&scores).enumerate().take(shown) {
        table.add([place.to_string(), features.to_string(), score.clone()]);
    }
    print(&table.text());
    if scores.len() > shown {
        print(&format!("… and {} scores more (--rows 0 shows all)", scores.len() - shown));
    }
    Ok(ExitCode::SUCCESS)
}
