//! Strategies: what they are and what they return.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{Failure, StrategyHost};

/// A strategy: pure logic over what its host shows it.
pub trait Strategy {
    /// Parsed from the audit's parameters, which are valid against the described schema and have its defaults filled in.
    type Parameters: DeserializeOwned;
    /// Parsed from the operator's configuration of this strategy.
    type Configuration: DeserializeOwned;

    /// What this strategy is. Must not depend on anything.
    fn describe() -> StrategyDescription;

    /// Looks at the cluster and decides. The same input must give the same solution.
    fn execute(
        host: &dyn StrategyHost,
        parameters: Self::Parameters,
        configuration: Self::Configuration,
    ) -> Result<Solution, Failure>;

    /// Sums up the efficacy indicators, given as name and value. None by default.
    fn global_efficacy(_indicators: &[(String, f64)]) -> Result<Vec<GlobalEfficacy>, Failure> {
        Ok(Vec::new())
    }
}

/// What a strategy says about itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StrategyDescription {
    /// `snake_case`, as operators type it.
    pub name: String,
    /// Semver.
    pub version: String,
    /// For people.
    pub display_name: String,
    /// One paragraph.
    pub description: String,
    /// What it works towards.
    pub goal: Goal,
    /// JSON Schema of its parameters, with defaults.
    pub parameters_schema: Value,
    /// JSON Schema of its configuration.
    pub configuration_schema: Value,
    /// Metrics it asks for.
    pub metrics: Vec<String>,
    /// Planner it prefers.
    pub planner: String,
}

impl StrategyDescription {
    /// A description without parameters, configuration and metrics.
    pub fn new(name: &str, version: &str, display_name: &str, goal: Goal, planner: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            display_name: display_name.to_owned(),
            description: String::new(),
            goal,
            parameters_schema: json!({"properties": {}}),
            configuration_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
            metrics: Vec::new(),
            planner: planner.to_owned(),
        }
    }

    /// Sets the description.
    #[must_use]
    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.description);
        self
    }

    /// Sets the schema of the parameters.
    #[must_use]
    pub fn parameters(mut self, schema: Value) -> Self {
        self.parameters_schema = schema;
        self
    }

    /// Sets the schema of the configuration.
    #[must_use]
    pub fn configuration(mut self, schema: Value) -> Self {
        self.configuration_schema = schema;
        self
    }

    /// Sets the metrics it asks for.
    #[must_use]
    pub fn metrics(mut self, metrics: &[&str]) -> Self {
        self.metrics = metrics.iter().map(|&metric| metric.to_owned()).collect();
        self
    }
}

/// A goal and how its achievement is measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Goal {
    /// `snake_case`.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// Its indicators, in the order of the API.
    pub efficacy_specification: Vec<IndicatorSpec>,
}

impl Goal {
    /// A goal without indicators.
    pub fn new(name: &str, display_name: &str) -> Self {
        Self { name: name.to_owned(), display_name: display_name.to_owned(), efficacy_specification: Vec::new() }
    }

    /// Adds a required indicator whose value must match a JSON Schema.
    #[must_use]
    pub fn indicator(mut self, name: &str, description: &str, schema: Value) -> Self {
        self.efficacy_specification.push(IndicatorSpec {
            name: name.to_owned(),
            description: description.to_owned(),
            unit: None,
            schema,
            required: true,
        });
        self
    }

    /// Adds an indicator that a solution may leave out.
    #[must_use]
    pub fn optional_indicator(mut self, name: &str, description: &str, schema: Value) -> Self {
        self = self.indicator(name, description, schema);
        if let Some(last) = self.efficacy_specification.last_mut() {
            last.required = false;
        }
        self
    }
}

/// One indicator of a goal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IndicatorSpec {
    /// `snake_case`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Unit, none for a bare number.
    pub unit: Option<String>,
    /// JSON Schema of its value.
    pub schema: Value,
    /// Whether every solution must give it.
    pub required: bool,
}

/// One number that sums up a solution.
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalEfficacy {
    /// `snake_case`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Unit, e.g. `%`.
    pub unit: Option<String>,
    /// Its value.
    pub value: f64,
}

/// What a strategy decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Solution {
    /// Actions in the order of decision; the host drops exact repetitions.
    pub actions: Vec<NewAction>,
    /// Name and value of each efficacy indicator.
    pub efficacy_indicators: Vec<(String, f64)>,
}

impl Solution {
    /// Adds an action.
    pub fn add(&mut self, action: NewAction) {
        self.actions.push(action);
    }

    /// Sets an efficacy indicator.
    pub fn indicator(&mut self, name: &str, value: f64) {
        self.efficacy_indicators.push((name.to_owned(), value));
    }
}

/// Something to be done to one resource.
///
/// Parameters are kept as JSON text, because that is how they leave the plugin: a solution can have tens of thousands of actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAction {
    /// Action type, e.g. `migrate`.
    pub action_type: String,
    /// UUID of the resource; empty for an action without one.
    pub resource_id: String,
    /// A JSON object without its closing brace.
    parameters: Vec<u8>,
}

impl NewAction {
    /// An action without resource and parameters.
    pub fn new(action_type: &str) -> Self {
        let mut parameters = Vec::with_capacity(160);
        parameters.push(b'{');
        Self { action_type: action_type.to_owned(), resource_id: String::new(), parameters }
    }

    /// Sets the resource.
    #[must_use]
    pub fn resource(mut self, id: &str) -> Self {
        id.clone_into(&mut self.resource_id);
        self
    }

    /// Adds a parameter; each name once, and never `resource_id`, which the host adds.
    ///
    /// # Panics
    /// When the value has no JSON form: a map whose keys are not strings.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: impl Serialize) -> Self {
        if self.parameters.len() > 1 {
            self.parameters.push(b',');
        }
        serde_json::to_writer(&mut self.parameters, name).expect("a string has a JSON form");
        self.parameters.push(b':');
        serde_json::to_writer(&mut self.parameters, &value).expect("a parameter has a JSON form");
        self
    }

    /// The parameters, without `resource_id`.
    pub fn input_parameters(&self) -> Map<String, Value> {
        serde_json::from_str(&self.clone().into_input_parameters()).unwrap_or_default()
    }

    /// The parameters as the text of a JSON object.
    pub fn into_input_parameters(mut self) -> String {
        self.parameters.push(b'}');
        String::from_utf8(self.parameters).expect("JSON is written as UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_a_json_object_in_the_order_given() {
        let action =
            NewAction::new("migrate").parameter("b", "x \"y\"").parameter("a", 1.5).parameter("c", json!({"d": [1]}));
        let text = r#"{"b":"x \"y\"","a":1.5,"c":{"d":[1]}}"#;
        assert_eq!(action.input_parameters()["b"], "x \"y\"");
        assert_eq!(action.into_input_parameters(), text);
        assert_eq!(NewAction::new("nop").into_input_parameters(), "{}");
    }
}
