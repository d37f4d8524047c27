//! The `dummy` strategy: three actions that touch nothing, to see that audits and plans work.

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Failure, Goal, NewAction, Solution, Strategy, StrategyDescription, StrategyHost};

/// The strategy.
#[derive(Debug)]
pub struct Dummy;

/// Parameters of an audit.
#[derive(Debug, Deserialize)]
pub struct Parameters {
    /// Seconds that the last action sleeps, 1.0 to 10.2.
    pub para1: f64,
    /// Message of the second action.
    pub para2: String,
}

/// The strategy has no configuration.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

impl Strategy for Dummy {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> StrategyDescription {
        StrategyDescription::new("dummy", "0.1.0", "Dummy strategy", Goal::new("dummy", "Dummy goal"), "weight")
            .description(
                "Proposes two actions that log a message and one that sleeps, to show that audits and plans work.",
            )
            .parameters(json!({
                "properties": {
                    "para1": {
                        "description": "number parameter example",
                        "type": "number",
                        "default": 3.2,
                        "minimum": 1.0,
                        "maximum": 10.2,
                    },
                    "para2": {
                        "description": "string parameter example",
                        "type": "string",
                        "default": "hello",
                    },
                },
            }))
    }

    fn execute(_: &dyn StrategyHost, parameters: Parameters, _: Configuration) -> Result<Solution, Failure> {
        let mut solution = Solution::default();
        solution.add(NewAction::new("nop").parameter("message", "hello World"));
        solution.add(NewAction::new("nop").parameter("message", parameters.para2));
        solution.add(NewAction::new("sleep").parameter("duration", parameters.para1));
        Ok(solution)
    }
}

watcher_sdk::export_strategy!(Dummy);

#[cfg(test)]
mod tests {
    use super::*;
    use watcher_sdk::testing::FakeHost;

    #[test]
    fn it_proposes_two_messages_and_a_sleep() {
        let parameters = Parameters { para1: 3.2, para2: "hello".to_owned() };
        let solution = Dummy::execute(&FakeHost::default(), parameters, Configuration {}).unwrap();
        let types: Vec<_> = solution.actions.iter().map(|action| action.action_type.as_str()).collect();
        assert_eq!(types, ["nop", "nop", "sleep"]);
        assert_eq!(solution.actions[2].input_parameters()["duration"], json!(3.2));
    }
}
