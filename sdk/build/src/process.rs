//! Running other programs: quietly behind a step, or in the open; never without saying what failed.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{progress::Step, settings};

/// The program that runs in the foreground now, for [`stop_current`].
static CURRENT: Mutex<Option<Pid>> = Mutex::new(None);

/// What `cargo run` tells this program about itself. Passed on, it would look like a changed environment to the build
/// scripts of some crates (ring), which would then be built again.
const ABOUT_THIS_CRATE: [&str; 8] = [
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "OUT_DIR",
];

/// `program` with the environment that it would have had without `cargo run` in between.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let about_this_crate =
            name.to_str().is_some_and(|name| ABOUT_THIS_CRATE.contains(&name) || name.starts_with("CARGO_PKG_"));
        if about_this_crate {
            command.env_remove(name);
        }
    }
    command
}

/// The same Cargo that runs this program.
pub fn cargo() -> Command {
    command(settings::cargo())
}

/// Runs the program, shows its stderr as notes of the step and returns its stdout. Its stderr is printed in full when
/// it fails.
pub fn run_behind(step: &Step, command: &mut Command) -> Result<Vec<u8>> {
    let shown = shown(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {shown}"))?;
    let _current = Current::set(child.id());
    let mut stdout = child.stdout.take().with_context(|| format!("{shown} has no stdout"))?;
    let stderr = child.stderr.take().with_context(|| format!("{shown} has no stderr"))?;
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let mut said = Vec::new();
    let mut lines = BufReader::new(stderr);
    loop {
        let start = said.len();
        if lines.read_until(b'\n', &mut said).with_context(|| format!("cannot read what {shown} says"))? == 0 {
            break;
        }
        step.note(&String::from_utf8_lossy(&said[start..]));
    }
    let status = child.wait().with_context(|| format!("cannot wait for {shown}"))?;
    let output = reader.join().map_err(|_| anyhow!("the reader of {shown} panicked"))??;
    if !status.success() {
        step.say(&String::from_utf8_lossy(&said));
        bail!("{shown} failed ({status})");
    }
    Ok(output)
}

/// Runs the program with the terminal to itself.
pub fn run_openly(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let mut child = command.spawn().with_context(|| format!("cannot run {shown}"))?;
    let _current = Current::set(child.id());
    let status = child.wait().with_context(|| format!("cannot wait for {shown}"))?;
    if !status.success() {
        bail!("{shown} failed ({status})");
    }
    Ok(())
}

/// Runs a short program and returns its stdout, or `None` when it is missing or fails.
pub fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a short program without showing anything; its exit status is the answer.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status: ExitStatus| status.success())
}

/// Asks the program in the foreground to end; nothing happens when there is none.
pub fn stop_current() {
    if let Some(pid) = *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) {
        // Gone already is as good as stopped.
        let _ = kill(pid, Signal::SIGTERM);
    }
}

/// The program and its arguments as a person would type them, shortened.
fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    for (index, argument) in command.get_args().enumerate() {
        if index == 8 {
            text.push_str(" …");
            break;
        }
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    format!("`{text}`")
}

/// Marks a child as the one in the foreground for as long as it lives.
struct Current;

impl Current {
    fn set(id: u32) -> Self {
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = i32::try_from(id).ok().map(Pid::from_raw);
        Self
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_named_with_its_arguments() {
        let step = Step::start("false");
        let error = run_behind(&step, Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap_err();
        step.failed();
        assert_eq!(error.to_string(), "`sh -c exit 3` failed (exit status: 3)");
    }

    #[test]
    fn a_missing_program_is_no_answer() {
        assert_eq!(ask(&mut Command::new("/nonexistent/program")), None);
        assert!(!succeeds(&mut Command::new("/nonexistent/program")));
    }

    #[test]
    fn long_command_lines_are_shortened() {
        let mut command = Command::new("cargo");
        command.args((0..20).map(|index| index.to_string()));
        assert_eq!(shown(&command), "`cargo 0 1 2 3 4 5 6 7 …`");
    }
}
