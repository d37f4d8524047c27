//! `GET /v1/scoring_engines` and `/v1/scoring_engines/detail`.

use axum::Json;

use crate::arguments::{Arguments, Marker};
use crate::context::Context;
use crate::error::{ApiError, NotFound};
use crate::openapi::{Headers, PageArguments, ReadProblems};
use crate::policy::Rule;
use crate::v1::scoring_engines::view::ScoringEnginePage;

pub(crate) const KEYS: &[(&str, ())] = &[
    ("id", ()),
    ("uuid", ()),
    ("name", ()),
    ("description", ()),
    ("metainfo", ()),
    ("created_at", ()),
    ("updated_at", ()),
    ("deleted_at", ()),
];

/// Scoring engines.
#[utoipa::path(
    get, path = "/v1/scoring_engines", operation_id = "list_scoring_engines", tag = "scoring engines",
    params(Headers, PageArguments),
    responses((status = 200, description = "A page of scoring engines", body = ScoringEnginePage), ReadProblems)
)]
pub(crate) async fn brief(context: Context, arguments: Arguments) -> Result<Json<ScoringEnginePage>, ApiError> {
    page(&context, arguments, Rule::ScoringEngineGetAll)
}

/// Scoring engines as full records.
#[utoipa::path(
    get, path = "/v1/scoring_engines/detail", operation_id = "list_scoring_engines_in_full", tag = "scoring engines",
    params(Headers, PageArguments),
    responses((status = 200, description = "A page of scoring engines", body = ScoringEnginePage), ReadProblems)
)]
pub(crate) async fn full(context: Context, arguments: Arguments) -> Result<Json<ScoringEnginePage>, ApiError> {
    page(&context, arguments, Rule::ScoringEngineDetail)
}

fn page(context: &Context, mut arguments: Arguments, rule: Rule) -> Result<Json<ScoringEnginePage>, ApiError> {
    let paging = arguments.take_paging(Marker::Text)?;
    arguments.done()?;
    context.enforce(rule)?;
    let listing = paging.check(KEYS, &context.api.options)?;
    match listing.marker {
        Some(marker) => Err(NotFound::ScoringEngine(marker).into()),
        None => Ok(Json(ScoringEnginePage { scoring_engines: Vec::new(), next: None })),
    }
}
