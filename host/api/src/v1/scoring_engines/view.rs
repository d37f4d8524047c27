//! Scoring engines as clients see them.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::link::Link;

/// A scoring engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ScoringEngineView {
    uuid: Uuid,
    name: String,
    description: Option<String>,
    /// Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    metainfo: Option<String>,
    links: [Link; 2],
}

/// A page of scoring engines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ScoringEnginePage {
    pub(crate) scoring_engines: Vec<ScoringEngineView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
