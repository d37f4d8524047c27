//! Goals and strategies as rows, in step with the built-in strategies.
//!
//! # Source
//! The synchronisation of OpenStack Watcher 17 at the start of its decision engine: a changed goal or strategy gets a new row, templates and
//! audits go with it, and audits and plans of a changed strategy are cancelled. We differ in one case: a strategy whose code changed,
//! but not its goal or parameters, keeps its row.

use std::collections::{HashMap, HashSet};

use watcher_domain::plugin::{GoalDescription, StrategySpecifics};
use watcher_domain::ports::Inspection;
use watcher_domain::{Goal, GoalId, Stamps, Strategy, StrategyId, Timestamp};
use watcher_store::{Reference, Result, Tx, action_plan, audit, audit_template, goal, strategy};

use crate::Registry;

/// What audits and plans of a strategy say that is not what it was.
const CHANGED: &str = "the strategy was changed or removed";

impl Registry {
    pub(crate) async fn sync(
        &self,
        tx: &mut Tx,
        strategies: &[(&Inspection, &StrategySpecifics)],
        now: Timestamp,
    ) -> Result<()> {
        let mut goals: HashMap<&str, GoalId> = HashMap::new();
        for (_, specifics) in strategies {
            let name = specifics.goal.name.as_str();
            if !goals.contains_key(name) {
                goals.insert(name, self.sync_goal(tx, &specifics.goal, now).await?);
            }
        }
        for (inspection, specifics) in strategies {
            if let Some(&goal_id) = goals.get(specifics.goal.name.as_str()) {
                self.sync_strategy(tx, inspection, specifics, goal_id, now).await?;
            }
        }
        let present: HashSet<&str> =
            strategies.iter().map(|(inspection, _)| inspection.description.name.as_str()).collect();
        for goal_id in goals.into_values() {
            for row in strategy::list_for_goal(tx, goal_id).await? {
                if !present.contains(row.name.as_str()) {
                    retire(tx, row.id, now).await?;
                }
            }
        }
        Ok(())
    }

    async fn sync_goal(&self, tx: &mut Tx, wanted: &GoalDescription, now: Timestamp) -> Result<GoalId> {
        let found = goal::find(tx, &Reference::Name(wanted.name.clone()), false).await?;
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
            audit_template::repoint_goal(tx, found.id, row.id, now).await?;
            audit::repoint_goal(tx, found.id, row.id, now).await?;
        }
        Ok(row.id)
    }

    async fn sync_strategy(
        &self,
        tx: &mut Tx,
        inspection: &Inspection,
        specifics: &StrategySpecifics,
        goal_id: GoalId,
        now: Timestamp,
    ) -> Result<()> {
        let description = &inspection.description;
        let found = strategy::find(tx, &Reference::Name(description.name.clone()), false).await?;
        if let Some(found) = &found
            && found.display_name == description.display_name
            && found.goal_id == goal_id
            && found.parameters_spec == specifics.parameters_schema
        {
            if found.digest != inspection.digest {
                strategy::set_digest(tx, found.id, inspection.digest, now).await?;
            }
            return Ok(());
        }
        let row = Strategy {
            id: StrategyId(self.ids.uuid()),
            name: description.name.clone(),
            display_name: description.display_name.clone(),
            goal_id,
            parameters_spec: specifics.parameters_schema.clone(),
            digest: inspection.digest,
            stamps: Stamps::new(now),
        };
        if let Some(found) = &found {
            strategy::soft_delete(tx, found.id, now).await?;
        }
        strategy::insert(tx, &row).await?;
        if let Some(found) = found {
            audit::cancel_of_strategy(tx, found.id, CHANGED, now).await?;
            action_plan::cancel_of_strategy(tx, found.id, CHANGED, now).await?;
            audit_template::repoint_strategy(tx, found.id, Some(row.id), now).await?;
            audit::repoint_strategy(tx, found.id, row.id, now).await?;
            action_plan::repoint_strategy(tx, found.id, row.id, now).await?;
        }
        Ok(())
    }
}

/// Takes a strategy out that no plugin brings any more.
async fn retire(tx: &mut Tx, id: StrategyId, now: Timestamp) -> Result<()> {
    audit::cancel_of_strategy(tx, id, CHANGED, now).await?;
    action_plan::cancel_of_strategy(tx, id, CHANGED, now).await?;
    audit_template::repoint_strategy(tx, id, None, now).await?;
    strategy::soft_delete(tx, id, now).await?;
    Ok(())
}
