//! What a strategy decided, and how a planner ordered it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Something to be done to one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SolutionAction {
    /// Action type.
    pub action_type: String,
    /// Parameters, with `resource_id` if the action has a resource.
    pub input_parameters: Map<String, Value>,
}

impl SolutionAction {
    /// UUID of the resource, empty for an action without one.
    pub fn resource_id(&self) -> &str {
        self.input_parameters.get("resource_id").and_then(Value::as_str).unwrap_or_default()
    }
}

/// What a strategy decided.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Solution {
    /// Actions in the order of decision, without repetitions.
    pub actions: Vec<SolutionAction>,
    /// Indicator values by name, in the order given.
    pub efficacy_indicators: Vec<(String, f64)>,
}

impl Solution {
    /// Keeps the first of equal actions.
    #[must_use]
    pub fn without_repetitions(mut self) -> Self {
        let mut seen = HashSet::with_capacity(self.actions.len());
        self.actions.retain(|action| {
            let mut sorted: Vec<_> = action.input_parameters.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            let mut key = action.action_type.clone();
            for (name, value) in sorted {
                key.push('\0');
                key.push_str(name);
                key.push('\0');
                key.push_str(&value.to_string());
            }
            seen.insert(key)
        });
        self
    }
}

/// An action at its place in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAction {
    /// Index of the action in the solution.
    pub action: u32,
    /// Places in the plan that must have ended before; each smaller than this action's own.
    pub parents: Vec<u32>,
}

/// A plan that is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlan {
    /// An index that the solution does not have.
    #[error("place {place} of the plan names action {action} of a solution of {actions}")]
    UnknownAction {
        /// Place in the plan.
        place: usize,
        /// The index.
        action: u32,
        /// How many actions there are.
        actions: usize,
    },
    /// An action that is planned twice.
    #[error("action {action} of the solution is planned twice")]
    PlannedTwice {
        /// Index in the solution.
        action: u32,
    },
    /// Actions that are not planned.
    #[error("the plan has {planned} of {actions} actions of the solution")]
    Incomplete {
        /// How many are planned.
        planned: usize,
        /// How many there are.
        actions: usize,
    },
    /// A parent that does not come before.
    #[error("place {place} of the plan has parent {parent}, which does not come before it")]
    ParentNotBefore {
        /// Place in the plan.
        place: usize,
        /// The parent.
        parent: u32,
    },
}

/// Checks that a plan has every one of `actions` actions exactly once, and parents first.
pub fn check_plan(actions: usize, plan: &[PlannedAction]) -> Result<(), InvalidPlan> {
    let mut seen = vec![false; actions];
    for (place, planned) in plan.iter().enumerate() {
        match seen.get_mut(planned.action as usize) {
            None => return Err(InvalidPlan::UnknownAction { place, action: planned.action, actions }),
            Some(true) => return Err(InvalidPlan::PlannedTwice { action: planned.action }),
            Some(seen) => *seen = true,
        }
        if let Some(&parent) = planned.parents.iter().find(|&&parent| parent as usize >= place) {
            return Err(InvalidPlan::ParentNotBefore { place, parent });
        }
    }
    if plan.len() < actions {
        return Err(InvalidPlan::Incomplete { planned: plan.len(), actions });
    }
    Ok(())
}
