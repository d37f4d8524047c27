//! `GET /v1/goals/{goal}`.

use axum::Json;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems};
use crate::policy::Rule;
use crate::v1::goals::view::GoalView;
use crate::v1::{Detail, Ident, find};

/// One goal.
#[utoipa::path(
    get, path = "/v1/goals/{goal}", operation_id = "show_goal", tag = "goals",
    params(("goal" = String, Path, description = "UUID, name or number"), Headers),
    responses((status = 200, description = "The goal", body = GoalView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
) -> Result<Json<GoalView>, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let goal = find::goal(&mut tx, &context, &ident).await?;
    context.enforce_on(Rule::GoalGet, &*goal)?;
    Ok(Json(GoalView::new(&goal, &context.base, Detail::Full)))
}
