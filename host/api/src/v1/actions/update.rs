//! `PATCH /v1/actions/{action}`: lets an action be skipped.

use axum::Json;
use serde_json::{Map, Value, json};
use watcher_bus::Event;
use watcher_domain::{Action, ActionPlanState, ActionState};
use watcher_store::{action, action_plan};

use crate::arguments::Arguments;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Conflict, Invalid};
use crate::microversion::Microversion;
use crate::openapi::{Headers, PatchOperation, ReadProblems, WriteProblems};
use crate::patch::{self, Limits, Operation};
use crate::patched::Patched;
use crate::policy::Rule;
use crate::target;
use crate::text;
use crate::v1::actions::view::ActionView;
use crate::v1::actions::{UUID, full_record};
use crate::v1::{Ident, find};

const LIMITS: Limits = Limits {
    internal: patch::INTERNAL,
    allowed: Some(&["state", "status_message"]),
    removal: false,
    refuse: refuse_unknown_state,
};
/// The message of a skipped action, before its reason.
const SKIPPED: &str = "Action skipped by user.";

fn refuse_unknown_state(operation: &Operation) -> Option<String> {
    let state = operation.value.as_ref().filter(|_| operation.path == "/state")?;
    // No state is refused as a move, not as a name.
    let names_one = |state: &str| state.is_empty() || state.parse::<ActionState>().is_ok();
    let known = state.is_null() || state.as_str().is_some_and(names_one);
    (!known).then(|| format!("Invalid state: {}", text::plain(state)))
}

/// Skips an action of a plan that has not started: `/state` becomes `SKIPPED`, and `/status_message` says why. From version 1.5.
#[utoipa::path(
    patch, path = "/v1/actions/{action}", operation_id = "update_action", tag = "actions",
    params(("action" = String, Path, description = "UUID"), Headers),
    request_body = Vec<PatchOperation>,
    responses((status = 200, description = "The action", body = ActionView), ReadProblems, WriteProblems)
)]
pub(crate) async fn update(
    context: Context,
    ident: Ident,
    arguments: Arguments,
    body: Body,
) -> Result<Json<ActionView>, ApiError> {
    let uuid = ident.uuid(UUID)?;
    arguments.done()?;
    let body = body.required(patch::ARGUMENT)?;
    let operations = patch::parse(&body, &LIMITS)?;
    if context.version < Microversion::SKIPPED {
        return Err(Invalid::NeedsSkipped.into());
    }
    let mut tx = context.api.store.begin().await?;
    let before = find::action_by_uuid(&mut tx, &context, Some(uuid), &ident.0).await?;
    context.enforce_on(Rule::ActionUpdate, target::action(&mut tx, &before).await?)?;
    let patched = Patched(patch::apply(document(&before), &operations)?);
    let skips = skips(&before, &patched)?;
    let message = message(&before, &patched, skips)?;

    let now = context.api.clock.now();
    if skips {
        let plan = action_plan::get(&mut tx, before.action_plan_id).await?;
        let plan = plan.ok_or(ApiError::Dangling("action"))?;
        if !matches!(plan.state, ActionPlanState::Recommended | ActionPlanState::Pending) {
            return Err(Conflict::ActionPlanState(plan.state.as_str()).into());
        }
        let (from, to) = (before.state, ActionState::Skipped);
        if !action::transition(&mut tx, before.id, from, to, Some(&message), now).await? {
            return Err(Conflict::Changed("action").into());
        }
    } else if before.state == ActionState::Skipped {
        action::update_message(&mut tx, before.id, &message, now).await?;
    }
    let after = find::action_by_uuid(&mut tx, &context, Some(uuid), &ident.0).await?;
    let view = full_record(&mut tx, &context, &after).await?;
    tx.commit().await?;
    if skips {
        announce(&context, &before);
    }
    Ok(Json(view))
}

/// The action as patches see it.
fn document(action: &Action) -> Map<String, Value> {
    match json!({"state": action.state.as_str(), "status_message": action.status_message}) {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Whether the patch skips the action; no other move is made by hand.
fn skips(before: &Action, patched: &Patched) -> Result<bool, ApiError> {
    let state = patched.text("state")?.unwrap_or_else(|| "None".to_owned());
    match before.state {
        from if state == from.as_str() => Ok(false),
        ActionState::Pending if state == ActionState::Skipped.as_str() => Ok(true),
        from => Err(Conflict::ActionTransition { from: from.as_str(), to: state }.into()),
    }
}

fn message(before: &Action, patched: &Patched, skips: bool) -> Result<String, ApiError> {
    let given = patched.lines("status_message", before.status_message.as_deref())?;
    if given == before.status_message {
        return Ok(SKIPPED.to_owned());
    }
    if !skips && before.state != ActionState::Skipped {
        return Err(Conflict::StatusMessage.into());
    }
    Ok(format!("{SKIPPED} Reason: {}", given.as_deref().unwrap_or("None")))
}

fn announce(context: &Context, action: &Action) {
    tracing::info!(action.id = %action.id, "action {} skipped", action.id);
    context.api.bus.publish(Event::Action {
        action_id: action.id,
        action_plan_id: action.action_plan_id,
        old: action.state,
        state: ActionState::Skipped,
    });
}
