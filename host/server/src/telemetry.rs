//! Logs: to standard error, as text or JSON.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Starts logging for the life of the process. A second call does nothing.
pub fn start(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.level)
        .with_context(|| format!("log.level {:?} is not a level or a list of directives", config.level))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // An error means that logging has been started before, as tests of one process do.
    match config.format {
        LogFormat::Text => drop(builder.try_init()),
        LogFormat::Json => drop(builder.json().try_init()),
    }
    Ok(())
}
