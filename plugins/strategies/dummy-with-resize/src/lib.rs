//! The `dummy_with_resize` strategy: a fixed list of actions, with migrations and a resize of instances that hardly any cloud has.

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Failure, NewAction, Solution, Strategy, StrategyDescription, StrategyHost, goals};

/// The strategy.
#[derive(Debug)]
pub struct DummyWithResize;

/// Parameters of an audit; they change nothing.
#[derive(Debug, Deserialize)]
pub struct Parameters {
    /// A number, 1.0 to 10.2.
    pub para1: f64,
    /// A text.
    pub para2: String,
}

/// The strategy has no configuration.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

const MOVED: &str = "b199db0c-1408-4d52-b5a5-5ca14de0ff36";
const MOVED_AND_RESIZED: &str = "8db1b3c1-7938-4c34-8c03-6de14b874f8f";

impl Strategy for DummyWithResize {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> StrategyDescription {
        StrategyDescription::new("dummy_with_resize", "0.1.0", "Dummy strategy with resize", goals::dummy(), "weight")
            .description(
                "Proposes messages, a sleep, two migrations and a resize, to show that plans with several types of actions \
                 work.",
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

    fn execute(_: &dyn StrategyHost, _: Parameters, _: Configuration) -> Result<Solution, Failure> {
        let mut solution = Solution::default();
        solution.add(NewAction::new("nop").parameter("message", "hello World"));
        solution.add(NewAction::new("nop").parameter("message", "Welcome"));
        solution.add(NewAction::new("sleep").parameter("duration", 5.0));
        for instance in [MOVED, MOVED_AND_RESIZED] {
            solution.add(
                NewAction::new("migrate")
                    .resource(instance)
                    .parameter("source_node", "compute2")
                    .parameter("destination_node", "compute3")
                    .parameter("migration_type", "live"),
            );
        }
        solution.add(NewAction::new("resize").resource(MOVED_AND_RESIZED).parameter("flavor", "x2"));
        Ok(solution)
    }
}

watcher_sdk::export_strategy!(DummyWithResize);
