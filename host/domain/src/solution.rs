//! What a strategy decided, and how a planner ordered it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, Hash as _, Hasher, RandomState};

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
    /// Keeps the first of equal actions; the order of parameters does not matter.
    #[must_use]
    pub fn without_repetitions(mut self) -> Self {
        let mut seen = Seen { hasher: RandomState::new(), resources: HashMap::new(), parameters: HashMap::new() };
        let is_first: Vec<bool> = (0..self.actions.len()).map(|index| seen.is_first(&self.actions, index)).collect();
        let mut is_first = is_first.into_iter();
        self.actions.retain(|_| is_first.next().unwrap_or(true));
        self
    }
}

/// Actions seen so far. Solutions can have tens of thousands of them: type and resource of most occur only once, which is found out
/// cheaply; only where they meet again are parameters hashed, and only where those meet are actions compared.
struct Seen {
    hasher: RandomState,
    /// By type and resource: the only action so far, or none if there are several.
    resources: HashMap<u64, Option<usize>>,
    /// By everything.
    parameters: HashMap<u64, Vec<usize>>,
}

impl Seen {
    fn is_first(&mut self, actions: &[SolutionAction], index: usize) -> bool {
        let action = &actions[index];
        match self.resources.entry(self.hasher.hash_one((&action.action_type, action.resource_id()))) {
            Entry::Vacant(entry) => {
                entry.insert(Some(index));
                return true;
            }
            Entry::Occupied(mut entry) => {
                if let Some(only) = entry.get_mut().take() {
                    let hash = hash_object(&self.hasher, &actions[only].input_parameters);
                    self.parameters.entry(hash).or_default().push(only);
                }
            }
        }
        let equals = self.parameters.entry(hash_object(&self.hasher, &action.input_parameters)).or_default();
        let first = !equals.iter().any(|&earlier| actions[earlier] == *action);
        if first {
            equals.push(index);
        }
        first
    }
}

/// The same for the same entries in any order.
fn hash_object(hasher: &RandomState, object: &Map<String, Value>) -> u64 {
    object.iter().fold(0, |sum: u64, (name, value)| {
        let mut state = hasher.build_hasher();
        name.hash(&mut state);
        hash_value(hasher, value, &mut state);
        sum.wrapping_add(state.finish())
    })
}

fn hash_value(hasher: &RandomState, value: &Value, state: &mut impl Hasher) {
    match value {
        Value::Null => state.write_u8(0),
        Value::Bool(value) => value.hash(state),
        Value::Number(value) => value.hash(state),
        Value::String(value) => value.hash(state),
        Value::Array(values) => values.iter().for_each(|value| hash_value(hasher, value, state)),
        Value::Object(object) => state.write_u64(hash_object(hasher, object)),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn action(action_type: &str, parameters: &str) -> SolutionAction {
        let input_parameters = serde_json::from_str(parameters).unwrap();
        SolutionAction { action_type: action_type.to_owned(), input_parameters }
    }

    #[test]
    fn of_equal_actions_the_first_is_kept_whatever_the_order_of_parameters() {
        let actions = vec![
            action("migrate", r#"{"a": 1, "b": [1, {"c": null, "d": true}]}"#),
            action("nop", r#"{"a": 1}"#),
            action("migrate", r#"{"b": [1, {"d": true, "c": null}], "a": 1}"#),
            action("migrate", r#"{"a": 1, "b": [{"c": null, "d": true}, 1]}"#),
            action("nop", r#"{"a": 1}"#),
            action("nop", r#"{"a": "1"}"#),
        ];
        let kept = Solution { actions, efficacy_indicators: Vec::new() }.without_repetitions().actions;
        let kept: Vec<_> = kept.iter().map(|action| json!([action.action_type, action.input_parameters])).collect();
        let expected = [
            json!(["migrate", {"a": 1, "b": [1, {"c": null, "d": true}]}]),
            json!(["nop", {"a": 1}]),
            json!(["migrate", {"a": 1, "b": [{"c": null, "d": true}, 1]}]),
            json!(["nop", {"a": "1"}]),
        ];
        assert_eq!(kept, expected);
    }
}
