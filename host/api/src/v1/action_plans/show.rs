//! `GET /v1/action_plans/{action_plan}`.

use axum::Json;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems};
use crate::policy::Rule;
use crate::v1::action_plans::view::ActionPlanView;
use crate::v1::action_plans::{UUID, full_record};
use crate::v1::{Ident, find};

/// One action plan.
#[utoipa::path(
    get, path = "/v1/action_plans/{action_plan}", operation_id = "show_action_plan", tag = "action plans",
    params(("action_plan" = String, Path, description = "UUID"), Headers),
    responses((status = 200, description = "The action plan", body = ActionPlanView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    ident: Ident,
    arguments: Arguments,
) -> Result<Json<ActionPlanView>, ApiError> {
    let uuid = ident.uuid(UUID)?;
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let plan = find::action_plan_by_uuid(&mut tx, &context, Some(uuid), &ident.0).await?;
    context.enforce_on(Rule::ActionPlanGet, &*plan)?;
    Ok(Json(full_record(&mut tx, &context, &plan).await?))
}
