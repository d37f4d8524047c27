//! The `resize` action: gives an instance another flavor.
//!
//! Here is what the handler says about itself and which phase does what. `nova` asks Nova, `resizing` carries one resize from request to
//! confirmation, or back.

mod nova;
mod resizing;

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Action, ActionDescription, ActionHost, Effect, Failure, Readiness};

/// The action handler.
#[derive(Debug)]
pub struct Resize;

/// Input parameters.
#[derive(Debug, Clone, Deserialize)]
pub struct Parameters {
    /// UUID of the instance.
    pub resource_id: String,
    /// Id or name of the flavor.
    pub flavor: String,
}

/// What an operator can set.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// Longest time between two looks at an instance that is resized, in seconds.
    pub resize_interval_s: f64,
    /// After this many intervals a resize that has not ended is given up.
    pub resize_max_retries: u32,
    /// Repetitions of a request that got no answer.
    pub http_retries: u32,
    /// Seconds between two tries.
    pub http_retry_interval_s: f64,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { resize_interval_s: 5.0, resize_max_retries: 180, http_retries: 3, http_retry_interval_s: 2.0 }
    }
}

impl Action for Resize {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> ActionDescription {
        // `minlength` is what the original's schema says, and clients read the schema as it is.
        let uuid = "^([a-fA-F0-9]){8}-([a-fA-F0-9]){4}-([a-fA-F0-9]){4}-([a-fA-F0-9]){4}-([a-fA-F0-9]){12}$";
        let schema = json!({
            "type": "object",
            "properties": {
                "resource_id": {"type": "string", "minlength": 1, "pattern": uuid},
                "flavor": {"type": "string", "minlength": 1},
            },
            "required": ["resource_id", "flavor"],
            "additionalProperties": false,
        });
        let description = "Resize a server with specified flavor.";
        ActionDescription::new("resize", "0.1.0", "Resize", description, schema)
            .configuration(json!({
                "type": "object",
                "properties": {
                    "resize_interval_s": {
                        "description": "Longest time in seconds between two looks at an instance that is resized; the first looks come \
                                        sooner after each other.",
                        "type": "number", "minimum": 0.1, "maximum": 600, "default": 5.0,
                    },
                    "resize_max_retries": {
                        "description": "After this many intervals a resize that has not ended is given up.",
                        "type": "integer", "minimum": 1, "maximum": 10000, "default": 180,
                    },
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
            .request_with_query("compute", "GET", "/flavors", &["marker"])
            .request("compute", "GET", "/flavors/{flavor}")
            .request_with_query("compute", "GET", "/os-migrations", &["instance_uuid"])
            .request("compute", "GET", "/servers/{server}")
            .request_for("compute", "POST", "/servers/{server}/action", &["resize", "confirmResize", "revertResize"])
    }

    fn pre_condition(
        host: &dyn ActionHost,
        parameters: &Parameters,
        configuration: &Configuration,
    ) -> Result<Readiness, Failure> {
        let nova = nova::reach(host, configuration);
        if nova.server(&parameters.resource_id)?.is_none() {
            return Ok(Readiness::Skip(format!("Instance {} not found", parameters.resource_id)));
        }
        nova::known_flavor(&nova, &parameters.flavor)?;
        Ok(Readiness::Ready)
    }

    fn execute(host: &dyn ActionHost, parameters: &Parameters, configuration: &Configuration) -> Result<(), Failure> {
        resizing::carry_out(&nova::reach(host, configuration), parameters)
    }

    fn post_condition(
        host: &dyn ActionHost,
        parameters: &Parameters,
        configuration: &Configuration,
    ) -> Result<(), Failure> {
        let nova = nova::reach(host, configuration);
        let flavor = nova::known_flavor(&nova, &parameters.flavor)?;
        let server = nova.server(&parameters.resource_id)?.ok_or_else(|| nova::gone(&parameters.resource_id))?;
        if server.more.flavor.id == flavor {
            return Ok(());
        }
        let message = format!(
            "Resize of instance {} to flavor {} had no effect: it has the flavor with id {}",
            parameters.resource_id, parameters.flavor, server.more.flavor.id
        );
        Err(Failure::cloud("no-effect", message))
    }

    fn revert(host: &dyn ActionHost, parameters: &Parameters, configuration: &Configuration) -> Result<(), Failure> {
        resizing::bring_back(&nova::reach(host, configuration), parameters)
    }

    fn describe_effect(parameters: &Parameters) -> Result<Vec<Effect>, Failure> {
        Ok(vec![Effect::ResizeInstance { instance: parameters.resource_id.clone(), flavor: parameters.flavor.clone() }])
    }
}

watcher_sdk::export_action!(Resize);

#[cfg(test)]
mod tests;
