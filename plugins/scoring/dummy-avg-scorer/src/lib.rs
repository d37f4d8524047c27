//! The `dummy_avg_scorer` scoring engine: the mean of some numbers.

use serde::Deserialize;
use serde_json::Number;
use watcher_sdk::{Failure, Host, ScoringEngine, ScoringEngineDescription};

/// The scoring engine.
#[derive(Debug)]
pub struct DummyAvgScorer;

/// The engine has no configuration.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

impl ScoringEngine for DummyAvgScorer {
    /// At least one number.
    type Features = Vec<Number>;
    /// One number, in a list.
    type Score = [Number; 1];
    type Configuration = Configuration;

    fn describe() -> ScoringEngineDescription {
        ScoringEngineDescription::new(
            "dummy_avg_scorer",
            "0.1.0",
            "Dummy average scorer",
            "Dummy Scorer calculating the average value",
        )
    }

    fn calculate_score(_: &dyn Host, features: &Vec<Number>, _: &Configuration) -> Result<[Number; 1], Failure> {
        let sum: f64 = features.iter().filter_map(Number::as_f64).sum();
        #[expect(clippy::cast_precision_loss, reason = "lists are far shorter than 2^52")]
        let mean = Number::from_f64(sum / features.len() as f64);
        match (mean, features.is_empty()) {
            (_, true) => Err(Failure::input("invalid-features", "At least one feature is required")),
            (None, false) => Err(Failure::input("invalid-features", "The sum of the features is not a finite number")),
            (Some(mean), false) => Ok([mean]),
        }
    }
}

watcher_sdk::export_scoring_engine!(DummyAvgScorer);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use watcher_sdk::StrategyHost as _;
    use watcher_sdk::testing::FakeHost;

    fn score(features: serde_json::Value) -> Result<String, Failure> {
        let host = FakeHost::default().with_scoring_engine::<DummyAvgScorer>();
        host.calculate_scores("dummy_avg_scorer", &[features]).map(|scores| scores[0].to_string())
    }

    #[test]
    fn a_mean_is_a_real_number_even_if_it_is_whole() {
        assert_eq!(score(json!([1, 3])).unwrap(), "[2.0]");
        assert_eq!(score(json!([1, 2])).unwrap(), "[1.5]");
    }

    #[test]
    fn no_numbers_and_a_sum_beyond_all_numbers_are_refused() {
        assert_eq!(score(json!([])).unwrap_err().message, "At least one feature is required");
        assert!(score(json!([1e308, 1e308])).unwrap_err().message.contains("not a finite number"));
    }
}
