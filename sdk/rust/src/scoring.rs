//! Scoring engines: what they are, and how strategies see them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Failure, Host};

/// A scoring engine: turns features into scores.
pub trait ScoringEngine {
    /// Parsed from the JSON that a strategy sends; what does not fit is refused as `invalid-features`.
    type Features: DeserializeOwned;
    /// Sent back as JSON.
    type Score: Serialize;
    /// Parsed from the operator's configuration of this engine, with the schema's defaults filled in.
    type Configuration: DeserializeOwned;

    /// What this engine is.
    fn describe() -> ScoringEngineDescription;

    /// One score. The same features and configuration must give the same score.
    fn calculate_score(
        host: &dyn Host,
        features: &Self::Features,
        configuration: &Self::Configuration,
    ) -> Result<Self::Score, Failure>;

    /// One score for each of `features`, in their order. An engine that calculates many at once faster than one after the other says how.
    fn calculate_scores(
        host: &dyn Host,
        features: &[Self::Features],
        configuration: &Self::Configuration,
    ) -> Result<Vec<Self::Score>, Failure> {
        features.iter().map(|features| Self::calculate_score(host, features, configuration)).collect()
    }
}

/// What a scoring engine says about itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoringEngineDescription {
    /// `snake_case`, as strategies ask for it.
    pub name: String,
    /// Semver.
    pub version: String,
    /// For people.
    pub display_name: String,
    /// One paragraph; the API shows it.
    pub description: String,
    /// For programs: what features it takes and what its scores mean. Any text, often JSON; the API shows it.
    pub metainfo: String,
    /// JSON Schema of its configuration, with defaults.
    pub configuration_schema: Value,
}

impl ScoringEngineDescription {
    /// A description without metainfo and configuration.
    pub fn new(name: &str, version: &str, display_name: &str, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            display_name: display_name.to_owned(),
            description: description.to_owned(),
            metainfo: String::new(),
            configuration_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        }
    }

    /// Sets what programs read.
    #[must_use]
    pub fn metainfo(mut self, text: &str) -> Self {
        text.clone_into(&mut self.metainfo);
        self
    }

    /// Sets the schema of the configuration.
    #[must_use]
    pub fn configuration(mut self, schema: Value) -> Self {
        self.configuration_schema = schema;
        self
    }
}

/// A scoring engine that a strategy may ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ScoringEngineEntry {
    /// What it is asked by.
    pub name: String,
    /// For people.
    pub description: String,
    /// For programs.
    pub metainfo: String,
}

/// Reads what a strategy sent; the error says which element does not fit.
pub(crate) fn read_features<E: ScoringEngine>(
    given: impl Iterator<Item = serde_json::Result<E::Features>>,
) -> Result<Vec<E::Features>, Failure> {
    given
        .enumerate()
        .map(|(place, features)| {
            features.map_err(|error| {
                Failure::input(
                    "invalid-features",
                    format!("features {place} do not fit what the engine takes: {error}"),
                )
            })
        })
        .collect()
}

/// The failure of a score that has no JSON form: a map whose keys are not strings.
pub(crate) fn no_json(error: &serde_json::Error) -> Failure {
    Failure::plugin("no-json", format!("a score has no JSON form: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StrategyHost as _;
    use crate::testing::FakeHost;

    struct Sum;

    #[derive(Deserialize)]
    struct Configuration {
        start: f64,
    }

    impl ScoringEngine for Sum {
        type Features = Vec<f64>;
        type Score = f64;
        type Configuration = Configuration;

        fn describe() -> ScoringEngineDescription {
            ScoringEngineDescription::new("sum", "1.0.0", "Sum", "Adds up.")
                .metainfo("numbers")
                .configuration(json!({"type": "object", "properties": {"start": {"type": "number", "default": 1.0}}}))
        }

        fn calculate_score(_: &dyn Host, features: &Vec<f64>, configuration: &Configuration) -> Result<f64, Failure> {
            Ok(features.iter().fold(configuration.start, |sum, one| sum + one))
        }
    }

    #[test]
    fn a_strategy_asks_a_native_engine_as_it_asks_one_in_the_sandbox() {
        let host = FakeHost::default().with_scoring_engine::<Sum>();
        let engines = host.scoring_engines().unwrap();
        assert_eq!((engines[0].name.as_str(), engines[0].metainfo.as_str()), ("sum", "numbers"));
        assert_eq!(host.calculate_scores("sum", &[json!([1, 2]), json!([])]).unwrap(), [json!(4.0), json!(1.0)]);
        let failure = host.calculate_scores("sum", &[json!([1]), json!("one")]).unwrap_err();
        assert_eq!(failure.code, "invalid-features");
        assert!(failure.message.starts_with("features 1 do not fit what the engine takes: "), "{failure}");
        assert_eq!(host.calculate_scores("mean", &[]).unwrap_err().code, "unknown-scoring-engine");
    }
}
