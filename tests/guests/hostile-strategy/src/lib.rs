//! A strategy that misbehaves on purpose: the parameter `behaviour` says how.

mod exports;
mod probe;
mod waste;

use serde::Deserialize;
use serde_json::{Value, json};
use watcher_sdk::{Failure, Goal, LogLevel, Solution, Strategy, StrategyDescription, StrategyHost};

/// The strategy.
#[derive(Debug)]
pub struct Hostile;

/// Parameters of an audit.
#[derive(Debug, Deserialize)]
pub struct Parameters {
    /// What to do.
    pub behaviour: String,
    /// How often, or how much.
    #[serde(default)]
    pub amount: u32,
    /// Name of a scoring engine to ask.
    #[serde(default)]
    pub engine: String,
    /// What to ask it.
    #[serde(default)]
    pub features: Vec<Value>,
}

/// The strategy has no configuration.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

impl Strategy for Hostile {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> StrategyDescription {
        StrategyDescription::new("hostile", "0.1.0", "Hostile strategy", Goal::new("dummy", "Dummy goal"), "weight")
            .description("Misbehaves as its parameter says, to show that nothing else suffers.")
            .parameters(json!({
                "properties": {
                    "behaviour": {"type": "string", "default": "look-around"},
                    "amount": {"type": "integer", "default": 0, "minimum": 0},
                    "engine": {"type": "string", "default": ""},
                    "features": {"type": "array", "default": []},
                },
            }))
    }

    fn execute(host: &dyn StrategyHost, parameters: Parameters, _: Configuration) -> Result<Solution, Failure> {
        let Parameters { behaviour, amount, engine, features } = parameters;
        match behaviour.as_str() {
            "loop" => waste::spin(),
            "allocate" => waste::allocate(),
            "grow-page-by-page" => waste::grow_page_by_page(),
            "allocate-at-once" => waste::allocate_at_once(),
            "panic" => panic!("out of ideas"),
            "unreachable" => waste::unreachable(),
            "read-beyond-memory" => waste::read_beyond_memory(),
            "recurse" => waste::recurse(),
            "recurse-with-large-frames" => waste::recurse_with_large_frames(),
            "flood-log" => {
                for _ in 0..amount {
                    host.log(LogLevel::Info, &"x".repeat(1000), &[]);
                }
                Ok(Solution::default())
            }
            "log-empty-fields" => {
                host.log(LogLevel::Info, "", &vec![("", ""); amount as usize]);
                Ok(Solution::default())
            }
            "name-empty-metrics" => {
                host.available(&vec![""; amount as usize]);
                Ok(Solution::default())
            }
            "flood-actions" => Ok(waste::flood_actions(amount)),
            "log-one-message" => {
                host.log(LogLevel::Info, &"x".repeat(amount as usize), &[]);
                Ok(Solution::default())
            }
            "flood-calls" => loop {
                host.now_us();
            },
            "flood-metrics" => probe::flood_metrics(host),
            "flood-metric-names" => {
                let name = "x".repeat(amount as usize);
                loop {
                    host.available(&[&name, &name]);
                }
            }
            "ask-nonsense" => Ok(probe::ask_nonsense(host)),
            "ask-scoring-engine" => probe::ask_scoring_engine(host, &engine, &features),
            "flood-scoring-engine" => loop {
                host.calculate_scores(&engine, &features)?;
            },
            "look-around" => probe::look_around(host),
            "declare-a-long-failure" => Err(Failure::input("Too/Long", "word ".repeat(amount as usize))),
            other => Err(Failure::input("unknown-behaviour", format!("there is no behaviour {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watcher_sdk::testing::FakeHost;

    #[test]
    fn an_unknown_behaviour_is_a_declared_failure() {
        let parameters: Parameters = serde_json::from_value(json!({"behaviour": "none"})).unwrap();
        let failure = Hostile::execute(&FakeHost::default(), parameters, Configuration {}).unwrap_err();
        assert_eq!(failure.code, "unknown-behaviour");
    }
}
