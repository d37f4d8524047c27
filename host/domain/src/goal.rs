//! Goals: what an audit works towards.

use serde::{Deserialize, Serialize};

use crate::efficacy::IndicatorSpec;
use crate::id::GoalId;
use crate::state::Stamps;

/// A goal. Goals come with the strategies that name them; several strategies share one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// UUID.
    pub id: GoalId,
    /// Unique among goals that are not deleted, e.g. `server_consolidation`.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// How its achievement is measured.
    pub efficacy_specification: Vec<IndicatorSpec>,
    /// Times.
    pub stamps: Stamps,
}
