//! What this handler asks of Nova besides, and what it reads out of the answers.

use serde::Deserialize;
use watcher_sdk::{ActionHost, Failure, Sent};

pub(crate) use shared_nova::{Migration, gone, refused};
use shared_nova::{Migrations, Patience};

use crate::Configuration;

/// A cold migration can be given a host since 2.56.
const MICROVERSION: &str = "2.56";

/// Nova, as this handler asks it.
pub(crate) type Nova<'a> = shared_nova::Nova<'a, Place>;

/// An instance, and where it is.
pub(crate) type Server = shared_nova::Server<Place>;

/// Where an instance is.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Place {
    #[serde(rename = "OS-EXT-SRV-ATTR:host", default)]
    pub(crate) host: Option<String>,
}

impl Place {
    /// Its host, in words.
    pub(crate) fn host_name(&self) -> &str {
        self.host.as_deref().unwrap_or("no host")
    }
}

/// A compute service.
#[derive(Debug, Deserialize)]
pub(crate) struct Service {
    host: String,
    /// `enabled` or `disabled`.
    pub(crate) status: String,
    /// `up` or `down`.
    #[serde(default)]
    pub(crate) state: String,
}

#[derive(Deserialize)]
struct ServicesAnswer {
    services: Vec<Service>,
}

/// Nova, asked with the patience that the operator configured.
pub(crate) fn reach<'a>(host: &'a dyn ActionHost, configuration: &Configuration) -> Nova<'a> {
    let patience = Patience {
        interval_s: configuration.migration_interval_s,
        max_retries: configuration.migration_max_retries,
        http_retries: configuration.http_retries,
        http_retry_interval_s: configuration.http_retry_interval_s,
    };
    Nova::new(host, MICROVERSION, &patience)
}

/// The compute service of a host.
pub(crate) fn compute_service(nova: &Nova<'_>, name: &str) -> Result<Option<Service>, Failure> {
    let request = nova.request("GET", "/os-services").query("binary", "nova-compute").query("host", name);
    let answer = nova.get::<ServicesAnswer>(&request, "list of compute services")?;
    Ok(answer.and_then(|answer| answer.services.into_iter().find(|service| service.host == name)))
}

/// The live migration of an instance that is in progress.
pub(crate) fn live_migration(nova: &Nova<'_>, instance: &str) -> Result<Option<Migration>, Failure> {
    let request = nova.request("GET", format!("/servers/{instance}/migrations"));
    let answer = nova.get::<Migrations>(&request, "list of migrations")?;
    Ok(answer.and_then(|answer| answer.migrations.into_iter().next()))
}

/// Asks for the end of a live migration.
pub(crate) fn abort(nova: &Nova<'_>, instance: &str, migration: u64) -> Result<Sent, Failure> {
    nova.send(&nova.request("DELETE", format!("/servers/{instance}/migrations/{migration}")))
}
