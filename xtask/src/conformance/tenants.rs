//! Two projects of a real OpenStack that share plugins, against this service.

use anyhow::{Context as _, Result};

use super::{clients, cloud::Cloud, python, service};
use crate::{launch, process, services::Services, workspace::Workspace};

/// Makes two projects, plays the story with their tokens, and removes them.
pub(crate) fn run(workspace: &Workspace, services: &Services) -> Result<()> {
    let python = clients::environment(workspace)?;
    let program = launch::tested_service(workspace)?;
    let cloud = Cloud::find(workspace, services)?;
    let policy = workspace.root.join("docs/plugins/members.yaml");
    let options = ["api.listen=127.0.0.1:0".to_owned(), format!("policy.file={}", policy.display())];
    let said = service::start(workspace, services, &cloud, &program, "tenants", &options)?;
    let address = said.rsplit_once("//").context("the service does not say where it listens")?.1;
    let mut story = python::script(&python);
    story.arg(workspace.root.join("tests/conformance/tenants.py"));
    story.arg(program.with_file_name("tenants")).arg(address);
    story.envs(cloud.administrator).env("WATCHER_PLUGINS_DIR", workspace.plugins());
    process::run_openly(&mut story)
}
