//! The `sample_plugin` action: takes the compute service of a host out of scheduling, and puts it back when the action is reverted.
//!
//! Here is the wiring; what is asked of Nova is in [`service`].

pub mod service;

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Action, ActionDescription, ActionHost, Effect, Failure, Readiness, Retries};

/// The action handler.
#[derive(Debug)]
pub struct SamplePlugin;

/// Input parameters, as a strategy gives them.
#[derive(Debug, Clone, Deserialize)]
pub struct Parameters {
    /// Host name of the compute service.
    pub resource_id: String,
    /// Why it is taken out; Nova shows it.
    pub reason: String,
}

/// What an operator can set.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Configuration {
    /// Repetitions of a request that got no answer.
    pub http_retries: u32,
}

impl Configuration {
    fn retries(self) -> Retries {
        Retries { count: self.http_retries, interval_ms: 2000 }
    }
}

impl Action for SamplePlugin {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> ActionDescription {
        let parameters = json!({
            "type": "object",
            "properties": {
                "resource_id": {"description": "Host name of the compute service.", "type": "string", "minLength": 1},
                "reason": {"description": "Why it is taken out.", "type": "string", "default": "taken out by Watcher"},
            },
            "required": ["resource_id"],
            "additionalProperties": false,
        });
        ActionDescription::new(
            "sample_plugin",
            env!("CARGO_PKG_VERSION"),
            "Sample plugin",
            "Takes the compute service of a host out of scheduling.",
            parameters,
        )
        .configuration(json!({
            "type": "object",
            "properties": {
                "http_retries": {
                    "description": "Repetitions of a request to Nova that got no answer.",
                    "type": "integer", "minimum": 0, "maximum": 100, "default": 3,
                },
            },
            "additionalProperties": false,
        }))
        // Everything that is asked of the cloud. The host refuses the rest.
        .request_with_query("compute", "GET", "/os-services", &["binary", "host"])
        .request("compute", "PUT", "/os-services/{service}")
    }

    /// Nothing to do is no failure: the action is skipped, with the reason.
    fn pre_condition(
        host: &dyn ActionHost,
        parameters: &Parameters,
        configuration: &Configuration,
    ) -> Result<Readiness, Failure> {
        let found = service::find(host, &parameters.resource_id, configuration.retries())?;
        Ok(match found.map(|service| service.status) {
            None => Readiness::Skip(format!("there is no compute service on {}", parameters.resource_id)),
            Some(status) if status == "disabled" => {
                Readiness::Skip(format!("the compute service on {} is disabled already", parameters.resource_id))
            }
            Some(_) => Readiness::Ready,
        })
    }

    fn execute(host: &dyn ActionHost, parameters: &Parameters, configuration: &Configuration) -> Result<(), Failure> {
        let reason = Some(parameters.reason.as_str());
        service::set(host, &parameters.resource_id, "disabled", reason, configuration.retries())
    }

    /// Looks instead of trusting: somebody else may have changed it meanwhile.
    fn post_condition(
        host: &dyn ActionHost,
        parameters: &Parameters,
        configuration: &Configuration,
    ) -> Result<(), Failure> {
        let found = service::find(host, &parameters.resource_id, configuration.retries())?;
        match found.map(|service| service.status) {
            Some(status) if status == "disabled" => Ok(()),
            other => {
                let status = other.unwrap_or_else(|| "gone".to_owned());
                let message = format!("the compute service on {} should be disabled and is {status}", parameters.resource_id);
                Err(Failure::cloud("no-effect", message))
            }
        }
    }

    /// Puts back what this action changed, and nothing else: a service that was disabled for another reason stays disabled.
    fn revert(host: &dyn ActionHost, parameters: &Parameters, configuration: &Configuration) -> Result<(), Failure> {
        let found = service::find(host, &parameters.resource_id, configuration.retries())?;
        let ours = found.is_some_and(|service| {
            service.status == "disabled" && service.disabled_reason.as_deref() == Some(&parameters.reason)
        });
        if ours {
            service::set(host, &parameters.resource_id, "enabled", None, configuration.retries())?;
        }
        Ok(())
    }

    fn describe_effect(parameters: &Parameters) -> Result<Vec<Effect>, Failure> {
        Ok(vec![Effect::SetNodeStatus { node: parameters.resource_id.clone(), status: "disabled".to_owned() }])
    }
}

watcher_sdk::export_action!(SamplePlugin);

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use watcher_sdk::testing::{FakeCloud, answer};
    use watcher_sdk::{Request, Response};

    /// A Nova with one compute service, on `host-1`.
    fn nova<'a>(
        state: &'a RefCell<(&'static str, Option<String>)>,
    ) -> FakeCloud<impl FnMut(&Request) -> Result<Response, Failure> + 'a> {
        FakeCloud::new(move |request: &Request| {
            if request.method == "PUT" {
                let body = request.body.clone().unwrap_or_default();
                let status = if body["status"] == "disabled" { "disabled" } else { "enabled" };
                *state.borrow_mut() = (status, body["disabled_reason"].as_str().map(str::to_owned));
            }
            let (status, reason) = state.borrow().clone();
            answer(200, &json!({"services": [
                {"id": "s1", "host": "host-1", "status": status, "disabled_reason": reason},
            ]}))
        })
    }

    fn parameters(host: &str) -> Parameters {
        Parameters { resource_id: host.to_owned(), reason: "test".to_owned() }
    }

    const CONFIGURATION: Configuration = Configuration { http_retries: 0 };

    #[test]
    fn it_disables_the_service_and_a_revert_enables_it() {
        let state = RefCell::new(("enabled", None));
        let cloud = nova(&state);
        let here = parameters("host-1");
        assert_eq!(SamplePlugin::pre_condition(&cloud, &here, &CONFIGURATION).unwrap(), Readiness::Ready);
        SamplePlugin::execute(&cloud, &here, &CONFIGURATION).unwrap();
        SamplePlugin::post_condition(&cloud, &here, &CONFIGURATION).unwrap();
        assert_eq!(*state.borrow(), ("disabled", Some("test".to_owned())));
        SamplePlugin::revert(&cloud, &here, &CONFIGURATION).unwrap();
        assert_eq!(state.borrow().0, "enabled");
    }

    #[test]
    fn a_revert_leaves_alone_what_somebody_else_disabled() {
        let state = RefCell::new(("disabled", Some("broken fan".to_owned())));
        SamplePlugin::revert(&nova(&state), &parameters("host-1"), &CONFIGURATION).unwrap();
        assert_eq!(state.borrow().0, "disabled");
    }

    #[test]
    fn nothing_to_do_is_said_and_no_failure() {
        let state = RefCell::new(("disabled", None));
        let look = |host| SamplePlugin::pre_condition(&nova(&state), &parameters(host), &CONFIGURATION).unwrap();
        let skipped = |reason: &str| Readiness::Skip(reason.to_owned());
        assert_eq!(look("host-1"), skipped("the compute service on host-1 is disabled already"));
        assert_eq!(look("host-9"), skipped("there is no compute service on host-9"));
    }
}
