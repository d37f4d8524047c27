//! The order of actions by weight.

use std::collections::{BTreeMap, HashMap};

use watcher_sdk::{Failure, PlannedAction, SolutionAction};

use crate::Configuration;

/// Puts actions into batches, heaviest type first and in the order of the solution within a weight. Every action of a batch has all
/// actions of the batch before as parents. Linear in the number of actions times the size of a batch.
///
/// A type without a weight comes after all that have one, one action at a time: nobody said what it may run beside.
///
/// # Errors
/// `unknown-action-type` for a type with a weight and without parallelization.
pub fn schedule(actions: &[SolutionAction], configuration: &Configuration) -> Result<Vec<PlannedAction>, Failure> {
    // By weight, those without one first: the walk below begins at the heaviest.
    let mut groups: BTreeMap<Option<i64>, Vec<u32>> = BTreeMap::new();
    for (index, action) in (0_u32..).zip(actions) {
        groups.entry(configuration.weights.get(&action.action_type).copied()).or_default().push(index);
    }
    // Types of the same weight share one group and one batch size.
    let mut type_of: HashMap<i64, &str> = HashMap::new();
    for (action_type, weight) in &configuration.weights {
        type_of.insert(*weight, action_type);
    }
    let mut plan = Vec::with_capacity(actions.len());
    let mut before = 0..0_u32;
    for (weight, group) in groups.iter().rev() {
        let at_once = match weight.and_then(|weight| type_of.get(&weight)) {
            None => 1,
            Some(&action_type) => {
                let at_once = configuration.parallelization.get(action_type).ok_or_else(|| unknown(action_type))?;
                usize::try_from((*at_once).max(1)).unwrap_or(usize::MAX)
            }
        };
        for batch in group.chunks(at_once) {
            let start = before.end;
            plan.extend(batch.iter().map(|&action| PlannedAction { action, parents: before.clone().collect() }));
            before = start..start + u32::try_from(batch.len()).unwrap_or(u32::MAX);
        }
    }
    Ok(plan)
}

fn unknown(action_type: &str) -> Failure {
    Failure::input(
        "unknown-action-type",
        format!(
            "the weight planner has a weight but no parallelization for actions of type {action_type}; add it to the planner's \
             configuration"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use watcher_sdk::Planner;

    fn configuration() -> Configuration {
        let properties = &crate::Weight::describe().configuration_schema["properties"];
        serde_json::from_value(json!({
            "weights": properties["weights"]["default"],
            "parallelization": properties["parallelization"]["default"],
        }))
        .unwrap()
    }

    fn actions(types: &[&str]) -> Vec<SolutionAction> {
        let action = |action_type: &&str| SolutionAction {
            action_type: (*action_type).to_owned(),
            resource_id: String::new(),
            input_parameters: "{}".to_owned(),
        };
        types.iter().map(action).collect()
    }

    fn plan(types: &[&str], configuration: &Configuration) -> Vec<(u32, Vec<u32>)> {
        let plan = schedule(&actions(types), configuration).unwrap();
        plan.into_iter().map(|action| (action.action, action.parents)).collect()
    }

    #[test]
    fn heavier_types_come_first_and_batches_wait_for_the_batch_before() {
        let plan =
            plan(&["migrate", "migrate", "migrate", "nop", "change_nova_service_state", "nop"], &configuration());
        assert_eq!(
            plan,
            [(3, vec![]), (5, vec![0]), (4, vec![1]), (0, vec![2]), (1, vec![2]), (2, vec![3, 4])],
            "nop one at a time, then the service, then migrations two at a time"
        );
    }

    #[test]
    fn no_actions_make_an_empty_plan() {
        assert_eq!(plan(&[], &configuration()), []);
    }

    #[test]
    fn types_without_a_weight_come_last_and_one_at_a_time() {
        let plan = plan(&["defragment", "migrate", "compact", "migrate"], &configuration());
        assert_eq!(plan, [(1, vec![]), (3, vec![]), (0, vec![0, 1]), (2, vec![2])]);
    }

    #[test]
    fn a_type_with_half_a_configuration_is_named() {
        let mut configuration = configuration();
        configuration.weights.insert("defragment".to_owned(), 5);
        let failure = schedule(&actions(&["defragment"]), &configuration).unwrap_err();
        assert_eq!(failure.code, "unknown-action-type");
        assert!(failure.message.contains("defragment"), "{failure}");
    }

    #[test]
    fn a_batch_size_below_one_counts_as_one() {
        let mut configuration = configuration();
        configuration.parallelization.insert("migrate".to_owned(), 0);
        assert_eq!(plan(&["migrate", "migrate"], &configuration), [(0, vec![]), (1, vec![0])]);
    }

    #[test]
    fn types_of_the_same_weight_share_their_batches() {
        let mut configuration = configuration();
        configuration.weights.insert("sleep".to_owned(), 30);
        configuration.parallelization.insert("sleep".to_owned(), 3);
        assert_eq!(
            plan(&["migrate", "sleep", "migrate", "migrate"], &configuration),
            [(0, vec![]), (1, vec![]), (2, vec![]), (3, vec![0, 1, 2])]
        );
    }

    #[test]
    fn every_action_is_planned_once_and_parents_come_first() {
        let types = ["migrate", "nop", "sleep", "resize", "change_nova_service_state"];
        let many: Vec<&str> = (0..50_000).map(|i| types[(i * i + 3) % types.len()]).collect();
        let plan = plan(&many, &configuration());
        let mut seen = vec![false; many.len()];
        for (place, (action, parents)) in plan.iter().enumerate() {
            assert!(!std::mem::replace(&mut seen[*action as usize], true));
            assert!(parents.iter().all(|&parent| (parent as usize) < place) && parents.len() <= 2);
        }
        assert_eq!(plan.len(), many.len());
    }
}
