//! Actions as clients see them.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;
use watcher_domain::Action;

use crate::link::{Base, Link};
use crate::microversion::Microversion;
use crate::v1::stamps::StampsView;
use crate::v1::{Detail, Nullable};

/// An action.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ActionView {
    pub(crate) uuid: Uuid,
    pub(crate) action_plan_uuid: Uuid,
    /// `PENDING`, `ONGOING`, `SUCCEEDED`, `FAILED`, `CANCELLING`, `CANCELLED`, `SKIPPED` or `DELETED`.
    state: &'static str,
    action_type: String,
    /// What actions of this type do. Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    input_parameters: Option<Map<String, Value>>,
    /// UUIDs of the actions that come before it.
    parents: Vec<Uuid>,
    links: [Link; 2],
    /// Only in full records, from version 1.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    status_message: Option<Nullable<String>>,
    /// Only in full records.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    stamps: Option<StampsView>,
}

impl ActionView {
    pub(crate) fn new(
        action: &Action,
        description: Option<&String>,
        base: &Base,
        version: Microversion,
        detail: Detail,
    ) -> Self {
        Self {
            uuid: action.id.0,
            action_plan_uuid: action.action_plan_id.0,
            state: action.state.as_str(),
            action_type: action.action_type.clone(),
            description: detail.only_full(|| description.cloned().unwrap_or_default()),
            input_parameters: detail.only_full(|| action.input_parameters.clone()),
            parents: action.parents.iter().map(|parent| parent.0).collect(),
            links: base.item("actions", action.id),
            status_message: detail
                .only_full(|| Nullable(action.status_message.clone()))
                .filter(|_| version >= Microversion::SKIPPED),
            stamps: detail.only_full(|| action.stamps.into()),
        }
    }
}

/// A page of actions.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ActionPage {
    pub(crate) actions: Vec<ActionView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
