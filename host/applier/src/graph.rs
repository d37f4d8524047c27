//! The order in which actions of a plan may start: pure bookkeeping, without time and rows.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use watcher_domain::{Action, ActionId};

/// What happens to the rest of a plan when an action failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExecutionRule {
    /// Nothing more is started: what depends on the failed action might do harm, and what does not was decided together with it.
    #[default]
    Any,
    /// Later actions go on, as in release 17 of the original.
    Always,
}

/// Which actions wait, which may start, which are under way.
#[derive(Debug)]
pub struct Graph {
    /// For every action, how many of its parents have not ended.
    missing: Vec<usize>,
    /// For every action, the actions that wait for it.
    children: Vec<Vec<usize>>,
    /// Actions that were skipped before the plan started: they are not started, but what follows them keeps its place.
    passed: Vec<bool>,
    /// Actions that may start, by position: earlier places of the plan go first.
    ready: BTreeSet<usize>,
    /// How many have not ended.
    open: usize,
}

/// A parent that is not an action of the plan, or a cycle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGraph {
    /// The plan does not have the parent.
    #[error("action {action} waits for {parent}, which is not in the plan")]
    UnknownParent {
        /// The action.
        action: ActionId,
        /// Its parent.
        parent: ActionId,
    },
    /// A parent comes after its child.
    #[error("action {action} waits for {parent}, which comes after it")]
    ParentNotBefore {
        /// The action.
        action: ActionId,
        /// Its parent.
        parent: ActionId,
    },
}

impl Graph {
    /// The graph of a plan's actions, ordered by position. Actions that have ended are not started again.
    pub fn new(actions: &[Action]) -> Result<Self, InvalidGraph> {
        let index: HashMap<ActionId, usize> = actions.iter().enumerate().map(|(i, action)| (action.id, i)).collect();
        let mut graph = Self {
            missing: vec![0; actions.len()],
            children: vec![Vec::new(); actions.len()],
            passed: vec![false; actions.len()],
            ready: BTreeSet::new(),
            open: 0,
        };
        for (i, action) in actions.iter().enumerate() {
            for &parent in &action.parents {
                let &place = index.get(&parent).ok_or(InvalidGraph::UnknownParent { action: action.id, parent })?;
                if place >= i {
                    return Err(InvalidGraph::ParentNotBefore { action: action.id, parent });
                }
                if !actions[place].state.is_ended() || graph.passed[place] {
                    graph.missing[i] += 1;
                    graph.children[place].push(i);
                }
            }
            match (action.state.is_ended(), graph.missing[i]) {
                (true, waits) => graph.passed[i] = waits > 0,
                (false, waits) => {
                    graph.open += 1;
                    if waits == 0 {
                        graph.ready.insert(i);
                    }
                }
            }
        }
        Ok(graph)
    }

    /// Takes the next action that may start.
    pub fn start(&mut self) -> Option<usize> {
        self.ready.pop_first()
    }

    /// Notes that an action has ended, which lets its children start when it was the last they waited for.
    pub fn end(&mut self, action: usize) {
        self.open -= 1;
        let mut ended = vec![action];
        while let Some(action) = ended.pop() {
            for child in std::mem::take(&mut self.children[action]) {
                self.missing[child] -= 1;
                if self.missing[child] > 0 {
                    continue;
                }
                if self.passed[child] {
                    ended.push(child);
                } else {
                    self.ready.insert(child);
                }
            }
        }
    }

    /// Whether every action has ended.
    pub fn is_done(&self) -> bool {
        self.open == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Map;
    use uuid::Uuid;
    use watcher_domain::clock::MockClock;
    use watcher_domain::{ActionPlanId, ActionState, Clock, Digest, Stamps};

    fn actions(parents: &[Vec<usize>]) -> Vec<Action> {
        let id = |n: usize| ActionId(Uuid::from_u64_pair(1, n as u64));
        parents
            .iter()
            .enumerate()
            .map(|(i, parents)| Action {
                id: id(i),
                action_plan_id: ActionPlanId(Uuid::nil()),
                position: u32::try_from(i).unwrap(),
                action_type: "nop".to_owned(),
                input_parameters: Map::new(),
                state: ActionState::Pending,
                parents: parents.iter().map(|&parent| id(parent)).collect(),
                status_message: None,
                digest: Digest([0; 32]),
                stamps: Stamps::new(MockClock::default().now()),
            })
            .collect()
    }

    fn plans() -> impl Strategy<Value = Vec<Vec<usize>>> {
        proptest::collection::vec(proptest::collection::vec(any::<prop::sample::Index>(), 0..4), 0..40).prop_map(
            |rows| {
                let mut plan: Vec<Vec<usize>> = Vec::new();
                for (i, row) in rows.iter().enumerate() {
                    let mut parents: Vec<usize> =
                        if i == 0 { Vec::new() } else { row.iter().map(|index| index.index(i)).collect() };
                    parents.sort_unstable();
                    parents.dedup();
                    plan.push(parents);
                }
                plan
            },
        )
    }

    proptest! {
        #[test]
        fn every_action_starts_once_and_after_its_parents(plan in plans(), order in any::<u64>()) {
            let mut graph = Graph::new(&actions(&plan)).unwrap();
            let (mut running, mut ended, mut order) = (Vec::new(), BTreeSet::new(), order);
            while !graph.is_done() {
                while let Some(next) = graph.start() {
                    prop_assert!(plan[next].iter().all(|parent| ended.contains(parent)));
                    running.push(next);
                }
                prop_assert!(!running.is_empty(), "the walk is stuck");
                order = order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let done = running.swap_remove(usize::try_from(order >> 33).unwrap() % running.len());
                prop_assert!(ended.insert(done), "an action started twice");
                graph.end(done);
            }
            prop_assert_eq!(ended.len(), plan.len());
        }
    }

    #[test]
    fn an_action_that_was_skipped_beforehand_is_not_started_and_keeps_the_order_of_the_others() {
        let mut actions = actions(&[vec![], vec![0], vec![1], vec![1]]);
        actions[1].state = ActionState::Skipped;
        actions[3].state = ActionState::Skipped;
        let mut graph = Graph::new(&actions).unwrap();
        assert_eq!((graph.start(), graph.start()), (Some(0), None));
        graph.end(0);
        assert_eq!((graph.start(), graph.start()), (Some(2), None));
        graph.end(2);
        assert!(graph.is_done());
    }

    #[test]
    fn a_parent_that_comes_later_is_refused() {
        assert!(matches!(Graph::new(&actions(&[vec![1], vec![]])), Err(InvalidGraph::ParentNotBefore { .. })));
    }
}
