//! `cargo xtask test`: everything that has to hold before a change is published, one step after the other.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::{
    conformance, guests, launch, preflight, process, progress, services::Services, settings, workspace::Workspace,
};

/// What to check.
#[derive(Args, Debug, Default)]
pub(crate) struct Options {
    /// Run only this step, with what it needs; may be given several times
    #[arg(long, value_enum, value_name = "STEP")]
    only: Vec<StepName>,
    /// Run only tests whose name contains one of these (and no other step, unless named by --only)
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

/// The steps in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum StepName {
    /// build every plugin and test guest
    Guests,
    /// start a private PostgreSQL for the tests
    Postgresql,
    /// cargo fmt --check
    Format,
    /// cargo clippy, warnings are errors
    Lint,
    /// every test of the workspace
    Tests,
    /// every `openstack optimize` command and the Python SDK, against the demo
    Clients,
    /// the examples in the documentation of the SDK and the domain
    DocTests,
    /// cargo doc, warnings are errors
    Docs,
}

impl StepName {
    const ALL: [Self; 8] = [
        Self::Guests,
        Self::Postgresql,
        Self::Format,
        Self::Lint,
        Self::Tests,
        Self::Clients,
        Self::DocTests,
        Self::Docs,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Guests => "guests",
            Self::Postgresql => "PostgreSQL",
            Self::Format => "format",
            Self::Lint => "lint",
            Self::Tests => "tests",
            Self::Clients => "stock clients",
            Self::DocTests => "documentation tests",
            Self::Docs => "documentation",
        }
    }
}

impl Options {
    /// The steps to run, in order, each once.
    fn steps(&self) -> Vec<StepName> {
        let wanted = match (self.only.as_slice(), self.filters.is_empty()) {
            ([], true) => &StepName::ALL[..],
            ([], false) => &[StepName::Tests],
            (only, _) => only,
        };
        let needed = |step: &StepName| {
            let needed_by: &[StepName] = match step {
                StepName::Guests => &[StepName::Tests, StepName::Clients],
                StepName::Postgresql => &[StepName::Tests],
                _ => &[],
            };
            wanted.contains(step) || needed_by.iter().any(|other| wanted.contains(other))
        };
        StepName::ALL.into_iter().filter(needed).collect()
    }
}

/// Runs the steps and stops at the first that fails; what was started for them ends in any case.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let steps = options.steps();
    let services = Services::new()?;
    let mut times: Vec<(StepName, Duration)> = Vec::new();
    let (mut outcome, mut left_out) = (Ok(()), None);
    for &step in &steps {
        eprintln!("==> {}", step.title());
        let started = Instant::now();
        if step == StepName::Clients {
            left_out = conformance::clients::environment(workspace).err().map(|error| format!("{error:#}"));
            if let Some(reason) = &left_out {
                eprintln!("<== {}: NOT CHECKED: {reason}", step.title());
                times.push((step, Duration::ZERO));
                continue;
            }
        }
        outcome = run_step(workspace, options, &services, step);
        let elapsed = started.elapsed();
        times.push((step, elapsed));
        let mark = if outcome.is_ok() { "ok" } else { "FAILED" };
        eprintln!("<== {}: {mark} in {}", step.title(), progress::seconds(elapsed));
        if outcome.is_err() {
            break;
        }
    }
    drop(services);
    eprintln!("\n{}", summary(&steps, &times, outcome.is_ok(), left_out.as_deref()));
    outcome
}

fn run_step(workspace: &Workspace, options: &Options, services: &Services, step: StepName) -> Result<()> {
    let cargo = |arguments: &[&str]| {
        let mut cargo = process::cargo();
        cargo.args(arguments).current_dir(&workspace.root);
        cargo
    };
    match step {
        StepName::Guests => guests::build(workspace, &[]).map(drop),
        StepName::Postgresql => services.start_postgresql(&workspace.target),
        StepName::Format => process::run_openly(&mut cargo(&["fmt", "--all", "--check"])),
        StepName::Lint => {
            preflight::c_compiler()?;
            process::run_openly(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
        }
        StepName::Tests => {
            preflight::c_compiler()?;
            let mut tests = if process::succeeds(&mut cargo(&["nextest", "--version"])) {
                let mut nextest = cargo(&["nextest", "run", "--workspace"]);
                nextest.args(&options.filters);
                nextest
            } else {
                eprintln!(
                    "    cargo-nextest is not installed: running `cargo test` (`cargo install cargo-nextest` is faster)"
                );
                let mut tests = cargo(&["test", "--workspace", "--no-fail-fast", "--"]);
                tests.args(&options.filters);
                tests
            };
            environment(workspace, services, &mut tests)?;
            process::run_openly(&mut tests)
        }
        StepName::Clients => conformance::clients::run(workspace, services, &launch::tested_service(workspace)?),
        StepName::DocTests => process::run_openly(&mut cargo(&["test", "--doc", "--workspace"])),
        StepName::Docs => {
            let mut docs = cargo(&["doc", "--workspace", "--no-deps"]);
            process::run_openly(docs.env("RUSTDOCFLAGS", "-D warnings"))
        }
    }
}

/// Starts the services for some other program and runs it, with its terminal, until it ends.
pub(crate) fn with_services(workspace: &Workspace, program: &[std::ffi::OsString]) -> Result<()> {
    let (name, arguments) = program.split_first().context("there is no program to run")?;
    let services = Services::new()?;
    services.start_postgresql(&workspace.target)?;
    let mut command = process::command(name);
    command.args(arguments);
    environment(workspace, &services, &mut command)?;
    process::run_openly(&mut command)
}

/// Tells tests where everything is; they read nothing else from the environment.
fn environment(workspace: &Workspace, services: &Services, command: &mut Command) -> Result<()> {
    command.envs(services.environment()).env("WATCHER_PLUGINS_DIR", workspace.plugins());
    let shared = settings::shared().unwrap_or_else(|| workspace.root.join("../shared"));
    if shared.is_dir() {
        command.env("WATCHER_SHARED", absolute(&shared)?);
    }
    Ok(())
}

fn absolute(folder: &Path) -> Result<std::path::PathBuf> {
    folder.canonicalize().with_context(|| format!("cannot open {}", folder.display()))
}

/// `left_out`: why the stock clients were not run, if so.
fn summary(steps: &[StepName], times: &[(StepName, Duration)], ok: bool, left_out: Option<&str>) -> String {
    let mut lines = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let line = match times.get(index) {
            Some(_) if *step == StepName::Clients && left_out.is_some() => {
                format!("  {:<20} NOT CHECKED", step.title())
            }
            Some((_, time)) => {
                let mark = if !ok && index + 1 == times.len() { "FAILED" } else { "ok" };
                format!("  {:<20} {:<7} {:>12}", step.title(), mark, progress::seconds(*time))
            }
            None => format!("  {:<20} not run", step.title()),
        };
        lines.push(line);
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    let verdict = if ok { "all steps passed" } else { "failed" };
    lines.push(format!("  {verdict} in {}", progress::seconds(total)));
    if let Some(reason) = left_out {
        lines.push(format!("  {} were NOT CHECKED: {reason}", StepName::Clients.title()));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_options_every_step_runs_in_order() {
        assert_eq!(Options::default().steps(), StepName::ALL);
    }

    #[test]
    fn a_filter_runs_the_tests_and_what_they_need() {
        let options = Options { only: vec![], filters: vec!["audit".to_owned()] };
        assert_eq!(options.steps(), [StepName::Guests, StepName::Postgresql, StepName::Tests]);
    }

    #[test]
    fn named_steps_run_alone_and_in_order() {
        let options = Options { only: vec![StepName::Docs, StepName::Format, StepName::Docs], filters: vec![] };
        assert_eq!(options.steps(), [StepName::Format, StepName::Docs]);
    }

    #[test]
    fn the_summary_says_why_something_was_left_out() {
        let times = [(StepName::Clients, Duration::ZERO)];
        let text = summary(&[StepName::Clients], &times, true, Some("there is no Python"));
        assert!(text.contains("stock clients        NOT CHECKED"), "{text}");
        assert!(text.ends_with("stock clients were NOT CHECKED: there is no Python"), "{text}");
    }

    #[test]
    fn the_summary_shows_what_failed_and_what_did_not_run() {
        let steps = [StepName::Format, StepName::Lint, StepName::Tests];
        let times = [(StepName::Format, Duration::from_secs(1)), (StepName::Lint, Duration::from_secs(2))];
        let text = summary(&steps, &times, false, None);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["format", "ok", "1.0", "s"]);
        assert_eq!(lines[1], ["lint", "FAILED", "2.0", "s"]);
        assert_eq!(lines[2], ["tests", "not", "run"]);
        assert_eq!(lines[3], ["failed", "in", "3.0", "s"]);
    }
}
