//! Goals, strategies and scoring engines as rows, in step with the built-in plugins.
//!
//! # Source
//! The synchronisation of OpenStack Watcher 17 at the start of its decision engine: a changed goal or strategy gets a new row, templates and
//! audits go with it, and audits and plans of a changed strategy are cancelled; what no plugin brings any more is deleted. We differ in
//! three cases. A strategy whose code changed, but not its goal or parameters, keeps its row. Only audits that wait or run are
//! cancelled, and only plans that nobody began to apply: what has ended stays as it ended, and a running plan keeps the
//! components that it was made with. Templates of a deleted goal are deleted with it, because nobody could use them.

use std::collections::HashMap;

use watcher_domain::plugin::{Description, GoalDescription, ScoringEngineSpecifics, Specifics, StrategySpecifics};
use watcher_domain::{Digest, Goal, GoalId, ScoringEngine, ScoringEngineId, Stamps, Strategy, StrategyId, Timestamp};
use watcher_store::{
    Result, Stored, Tx, Visibility, action, action_plan, audit, audit_template, goal, scoring_engine, strategy,
};

use crate::Registry;

/// What audits and plans say whose strategy is not what it was.
const CHANGED: &str = "the strategy was changed or removed";
/// What audits say whose goal is gone.
const NO_GOAL: &str = "the goal was removed";

/// The strategies that there are, with their goals, and the scoring engines.
#[derive(Default)]
pub(crate) struct Present<'a> {
    strategies: Vec<(Digest, &'a Description, &'a StrategySpecifics)>,
    scoring_engines: Vec<(&'a Description, &'a ScoringEngineSpecifics)>,
}

impl<'a> Present<'a> {
    /// Adds a plugin; of several strategies, or scoring engines, of one name the last one counts.
    pub(crate) fn add(&mut self, digest: Digest, description: &'a Description) {
        match &description.specifics {
            Specifics::Strategy(specifics) => {
                self.strategies.retain(|(_, other, _)| other.name != description.name);
                self.strategies.push((digest, description, specifics));
            }
            Specifics::ScoringEngine(specifics) => {
                self.scoring_engines.retain(|(other, _)| other.name != description.name);
                self.scoring_engines.push((description, specifics));
            }
            Specifics::Action(_) | Specifics::Planner {} => {}
        }
    }

    fn has_scoring_engine(&self, name: &str) -> bool {
        self.scoring_engines.iter().any(|(description, _)| description.name == name)
    }

    fn has_strategy(&self, name: &str) -> bool {
        self.strategies.iter().any(|(_, description, _)| description.name == name)
    }

    fn has_goal(&self, name: &str) -> bool {
        self.strategies.iter().any(|(_, _, specifics)| specifics.goal.name == name)
    }
}

impl Registry {
    pub(crate) async fn sync(&self, tx: &mut Tx, present: &Present<'_>, now: Timestamp) -> Result<()> {
        let mut goals: HashMap<&str, GoalId> = HashMap::new();
        let named = present.strategies.iter().map(|(_, _, specifics)| &specifics.goal);
        for goal in self.goals.iter().chain(named) {
            let name = goal.name.as_str();
            if !goals.contains_key(name) {
                goals.insert(name, self.sync_goal(tx, goal, now).await?);
            }
        }
        for (digest, description, specifics) in &present.strategies {
            if let Some(&goal_id) = goals.get(specifics.goal.name.as_str()) {
                let wanted = Strategy {
                    id: StrategyId(self.ids.uuid()),
                    name: description.name.clone(),
                    display_name: description.display_name.clone(),
                    goal_id,
                    parameters_spec: specifics.parameters_schema.clone(),
                    digest: *digest,
                    stamps: Stamps::new(now),
                };
                sync_strategy(tx, &wanted, now).await?;
            }
        }
        self.sync_scoring_engines(tx, present, now).await
    }

    async fn sync_scoring_engines(&self, tx: &mut Tx, present: &Present<'_>, now: Timestamp) -> Result<()> {
        let rows = scoring_engine::list_built_in(tx).await?;
        for (description, specifics) in &present.scoring_engines {
            let found = rows.iter().find(|row| row.name == description.name);
            if let Some(found) = found {
                if found.description == description.description && found.metainfo == specifics.metainfo {
                    continue;
                }
                tracing::info!(scoring_engine.name = found.name, "scoring engine {} has changed", found.name);
                scoring_engine::soft_delete(tx, found.id, now).await?;
            }
            let row = ScoringEngine {
                id: ScoringEngineId(self.ids.uuid()),
                name: description.name.clone(),
                description: description.description.clone(),
                metainfo: specifics.metainfo.clone(),
                stamps: Stamps::new(now),
            };
            scoring_engine::insert(tx, &row).await?;
        }
        Ok(())
    }

    /// Takes out the strategies, goals and scoring engines that no plugin brings any more.
    pub(crate) async fn retire_others(&self, tx: &mut Tx, present: &Present<'_>, now: Timestamp) -> Result<()> {
        for row in strategy::list_built_in(tx).await? {
            if !present.has_strategy(&row.name) {
                retire_strategy(tx, &row, now).await?;
            }
        }
        for row in goal::list_built_in(tx).await? {
            let is_named = present.has_goal(&row.name) || self.goals.iter().any(|goal| goal.name == row.name);
            // Plugins of projects may reach it still.
            if !is_named && strategy::list_for_goal(tx, row.id, &Visibility::All).await?.is_empty() {
                audit::cancel_of_goal(tx, row.id, NO_GOAL, now).await?;
                audit_template::soft_delete_of_goal(tx, row.id, now).await?;
                goal::soft_delete(tx, row.id, now).await?;
            }
        }
        for row in scoring_engine::list_built_in(tx).await? {
            if !present.has_scoring_engine(&row.name) {
                tracing::info!(scoring_engine.name = row.name, "scoring engine {} is gone", row.name);
                scoring_engine::soft_delete(tx, row.id, now).await?;
            }
        }
        Ok(())
    }

    async fn sync_goal(&self, tx: &mut Tx, wanted: &GoalDescription, now: Timestamp) -> Result<GoalId> {
        let found = goal::list_built_in(tx).await?.into_iter().find(|row| row.name == wanted.name);
        if let Some(found) = &found
            && found.display_name == wanted.display_name
            && found.efficacy_specification == wanted.efficacy_specification
        {
            return Ok(found.id);
        }
        let row = Goal {
            id: GoalId(self.ids.uuid()),
            name: wanted.name.clone(),
            display_name: wanted.display_name.clone(),
            efficacy_specification: wanted.efficacy_specification.clone(),
            stamps: Stamps::new(now),
        };
        if let Some(found) = &found {
            goal::soft_delete(tx, found.id, now).await?;
        }
        goal::insert(tx, &row).await?;
        if let Some(found) = found {
            tracing::info!(goal.name = row.name, "goal {} has changed", row.name);
            audit_template::repoint_goal(tx, found.id, row.id, now).await?;
            audit::repoint_goal(tx, found.id, row.id, now).await?;
            strategy::repoint_goal(tx, found.id, row.id, now).await?;
        }
        Ok(row.id)
    }
}

async fn sync_strategy(tx: &mut Tx, wanted: &Strategy, now: Timestamp) -> Result<()> {
    let found = strategy::list_built_in(tx).await?.into_iter().find(|row| row.name == wanted.name);
    let Some(found) = found else { return strategy::insert(tx, wanted).await };
    if found.display_name == wanted.display_name
        && found.goal_id == wanted.goal_id
        && found.parameters_spec == wanted.parameters_spec
    {
        if found.digest != wanted.digest {
            strategy::set_digest(tx, found.id, wanted.digest, now).await?;
        }
        return Ok(());
    }
    tracing::info!(strategy.name = wanted.name, "strategy {} has changed", wanted.name);
    strategy::soft_delete(tx, found.id, now).await?;
    strategy::insert(tx, wanted).await?;
    cancel(tx, found.id, now).await?;
    audit_template::repoint_strategy(tx, found.id, Some(wanted.id), now).await?;
    audit::repoint_strategy(tx, found.id, wanted.id, now).await?;
    action_plan::repoint_strategy(tx, found.id, wanted.id, now).await?;
    Ok(())
}

async fn retire_strategy(tx: &mut Tx, row: &Stored<Strategy>, now: Timestamp) -> Result<()> {
    tracing::info!(strategy.name = row.name, "strategy {} is gone", row.name);
    cancel(tx, row.id, now).await?;
    audit_template::repoint_strategy(tx, row.id, None, now).await?;
    strategy::soft_delete(tx, row.id, now).await?;
    Ok(())
}

async fn cancel(tx: &mut Tx, strategy: StrategyId, now: Timestamp) -> Result<()> {
    audit::cancel_of_strategy(tx, strategy, CHANGED, now).await?;
    for plan in action_plan::cancel_of_strategy(tx, strategy, CHANGED, now).await? {
        action::cancel_pending_of_plan(tx, plan, now).await?;
    }
    Ok(())
}
