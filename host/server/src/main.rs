//! Entry point of `watcher-host`.

use std::process::ExitCode;

use clap::Parser;
use watcher_server::cli::Cli;

fn main() -> ExitCode {
    watcher_server::plugin::can_be_worker();
    let cli = Cli::parse();
    match watcher_server::cli::run(cli) {
        Ok(code) => code,
        Err(error) => {
            // One sentence: what did not work, and the chain of reasons behind it.
            eprintln!("watcher-host: {}", watcher_domain::text::lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}
