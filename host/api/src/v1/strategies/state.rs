//! `GET /v1/strategies/{strategy}/state`: what the strategy needs, and whether it is there.

use axum::Json;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems};
use crate::policy::Rule;
use crate::v1::strategies::view::{RequirementView, requirements};
use crate::v1::{Ident, find};

/// What a strategy needs, and whether it is there now.
#[utoipa::path(
    get, path = "/v1/strategies/{strategy}/state", operation_id = "show_strategy_state", tag = "strategies",
    params(("strategy" = String, Path, description = "UUID, name or number"), Headers),
    responses((status = 200, description = "Four rows", body = Vec<RequirementView>), ReadProblems)
)]
pub(crate) async fn state(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
) -> Result<Json<Vec<RequirementView>>, ApiError> {
    arguments.done()?;
    context.enforce(Rule::StrategyState)?;
    let mut tx = context.api.store.read().await?;
    let strategy = find::strategy(&mut tx, &context, &ident).await?;
    drop(tx);
    let found = context.api.ask(context.api.probe.requirements(&strategy)).await?;
    Ok(Json(requirements(&strategy, &found)))
}
