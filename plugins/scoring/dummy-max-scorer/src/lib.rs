//! The `dummy_max_scorer` scoring engine: the greatest of some numbers.

use serde::Deserialize;
use serde_json::Number;
use watcher_sdk::{Failure, Host, ScoringEngine, ScoringEngineDescription};

/// The scoring engine.
#[derive(Debug)]
pub struct DummyMaxScorer;

/// The engine has no configuration.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

fn value(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

impl ScoringEngine for DummyMaxScorer {
    /// At least one number.
    type Features = Vec<Number>;
    /// One number, in a list.
    type Score = [Number; 1];
    type Configuration = Configuration;

    fn describe() -> ScoringEngineDescription {
        ScoringEngineDescription::new(
            "dummy_max_scorer",
            "0.1.0",
            "Dummy maximum scorer",
            "Dummy Scorer calculating the maximum value",
        )
    }

    fn calculate_score(_: &dyn Host, features: &Vec<Number>, _: &Configuration) -> Result<[Number; 1], Failure> {
        // Of equal numbers the first.
        let greatest = features.iter().rev().max_by(|one, other| value(one).total_cmp(&value(other)));
        greatest
            .cloned()
            .map(|greatest| [greatest])
            .ok_or_else(|| Failure::input("invalid-features", "At least one feature is required"))
    }
}

watcher_sdk::export_scoring_engine!(DummyMaxScorer);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use watcher_sdk::StrategyHost as _;
    use watcher_sdk::testing::FakeHost;

    #[test]
    fn a_number_comes_back_as_it_was_written() {
        let host = FakeHost::default().with_scoring_engine::<DummyMaxScorer>();
        let features = [json!([10.5, 2, 7]), json!([3, -0.5])];
        assert_eq!(host.calculate_scores("dummy_max_scorer", &features).unwrap(), [json!([10.5]), json!([3])]);
    }

    #[test]
    fn no_numbers_and_no_list_are_refused() {
        let host = FakeHost::default().with_scoring_engine::<DummyMaxScorer>();
        for features in [json!([]), json!(1), json!(["a"])] {
            let failure = host.calculate_scores("dummy_max_scorer", &[features]).unwrap_err();
            assert_eq!(failure.code, "invalid-features");
        }
    }
}
