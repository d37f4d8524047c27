//! The `change_nova_service_state` action: takes the compute service of a host out of scheduling, or back into it.

mod service;

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Action, ActionDescription, ActionHost, Effect, Failure, Readiness};

use service::Service;

/// The action handler.
#[derive(Debug)]
pub struct ChangeNovaServiceState;

/// Input parameters.
#[derive(Debug, Clone, Deserialize)]
pub struct Parameters {
    /// UUID of the hypervisor, or the host name if there is no `resource_name`.
    pub resource_id: String,
    /// Host name of the compute service.
    #[serde(default)]
    pub resource_name: Option<String>,
    /// `enabled` or `disabled`. The schema also knows `up` and `down`, which nobody can set.
    pub state: String,
    /// Why it is disabled.
    #[serde(default)]
    pub disabled_reason: Option<String>,
}

impl Parameters {
    /// Host name of the compute service.
    pub fn host(&self) -> &str {
        self.resource_name.as_deref().unwrap_or(&self.resource_id)
    }
}

/// What an operator can set.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// Repetitions of a request that got no answer.
    pub http_retries: u32,
    /// Seconds between two tries.
    pub http_retry_interval_s: f64,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { http_retries: 3, http_retry_interval_s: 2.0 }
    }
}

/// A disabled service that somebody else disabled has another reason than ours.
fn is_ours(service: &Service, parameters: &Parameters) -> bool {
    service.status == parameters.state
        && (service.status != "disabled"
            || parameters.disabled_reason.is_none()
            || service.disabled_reason == parameters.disabled_reason)
}

impl Action for ChangeNovaServiceState {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> ActionDescription {
        // `minlength` is what the original's schema says, and clients read the schema as it is.
        let text = json!({"type": "string", "minlength": 1});
        let schema = json!({
            "type": "object",
            "properties": {
                "resource_id": text,
                "resource_name": text,
                "state": {"type": "string", "enum": ["up", "down", "enabled", "disabled"]},
                "disabled_reason": text,
            },
            "required": ["resource_id", "state"],
            "additionalProperties": false,
        });
        ActionDescription::new(
            "change_nova_service_state",
            "0.1.0",
            "Change Nova service state",
            "Disables or enables the nova-compute service.A disabled nova-compute service can not be selected by the nova \
             for future deployment of new server.",
            schema,
        )
        .configuration(json!({
            "type": "object",
            "properties": {
                "http_retries": {
                    "description": "Repetitions of a request to Nova that got no answer.",
                    "type": "integer", "minimum": 0, "maximum": 100, "default": 3,
                },
                "http_retry_interval_s": {
                    "description": "Seconds between two tries.",
                    "type": "number", "minimum": 0.1, "maximum": 60, "default": 2.0,
                },
            },
            "additionalProperties": false,
        }))
        .request_with_query("compute", "GET", "/os-services", &["binary", "host"])
        .request("compute", "PUT", "/os-services/{service}")
    }

    fn validate_parameters(parameters: &Parameters) -> Result<(), Failure> {
        match parameters.state.as_str() {
            "enabled" | "disabled" => Ok(()),
            other => Err(Failure::input(
                "undefined-target-state",
                format!("The target state is not defined: a compute service can be enabled or disabled, not {other}"),
            )),
        }
    }

    fn pre_condition(
        host: &dyn ActionHost,
        parameters: &Parameters,
        configuration: &Configuration,
    ) -> Result<Readiness, Failure> {
        let name = parameters.host();
        Ok(match service::find(host, name, configuration)? {
            None => Readiness::Skip(format!("nova-compute service {name} not found")),
            Some(service) if service.status == parameters.state => {
                Readiness::Skip(format!("nova-compute service {name} is already in state {}", parameters.state))
            }
            Some(_) => Readiness::Ready,
        })
    }

    fn execute(host: &dyn ActionHost, parameters: &Parameters, configuration: &Configuration) -> Result<(), Failure> {
        let name = parameters.host();
        let service = service::find(host, name, configuration)?
            .ok_or_else(|| Failure::cloud("service-not-found", format!("nova-compute service {name} not found")))?;
        service::set(host, &service, &parameters.state, parameters.disabled_reason.as_deref(), configuration)
    }

    fn post_condition(
        host: &dyn ActionHost,
        parameters: &Parameters,
        configuration: &Configuration,
    ) -> Result<(), Failure> {
        let name = parameters.host();
        let status = service::find(host, name, configuration)?.map(|service| service.status);
        if status.as_deref() == Some(&parameters.state) {
            return Ok(());
        }
        let status = status.unwrap_or_else(|| "gone".to_owned());
        Err(Failure::cloud(
            "no-effect",
            format!("nova-compute service {name} should be {} and is {status}", parameters.state),
        ))
    }

    fn revert(host: &dyn ActionHost, parameters: &Parameters, configuration: &Configuration) -> Result<(), Failure> {
        match service::find(host, parameters.host(), configuration)? {
            Some(service) if is_ours(&service, parameters) => {
                let before = if parameters.state == "disabled" { "enabled" } else { "disabled" };
                service::set(host, &service, before, None, configuration)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn describe_effect(parameters: &Parameters) -> Result<Vec<Effect>, Failure> {
        let status = parameters.state.clone();
        Ok(match status.as_str() {
            "enabled" | "disabled" => vec![Effect::SetNodeStatus { node: parameters.host().to_owned(), status }],
            _ => Vec::new(),
        })
    }
}

watcher_sdk::export_action!(ChangeNovaServiceState);

#[cfg(test)]
mod tests;
