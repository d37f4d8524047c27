//! The stock command line client and the Python SDK, against the demo that keeps running.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{demo, python};
use crate::{process, services::Services, workspace::Workspace};

/// The Python with the stock clients. An error is this machine's, and says nothing about the service.
pub(crate) fn environment(workspace: &Workspace) -> Result<PathBuf> {
    python::environment(workspace, "clients", &folder(workspace).join("requirements.txt"))
}

/// Runs the tests of `tests/clients` against this `watcher-host`.
pub(crate) fn run(workspace: &Workspace, services: &Services, program: &Path) -> Result<()> {
    let tests = folder(workspace);
    let python = environment(workspace)?;
    // The cluster that readers of the tutorial have.
    let demo = demo::start(workspace, services, program, &[])?;
    let mut command = python::script(&python);
    command.args(["-m", "unittest", "discover", "--verbose", "--start-directory"]).arg(&tests).envs(demo.environment);
    // One of them builds a plugin, where the tests of authors build theirs.
    command.env("WATCHER_HOST", program).env("CARGO_TARGET_DIR", workspace.target.join("authors"));
    command.env("WATCHER_PLUGINS_DIR", workspace.plugins());
    process::run_openly(&mut command)
        .with_context(|| format!("the stock clients found a difference; see {}", demo.log.display()))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("tests/clients")
}
