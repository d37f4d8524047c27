//! Compute services of Nova: finding one, and setting its status.

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::patience::{read, write};
use watcher_sdk::{ActionHost, Failure, Request, Response, Retries, Sent};

use crate::Configuration;

/// Services are known by UUID since 2.53; the rest of Watcher needs 2.56.
const MICROVERSION: &str = "2.56";
/// How often a change is sent when nobody knows what became of it.
const MAX_SENDS: u32 = 3;

/// A compute service.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) host: String,
    /// `enabled` or `disabled`.
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) disabled_reason: Option<String>,
}

#[derive(Deserialize)]
struct Services {
    services: Vec<Service>,
}

fn retries(configuration: &Configuration) -> Retries {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the schema bounds it")]
    let interval_ms = (configuration.http_retry_interval_s * 1000.0) as u64;
    Retries { count: configuration.http_retries, interval_ms }
}

fn refused(what: &str, response: &Response) -> Failure {
    let message = format!("Nova refused to {what} ({}): {}", response.status, response.error_message());
    Failure::cloud("refused", message)
}

/// The compute service of a host.
pub(crate) fn find(
    host: &dyn ActionHost,
    name: &str,
    configuration: &Configuration,
) -> Result<Option<Service>, Failure> {
    let request = Request::new("compute", "GET", "/os-services")
        .query("binary", "nova-compute")
        .query("host", name)
        .microversion(MICROVERSION);
    let response = read(host, &request, retries(configuration))?;
    if !response.is_success() {
        return Err(refused("list compute services", &response));
    }
    let found: Services = serde_json::from_value(response.json()?).map_err(|error| {
        Failure::cloud("unexpected-answer", format!("Nova answered something that is no list of services: {error}"))
    })?;
    Ok(found.services.into_iter().find(|service| service.host == name))
}

/// Sets the status of a service. When nobody knows whether the change arrived, the service says.
pub(crate) fn set(
    host: &dyn ActionHost,
    service: &Service,
    status: &str,
    reason: Option<&str>,
    configuration: &Configuration,
) -> Result<(), Failure> {
    let mut body = json!({"status": status});
    if let Some(reason) = reason
        && status == "disabled"
    {
        body["disabled_reason"] = reason.into();
    }
    let request =
        Request::new("compute", "PUT", format!("/os-services/{}", service.id)).json(body).microversion(MICROVERSION);
    let mut doubt = None;
    for _ in 0..MAX_SENDS {
        match write(host, &request, retries(configuration))? {
            Sent::Answered(response) if response.is_success() => return Ok(()),
            Sent::Answered(response) => {
                return Err(refused(&format!("set nova-compute service {} to {status}", service.host), &response));
            }
            Sent::InDoubt(failure) => {
                let now = find(host, &service.host, configuration)?;
                if now.is_some_and(|now| now.status == status) {
                    return Ok(());
                }
                doubt = Some(failure);
            }
        }
    }
    Err(doubt.unwrap_or_else(|| Failure::cloud("outcome-unknown", "Nova did not answer")))
}
