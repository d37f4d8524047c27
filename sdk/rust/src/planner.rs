//! Planners: what they are and what they return.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Failure, PlannerHost};

/// A planner: orders the actions of a solution.
pub trait Planner {
    /// Parsed from the operator's configuration of this planner, with the schema's defaults filled in.
    type Configuration: DeserializeOwned;

    /// What this planner is.
    fn describe() -> PlannerDescription;

    /// Plans every action exactly once; parents point to smaller places. The same input must give the same plan.
    fn schedule(
        host: &dyn PlannerHost,
        actions: &[SolutionAction],
        configuration: Self::Configuration,
    ) -> Result<Vec<PlannedAction>, Failure>;
}

/// What a planner says about itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannerDescription {
    /// `snake_case`.
    pub name: String,
    /// Semver.
    pub version: String,
    /// For people.
    pub display_name: String,
    /// One paragraph.
    pub description: String,
    /// JSON Schema of its configuration, with defaults.
    pub configuration_schema: Value,
}

impl PlannerDescription {
    /// A description without configuration.
    pub fn new(name: &str, version: &str, display_name: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            display_name: display_name.to_owned(),
            description: String::new(),
            configuration_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        }
    }

    /// Sets the description.
    #[must_use]
    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.description);
        self
    }

    /// Sets the schema of the configuration.
    #[must_use]
    pub fn configuration(mut self, schema: Value) -> Self {
        self.configuration_schema = schema;
        self
    }
}

/// An action of a solution, as a planner sees it. Parameters are JSON text: parse them only when the order depends on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SolutionAction {
    /// Action type.
    pub action_type: String,
    /// UUID of the resource, or empty.
    pub resource_id: String,
    /// JSON object.
    pub input_parameters: String,
}

/// An action at its place in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedAction {
    /// Which action of the solution, counted from 0.
    pub action: u32,
    /// Places in the plan that must have ended before; each smaller than this action's own.
    pub parents: Vec<u32>,
}
