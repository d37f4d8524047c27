//! The `migrate` action: moves an instance to another compute node, live or cold.
//!
//! Here is what the handler says about itself and which phase does what. `nova` asks Nova, `migration` carries one
//! migration from request to end, `undo` brings an instance back and stops a migration that runs.

mod migration;
mod nova;
mod undo;

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Action, ActionDescription, ActionHost, Effect, Failure, Readiness};

use migration::Route;

/// The action handler.
#[derive(Debug)]
pub struct Migrate;

/// How an instance is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MigrationType {
    /// While it runs.
    Live,
    /// It is shut down, copied and started again.
    Cold,
}

/// Input parameters.
#[derive(Debug, Clone, Deserialize)]
pub struct Parameters {
    /// UUID of the instance.
    pub resource_id: String,
    /// Live or cold.
    pub migration_type: MigrationType,
    /// Host name of the node it is on.
    pub source_node: String,
    /// Host name of the node it goes to; none leaves the choice to Nova's scheduler.
    #[serde(default)]
    pub destination_node: Option<String>,
}

impl Parameters {
    fn route(&self) -> Route<'_> {
        Route {
            instance: &self.resource_id,
            kind: self.migration_type,
            source: &self.source_node,
            destination: self.destination_node.as_deref().filter(|name| !name.is_empty()),
        }
    }
}

/// What an operator can set.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// Longest time between two looks at an instance that is moving, in seconds.
    pub migration_interval_s: f64,
    /// After this many intervals a migration that has not ended is given up.
    pub migration_max_retries: u32,
    /// Repetitions of a request that got no answer.
    pub http_retries: u32,
    /// Seconds between two tries.
    pub http_retry_interval_s: f64,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { migration_interval_s: 5.0, migration_max_retries: 180, http_retries: 3, http_retry_interval_s: 2.0 }
    }
}

impl Action for Migrate {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> ActionDescription {
        // `anyof`, `minlength` and the type `None` are what the original's schema says, and clients read the schema as it is.
        let uuid = "^([a-fA-F0-9]){8}-([a-fA-F0-9]){4}-([a-fA-F0-9]){4}-([a-fA-F0-9]){4}-([a-fA-F0-9]){12}$";
        let schema = json!({
            "type": "object",
            "properties": {
                "destination_node": {"anyof": [{"type": "string", "minLength": 1}, {"type": "None"}]},
                "migration_type": {"type": "string", "enum": ["live", "cold"]},
                "resource_id": {"type": "string", "minlength": 1, "pattern": uuid},
                "resource_name": {"type": "string", "minlength": 1},
                "source_node": {"type": "string", "minLength": 1},
            },
            "required": ["migration_type", "resource_id", "source_node"],
            "additionalProperties": false,
        });
        let description = "Moving a VM instance from source_node to destination_node";
        ActionDescription::new("migrate", "0.1.0", "Migrate", description, schema)
            .configuration(json!({
                "type": "object",
                "properties": {
                    "migration_interval_s": {
                        "description": "Longest time in seconds between two looks at an instance that is moving; the first looks come \
                                        sooner after each other.",
                        "type": "number", "minimum": 0.1, "maximum": 600, "default": 5.0,
                    },
                    "migration_max_retries": {
                        "description": "After this many intervals a migration that has not ended is given up.",
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
            .request_with_query("compute", "GET", "/os-services", &["binary", "host"])
            .request_with_query("compute", "GET", "/os-migrations", &["instance_uuid"])
            .request("compute", "GET", "/servers/{server}")
            .request_for("compute", "POST", "/servers/{server}/action", &["os-migrateLive", "migrate", "confirmResize", "revertResize"])
            .request("compute", "GET", "/servers/{server}/migrations")
            .request("compute", "DELETE", "/servers/{server}/migrations/{migration}")
    }

    fn pre_condition(
        host: &dyn ActionHost,
        parameters: &Parameters,
        configuration: &Configuration,
    ) -> Result<Readiness, Failure> {
        let (nova, route) = (nova::reach(host, configuration), parameters.route());
        let Some(server) = nova.server(route.instance)? else {
            return Ok(Readiness::Skip(format!("Instance {} not found", route.instance)));
        };
        if server.more.host.as_deref() != Some(route.source) {
            let current = server.more.host_name();
            return Ok(Readiness::Skip(format!(
                "Instance {} is not running on source node {} (currently on {current})",
                route.instance, route.source
            )));
        }
        if let Some(destination) = route.destination {
            if destination == route.source {
                let message = format!("Destination node {destination} is the source node");
                return Err(Failure::input("destination-is-source", message));
            }
            let service = nova::compute_service(&nova, destination)?.ok_or_else(|| {
                Failure::cloud("destination-not-found", format!("Destination node {destination} not found"))
            })?;
            if service.status != "enabled" {
                let message = format!("Destination node {destination} is not in enabled state");
                return Err(Failure::cloud("destination-disabled", message));
            }
            if service.state == "down" {
                return Err(Failure::cloud("destination-down", format!("Destination node {destination} is down")));
            }
        }
        if route.kind == MigrationType::Live && server.status != "ACTIVE" {
            return Err(Failure::cloud(
                "instance-not-active",
                format!(
                    "Live migration requires instance {} to be in ACTIVE status (current status: {})",
                    route.instance, server.status
                ),
            ));
        }
        Ok(Readiness::Ready)
    }

    fn execute(host: &dyn ActionHost, parameters: &Parameters, configuration: &Configuration) -> Result<(), Failure> {
        migration::carry_out(&nova::reach(host, configuration), &parameters.route())
    }

    fn post_condition(
        host: &dyn ActionHost,
        parameters: &Parameters,
        configuration: &Configuration,
    ) -> Result<(), Failure> {
        let (nova, route) = (nova::reach(host, configuration), parameters.route());
        let server = nova.server(route.instance)?.ok_or_else(|| nova::gone(route.instance))?;
        if route.is_arrived(&server) {
            return Ok(());
        }
        let message = format!("{route} had no effect: the instance is on {}", server.more.host_name());
        Err(Failure::cloud("no-effect", message))
    }

    fn revert(host: &dyn ActionHost, parameters: &Parameters, configuration: &Configuration) -> Result<(), Failure> {
        undo::bring_back(&nova::reach(host, configuration), &parameters.route())
    }

    fn abort(host: &dyn ActionHost, parameters: &Parameters, configuration: &Configuration) -> Result<bool, Failure> {
        match parameters.migration_type {
            MigrationType::Live => undo::stop(&nova::reach(host, configuration), &parameters.route()),
            // Nova cannot stop a cold migration.
            MigrationType::Cold => Ok(false),
        }
    }

    fn describe_effect(parameters: &Parameters) -> Result<Vec<Effect>, Failure> {
        let route = parameters.route();
        Ok(vec![Effect::MoveInstance {
            instance: route.instance.to_owned(),
            destination: route.destination.map(str::to_owned),
        }])
    }
}

watcher_sdk::export_action!(Migrate);

#[cfg(test)]
mod tests;
