//! Rows by what clients call them.

use std::collections::HashMap;
use std::hash::Hash;

use uuid::Uuid;
use watcher_domain::{Action, ActionPlan, Audit, AuditTemplate, Goal, GoalId, ScoringEngine, Strategy};
use watcher_store::{
    Reference, Stored, Tx, action, action_plan, audit, audit_template, goal, scoring_engine, strategy,
};

use crate::context::Context;
use crate::error::{ApiError, NotFound};
use crate::v1::names::{Named, Names};

/// Goals, and strategies, that one answer can name.
const MOST_NAMED: u32 = 10_000;

/// What a text refers to; nothing if no row can have such a name.
pub(crate) fn reference(text: &str) -> Option<Reference> {
    if text.contains('\0') { None } else { text.parse().ok() }
}

/// What a text refers to where numbers are no references: filters and patches take UUIDs and names only.
fn uuid_or_name(text: &str) -> Option<Reference> {
    match reference(text)? {
        Reference::Serial(_) => Some(Reference::Name(text.to_owned())),
        other @ (Reference::Uuid(_) | Reference::Name(_)) => Some(other),
    }
}

macro_rules! find_by_any {
    ($($(#[$doc:meta])* $name:ident: $noun:ident::$entity:ident $(, $visible:ident)?;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name(tx: &mut Tx, context: &Context, text: &str) -> Result<Stored<$entity>, ApiError> {
            let found = match reference(text) {
                Some(reference) => {
                    $noun::find(tx, &reference, context.show_deleted $(, &context.$visible())?).await?
                }
                None => None,
            };
            found.ok_or_else(|| NotFound::$entity(text.to_owned()).into())
        }
    )*};
}

macro_rules! find_by_uuid {
    ($($(#[$doc:meta])* $name:ident: $noun:ident::$entity:ident $(, $visible:ident)?;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name(
            tx: &mut Tx,
            context: &Context,
            uuid: Option<Uuid>,
            text: &str,
        ) -> Result<Stored<$entity>, ApiError> {
            let found = match uuid {
                Some(uuid) => {
                    $noun::find(tx, &Reference::Uuid(uuid), context.show_deleted $(, &context.$visible())?).await?
                }
                None => None,
            };
            found.ok_or_else(|| NotFound::$entity(text.to_owned()).into())
        }
    )*};
}

find_by_any! {
    /// A goal.
    goal: goal::Goal;
    /// A strategy.
    strategy: strategy::Strategy;
    /// A scoring engine.
    scoring_engine: scoring_engine::ScoringEngine;
    /// An audit template that the caller sees.
    audit_template: audit_template::AuditTemplate, visibility;
    /// An audit that the caller sees.
    audit: audit::Audit, visibility;
}

find_by_uuid! {
    /// A goal by its UUID; `text` is what it is told by if it is not there.
    goal_by_uuid: goal::Goal;
    /// A strategy, likewise.
    strategy_by_uuid: strategy::Strategy;
    /// A scoring engine, likewise.
    scoring_engine_by_uuid: scoring_engine::ScoringEngine;
    /// An audit template that the caller sees, likewise.
    audit_template_by_uuid: audit_template::AuditTemplate, visibility;
    /// An audit that the caller sees, likewise.
    audit_by_uuid: audit::Audit, visibility;
    /// An action plan that the caller sees, likewise.
    action_plan_by_uuid: action_plan::ActionPlan, visibility;
    /// An action that the caller sees, likewise.
    action_by_uuid: action::Action, visibility;
}

/// A goal by UUID or name, for filters and bodies; none if there is none.
pub(crate) async fn goal_for(tx: &mut Tx, context: &Context, text: &str) -> Result<Option<Stored<Goal>>, ApiError> {
    let Some(reference) = uuid_or_name(text) else { return Ok(None) };
    Ok(goal::find(tx, &reference, context.show_deleted).await?)
}

/// A strategy by UUID or name, for filters and bodies; none if there is none.
pub(crate) async fn strategy_for(
    tx: &mut Tx,
    context: &Context,
    text: &str,
) -> Result<Option<Stored<Strategy>>, ApiError> {
    let Some(reference) = uuid_or_name(text) else { return Ok(None) };
    Ok(strategy::find(tx, &reference, context.show_deleted).await?)
}

/// The names that an answer shows.
pub(crate) async fn names(tx: &mut Tx, context: &Context) -> Result<Names, ApiError> {
    let goals = goal::names(tx, None, context.show_deleted, MOST_NAMED).await?;
    let strategies = strategy::names(tx, context.show_deleted, MOST_NAMED).await?;
    Ok(Names::new(by_id(goals), by_id(strategies)))
}

/// The names of goals that an answer shows.
pub(crate) async fn goal_names(
    tx: &mut Tx,
    context: &Context,
    goals: impl Iterator<Item = GoalId>,
) -> Result<Names, ApiError> {
    let mut goals: Vec<GoalId> = goals.collect();
    goals.sort_unstable();
    goals.dedup();
    let goals = goal::names(tx, Some(&goals), context.show_deleted, MOST_NAMED).await?;
    Ok(Names::new(by_id(goals), HashMap::new()))
}

fn by_id<I: Copy + Eq + Hash + Into<Uuid>>(rows: Vec<Stored<(I, String)>>) -> HashMap<I, Named> {
    let named = |row: Stored<(I, String)>| {
        let (id, name) = row.value;
        (id, Named { uuid: id.into(), name, serial: row.serial })
    };
    rows.into_iter().map(named).collect()
}
