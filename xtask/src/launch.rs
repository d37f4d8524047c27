//! `cargo xtask demo` and `cargo xtask bench`: build what they need, then become them.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{guests, preflight, process, progress::Step, services::Services, workspace::Workspace};

/// Builds the plugins and the service as the tests do, and runs `watcher-host demo` with these arguments.
pub(crate) fn demo(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    preflight::c_compiler()?;
    guests::build(workspace, &[])?;
    let program = service(workspace)?;
    become_program(&mut demo_command(&program, workspace.plugins(), arguments))
}

/// Builds the service as the tests do, and returns its program.
pub(crate) fn service(workspace: &Workspace) -> Result<PathBuf> {
    build(workspace, "service", &["build", "--package", "watcher-server", "--bin", "watcher-host"])?;
    Ok(workspace.target.join("debug/watcher-host"))
}

/// The service as the tests have it: after them there is nothing to build.
pub(crate) fn tested_service(workspace: &Workspace) -> Result<PathBuf> {
    build(workspace, "service", &["test", "--workspace", "--no-run"])?;
    Ok(workspace.target.join("debug/watcher-host"))
}

/// The option by which the benchmark itself is tried, without waiting for optimised code: its figures mean nothing then.
const DEBUG: &str = "--debug";

/// Builds the plugins and the benchmark, optimised, and runs it with these arguments; with PostgreSQL if the rows of the API are wanted.
pub(crate) fn bench(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    preflight::c_compiler()?;
    let services = Services::new()?;
    guests::build(workspace, &[])?;
    let (debug, passed): (Vec<&OsString>, Vec<&OsString>) = arguments.iter().partition(|argument| *argument == DEBUG);
    let profile = if debug.is_empty() { "release" } else { "dev" };
    let packages = ["--package", "e2e", "--package", "watcher-server", "--bin", "bench", "--bin", "watcher-host"];
    build(workspace, "benchmark", &[&["build", "--profile", profile][..], &packages].concat())?;
    let folder = if debug.is_empty() { "release" } else { "debug" };
    let mut command = process::command(workspace.target.join(folder).join("bench"));
    command.args(&passed).env("WATCHER_PLUGINS_DIR", workspace.plugins());
    if wants_api(&passed) {
        services.start_postgresql(&workspace.target)?;
        command.envs(services.environment());
    }
    process::run_openly(&mut command)
}

/// Whether the benchmark will measure the API, uploads or tenants: it runs the groups whose name contains what follows `--only`.
fn wants_api(arguments: &[&OsString]) -> bool {
    let only = arguments.iter().position(|argument| *argument == "--only").and_then(|at| arguments.get(at + 1));
    !arguments.iter().any(|argument| *argument == "--help")
        && only.is_none_or(|only| {
            ["api", "uploads", "tenants"].iter().any(|group| group.contains(&*only.to_string_lossy()))
        })
}

fn build(workspace: &Workspace, name: &str, arguments: &[&str]) -> Result<()> {
    let step = Step::start(name);
    let mut cargo = process::cargo();
    cargo.args(arguments).current_dir(&workspace.root).env("CARGO_TERM_PROGRESS_WHEN", "never");
    match process::run_behind(&step, &mut cargo) {
        Ok(_) => {
            step.done("");
            Ok(())
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

fn demo_command(program: &Path, plugins: PathBuf, arguments: &[OsString]) -> Command {
    let mut command = process::command(program);
    command.arg("demo").args(arguments).env("WATCHER_PLUGINS_DIR", plugins);
    command
}

/// Replaces this process, so that signals and the exit status are the program's own. Returns only when that fails.
fn become_program(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).to_owned();
    Err(command.exec()).with_context(|| format!("cannot run {}", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgresql_is_started_when_the_api_is_measured() {
        let wants = |arguments: &[&str]| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            wants_api(&arguments.iter().collect::<Vec<_>>())
        };
        assert!(wants(&[]) && wants(&["--quick"]) && wants(&["--only", "api"]));
        assert!(wants(&["--only", "tenants"]) && wants(&["--only", "uploads"]));
        assert!(!wants(&["--only", "decide"]) && !wants(&["--quick", "--only", "service"]) && !wants(&["--help"]));
    }

    #[test]
    fn the_demo_gets_its_arguments_as_they_are() {
        let arguments: Vec<OsString> = ["--cluster", "../a b.json", "--keep"].map(OsString::from).into();
        let command = demo_command(Path::new("/t/watcher-host"), "/t/plugins".into(), &arguments);
        let passed: Vec<_> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        assert_eq!(passed, ["demo", "--cluster", "../a b.json", "--keep"]);
        let plugins = command.get_envs().find(|(name, _)| *name == "WATCHER_PLUGINS_DIR");
        assert_eq!(plugins.unwrap().1.unwrap(), "/t/plugins");
    }
}
