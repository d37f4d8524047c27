//! The stock watcher-tempest-plugin against this service, in a cloud that is there or in the lab.

use std::{
    net::{TcpStream, ToSocketAddrs as _},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{Options, Part, cloud::Cloud, python, service};
use crate::{launch, process, services::Services, workspace::Workspace};

/// How long a connection to a service may take that is there already.
const CONNECT: Duration = Duration::from_secs(5);

/// Runs the suite, and fails when its result is not the expected one.
pub(crate) fn run(workspace: &Workspace, services: &Services, options: &Options) -> Result<()> {
    let tests = workspace.root.join("tests/conformance");
    let python = python::environment(workspace, "tempest", &tests.join("requirements.txt"))?;
    let cloud = Cloud::find(workspace, services)?;
    let folder = service::folder(workspace)?;
    let suite = |what: &str| {
        let mut command = python::script(&python);
        command.arg(tests.join("suite.py")).arg(what).envs(cloud.administrator.iter().cloned());
        command
    };
    serve(workspace, services, &cloud, &mut suite("endpoint"))?;
    let mut run = suite("run");
    run.arg("--folder").arg(folder.join("tempest"));
    for (part, flag) in [(Part::Api, "--api"), (Part::Scenarios, "--scenarios")] {
        if options.wants(part) {
            run.arg(flag);
        }
    }
    if let Some(more) = &options.tempest_conf {
        run.arg("--conf").arg(more);
    }
    run.args(&options.regex);
    process::run_openly(&mut run)
}

/// Makes sure that a service answers at the endpoint of the catalogue.
fn serve(workspace: &Workspace, services: &Services, cloud: &Cloud, ask: &mut Command) -> Result<()> {
    let output = ask.output().context("cannot look at the catalogue")?;
    if !output.status.success() {
        bail!("cannot find the endpoint of infra-optim in the catalogue:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let endpoint = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let address = address(&endpoint)?;
    let resolved = address.to_socket_addrs().with_context(|| format!("cannot resolve {address}"))?.next();
    let resolved = resolved.with_context(|| format!("{address} has no address"))?;
    if TcpStream::connect_timeout(&resolved, CONNECT).is_ok() {
        if cloud.may_be_deployed {
            eprintln!("    testing the service that answers at {endpoint}");
            return Ok(());
        }
        bail!(
            "something listens at {address} already, where the lab expects this service: stop it, or set LAB_OPTIM_URL to a \
             free port and run the lab's `up`"
        );
    }
    if !resolved.ip().is_loopback() {
        bail!(
            "the endpoint of infra-optim is {endpoint}, where nobody answers, and no service can be started there from here: \
             start `watcher-host serve` on that machine, or let the endpoint be on 127.0.0.1"
        );
    }
    let program = launch::service(workspace)?;
    service::start(workspace, services, cloud, &program, "suite", &[format!("api.listen={resolved}")]).map(drop)
}

/// `host:port` of a URL.
fn address(url: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").with_context(|| format!("{url:?} is not a URL"))?;
    let authority = rest.split('/').next().unwrap_or(rest);
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let default = if scheme == "https" { 443 } else { 80 };
    Ok(if has_port { authority.to_owned() } else { format!("{authority}:{default}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_an_endpoint_has_a_port() {
        assert_eq!(address("http://127.0.0.1:9322").unwrap(), "127.0.0.1:9322");
        assert_eq!(address("https://cloud/infra-optim").unwrap(), "cloud:443");
        assert_eq!(address("http://[::1]/v1").unwrap(), "[::1]:80");
        assert!(address("nonsense").is_err());
    }
}
