//! `cargo xtask fuzz-api`: requests made from the description of the API, thrown at a service on the simulated cloud.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use crate::{
    conformance::{demo, python},
    guests, launch, preflight, process,
    services::Services,
    workspace::Workspace,
};

/// Builds and starts everything, and checks every answer against the description; `arguments` are for schemathesis.
pub(crate) fn api(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    preflight::c_compiler()?;
    let services = Services::new()?;
    let fuzz = workspace.root.join("tests/fuzz");
    let python = python::environment(workspace, "fuzz", &fuzz.join("requirements.txt"))?;
    guests::build(workspace, &[])?;
    let demo = demo::start(workspace, &services, &launch::service(workspace)?)?;
    let mut command = python::script(&python);
    command.arg(fuzz.join("run.py")).args(arguments).envs(demo.environment).current_dir(&workspace.target);
    process::run_openly(&mut command)
        .with_context(|| format!("the API does not keep to its description; see {}", demo.log.display()))
}
