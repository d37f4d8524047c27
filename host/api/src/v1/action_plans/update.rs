//! `PATCH /v1/action_plans/{action_plan}`.

use axum::Json;
use serde_json::{Map, Value, json};
use watcher_bus::{Control, Event, Work};
use watcher_domain::{ActionPlan, ActionPlanId, ActionPlanState};
use watcher_store::{Stored, action, action_plan};

use crate::arguments::Arguments;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Conflict, Invalid};
use crate::openapi::{Headers, PatchOperation, ReadProblems, WriteProblems};
use crate::patch::{self, Limits, Operation};
use crate::patched::Patched;
use crate::policy::Rule;
use crate::text;
use crate::time;
use crate::v1::action_plans::view::ActionPlanView;
use crate::v1::action_plans::{UUID, full_record};
use crate::v1::{Ident, active, find};

const LIMITS: Limits =
    Limits { internal: patch::INTERNAL_AND_MESSAGE, allowed: None, removal: true, refuse: refuse_unknown_state };

fn refuse_unknown_state(operation: &Operation) -> Option<String> {
    let state = operation.value.as_ref().filter(|_| operation.path == "/state")?;
    // No state is refused as a move, not as a name.
    let names_one = |state: &str| state.is_empty() || state.parse::<ActionPlanState>().is_ok();
    let known = state.is_null() || state.as_str().is_some_and(names_one);
    (!known).then(|| format!("Invalid state: {}", text::plain(state)))
}

/// Moves an action plan: `PENDING` starts it, `CANCELLED` drops it before it starts, `CANCELLING` stops it.
#[utoipa::path(
    patch, path = "/v1/action_plans/{action_plan}", operation_id = "update_action_plan", tag = "action plans",
    params(("action_plan" = String, Path, description = "UUID"), Headers),
    request_body = Vec<PatchOperation>,
    responses((status = 200, description = "The action plan", body = ActionPlanView), ReadProblems, WriteProblems)
)]
pub(crate) async fn update(
    context: Context,
    ident: Ident,
    arguments: Arguments,
    body: Body,
) -> Result<Json<ActionPlanView>, ApiError> {
    let uuid = ident.uuid(UUID)?;
    arguments.done()?;
    let body = body.required(patch::ARGUMENT)?;
    let operations = patch::parse(&body, &LIMITS)?;
    let mut tx = context.api.store.begin().await?;
    let plan = find::action_plan_by_uuid(&mut tx, &context, Some(uuid), &ident.0).await?;
    context.enforce_on(Rule::ActionPlanUpdate, &*plan)?;
    let from = plan.state;
    let to = read(&plan, &operations)?;

    if to == ActionPlanState::Pending {
        active::one_more_plan(&mut tx, &context, plan.project_id.as_ref()).await?;
    }
    let now = context.api.clock.now();
    if !action_plan::transition(&mut tx, plan.id, from, to, now).await? {
        return Err(Conflict::Changed("action plan").into());
    }
    if to == ActionPlanState::Cancelled {
        action::cancel_pending_of_plan(&mut tx, plan.id, now).await?;
    }
    let moved = find::action_plan_by_uuid(&mut tx, &context, Some(uuid), &ident.0).await?;
    let view = full_record(&mut tx, &context, &moved).await?;
    tx.commit().await?;
    announce(&context, plan.id, plan.state, to);
    Ok(Json(view))
}

/// Where an action plan may be moved by hand.
const fn may_become(from: ActionPlanState, to: ActionPlanState) -> bool {
    use ActionPlanState::{Cancelled, Cancelling, Ongoing, Pending, Recommended};
    matches!((from, to), (Recommended, Pending | Cancelled) | (Pending, Cancelled) | (Ongoing, Cancelling))
}

/// The state after the patch. Nothing else can be changed.
fn read(plan: &Stored<ActionPlan>, operations: &[Operation]) -> Result<ActionPlanState, Invalid> {
    let before = document(plan);
    let patched = Patched(patch::apply(before.clone(), operations)?);
    let given = patched.0.get("state");
    let state = given.and_then(Value::as_str).and_then(|state| state.parse().ok());
    let state = state.filter(|to| may_become(plan.state, *to)).ok_or_else(|| {
        let given = given.map_or_else(|| "Unset".to_owned(), text::plain);
        let reason = format!("State transition not allowed: ({} -> {given})", plan.state);
        patch::refused(operations, reason)
    })?;
    match before.iter().find(|(name, value)| *name != "state" && patched.0.get(*name) != Some(value)) {
        None => Ok(state),
        Some((name, _)) => Err(Invalid::InternalAttribute(format!("/{name}"))),
    }
}

/// The plan as patches see it.
fn document(plan: &Stored<ActionPlan>) -> Map<String, Value> {
    let document = json!({
        "created_at": time::with_offset(plan.stamps.created_at),
        "updated_at": plan.stamps.updated_at.map(time::with_offset),
        "deleted_at": plan.stamps.deleted_at.map(time::with_offset),
        "id": plan.serial,
        "uuid": plan.id,
        "audit_id": plan.audit_id,
        "strategy_id": plan.strategy_id,
        "state": plan.state.as_str(),
        "global_efficacy": plan.global_efficacy,
        "hostname": plan.hostname,
        "status_message": plan.status_message,
    });
    match document {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Tells everybody that an action plan was moved by hand.
pub(crate) fn announce(context: &Context, action_plan_id: ActionPlanId, from: ActionPlanState, state: ActionPlanState) {
    tracing::info!(action_plan.id = %action_plan_id, "action plan {action_plan_id} moved from {from} to {state}");
    context.api.bus.publish(Event::ActionPlan { action_plan_id, old: Some(from), state });
    if state == ActionPlanState::Pending {
        context.api.bus.publish(Work::RunActionPlan { action_plan_id });
    }
    if state == ActionPlanState::Cancelling {
        context.api.bus.publish(Control::ActionPlanStopped { action_plan_id });
    }
}
