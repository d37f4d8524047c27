//! Goals as clients see them.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use watcher_domain::{Goal, IndicatorSpec};

use crate::link::{Base, Link};
use crate::text;
use crate::v1::Detail;
use crate::v1::stamps::StampsView;

/// A goal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct GoalView {
    uuid: Uuid,
    /// What strategies and audits name it by.
    name: String,
    display_name: String,
    /// How its achievement is measured.
    efficacy_specification: Vec<IndicatorSpecView>,
    links: [Link; 2],
    /// Only in full records.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    stamps: Option<StampsView>,
}

/// One indicator of a goal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct IndicatorSpecView {
    name: String,
    description: String,
    unit: Option<String>,
    /// JSON Schema of its value, as a text.
    schema: String,
}

impl GoalView {
    pub(crate) fn new(goal: &Goal, base: &Base, detail: Detail) -> Self {
        Self {
            uuid: goal.id.0,
            name: goal.name.clone(),
            display_name: goal.display_name.clone(),
            efficacy_specification: goal.efficacy_specification.iter().map(IndicatorSpecView::from).collect(),
            links: base.item("goals", goal.id),
            stamps: detail.only_full(|| goal.stamps.into()),
        }
    }
}

impl From<&IndicatorSpec> for IndicatorSpecView {
    fn from(spec: &IndicatorSpec) -> Self {
        Self {
            name: spec.name.clone(),
            description: spec.description.clone(),
            unit: spec.unit.clone(),
            schema: text::json(&spec.schema),
        }
    }
}

/// A page of goals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct GoalPage {
    pub(crate) goals: Vec<GoalView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
