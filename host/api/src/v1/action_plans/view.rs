//! Action plans as clients see them.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use watcher_domain::{ActionPlan, EfficacyIndicator, GlobalEfficacy};

use crate::link::{Base, Link};
use crate::microversion::Microversion;
use crate::time;
use crate::v1::names::Names;
use crate::v1::{Detail, Nullable};

/// An action plan.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ActionPlanView {
    /// How much it achieves, in the indicators of its goal.
    efficacy_indicators: Vec<EfficacyView>,
    pub(crate) uuid: Uuid,
    pub(crate) audit_uuid: Uuid,
    pub(crate) strategy_uuid: Option<Uuid>,
    pub(crate) strategy_name: Option<String>,
    /// The same, summed up.
    global_efficacy: Vec<EfficacyView>,
    /// `RECOMMENDED`, `PENDING`, `ONGOING`, `SUCCEEDED`, `FAILED`, `CANCELLING`, `CANCELLED`, `SUPERSEDED` or `DELETED`.
    state: &'static str,
    links: [Link; 2],
    /// Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    hostname: Option<Nullable<String>>,
    /// Only in full records, from version 1.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    status_message: Option<Nullable<String>>,
    /// Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    /// Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    deleted_at: Option<Nullable<String>>,
    updated_at: Option<String>,
}

/// A number that says how much a plan achieves.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct EfficacyView {
    name: String,
    description: String,
    unit: Option<String>,
    value: f64,
}

impl From<&EfficacyIndicator> for EfficacyView {
    fn from(indicator: &EfficacyIndicator) -> Self {
        Self {
            name: indicator.name.clone(),
            description: indicator.description.clone(),
            unit: indicator.unit.clone(),
            value: indicator.value,
        }
    }
}

impl From<&GlobalEfficacy> for EfficacyView {
    fn from(efficacy: &GlobalEfficacy) -> Self {
        Self {
            name: efficacy.name.clone(),
            description: efficacy.description.clone(),
            unit: efficacy.unit.clone(),
            value: efficacy.value,
        }
    }
}

impl ActionPlanView {
    pub(crate) fn new<'a>(
        plan: &ActionPlan,
        indicators: impl Iterator<Item = &'a EfficacyIndicator>,
        names: &Names,
        base: &Base,
        version: Microversion,
        detail: Detail,
    ) -> Self {
        let strategy = names.strategy(Some(plan.strategy_id));
        Self {
            efficacy_indicators: indicators.map(EfficacyView::from).collect(),
            uuid: plan.id.0,
            audit_uuid: plan.audit_id.0,
            strategy_uuid: strategy.map(|strategy| strategy.uuid),
            strategy_name: strategy.map(|strategy| strategy.name.clone()),
            global_efficacy: plan.global_efficacy.iter().map(EfficacyView::from).collect(),
            state: plan.state.as_str(),
            links: base.item("action_plans", plan.id),
            hostname: detail.only_full(|| Nullable(plan.hostname.clone())),
            status_message: detail
                .only_full(|| Nullable(plan.status_message.clone()))
                .filter(|_| version >= Microversion::SKIPPED),
            created_at: detail.only_full(|| time::with_offset(plan.stamps.created_at)),
            deleted_at: detail.only_full(|| Nullable(plan.stamps.deleted_at.map(time::with_offset))),
            updated_at: plan.stamps.updated_at.map(time::with_offset),
        }
    }
}

/// A page of action plans.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ActionPlanPage {
    pub(crate) action_plans: Vec<ActionPlanView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
