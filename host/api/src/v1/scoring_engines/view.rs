//! Scoring engines as clients see them.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use watcher_domain::ScoringEngine;

use crate::link::{Base, Link};
use crate::v1::Detail;

/// A scoring engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ScoringEngineView {
    uuid: Uuid,
    name: String,
    description: String,
    /// Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    metainfo: Option<String>,
    links: [Link; 2],
}

impl ScoringEngineView {
    pub(crate) fn new(engine: &ScoringEngine, base: &Base, detail: Detail) -> Self {
        Self {
            uuid: engine.id.0,
            name: engine.name.clone(),
            description: engine.description.clone(),
            metainfo: detail.only_full(|| engine.metainfo.clone()),
            links: base.item("scoring_engines", engine.id),
        }
    }
}

/// A page of scoring engines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ScoringEnginePage {
    pub(crate) scoring_engines: Vec<ScoringEngineView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
