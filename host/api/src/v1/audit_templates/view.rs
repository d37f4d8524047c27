//! Audit templates as clients see them.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;
use watcher_domain::AuditTemplate;

use crate::link::{Base, Link};
use crate::microversion::Microversion;
use crate::v1::names::{GoalAndStrategy, Names};
use crate::v1::stamps::StampsView;
use crate::v1::{Detail, Nullable};

/// An audit template.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct AuditTemplateView {
    pub(crate) uuid: Uuid,
    name: String,
    /// Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    description: Option<Nullable<String>>,
    #[serde(flatten)]
    pub(crate) related: GoalAndStrategy,
    links: [Link; 2],
    /// One object per model, e.g. `[{"compute": [rule, …]}]`.
    #[schema(value_type = Vec<Object>)]
    scope: Vec<Value>,
    /// Only in full records, from version 1.7.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    default_parameters: Option<Map<String, Value>>,
    /// Only in full records.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    stamps: Option<StampsView>,
}

impl AuditTemplateView {
    pub(crate) fn new(
        template: &AuditTemplate,
        names: &Names,
        base: &Base,
        version: Microversion,
        detail: Detail,
    ) -> Self {
        Self {
            uuid: template.id.0,
            name: template.name.clone(),
            description: detail.only_full(|| Nullable(template.description.clone())),
            related: GoalAndStrategy::new(names, template.goal_id, template.strategy_id),
            links: base.item("audit_templates", template.id),
            scope: template.scope.0.clone(),
            default_parameters: detail
                .only_full(|| template.default_parameters.clone())
                .filter(|_| version >= Microversion::DEFAULT_PARAMETERS),
            stamps: detail.only_full(|| template.stamps.into()),
        }
    }
}

/// A page of audit templates.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct AuditTemplatePage {
    pub(crate) audit_templates: Vec<AuditTemplateView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
