//! The stock command line client and the Python SDK, against the demo that keeps running.

use anyhow::{Context as _, Result};

use super::{demo, python};
use crate::{process, services::Services, workspace::Workspace};

/// Runs the tests of `tests/clients`.
pub(crate) fn run(workspace: &Workspace, services: &Services) -> Result<()> {
    let tests = workspace.root.join("tests/clients");
    let python = python::environment(workspace, "clients", &tests.join("requirements.txt"))?;
    let demo = demo::start(workspace, services)?;
    let mut command = python::script(&python);
    command.args(["-m", "unittest", "discover", "--verbose", "--start-directory"]).arg(&tests).envs(demo.environment);
    process::run_openly(&mut command)
        .with_context(|| format!("the stock clients found a difference; see {}", demo.log.display()))
}
