//! `cargo xtask`: everything that is done in this workspace beyond plain Cargo, without anything installed beforehand.

mod background;
mod conformance;
mod fuzz;
mod guests;
mod launch;
mod manifest;
mod preflight;
mod reference;
mod services;
mod settings;
mod test;
mod workspace;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use watcher_guest_build::{debian, process, progress};

use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build all, then run the service against a simulated cloud: audit, plan, actions, before and after
    #[command(disable_help_flag = true)]
    Demo {
        /// Passed on to `watcher-host demo`; try --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        arguments: Vec<OsString>,
    },
    /// Check everything: format, lints, tests (with a private PostgreSQL), documentation
    Test(test::Options),
    /// Stock clients, and the stock test suite against a real OpenStack
    Conformance(conformance::Options),
    /// Measure strategies in the sandbox against the same code outside of it, and the API against the original's figures
    #[command(disable_help_flag = true)]
    Bench {
        /// Passed on to the benchmark: --quick, --only GROUP; --debug tries the benchmark itself without optimised code
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        arguments: Vec<OsString>,
    },
    /// Throw requests made from /openapi.json at a service on the simulated cloud, and check every answer
    #[command(disable_help_flag = true)]
    FuzzApi {
        /// Passed on to schemathesis: --seed, --max-examples, --include-path …
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        arguments: Vec<OsString>,
    },
    /// Throw made-up plugins at the check of uploads, or made-up requests at the import that sends them
    Fuzz(fuzz::Options),
    /// Build the plugins and the test guests into target/plugins
    Guests {
        /// Only these packages, as `strategy-dummy`
        #[arg(value_name = "PACKAGE")]
        packages: Vec<String>,
    },
    /// Write docs/plugins/reference.md from the WIT
    Reference {
        /// Only say whether it is as it should be
        #[arg(long)]
        check: bool,
    },
    /// Run a program with the services and settings that tests find, as in `cargo xtask with-services psql …`
    WithServices {
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "PROGRAM")]
        program: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match run(CommandLine::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let workspace = Workspace::load()?;
    match task {
        Task::Demo { arguments } => launch::demo(&workspace, &arguments),
        Task::Test(options) => test::run(&workspace, &options),
        Task::Conformance(options) => conformance::run(&workspace, &options),
        Task::Bench { arguments } => launch::bench(&workspace, &arguments),
        Task::FuzzApi { arguments } => fuzz::api(&workspace, &arguments),
        Task::Fuzz(options) => fuzz::sandbox(&workspace, &options),
        Task::Guests { packages } => {
            guests::build(&workspace, &packages)?;
            guests::list(&workspace);
            Ok(())
        }
        Task::Reference { check } => reference::run(&workspace, check),
        Task::WithServices { program } => test::with_services(&workspace, &program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <CommandLine as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_demo_takes_any_option_even_help() {
        let given = ["cargo xtask", "demo", "--strategy", "basic", "--help", "--", "--keep"];
        let Task::Demo { arguments } = CommandLine::try_parse_from(given).unwrap().task else { panic!("not a demo") };
        assert_eq!(arguments, ["--strategy", "basic", "--help", "--", "--keep"]);
    }
}
