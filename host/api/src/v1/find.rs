//! Rows by what clients call them.

use std::collections::HashMap;

use uuid::Uuid;
use watcher_domain::{Action, ActionPlan, Audit, AuditTemplate, Goal, Strategy};
use watcher_store::{Page, Reference, SortDir, Stored, Tx, action, action_plan, audit, audit_template, goal, strategy};

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
    let show_deleted = context.show_deleted;
    let page = Page { limit: MOST_NAMED, marker: None, sort: goal::Sort::Serial, dir: SortDir::Asc, show_deleted };
    let goals: HashMap<_, _> = goal::list(tx, &page)
        .await?
        .into_iter()
        .map(|row| (row.id, Named { uuid: row.id.0, name: row.name.clone(), serial: row.serial }))
        .collect();
    let page = Page { limit: MOST_NAMED, marker: None, sort: strategy::Sort::Serial, dir: SortDir::Asc, show_deleted };
    let strategies = strategy::list(tx, &strategy::StrategyFilter::default(), &page)
        .await?
        .into_iter()
        .map(|row| (row.id, Named { uuid: row.id.0, name: row.name.clone(), serial: row.serial }))
        .collect();
    Ok(Names::new(goals, strategies))
}
