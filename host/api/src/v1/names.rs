//! Names of goals and strategies, which other resources show beside their UUIDs.

use std::collections::HashMap;

use uuid::Uuid;
use watcher_domain::{GoalId, StrategyId};

/// A goal or strategy as others show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) uuid: Uuid,
    pub(crate) name: String,
    /// Its number in the database.
    pub(crate) serial: i64,
}

/// The goals and strategies there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    goals: HashMap<GoalId, Named>,
    strategies: HashMap<StrategyId, Named>,
}

impl Names {
    pub(crate) fn new(goals: HashMap<GoalId, Named>, strategies: HashMap<StrategyId, Named>) -> Self {
        Self { goals, strategies }
    }

    pub(crate) fn goal(&self, id: GoalId) -> Option<&Named> {
        self.goals.get(&id)
    }

    pub(crate) fn strategy(&self, id: Option<StrategyId>) -> Option<&Named> {
        id.and_then(|id| self.strategies.get(&id))
    }
}

/// The four fields by which a row shows its goal and strategy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct GoalAndStrategy {
    pub(crate) goal_uuid: Option<Uuid>,
    pub(crate) goal_name: Option<String>,
    pub(crate) strategy_uuid: Option<Uuid>,
    pub(crate) strategy_name: Option<String>,
}

impl GoalAndStrategy {
    pub(crate) fn new(names: &Names, goal: GoalId, strategy: Option<StrategyId>) -> Self {
        let (goal, strategy) = (names.goal(goal), names.strategy(strategy));
        Self {
            goal_uuid: goal.map(|goal| goal.uuid),
            goal_name: goal.map(|goal| goal.name.clone()),
            strategy_uuid: strategy.map(|strategy| strategy.uuid),
            strategy_name: strategy.map(|strategy| strategy.name.clone()),
        }
    }

    /// The field that a list is sorted by, as a text.
    pub(crate) fn sort_text(&self, by: PageSort) -> Option<String> {
        match by {
            PageSort::GoalUuid => self.goal_uuid.map(|uuid| uuid.to_string()),
            PageSort::GoalName => self.goal_name.clone(),
            PageSort::StrategyUuid => self.strategy_uuid.map(|uuid| uuid.to_string()),
            PageSort::StrategyName => self.strategy_name.clone(),
        }
    }
}

/// Sort keys that the database does not have. Only the page is sorted by them, as the original does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageSort {
    GoalUuid,
    GoalName,
    StrategyUuid,
    StrategyName,
}
