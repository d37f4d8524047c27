//! The demo that keeps running, as something for clients to talk to.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::exported;
use crate::{background::Background, progress::Step, services::Services, workspace::Workspace};

/// The demo plays an audit and a plan before it is ready.
const PATIENCE: Duration = Duration::from_mins(5);

/// A demo that runs until the services end.
pub(crate) struct Demo {
    /// The environment of a client: `OS_AUTH_URL` and so on.
    pub(crate) environment: Vec<(String, String)>,
    /// What it says.
    pub(crate) log: PathBuf,
}

/// A cluster that is quickly simulated.
pub(crate) const SMALL: &[&str] = &["--hosts", "6", "--instances", "24"];

/// Starts the demo with more options, as for its cluster; its guests are there already.
pub(crate) fn start(workspace: &Workspace, services: &Services, program: &Path, options: &[&str]) -> Result<Demo> {
    let folder = workspace.target.join("conformance");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let step = Step::start("demo");
    let started = Background::start(
        program,
        |command| {
            command.args(["demo", "--keep", "--migration-ms", "1"]).args(options);
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
    Ok(Demo { environment: exported(&said), log })
}
