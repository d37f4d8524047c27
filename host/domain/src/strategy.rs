//! Strategies: how a goal is reached. The code is a plugin; this is the row that the API shows.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{GoalId, StrategyId};
use crate::plugin::Digest;
use crate::state::Stamps;

/// A strategy as operators list it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Strategy {
    /// UUID.
    pub id: StrategyId,
    /// Unique among strategies that are not deleted, e.g. `basic`.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// The goal it reaches.
    pub goal_id: GoalId,
    /// JSON Schema of audit parameters, with defaults.
    pub parameters_spec: Value,
    /// The component version that runs when an audit names this strategy.
    pub digest: Digest,
    /// Times.
    pub stamps: Stamps,
}
