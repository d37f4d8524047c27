//! Compute services of Nova: finding one, and setting its status.

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::patience::{read, write};
use watcher_sdk::{ActionHost, Failure, Request, Response, Retries, Sent};

/// Services are known by UUID since 2.53.
const MICROVERSION: &str = "2.56";
/// How often a change is sent when nobody knows what became of it.
const MAX_SENDS: u32 = 3;

/// A compute service.
#[derive(Debug, Clone, Deserialize)]
pub struct Service {
    id: String,
    host: String,
    /// `enabled` or `disabled`.
    pub status: String,
    /// Why it is disabled.
    #[serde(default)]
    pub disabled_reason: Option<String>,
}

#[derive(Deserialize)]
struct Services {
    services: Vec<Service>,
}

/// The compute service of a host.
pub fn find(host: &dyn ActionHost, name: &str, retries: Retries) -> Result<Option<Service>, Failure> {
    let request = Request::new("compute", "GET", "/os-services")
        .query("binary", "nova-compute")
        .query("host", name)
        .microversion(MICROVERSION);
    let response = read(host, &request, retries)?;
    if !response.is_success() {
        return Err(refused("list compute services", &response));
    }
    let found: Services = serde_json::from_value(response.json()?).map_err(|error| {
        Failure::cloud("unexpected-answer", format!("Nova answered something that is no list of services: {error}"))
    })?;
    Ok(found.services.into_iter().find(|service| service.host == name))
}

/// Sets the status of a compute service. When nobody knows whether the change arrived, the service is looked at before it is sent again.
pub fn set(
    host: &dyn ActionHost,
    name: &str,
    status: &str,
    reason: Option<&str>,
    retries: Retries,
) -> Result<(), Failure> {
    let mut doubt = None;
    for _ in 0..MAX_SENDS {
        let Some(service) = find(host, name, retries)? else {
            return Err(Failure::cloud("service-not-found", format!("there is no compute service on {name}")));
        };
        if service.status == status {
            return Ok(());
        }
        let mut body = json!({"status": status});
        if let Some(reason) = reason {
            body["disabled_reason"] = reason.into();
        }
        let path = format!("/os-services/{}", service.id);
        let request = Request::new("compute", "PUT", path).json(body).microversion(MICROVERSION);
        match write(host, &request, retries)? {
            Sent::Answered(response) if response.is_success() => return Ok(()),
            Sent::Answered(response) => return Err(refused(&format!("set the service of {name} to {status}"), &response)),
            Sent::InDoubt(failure) => doubt = Some(failure),
        }
    }
    Err(doubt.unwrap_or_else(|| Failure::cloud("outcome-unknown", "Nova did not answer")))
}

fn refused(what: &str, response: &Response) -> Failure {
    Failure::cloud("refused", format!("Nova refused to {what} ({}): {}", response.status, response.error_message()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use watcher_sdk::testing::{FakeCloud, answer};

    #[test]
    fn a_change_that_got_lost_is_looked_for_before_it_is_sent_again() {
        let mut puts = 0;
        let cloud = FakeCloud::new(move |request: &Request| {
            if request.method == "PUT" {
                puts += 1;
                return Err(Failure::cloud("outcome-unknown", "the connection broke"));
            }
            let status = if puts > 0 { "disabled" } else { "enabled" };
            answer(200, &json!({"services": [{"id": "s1", "host": "host-1", "status": status}]}))
        });
        set(&cloud, "host-1", "disabled", None, Retries { count: 0, interval_ms: 1 }).unwrap();
        let sent = cloud.sent.borrow();
        assert_eq!(sent.iter().filter(|request| request.starts_with("PUT")).count(), 1, "{sent:?}");
    }
}
