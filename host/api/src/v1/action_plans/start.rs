//! `POST /v1/action_plans/{action_plan}/start`.

use axum::Json;
use watcher_bus::{Event, Work};
use watcher_domain::{ActionPlanEvent, ActionPlanState};
use watcher_store::action_plan;

use crate::arguments::Arguments;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Conflict, Invalid};
use crate::openapi::{Headers, ReadProblems, WriteProblems};
use crate::policy::Rule;
use crate::v1::action_plans::view::ActionPlanView;
use crate::v1::action_plans::{UUID, full_record};
use crate::v1::{Ident, active, find};

/// Starts an action plan that is `RECOMMENDED`: it becomes `PENDING`, and an applier takes it. The body is not read.
#[utoipa::path(
    post, path = "/v1/action_plans/{action_plan}/start", operation_id = "start_action_plan", tag = "action plans",
    params(("action_plan" = String, Path, description = "UUID"), Headers),
    request_body = Option<Object>,
    responses((status = 200, description = "The action plan", body = ActionPlanView), ReadProblems, WriteProblems)
)]
pub(crate) async fn start(
    context: Context,
    ident: Ident,
    arguments: Arguments,
    _body: Body,
) -> Result<Json<ActionPlanView>, ApiError> {
    let uuid = ident.uuid(UUID)?;
    arguments.done()?;
    let mut tx = context.api.store.begin().await?;
    let plan = find::action_plan_by_uuid(&mut tx, &context, Some(uuid), &ident.0).await?;
    context.enforce_on(Rule::ActionPlanStart, &*plan)?;
    let from = plan.state;
    let (ActionPlanState::Recommended, Ok(to)) = (from, from.after(ActionPlanEvent::Start)) else {
        return Err(Invalid::Start(from.as_str()).into());
    };
    active::one_more_plan(&mut tx, &context, plan.project_id.as_ref()).await?;
    if !action_plan::transition(&mut tx, plan.id, from, to, context.api.clock.now()).await? {
        return Err(Conflict::Changed("action plan").into());
    }
    let started = find::action_plan_by_uuid(&mut tx, &context, Some(uuid), &ident.0).await?;
    let view = full_record(&mut tx, &context, &started).await?;
    tx.commit().await?;
    tracing::info!(action_plan.id = %plan.id, "action plan {} started", plan.id);
    context.api.bus.publish(Event::ActionPlan { action_plan_id: plan.id, old: Some(from), state: to });
    context.api.bus.publish(Work::RunActionPlan { action_plan_id: plan.id });
    Ok(Json(view))
}
