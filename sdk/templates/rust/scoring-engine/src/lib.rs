//! The `sample_plugin` scoring engine: a weighted mean of numbers.
//!
//! Here is the wiring; the score is calculated in [`score`].

pub mod score;

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Failure, Host, ScoringEngine, ScoringEngineDescription};

/// The scoring engine.
#[derive(Debug)]
pub struct SamplePlugin;

/// What an operator can set.
#[derive(Debug, Clone, Deserialize)]
pub struct Configuration {
    /// How much each feature counts; a feature without a weight counts 1.
    pub weights: Vec<f64>,
}

impl ScoringEngine for SamplePlugin {
    type Features = Vec<f64>;
    type Score = f64;
    type Configuration = Configuration;

    fn describe() -> ScoringEngineDescription {
        ScoringEngineDescription::new(
            "sample_plugin",
            env!("CARGO_PKG_VERSION"),
            "Sample plugin",
            "A weighted mean of numbers.",
        )
        // For the strategies that ask: what it takes and what it gives.
        .metainfo(&json!({"features": "numbers", "score": "their weighted mean"}).to_string())
        .configuration(json!({
            "type": "object",
            "properties": {
                "weights": {
                    "description": "How much each feature counts; a feature without a weight counts 1.",
                    "type": "array", "items": {"type": "number", "minimum": 0}, "default": [],
                },
            },
            "additionalProperties": false,
        }))
    }

    fn calculate_score(
        _host: &dyn Host,
        features: &Vec<f64>,
        configuration: &Configuration,
    ) -> Result<f64, Failure> {
        score::weighted_mean(features, &configuration.weights)
            .ok_or_else(|| Failure::input("invalid-features", "there are no features, or none of them counts"))
    }
}

watcher_sdk::export_scoring_engine!(SamplePlugin);

#[cfg(test)]
mod tests {
    use super::*;
    use watcher_sdk::StrategyHost as _;
    use watcher_sdk::testing::FakeHost;

    #[test]
    fn a_strategy_gets_a_score_for_each_of_its_features() {
        let host = FakeHost::default().with_scoring_engine::<SamplePlugin>();
        let scores = host.calculate_scores("sample_plugin", &[json!([1, 2]), json!([4])]).unwrap();
        assert_eq!(scores, [json!(1.5), json!(4.0)]);
        assert_eq!(host.calculate_scores("sample_plugin", &[json!([])]).unwrap_err().code, "invalid-features");
    }
}
