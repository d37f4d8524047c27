//! `cargo xtask demo` and `cargo xtask bench`: build what they need, then become them.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{guests, preflight, process, progress::Step, workspace::Workspace};

/// Builds the plugins and the service as the tests do, and runs `watcher-host demo` with these arguments.
pub(crate) fn demo(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    preflight::c_compiler()?;
    guests::build(workspace, &[])?;
    build(workspace, "service", &["build", "--package", "watcher-server", "--bin", "watcher-host"])?;
    let program = workspace.target.join("debug/watcher-host");
    become_program(&mut demo_command(&program, workspace.plugins(), arguments))
}

/// Builds the plugins and the benchmark, optimised, and runs it with these arguments.
pub(crate) fn bench(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    preflight::c_compiler()?;
    guests::build(workspace, &[])?;
    build(
        workspace,
        "benchmark",
        &[
            "build",
            "--release",
            "--package",
            "e2e",
            "--package",
            "watcher-server",
            "--bin",
            "bench",
            "--bin",
            "watcher-host",
        ],
    )?;
    let mut command = process::command(workspace.target.join("release/bench"));
    become_program(command.args(arguments).env("WATCHER_PLUGINS_DIR", workspace.plugins()))
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
    fn the_demo_gets_its_arguments_as_they_are() {
        let arguments: Vec<OsString> = ["--cluster", "../a b.json", "--keep"].map(OsString::from).into();
        let command = demo_command(Path::new("/t/watcher-host"), "/t/plugins".into(), &arguments);
        let passed: Vec<_> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        assert_eq!(passed, ["demo", "--cluster", "../a b.json", "--keep"]);
        let plugins = command.get_envs().find(|(name, _)| *name == "WATCHER_PLUGINS_DIR");
        assert_eq!(plugins.unwrap().1.unwrap(), "/t/plugins");
    }
}
