//! Rows by what clients call them.

use std::collections::HashMap;
use std::hash::Hash;

use uuid::Uuid;
use watcher_domain::{Action, ActionPlan, Audit, AuditTemplate, Goal, GoalId, ScoringEngine, Strategy, StrategyId};
use watcher_store::{
    Reference, Stored, Tx, Visibility, action, action_plan, audit, audit_template, goal, scoring_engine, strategy,
};

use crate::context::Context;
use crate::error::{ApiError, NotFound};
use crate::v1::names::{Named, Names};

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

macro_rules! find_brought {
    ($($(#[$doc:meta])* $name:ident: $noun:ident::$entity:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name(tx: &mut Tx, context: &Context, text: &str) -> Result<Stored<$entity>, ApiError> {
            let not_found = || NotFound::$entity(text.to_owned());
            let reference = reference(text).ok_or_else(not_found)?;
            let deleted = context.show_deleted;
            let mut found = $noun::find(tx, &reference, deleted, &context.usable()).await?;
            if found.is_none() && context.visibility() == Visibility::All {
                found = $noun::find(tx, &reference, deleted, &Visibility::All).await?;
            }
            found.ok_or_else(|| not_found().into())
        }
    )*};
}

find_brought! {
    /// A goal to look at. What the caller's project may use comes first, for administrators then what only others may.
    goal: goal::Goal;
    /// A strategy to look at, likewise.
    strategy: strategy::Strategy;
    /// A scoring engine to look at, likewise.
    scoring_engine: scoring_engine::ScoringEngine;
}

find_by_any! {
    /// A goal that the caller's project may use.
    usable_goal: goal::Goal, usable;
    /// A strategy that the caller's project may use.
    usable_strategy: strategy::Strategy, usable;
    /// An audit template that the caller sees.
    audit_template: audit_template::AuditTemplate, visibility;
    /// An audit that the caller sees.
    audit: audit::Audit, visibility;
}

find_by_uuid! {
    /// A goal that the caller sees, by its UUID; `text` is what it is told by if it is not there.
    goal_by_uuid: goal::Goal, visibility;
    /// A strategy that the caller sees, likewise.
    strategy_by_uuid: strategy::Strategy, visibility;
    /// A scoring engine that the caller sees, likewise.
    scoring_engine_by_uuid: scoring_engine::ScoringEngine, visibility;
    /// An audit template that the caller sees, likewise.
    audit_template_by_uuid: audit_template::AuditTemplate, visibility;
    /// An audit that the caller sees, likewise.
    audit_by_uuid: audit::Audit, visibility;
    /// An action plan that the caller sees, likewise.
    action_plan_by_uuid: action_plan::ActionPlan, visibility;
    /// An action that the caller sees, likewise.
    action_by_uuid: action::Action, visibility;
}

/// A goal by UUID or name, for bodies and patches: one that may be used; none if there is none.
pub(crate) async fn goal_for(
    tx: &mut Tx,
    context: &Context,
    text: &str,
    usable: &Visibility,
) -> Result<Option<Stored<Goal>>, ApiError> {
    let Some(reference) = uuid_or_name(text) else { return Ok(None) };
    Ok(goal::find(tx, &reference, context.show_deleted, usable).await?)
}

/// A strategy, likewise.
pub(crate) async fn strategy_for(
    tx: &mut Tx,
    context: &Context,
    text: &str,
    usable: &Visibility,
) -> Result<Option<Stored<Strategy>>, ApiError> {
    let Some(reference) = uuid_or_name(text) else { return Ok(None) };
    Ok(strategy::find(tx, &reference, context.show_deleted, usable).await?)
}

/// A goal by UUID or name that a list is filtered by; none if the caller sees none.
pub(crate) async fn goal_filter(tx: &mut Tx, context: &Context, text: &str) -> Result<Option<Stored<Goal>>, ApiError> {
    match goal_for(tx, context, text, &context.usable()).await? {
        None if context.visibility() == Visibility::All => goal_for(tx, context, text, &Visibility::All).await,
        found => Ok(found),
    }
}

/// A strategy, likewise.
pub(crate) async fn strategy_filter(
    tx: &mut Tx,
    context: &Context,
    text: &str,
) -> Result<Option<Stored<Strategy>>, ApiError> {
    match strategy_for(tx, context, text, &context.usable()).await? {
        None if context.visibility() == Visibility::All => strategy_for(tx, context, text, &Visibility::All).await,
        found => Ok(found),
    }
}

/// The names that an answer shows of these goals and strategies.
pub(crate) async fn names(
    tx: &mut Tx,
    context: &Context,
    goals: impl IntoIterator<Item = GoalId>,
    strategies: impl IntoIterator<Item = StrategyId>,
) -> Result<Names, ApiError> {
    let (goals, strategies) = (distinct(goals), distinct(strategies));
    let goals = goal::names(tx, &goals, context.show_deleted).await?;
    let strategies = strategy::names(tx, &strategies, context.show_deleted).await?;
    Ok(Names::new(by_id(goals), by_id(strategies)))
}

fn distinct<I: Ord>(ids: impl IntoIterator<Item = I>) -> Vec<I> {
    let mut ids: Vec<I> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn by_id<I: Copy + Eq + Hash + Into<Uuid>>(rows: Vec<Stored<(I, String)>>) -> HashMap<I, Named> {
    let named = |row: Stored<(I, String)>| {
        let (id, name) = row.value;
        (id, Named { uuid: id.into(), name, serial: row.serial })
    };
    rows.into_iter().map(named).collect()
}
