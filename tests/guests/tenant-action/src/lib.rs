//! An action handler that a project uploads: it waits.

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Action, ActionDescription, ActionHost, Failure, Request};

/// The action handler.
#[derive(Debug)]
pub struct TenantAction;

/// Input parameters.
#[derive(Debug, Deserialize)]
pub struct Parameters {
    /// How long to wait.
    pub seconds: f64,
    /// Whether to look at the cloud before.
    #[serde(default)]
    pub looks: bool,
}

/// There is nothing to configure.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

impl Action for TenantAction {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> ActionDescription {
        let schema = json!({
            "type": "object",
            "properties": {
                "seconds": {"type": "number", "minimum": 0, "maximum": 60},
                "looks": {"type": "boolean"},
            },
            "required": ["seconds"],
            "additionalProperties": false,
        });
        ActionDescription::new("tenant_action", "1.0.0", "An action of a project", "Waits for its project.", schema)
            .request("compute", "GET", "/os-services")
            .request("compute", "GET", "/servers/{server}")
    }

    fn execute(host: &dyn ActionHost, parameters: &Parameters, _: &Configuration) -> Result<(), Failure> {
        if parameters.looks {
            host.send(&Request {
                service_type: "compute".to_owned(),
                method: "GET".to_owned(),
                path: "/os-services".to_owned(),
                query: Vec::new(),
                body: None,
                microversion: None,
            })?;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the schema refuses anything but 0 to 60"
        )]
        host.sleep_ms((parameters.seconds * 1000.0).round() as u64)
    }

    fn revert(_: &dyn ActionHost, _: &Parameters, _: &Configuration) -> Result<(), Failure> {
        Ok(())
    }
}

watcher_sdk::export_action!(TenantAction);
