//! Efficacy: how much a solution achieves.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ActionPlanId, EfficacyIndicatorId};

/// One indicator of a goal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndicatorSpec {
    /// `snake_case`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Unit; none for a bare number.
    pub unit: Option<String>,
    /// JSON Schema of its value.
    pub schema: Value,
    /// Whether every solution must give it.
    #[serde(default = "yes")]
    pub required: bool,
}

const fn yes() -> bool {
    true
}

/// The value of an indicator for one action plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EfficacyIndicator {
    /// UUID.
    pub id: EfficacyIndicatorId,
    /// The plan it belongs to.
    pub action_plan_id: ActionPlanId,
    /// `snake_case`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Unit.
    pub unit: Option<String>,
    /// Its value.
    pub value: f64,
}

/// One number that sums up a solution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GlobalEfficacy {
    /// `snake_case`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Unit, e.g. `%`.
    pub unit: Option<String>,
    /// Its value.
    pub value: f64,
}
