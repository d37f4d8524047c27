//! `GET /v1/scoring_engines/{scoring_engine}`.

use axum::Json;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems};
use crate::policy::Rule;
use crate::v1::scoring_engines::view::ScoringEngineView;
use crate::v1::{Detail, Ident, find};

/// One scoring engine.
#[utoipa::path(
    get, path = "/v1/scoring_engines/{scoring_engine}", operation_id = "show_scoring_engine", tag = "scoring engines",
    params(("scoring_engine" = String, Path, description = "UUID, name or number"), Headers),
    responses((status = 200, description = "The scoring engine", body = ScoringEngineView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
) -> Result<Json<ScoringEngineView>, ApiError> {
    arguments.done()?;
    context.enforce(Rule::ScoringEngineGet)?;
    let mut tx = context.api.store.read().await?;
    let engine = find::scoring_engine(&mut tx, &context, &ident).await?;
    Ok(Json(ScoringEngineView::new(&engine, &context.base, Detail::Full)))
}
