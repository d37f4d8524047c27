//! `cargo xtask conformance`: stock clients, the stock test suite, and projects of a real cloud against this service.

pub(crate) mod clients;
mod cloud;
pub(crate) mod demo;
pub(crate) mod python;
mod service;
mod tempest;
mod tenants;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{guests, launch, preflight, services::Services, workspace::Workspace};

/// What to run.
#[derive(Args, Debug, Default)]
pub(crate) struct Options {
    /// Run only this part; may be given several times
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,
    /// Only tests of the suite whose name matches this regular expression
    #[arg(value_name = "REGEX")]
    regex: Option<String>,
    /// More settings for the suite, as a tempest.conf
    #[arg(long, value_name = "FILE")]
    tempest_conf: Option<std::path::PathBuf>,
}

/// The parts in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// `openstack optimize …` and the Python SDK, against the demo
    Clients,
    /// watcher-tempest-plugin's API tests, against a real OpenStack
    Api,
    /// its scenario tests that need nothing but the API and Nova
    Scenarios,
    /// two projects that share plugins, with tokens of a real Keystone
    Tenants,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        if self.only.is_empty() {
            return self.regex.is_none() || matches!(part, Part::Api | Part::Scenarios);
        }
        self.only.contains(&part)
    }
}

/// Runs the parts; what was started for them ends in any case.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    preflight::c_compiler()?;
    let services = Services::new()?;
    guests::build(workspace, &[])?;
    let clients = if options.wants(Part::Clients) {
        clients::run(workspace, &services, &launch::service(workspace)?)
    } else {
        Ok(())
    };
    if let Err(error) = &clients {
        eprintln!("  ✗ {error:#}");
    }
    let suite = if options.wants(Part::Api) || options.wants(Part::Scenarios) {
        tempest::run(workspace, &services, options)
    } else {
        Ok(())
    };
    if let Err(error) = &suite {
        eprintln!("  ✗ {error:#}");
    }
    let tenants = if options.wants(Part::Tenants) { tenants::run(workspace, &services) } else { Ok(()) };
    drop(services);
    clients.and(suite).and(tenants)
}

/// The variables that `export NAME=VALUE` lines set.
fn exported(lines: &[String]) -> Vec<(String, String)> {
    let pairs = lines.iter().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_variables_are_found_among_other_lines() {
        let lines = ["hello", "export OS_USERNAME=admin", "", "export OS_AUTH_URL=http://h/v3?a=b"].map(str::to_owned);
        let expected = [("OS_USERNAME", "admin"), ("OS_AUTH_URL", "http://h/v3?a=b")];
        assert_eq!(exported(&lines), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn every_part_runs_unless_one_is_named() {
        let all = Options::default();
        let parts = [Part::Clients, Part::Api, Part::Scenarios, Part::Tenants];
        assert!(parts.iter().all(|part| all.wants(*part)));
        let one = Options { only: vec![Part::Api], ..Options::default() };
        assert_eq!(parts.map(|part| one.wants(part)), [false, true, false, false]);
        let some = Options { regex: Some("audit".to_owned()), ..Options::default() };
        assert_eq!(parts.map(|part| some.wants(part)), [false, true, true, false]);
    }
}
