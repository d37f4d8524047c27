//! A scoring engine that misbehaves on purpose: its features say how.

use serde::Deserialize;
use watcher_sdk::{Failure, Host, LogLevel, ScoringEngine, ScoringEngineDescription};

/// The scoring engine.
#[derive(Debug)]
pub struct Hostile;

/// The engine has no configuration.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

impl ScoringEngine for Hostile {
    /// What to do.
    type Features = String;
    type Score = String;
    type Configuration = Configuration;

    fn describe() -> ScoringEngineDescription {
        let description = "Misbehaves as its features say, to show that nothing else suffers.";
        ScoringEngineDescription::new("hostile", "0.1.0", "Hostile scoring engine", description)
    }

    fn calculate_score(host: &dyn Host, features: &String, _: &Configuration) -> Result<String, Failure> {
        match features.as_str() {
            "loop" => loop {
                std::hint::black_box(features);
            },
            "flood-calls" => loop {
                host.now_us();
            },
            "panic" => panic!("no idea"),
            "long" => Ok("x".repeat(1 << 20)),
            "random" => Ok(host.random_number().to_string()),
            "log" => {
                host.log(LogLevel::Info, "a message", &[]);
                Ok(String::new())
            }
            other => Err(Failure::input("unknown-behaviour", format!("there is no behaviour {other}"))),
        }
    }

    fn calculate_scores(
        host: &dyn Host,
        features: &[String],
        configuration: &Configuration,
    ) -> Result<Vec<String>, Failure> {
        if features.iter().any(|features| features == "too-few") {
            return Ok(Vec::new());
        }
        features.iter().map(|features| Self::calculate_score(host, features, configuration)).collect()
    }
}

watcher_sdk::export_scoring_engine!(Hostile);
