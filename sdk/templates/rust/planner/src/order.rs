//! The order of actions: pure logic over names.

use std::collections::HashMap;

use watcher_sdk::PlannedAction;

/// Keeps the order, and lets each action wait for the one before it in its lane. Places are positions in the plan: parents come first.
pub fn by_lane(lanes: &[String]) -> Vec<PlannedAction> {
    let mut last: HashMap<&str, u32> = HashMap::new();
    (0_u32..)
        .zip(lanes)
        .map(|(place, lane)| {
            let before = last.insert(lane, place);
            PlannedAction { action: place, parents: before.into_iter().collect() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_waits_for_the_one_before_it_in_its_lane() {
        let lanes = ["a", "b", "a", "a", "b"].map(str::to_owned);
        let parents: Vec<_> = by_lane(&lanes).into_iter().map(|place| place.parents).collect();
        assert_eq!(parents, [vec![], vec![], vec![0], vec![2], vec![1]]);
    }

    #[test]
    fn every_action_has_one_place() {
        let lanes: Vec<String> = (0..100).map(|number| (number % 7).to_string()).collect();
        let plan = by_lane(&lanes);
        assert!(plan.iter().zip(0..).all(|(place, number)| place.action == number));
        assert!(plan.iter().zip(0..).all(|(place, number)| place.parents.iter().all(|&parent| parent < number)));
    }
}
