//! What an audit run saw: enough to decide it again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::id::SnapshotId;
use crate::metric::{Samples, StatisticQuery};
use crate::plugin::Digest;
use watcher_cluster::AuditScope;

/// A question that a strategy asked, and the answer it got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "snake_case")]
pub enum Seen {
    /// A statistic.
    Statistic {
        /// The question.
        query: StatisticQuery,
        /// The answer, or why there was none.
        answer: Result<Samples, crate::Failure>,
    },
    /// Whether metrics are available.
    Available {
        /// Metric names.
        metrics: Vec<String>,
        /// For each whether a datasource has it.
        answer: Vec<bool>,
    },
    /// Which scoring engines there are.
    ScoringEngines {
        /// The list as the strategy got it: a JSON text.
        answer: String,
    },
    /// Scores.
    Scores {
        /// Name of the engine.
        engine: String,
        /// Its component; none if there is no such engine.
        digest: Option<Digest>,
        /// JSON texts.
        features: Vec<String>,
        /// A JSON text for each of the features, or why there are none.
        answer: Result<Vec<String>, crate::Failure>,
    },
}

/// The recording of one run of an audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The strategy's component.
    pub strategy_digest: Digest,
    /// The planner's component.
    pub planner_digest: Option<Digest>,
    /// Parameters, with defaults.
    pub parameters: Map<String, Value>,
    /// Configuration, with defaults.
    pub configuration: Map<String, Value>,
    /// Scope.
    pub scope: AuditScope,
    /// The snapshot it saw.
    pub snapshot_id: SnapshotId,
    /// Seed of its random numbers.
    pub seed: u64,
    /// Time it saw on the clock.
    pub time: Timestamp,
    /// Everything it asked, in order.
    pub seen: Vec<Seen>,
}
