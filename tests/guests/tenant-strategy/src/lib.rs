//! A strategy that a project uploads: a message by a built-in handler, then a wait by a handler that the project uploads, too.

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Failure, Goal, NewAction, Solution, Strategy, StrategyDescription, StrategyHost};

/// The strategy.
#[derive(Debug)]
pub struct TenantStrategy;

/// Parameters of an audit.
#[derive(Debug, Deserialize)]
pub struct Parameters {
    /// How long to wait.
    pub seconds: f64,
    /// Whether the handler is to look at the cloud.
    pub looks: bool,
}

/// There is nothing to configure.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

impl Strategy for TenantStrategy {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> StrategyDescription {
        let goal = Goal::new("tenant_goal", "A goal of a project");
        StrategyDescription::new("tenant_strategy", "1.0.0", "A strategy of a project", goal, "weight").parameters(
            json!({"properties": {
                "seconds": {"type": "number", "default": 0, "minimum": 0},
                "looks": {"type": "boolean", "default": false},
            }}),
        )
    }

    fn execute(_: &dyn StrategyHost, parameters: Parameters, _: Configuration) -> Result<Solution, Failure> {
        let mut solution = Solution::default();
        solution.add(NewAction::new("nop").parameter("message", "begin"));
        solution.add(
            NewAction::new("tenant_action")
                .parameter("seconds", parameters.seconds)
                .parameter("looks", parameters.looks),
        );
        Ok(solution)
    }
}

watcher_sdk::export_strategy!(TenantStrategy);
