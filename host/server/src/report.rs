//! The report of one run, as `decide` and `demo` write it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What came of one run. Times are in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the strategy.
    pub strategy: String,
    /// Parameters, with the defaults that were filled in.
    pub parameters: Map<String, Value>,
    /// State the audit ended in.
    pub audit_state: String,
    /// Why, if it did not end well.
    pub error: Option<String>,
    /// State the action plan ended in; none without a plan.
    pub plan_state: Option<String>,
    /// What the plan says about itself.
    pub plan_status_message: Option<String>,
    /// Actions of the plan, in its order.
    pub actions: Vec<ActionReport>,
    /// Indicators with name, description, unit and value.
    pub efficacy_indicators: Vec<Value>,
    /// Sums of the indicators, likewise.
    pub global_efficacy: Vec<Value>,
    /// Host name of every instance that is on a host, by UUID. Of `decide`: as the actions' handlers predict it.
    pub placement_after: BTreeMap<String, String>,
    /// How long each step took.
    pub seconds: BTreeMap<String, f64>,
}

/// One action of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionReport {
    /// Action type.
    pub action_type: String,
    /// Parameters, with `resource_id`.
    pub input_parameters: Map<String, Value>,
    /// Indexes of the actions that had to end before.
    pub parents: Vec<usize>,
    /// State it ended in.
    pub state: String,
    /// Why.
    pub status_message: Option<String>,
}

impl Report {
    /// Writes the report as JSON, whole or not at all.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self).context("the report cannot be written as JSON")?;
        let draft = path.with_extension("part");
        std::fs::write(&draft, text).with_context(|| format!("cannot write {}", draft.display()))?;
        std::fs::rename(&draft, path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// How many actions of each type there are, in order of first appearance.
    pub fn counts(&self) -> Vec<(String, usize)> {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for action in &self.actions {
            match counts.iter_mut().find(|(name, _)| *name == action.action_type) {
                Some((_, count)) => *count += 1,
                None => counts.push((action.action_type.clone(), 1)),
            }
        }
        counts
    }
}
