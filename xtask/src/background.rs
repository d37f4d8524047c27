//! Programs that run beside the one in the foreground: their output goes to a file, and they end with this program in any case.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{process, services::Stop, settings};

/// How long a program may take to end when it is asked to.
const STOP_DEADLINE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(25);
/// Lines that nobody has read yet; more wait in the pipe.
const UNREAD_LINES: usize = 256;

/// A program in the background.
pub(crate) struct Background {
    child: Child,
    log: PathBuf,
}

impl Background {
    /// Starts a program and waits until it prints a line that `ready` accepts. Returns it with all lines up to that one; everything
    /// it says is in `log`.
    pub(crate) fn start(
        program: &Path,
        configure: impl FnOnce(&mut Command),
        log: &Path,
        patience: Duration,
        ready: impl Fn(&str) -> bool,
    ) -> Result<(Self, Vec<String>)> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = if settings::find_in_path("setpriv").is_some() {
            let mut command = process::command("setpriv");
            command.arg("--pdeathsig=TERM").arg("--").arg(program);
            command
        } else {
            process::command(program)
        };
        configure(&mut command);
        // Ctrl-c is for this program, which ends the others in order.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file.try_clone()?);
        let mut child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let stdout = child.stdout.take().context("a program without output")?;
        let started = Self { child, log: log.to_owned() };
        let (sender, lines) = sync_channel(UNREAD_LINES);
        thread::spawn(move || {
            let mut file = file;
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // A full disk must not stop the program.
                let _ = writeln!(file, "{line}");
                let _ = sender.try_send(line);
            }
        });
        let (deadline, mut said) = (Instant::now() + patience, Vec::new());
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let is_ready = ready(&line);
                    said.push(line);
                    if is_ready {
                        return Ok((started, said));
                    }
                }
                Err(error) => {
                    let log = log.display();
                    Box::new(started).stop();
                    match error {
                        RecvTimeoutError::Timeout => {
                            bail!("{} was not ready in {} s; see {log}", program.display(), patience.as_secs())
                        }
                        RecvTimeoutError::Disconnected => bail!("{} ended early; see {log}", program.display()),
                    }
                }
            }
        }
    }

    /// Where its output goes.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }
}

impl Stop for Background {
    fn stop(mut self: Box<Self>) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // Gone already is as good as stopped.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let deadline = Instant::now() + STOP_DEADLINE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(POLL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> Result<(Background, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let configure = |command: &mut Command| {
            command.args(["-c", script]);
        };
        Background::start(Path::new("/bin/sh"), configure, &folder.path().join("log"), patience, |line| line == "ready")
    }

    #[test]
    fn what_a_program_says_until_it_is_ready_is_returned() {
        let (program, said) = shell("echo one; echo ready; exec sleep 600", Duration::from_mins(1)).unwrap();
        assert_eq!(said, ["one", "ready"]);
        Box::new(program).stop();
    }

    #[test]
    fn a_program_that_ends_before_it_is_ready_is_named_with_its_log() {
        let error = shell("echo one", Duration::from_mins(1)).err().unwrap().to_string();
        assert!(error.starts_with("/bin/sh ended early; see "), "{error}");
    }

    #[test]
    fn a_program_that_is_never_ready_is_ended() {
        let error = shell("exec sleep 600", Duration::from_millis(10)).err().unwrap().to_string();
        assert!(error.starts_with("/bin/sh was not ready in 0 s; see "), "{error}");
    }
}
