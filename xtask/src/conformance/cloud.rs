//! Where the OpenStack comes from: credentials in the environment, or the lab.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    process,
    progress::Step,
    services::{Services, Stop},
    settings,
    workspace::Workspace,
};

/// A cloud to test against.
pub(crate) struct Cloud {
    /// An administrator's credentials: `OS_*`.
    pub(crate) administrator: Vec<(String, String)>,
    /// Whom our service is there: `OS_*`.
    pub(crate) service_user: Vec<(String, String)>,
    /// Whether a service that answers already may be the one to test.
    pub(crate) may_be_deployed: bool,
}

impl Cloud {
    /// The cloud that the environment names, else the lab, which is started.
    pub(crate) fn find(workspace: &Workspace, services: &Services) -> Result<Self> {
        if let Some(given) = settings::openstack() {
            eprintln!("    the OpenStack that the environment names (OS_AUTH_URL)");
            return Ok(Self { administrator: given.clone(), service_user: given, may_be_deployed: true });
        }
        let shared = settings::shared().unwrap_or_else(|| workspace.root.join("../shared"));
        let lab = shared.join("lab");
        if !settings::is_executable(&lab.join("up")) {
            bail!(
                "there is no OpenStack and no lab: set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME, OS_USER_DOMAIN_NAME, \
                 OS_PROJECT_DOMAIN_NAME and OS_REGION_NAME of an administrator, or WATCHER_SHARED to a folder with lab/up \
                 (looked in {})",
                shared.display()
            );
        }
        Self::of_lab(workspace, services, &lab)
    }

    fn of_lab(workspace: &Workspace, services: &Services, lab: &Path) -> Result<Self> {
        let lab = Lab { scripts: lab.to_owned(), state: settings::lab_state(&workspace.target) };
        if lab.runs() {
            eprintln!("    the lab in {} runs already", lab.state.display());
        } else {
            let step = Step::start("lab: Keystone, Nova, Placement, Glance, Neutron");
            let mut up = lab.command("up");
            for (name, default) in [("LAB_WITH", "compute"), ("LAB_COMPUTES", "2")] {
                if !settings::is_set(name) {
                    up.env(name, default);
                }
            }
            let began = process::run_behind(&step, &mut up);
            // What started before something failed must be stopped too.
            services.keep(Box::new(lab.clone()));
            if let Err(error) = began {
                step.failed();
                return Err(error).context("the lab did not start");
            }
            step.done(&lab.state.display().to_string());
        }
        Ok(Self {
            administrator: lab.credentials("admin")?,
            service_user: lab.credentials("optim")?,
            may_be_deployed: false,
        })
    }
}

/// The lab: a folder of scripts, and the folder with everything it runs from.
#[derive(Clone)]
struct Lab {
    scripts: PathBuf,
    state: PathBuf,
}

impl Lab {
    fn command(&self, script: &str) -> std::process::Command {
        let mut command = process::command(self.scripts.join(script));
        command.env("LAB_STATE", &self.state);
        command
    }

    fn runs(&self) -> bool {
        let process = fs::read_to_string(self.state.join("run/keystone.pid")).unwrap_or_default();
        process.split_whitespace().next().is_some_and(|pid| Path::new("/proc").join(pid).exists())
    }

    fn credentials(&self, user: &str) -> Result<Vec<(String, String)>> {
        let text = process::ask(self.command("openrc").arg(user));
        let text = text.with_context(|| format!("the lab has no credentials of {user}"))?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        Ok(super::exported(&lines).into_iter().filter(|(name, _)| name.starts_with("OS_")).collect())
    }
}

impl Stop for Lab {
    fn stop(self: Box<Self>) {
        eprintln!("    stopping the lab");
        if !process::succeeds(&mut self.command("down")) {
            eprintln!("    {} failed: the lab may still run", self.scripts.join("down").display());
        }
    }
}
