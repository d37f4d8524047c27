//! `watcher-host plugin check`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use watcher_domain::report::{CheckOptions, Depth};

use super::{CheckArgs, report};
use crate::config::Config;
use crate::library::Library;
use crate::show::{print, print_json};
use crate::wiring;

/// Checks a file and prints what was found; success if it would be accepted.
pub(super) async fn run(config: &Config, arguments: CheckArgs) -> anyhow::Result<ExitCode> {
    let depth = if arguments.no_trials { Depth::Description } else { Depth::Trials };
    let options = CheckOptions { depth, ..CheckOptions::default() };
    let path = arguments.file.display();
    let size = tokio::fs::metadata(&arguments.file).await.with_context(|| format!("cannot read {path}"))?.len();
    anyhow::ensure!(
        size <= options.max_component_bytes,
        "{path} has {size} bytes; at most {} are allowed",
        options.max_component_bytes
    );
    let bytes = tokio::fs::read(&arguments.file).await.with_context(|| format!("cannot read {path}"))?;
    let runtime = wiring::runtime(config, Arc::new(Library::default()))?;
    let checker = super::checker(config, &runtime)?;
    let found = checker.check(bytes.into(), options).await?;
    if arguments.json {
        print_json(&found)?;
    } else {
        print(report::text(&found, &path.to_string()).trim_end());
    }
    Ok(if found.accepted() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
