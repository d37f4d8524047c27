//! Scoring engines: models that strategies ask. The code is a plugin; this is the row that the API shows.

use serde::{Deserialize, Serialize};

use crate::id::ScoringEngineId;
use crate::state::Stamps;

/// A scoring engine as operators list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoringEngine {
    /// UUID.
    pub id: ScoringEngineId,
    /// Unique among scoring engines that are not deleted, e.g. `dummy_scorer`: what strategies ask for it by.
    pub name: String,
    /// For people.
    pub description: String,
    /// For programs: what features it takes and what its scores mean. Any text, often JSON.
    pub metainfo: String,
    /// Times.
    pub stamps: Stamps,
}
