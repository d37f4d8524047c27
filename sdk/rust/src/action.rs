//! Action handlers: what they are and what they return.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{ActionHost, Failure};

/// An action handler. Each call starts anew: look at the cloud instead of remembering.
pub trait Action {
    /// Parsed from the action's input parameters, with `resource_id`, valid against the schema and with its defaults.
    type Parameters: DeserializeOwned;
    /// Parsed from the operator's configuration of this action type.
    type Configuration: DeserializeOwned;

    /// What this handler is.
    fn describe() -> ActionDescription;

    /// Checks what a schema cannot say, without outside calls.
    fn validate_parameters(_parameters: &Self::Parameters) -> Result<(), Failure> {
        Ok(())
    }

    /// Looks whether the action can and need be done.
    fn pre_condition(
        _host: &dyn ActionHost,
        _parameters: &Self::Parameters,
        _configuration: &Self::Configuration,
    ) -> Result<Readiness, Failure> {
        Ok(Readiness::Ready)
    }

    /// Does it, and returns when it is done.
    fn execute(
        host: &dyn ActionHost,
        parameters: &Self::Parameters,
        configuration: &Self::Configuration,
    ) -> Result<(), Failure>;

    /// Looks whether it had its effect.
    fn post_condition(
        _host: &dyn ActionHost,
        _parameters: &Self::Parameters,
        _configuration: &Self::Configuration,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// Brings the resource back to where it was before a failed `execute`.
    fn revert(
        host: &dyn ActionHost,
        parameters: &Self::Parameters,
        configuration: &Self::Configuration,
    ) -> Result<(), Failure>;

    /// Stops an `execute` that runs elsewhere; `false` if that cannot be done. By default it cannot.
    fn abort(
        _host: &dyn ActionHost,
        _parameters: &Self::Parameters,
        _configuration: &Self::Configuration,
    ) -> Result<bool, Failure> {
        Ok(false)
    }

    /// What it does to the cluster data model, for previews.
    fn describe_effect(_parameters: &Self::Parameters) -> Result<Vec<Effect>, Failure> {
        Ok(Vec::new())
    }
}

/// What a look before the execution says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Go on.
    Ready,
    /// Nothing to do, for this reason: the action becomes SKIPPED.
    Skip(String),
}

/// What a handler says about itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionDescription {
    /// The action type, `snake_case`.
    pub name: String,
    /// Semver.
    pub version: String,
    /// For people.
    pub display_name: String,
    /// One paragraph; the API shows it with every action of this type.
    pub description: String,
    /// JSON Schema of the input parameters.
    pub parameters_schema: Value,
    /// JSON Schema of the configuration, with defaults.
    pub configuration_schema: Value,
    /// Everything it will ask of the cloud.
    pub requests: Vec<RequestPattern>,
}

impl ActionDescription {
    /// A description without configuration and requests.
    pub fn new(name: &str, version: &str, display_name: &str, description: &str, parameters_schema: Value) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            display_name: display_name.to_owned(),
            description: description.to_owned(),
            parameters_schema,
            configuration_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
            requests: Vec::new(),
        }
    }

    /// Sets the schema of the configuration.
    #[must_use]
    pub fn configuration(mut self, schema: Value) -> Self {
        self.configuration_schema = schema;
        self
    }

    /// Adds a request it will send, without a query: service type, method, and a path in which `{name}` stands for one segment.
    #[must_use]
    pub fn request(mut self, service: &str, method: &str, path: &str) -> Self {
        self.requests.push(RequestPattern {
            service: service.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            actions: Vec::new(),
        });
        self
    }

    /// Adds a request with the keys that its query may have. The host refuses any other key: who grants it sees these.
    #[must_use]
    pub fn request_with_query(self, service: &str, method: &str, path: &str, keys: &[&str]) -> Self {
        let mut described = self.request(service, method, path);
        if let Some(pattern) = described.requests.last_mut() {
            pattern.query = keys.iter().map(|&key| key.to_owned()).collect();
        }
        described
    }

    /// Adds a request whose body says by its only member what is to be done, as Nova's server actions: which members it will have. Who grants it sees them.
    #[must_use]
    pub fn request_for(self, service: &str, method: &str, path: &str, actions: &[&str]) -> Self {
        let mut described = self.request(service, method, path);
        if let Some(pattern) = described.requests.last_mut() {
            pattern.actions = actions.iter().map(|&action| action.to_owned()).collect();
        }
        described
    }
}

/// A kind of request that a handler sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestPattern {
    /// Service type, e.g. `compute`.
    pub service: String,
    /// HTTP method.
    pub method: String,
    /// Path; a segment `{name}` stands for any one segment.
    pub path: String,
    /// Keys that its query may have; none for no query.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<String>,
    /// Only members that the body may have, if not any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
}

/// What an action does to the cluster data model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Effect {
    /// An instance goes to another node.
    MoveInstance {
        /// UUID of the instance.
        instance: String,
        /// Host name, or none when the scheduler chooses.
        destination: Option<String>,
    },
    /// An instance gets another flavor; where it goes, the scheduler chooses.
    ResizeInstance {
        /// UUID of the instance.
        instance: String,
        /// Id or name of the flavor.
        flavor: String,
    },
    /// A node is enabled or disabled.
    SetNodeStatus {
        /// Host name of the node.
        node: String,
        /// `enabled` or `disabled`.
        status: String,
    },
}
