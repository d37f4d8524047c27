//! `GET /v1/strategies/{strategy}`.

use axum::Json;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems};
use crate::policy::Rule;
use crate::v1::strategies::view::StrategyView;
use crate::v1::{Detail, Ident, find};

/// One strategy.
#[utoipa::path(
    get, path = "/v1/strategies/{strategy}", operation_id = "show_strategy", tag = "strategies",
    params(("strategy" = String, Path, description = "UUID, name or number"), Headers),
    responses((status = 200, description = "The strategy", body = StrategyView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
) -> Result<Json<StrategyView>, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let strategy = find::strategy(&mut tx, &context, &ident).await?;
    context.enforce_on(Rule::StrategyGet, &*strategy)?;
    let names = find::names(&mut tx, &context, [strategy.goal_id], []).await?;
    Ok(Json(StrategyView::new(&strategy, &names, &context.base, Detail::Full)))
}
