//! `GET /v1/scoring_engines` and `/v1/scoring_engines/detail`.

use axum::Json;
use watcher_store::{Page, scoring_engine};

use crate::arguments::{self, Arguments, Marker};
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, PageArguments, ReadProblems};
use crate::policy::Rule;
use crate::v1::scoring_engines::view::{ScoringEnginePage, ScoringEngineView};
use crate::v1::{Detail, find};

pub(crate) const KEYS: &[(&str, scoring_engine::Sort)] = &[
    ("id", scoring_engine::Sort::Serial),
    ("uuid", scoring_engine::Sort::Uuid),
    ("name", scoring_engine::Sort::Name),
    ("description", scoring_engine::Sort::Description),
    ("metainfo", scoring_engine::Sort::Metainfo),
    ("created_at", scoring_engine::Sort::CreatedAt),
    ("updated_at", scoring_engine::Sort::UpdatedAt),
    ("deleted_at", scoring_engine::Sort::DeletedAt),
];

/// Scoring engines.
#[utoipa::path(
    get, path = "/v1/scoring_engines", operation_id = "list_scoring_engines", tag = "scoring engines",
    params(Headers, PageArguments),
    responses((status = 200, description = "A page of scoring engines", body = ScoringEnginePage), ReadProblems)
)]
pub(crate) async fn brief(context: Context, arguments: Arguments) -> Result<Json<ScoringEnginePage>, ApiError> {
    page(&context, arguments, Rule::ScoringEngineGetAll, Detail::Brief, "scoring_engines").await
}

/// Scoring engines as full records.
#[utoipa::path(
    get, path = "/v1/scoring_engines/detail", operation_id = "list_scoring_engines_in_full", tag = "scoring engines",
    params(Headers, PageArguments),
    responses((status = 200, description = "A page of scoring engines", body = ScoringEnginePage), ReadProblems)
)]
pub(crate) async fn full(context: Context, arguments: Arguments) -> Result<Json<ScoringEnginePage>, ApiError> {
    page(&context, arguments, Rule::ScoringEngineDetail, Detail::Full, "scoring_engines/detail").await
}

async fn page(
    context: &Context,
    mut arguments: Arguments,
    rule: Rule,
    detail: Detail,
    path: &str,
) -> Result<Json<ScoringEnginePage>, ApiError> {
    let paging = arguments.take_paging(Marker::Text)?;
    arguments.done()?;
    context.enforce(rule)?;
    let listing = paging.check(KEYS, &context.api.options)?;
    let mut tx = context.api.store.read().await?;
    let marker = match &listing.marker {
        Some(text) => Some(find::scoring_engine_by_uuid(&mut tx, context, arguments::uuid(text), text).await?.id.0),
        None => None,
    };
    let page =
        Page { limit: listing.limit, marker, sort: listing.key, dir: listing.dir, show_deleted: context.show_deleted };
    let rows = scoring_engine::list(&mut tx, &page, &context.visibility()).await?;
    let scoring_engines = rows.iter().map(|engine| ScoringEngineView::new(engine, &context.base, detail)).collect();
    let next = listing.next(&context.base, path, rows.len(), rows.last().map(|engine| engine.id));
    Ok(Json(ScoringEnginePage { scoring_engines, next }))
}
