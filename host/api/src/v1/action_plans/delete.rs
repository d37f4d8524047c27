//! `DELETE /v1/action_plans/{action_plan}`.

use axum::http::StatusCode;
use watcher_bus::Event;
use watcher_domain::ActionPlanEvent;
use watcher_store::action_plan;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::{ApiError, Conflict, Invalid};
use crate::openapi::{Headers, InUseProblems, ReadProblems};
use crate::policy::Rule;
use crate::v1::action_plans::UUID;
use crate::v1::{Ident, find};

/// Soft-deletes an action plan that nobody works on, with its actions and efficacy indicators.
#[utoipa::path(
    delete, path = "/v1/action_plans/{action_plan}", operation_id = "delete_action_plan", tag = "action plans",
    params(("action_plan" = String, Path, description = "UUID"), Headers),
    responses((status = 204, description = "It is deleted"), ReadProblems, InUseProblems)
)]
pub(crate) async fn delete(context: Context, ident: Ident, arguments: Arguments) -> Result<StatusCode, ApiError> {
    let uuid = ident.uuid(UUID)?;
    arguments.done()?;
    let mut tx = context.api.store.begin().await?;
    let plan = find::action_plan_by_uuid(&mut tx, &context, Some(uuid), &ident.0).await?;
    context.enforce_on(Rule::ActionPlanDelete, &*plan)?;
    let state = plan.state.after(ActionPlanEvent::Delete).map_err(|_| Invalid::Delete(plan.state.as_str()))?;
    if !action_plan::soft_delete(&mut tx, plan.id, context.api.clock.now()).await? {
        return Err(Conflict::Changed("action plan").into());
    }
    tx.commit().await?;
    tracing::info!(action_plan.id = %plan.id, "action plan {} deleted", plan.id);
    context.api.bus.publish(Event::ActionPlan { action_plan_id: plan.id, old: Some(plan.state), state });
    Ok(StatusCode::NO_CONTENT)
}
