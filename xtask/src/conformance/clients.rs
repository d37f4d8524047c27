//! The stock command line client and the Python SDK, against the demo that keeps running.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

use super::python;
use crate::{background::Background, launch, process, progress::Step, services::Services, workspace::Workspace};

/// The demo plays an audit and a plan before it is ready.
const PATIENCE: Duration = Duration::from_mins(5);

/// Runs the tests of `tests/clients`.
pub(crate) fn run(workspace: &Workspace, services: &Services) -> Result<()> {
    let tests = workspace.root.join("tests/clients");
    let python = python::environment(workspace, "clients", &tests.join("requirements.txt"))?;
    let program = launch::service(workspace)?;
    let folder = workspace.target.join("conformance");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;

    let step = Step::start("demo");
    let started = Background::start(
        &program,
        |command| {
            command.args(["demo", "--keep", "--hosts", "6", "--instances", "24", "--migration-ms", "1"]);
            command.env("WATCHER_PLUGINS_DIR", workspace.plugins());
        },
        &folder.join("demo.log"),
        PATIENCE,
        |line| line.starts_with("openstack optimize"),
    );
    let (demo, said) = match started {
        Ok(started) => started,
        Err(error) => {
            step.failed();
            return Err(error);
        }
    };
    step.done("a simulated cloud and the service");
    let log = demo.log().to_owned();
    services.keep(Box::new(demo));

    let mut tests = {
        let mut command = python::script(&python);
        command.args(["-m", "unittest", "discover", "--verbose", "--start-directory"]).arg(&tests);
        command
    };
    for (name, value) in super::exported(&said) {
        tests.env(name, value);
    }
    process::run_openly(&mut tests)
        .with_context(|| format!("the stock clients found a difference; see {}", log.display()))
}
