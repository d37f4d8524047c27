//! Audit templates: a goal, a strategy and a scope under a name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use watcher_cluster::AuditScope;

use crate::id::{AuditTemplateId, GoalId, ProjectId, StrategyId};
use crate::state::Stamps;

/// An audit template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditTemplate {
    /// UUID.
    pub id: AuditTemplateId,
    /// Project that owns it.
    pub project_id: Option<ProjectId>,
    /// Unique among templates that are not deleted.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Goal of the audits made from it.
    pub goal_id: GoalId,
    /// Strategy of the audits made from it; none leaves the choice to the decision engine.
    pub strategy_id: Option<StrategyId>,
    /// Scope of the audits made from it.
    pub scope: AuditScope,
    /// Parameters that an audit made from it starts with.
    pub default_parameters: Map<String, Value>,
    /// Times.
    pub stamps: Stamps,
}
