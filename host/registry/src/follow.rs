//! Goals, strategies and scoring engines as rows, in step with the plugins of projects.
//!
//! Unlike with built-in plugins, a row is changed in place: a project that uploads a new version of a strategy must not cancel the audits of
//! the projects that it is shared with. Parameters are checked again when an audit runs, and one that does not fit any more fails then.

use watcher_domain::plugin::{
    Description, GoalDescription, PluginVersion, ScoringEngineSpecifics, Specifics, StrategySpecifics,
};
use watcher_domain::{
    Goal, GoalId, ProjectId, ScoringEngine, ScoringEngineId, Stamps, Strategy, StrategyId, Timestamp,
};
use watcher_store::plugin::{self, Plugin};
use watcher_store::{Owner, Result, Tx, Visibility, audit, audit_template, goal, scoring_engine, strategy};

use crate::Registry;

/// What audits say whose goal is gone.
const NO_GOAL: &str = "the goal was removed";

impl Registry {
    /// Brings the rows of a plugin in step with the version of it that runs. While none may run, its rows stay as they are, and nobody sees
    /// them.
    pub(crate) async fn follow(&self, tx: &mut Tx, plugin: &Plugin, now: Timestamp) -> Result<()> {
        let Some(project) = plugin.project_id.clone() else { return Ok(()) };
        let Some(version) = plugin::effective(tx, plugin.id).await? else { return Ok(()) };
        let owner = Owner { project, plugin: plugin.id };
        match &version.description.specifics {
            Specifics::Strategy(specifics) => self.follow_strategy(tx, &owner, &version, specifics, now).await?,
            Specifics::ScoringEngine(specifics) => {
                self.follow_engine(tx, &owner, &version.description, specifics, now).await?;
            }
            Specifics::Action(_) | Specifics::Planner {} => {}
        }
        prune_goals(tx, &owner.project, now).await
    }

    /// Takes the rows of a plugin out, and what refers to them.
    pub(crate) async fn retire(&self, tx: &mut Tx, plugin: &Plugin, now: Timestamp) -> Result<()> {
        if let Some(row) = strategy::of_plugin(tx, plugin.id).await? {
            audit_template::repoint_strategy(tx, row.id, None, now).await?;
            strategy::soft_delete(tx, row.id, now).await?;
        }
        if let Some(row) = scoring_engine::of_plugin(tx, plugin.id).await? {
            scoring_engine::soft_delete(tx, row.id, now).await?;
        }
        match &plugin.project_id {
            Some(project) => prune_goals(tx, project, now).await,
            None => Ok(()),
        }
    }

    async fn follow_strategy(
        &self,
        tx: &mut Tx,
        owner: &Owner,
        version: &PluginVersion,
        specifics: &StrategySpecifics,
        now: Timestamp,
    ) -> Result<()> {
        let found = strategy::of_plugin(tx, owner.plugin).await?.map(|row| row.value);
        let description = &version.description;
        let goal_id = self.goal_of(tx, owner, &specifics.goal, now).await?;
        let wanted = Strategy {
            id: found.as_ref().map_or_else(|| StrategyId(self.ids.uuid()), |row| row.id),
            name: description.name.clone(),
            display_name: description.display_name.clone(),
            goal_id,
            parameters_spec: specifics.parameters_schema.clone(),
            digest: version.digest,
            stamps: found.as_ref().map_or_else(|| Stamps::new(now), |row| row.stamps),
        };
        match found {
            None => strategy::insert_of(tx, &wanted, Some(owner)).await,
            Some(found) if found == wanted => Ok(()),
            Some(found) => {
                strategy::update(tx, &wanted, now).await?;
                take_along(tx, owner, found.goal_id, goal_id, now).await
            }
        }
    }

    /// The goal that a strategy names: a built-in one as it is, or else one of the project, made or changed as the strategy says. Where
    /// another strategy of the project reaches it too, it stays as it is.
    async fn goal_of(&self, tx: &mut Tx, owner: &Owner, wanted: &GoalDescription, now: Timestamp) -> Result<GoalId> {
        if let Some(built_in) = goal::list_built_in(tx).await?.into_iter().find(|row| row.name == wanted.name) {
            return Ok(built_in.value.id);
        }
        let own = goal::list_of_project(tx, &owner.project).await?.into_iter().find(|row| row.name == wanted.name);
        let described = |id, stamps| Goal {
            id,
            name: wanted.name.clone(),
            display_name: wanted.display_name.clone(),
            efficacy_specification: wanted.efficacy_specification.clone(),
            stamps,
        };
        let Some(own) = own.map(|row| row.value) else {
            let row = described(GoalId(self.ids.uuid()), Stamps::new(now));
            goal::insert_of(tx, &row, Some(&owner.project)).await?;
            return Ok(row.id);
        };
        let changed = described(own.id, own.stamps);
        if changed != own {
            let mine = strategy::of_plugin(tx, owner.plugin).await?.map(|row| row.value.id);
            let users = strategy::list_for_goal(tx, own.id, &Visibility::All).await?;
            if users.iter().all(|row| Some(row.value.id) == mine) {
                goal::update(tx, &changed, now).await?;
            }
        }
        Ok(own.id)
    }

    async fn follow_engine(
        &self,
        tx: &mut Tx,
        owner: &Owner,
        description: &Description,
        specifics: &ScoringEngineSpecifics,
        now: Timestamp,
    ) -> Result<()> {
        let found = scoring_engine::of_plugin(tx, owner.plugin).await?.map(|row| row.value);
        let wanted = ScoringEngine {
            id: found.as_ref().map_or_else(|| ScoringEngineId(self.ids.uuid()), |row| row.id),
            name: description.name.clone(),
            description: description.description.clone(),
            metainfo: specifics.metainfo.clone(),
            stamps: found.as_ref().map_or_else(|| Stamps::new(now), |row| row.stamps),
        };
        match found {
            None => scoring_engine::insert_of(tx, &wanted, Some(owner)).await,
            Some(found) if found == wanted => Ok(()),
            Some(_) => scoring_engine::update(tx, &wanted, now).await.map(drop),
        }
    }
}

/// Lets what aims at a goal of the project aim at another, if the strategy that left it for that one was the last to reach it. Projects that
/// may not use the strategy any more are not told where it went: what they have there ends with the old goal.
async fn take_along(tx: &mut Tx, owner: &Owner, old: GoalId, new: GoalId, now: Timestamp) -> Result<()> {
    let is_own = goal::list_of_project(tx, &owner.project).await?.iter().any(|row| row.id == old);
    if old != new && is_own && strategy::list_for_goal(tx, old, &Visibility::All).await?.is_empty() {
        plugin::repoint_goal(tx, owner.plugin, old, new, now).await?;
    }
    Ok(())
}

/// Takes out the goals of a project that no strategy reaches any more.
async fn prune_goals(tx: &mut Tx, project: &ProjectId, now: Timestamp) -> Result<()> {
    for row in goal::list_of_project(tx, project).await? {
        if strategy::list_for_goal(tx, row.id, &Visibility::All).await?.is_empty() {
            audit::cancel_of_goal(tx, row.id, NO_GOAL, now).await?;
            audit_template::soft_delete_of_goal(tx, row.id, now).await?;
            goal::soft_delete(tx, row.id, now).await?;
        }
    }
    Ok(())
}
