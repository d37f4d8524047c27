//! The `actuator` strategy: recommends the actions that its parameters list.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use watcher_sdk::{Failure, NewAction, Solution, Strategy, StrategyDescription, StrategyHost, goals};

/// The strategy.
#[derive(Debug)]
pub struct Actuator;

/// Parameters of an audit.
#[derive(Debug, Deserialize)]
pub struct Parameters {
    /// What to do, in this order.
    pub actions: Vec<GivenAction>,
}

/// An action as the parameters have it.
#[derive(Debug, Deserialize)]
pub struct GivenAction {
    /// Its type.
    pub action_type: String,
    /// UUID of its resource, if it has one.
    #[serde(default)]
    pub resource_id: Option<String>,
    /// Its parameters, without `resource_id`.
    pub input_parameters: Map<String, Value>,
    /// What an action does not have.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// The strategy has no configuration.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

impl Strategy for Actuator {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> StrategyDescription {
        StrategyDescription::new("actuator", "0.1.0", "Actuator", goals::unclassified(), "weight")
            .description(
                "Recommends the actions that the audit's parameters list, to test action types or to act on an event.",
            )
            .parameters(json!({
                "$schema": "http://json-schema.org/draft-04/schema#",
                "type": "object",
                "properties": {
                    "actions": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "action_type": {"type": "string"},
                                "resource_id": {"type": "string"},
                                "input_parameters": {"type": "object", "properties": {}, "additionalProperties": true},
                            },
                            "required": ["action_type", "input_parameters"],
                            "additionalProperties": true,
                        },
                    },
                },
                "required": ["actions"],
            }))
    }

    fn execute(_: &dyn StrategyHost, parameters: Parameters, _: Configuration) -> Result<Solution, Failure> {
        let mut solution = Solution::default();
        for (place, given) in parameters.actions.into_iter().enumerate() {
            if let Some(name) = given.others.keys().next() {
                let message = format!("action {place} ({}) has {name}, which no action has", given.action_type);
                return Err(Failure::input("unknown-parameter", message));
            }
            if given.input_parameters.contains_key("resource_id") {
                let message = format!(
                    "the input parameters of action {place} ({}) have resource_id, which stands beside them",
                    given.action_type
                );
                return Err(Failure::input("reserved-word", message));
            }
            let mut action = NewAction::new(&given.action_type).resource(given.resource_id.as_deref().unwrap_or(""));
            for (name, value) in given.input_parameters {
                action = action.parameter(&name, value);
            }
            solution.add(action);
        }
        Ok(solution)
    }
}

watcher_sdk::export_strategy!(Actuator);

#[cfg(test)]
mod tests {
    use super::*;
    use watcher_sdk::testing::FakeHost;

    fn decide(actions: &Value) -> Result<Solution, Failure> {
        let parameters = serde_json::from_value(json!({"actions": actions})).unwrap();
        Actuator::execute(&FakeHost::default(), parameters, Configuration {})
    }

    #[test]
    fn what_is_listed_is_recommended_in_its_order() {
        let solution = decide(&json!([
            {"action_type": "nop", "input_parameters": {"message": "a", "more": {"b": [1]}}},
            {"action_type": "migrate", "resource_id": "u1", "input_parameters": {}},
        ]))
        .unwrap();
        let given: Vec<_> = solution
            .actions
            .iter()
            .map(|action| (action.action_type.as_str(), action.resource_id.as_str(), action.input_parameters()))
            .collect();
        let parameters = json!({"message": "a", "more": {"b": [1]}});
        assert_eq!(given[0], ("nop", "", parameters.as_object().unwrap().clone()));
        assert_eq!(given[1], ("migrate", "u1", Map::new()));
    }

    #[test]
    fn what_no_action_can_have_is_refused() {
        let code = |action: Value| decide(&json!([action])).unwrap_err().code;
        assert_eq!(code(json!({"action_type": "nop", "input_parameters": {}, "typo": 1})), "unknown-parameter");
        assert_eq!(code(json!({"action_type": "nop", "input_parameters": {"resource_id": "u1"}})), "reserved-word");
    }
}
