//! This service on somebody's OpenStack.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::cloud::Cloud;
use crate::{background::Background, services::Services, settings, workspace::Workspace};

/// How long the service may take to be ready.
const PATIENCE: Duration = Duration::from_mins(2);

/// Which credential of the environment is which option of the service.
const CREDENTIALS: [(&str, &str); 7] = [
    ("OS_AUTH_URL", "AUTH_URL"),
    ("OS_USERNAME", "USERNAME"),
    ("OS_PASSWORD", "PASSWORD"),
    ("OS_USER_DOMAIN_NAME", "USER_DOMAIN_NAME"),
    ("OS_PROJECT_NAME", "PROJECT_NAME"),
    ("OS_PROJECT_DOMAIN_NAME", "PROJECT_DOMAIN_NAME"),
    ("OS_REGION_NAME", "REGION_NAME"),
];

/// The folder that logs and databases go to.
pub(crate) fn folder(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("conformance");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Starts the service with an empty database `NAME.db` and these options, until the services end. Returns the line that says where it listens.
pub(crate) fn start(
    workspace: &Workspace,
    services: &Services,
    cloud: &Cloud,
    program: &Path,
    name: &str,
    options: &[String],
) -> Result<String> {
    let folder = folder(workspace)?;
    let database = folder.join(format!("{name}.db"));
    for rest in ["", "-wal", "-shm"] {
        // What an earlier run left, if any.
        let _ = fs::remove_file(folder.join(format!("{name}.db{rest}")));
    }
    let (service, said) = Background::start(
        program,
        |command| {
            for (name, option) in CREDENTIALS {
                let value = cloud.service_user.iter().find(|(given, _)| given == name).map(|(_, value)| value);
                let option = format!("WATCHER_KEYSTONE__{option}");
                // What is set for the service itself wins.
                if let Some(value) = value
                    && !settings::is_set(&option)
                {
                    command.env(option, value);
                }
            }
            command.env("WATCHER_PLUGINS_DIR", workspace.plugins());
            command.arg("--set").arg(format!("database.url=sqlite://{}", database.display()));
            for option in options {
                command.arg("--set").arg(option);
            }
            command.arg("serve");
        },
        &folder.join(format!("{name}.log")),
        PATIENCE,
        |line| line.starts_with("listening on"),
    )?;
    let line = said.last().cloned().unwrap_or_default();
    eprintln!("    this service is {line}; it logs to {}", service.log().display());
    services.keep(Box::new(service));
    Ok(line)
}
