//! `GET /v1/strategies` and `/v1/strategies/detail`.

use axum::Json;
use watcher_store::{Page, strategy};

use crate::arguments::{self, Arguments, Marker};
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, PageArguments, ReadProblems};
use crate::policy::Rule;
use crate::v1::strategies::view::{StrategyPage, StrategyView};
use crate::v1::{Detail, find};

/// What a list is sorted by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    Row(strategy::Sort),
    GoalUuid,
    GoalName,
}

pub(crate) const KEYS: &[(&str, Key)] = &[
    ("id", Key::Row(strategy::Sort::Serial)),
    ("uuid", Key::Row(strategy::Sort::Uuid)),
    ("name", Key::Row(strategy::Sort::Name)),
    ("display_name", Key::Row(strategy::Sort::DisplayName)),
    ("goal_id", Key::Row(strategy::Sort::GoalSerial)),
    ("parameters_spec", Key::Row(strategy::Sort::ParametersSpec)),
    ("created_at", Key::Row(strategy::Sort::CreatedAt)),
    ("updated_at", Key::Row(strategy::Sort::UpdatedAt)),
    ("deleted_at", Key::Row(strategy::Sort::DeletedAt)),
    ("goal_uuid", Key::GoalUuid),
    ("goal_name", Key::GoalName),
];

/// Strategies.
#[utoipa::path(
    get, path = "/v1/strategies", operation_id = "list_strategies", tag = "strategies",
    params(Headers, PageArguments, ("goal" = Option<String>, Query, description = "UUID or name of their goal")),
    responses((status = 200, description = "A page of strategies", body = StrategyPage), ReadProblems)
)]
pub(crate) async fn brief(context: Context, arguments: Arguments) -> Result<Json<StrategyPage>, ApiError> {
    page(&context, arguments, Rule::StrategyGetAll, Detail::Brief, "strategies").await
}

/// Strategies as full records.
#[utoipa::path(
    get, path = "/v1/strategies/detail", operation_id = "list_strategies_in_full", tag = "strategies",
    params(Headers, PageArguments, ("goal" = Option<String>, Query, description = "UUID or name of their goal")),
    responses((status = 200, description = "A page of strategies", body = StrategyPage), ReadProblems)
)]
pub(crate) async fn full(context: Context, arguments: Arguments) -> Result<Json<StrategyPage>, ApiError> {
    page(&context, arguments, Rule::StrategyDetail, Detail::Full, "strategies/detail").await
}

async fn page(
    context: &Context,
    mut arguments: Arguments,
    rule: Rule,
    detail: Detail,
    path: &str,
) -> Result<Json<StrategyPage>, ApiError> {
    let goal = arguments.take("goal")?.filter(|goal| !goal.is_empty());
    let paging = arguments.take_paging(Marker::Text)?;
    arguments.done()?;
    context.enforce(rule)?;
    let listing = paging.check(KEYS, &context.api.options)?;
    let mut tx = context.api.store.read().await?;
    let marker = match &listing.marker {
        Some(text) => Some(find::strategy_by_uuid(&mut tx, context, arguments::uuid(text), text).await?.id.0),
        None => None,
    };
    let mut filter = strategy::StrategyFilter::default();
    if let Some(goal) = goal {
        let Some(goal) = find::goal_filter(&mut tx, context, &goal).await? else {
            return Ok(Json(StrategyPage { strategies: Vec::new(), next: None }));
        };
        filter.goal = Some(goal.id);
    }
    let sort = match listing.key {
        Key::Row(sort) => sort,
        Key::GoalUuid | Key::GoalName => strategy::Sort::Serial,
    };
    let page = Page { limit: listing.limit, marker, sort, dir: listing.dir, show_deleted: context.show_deleted };
    let rows = strategy::list(&mut tx, &filter, &page, &context.visibility()).await?;
    let names = find::names(&mut tx, context, rows.iter().map(|row| row.goal_id), []).await?;
    let next = listing.next(&context.base, path, rows.len(), rows.last().map(|row| row.id));
    let mut strategies: Vec<_> = rows.iter().map(|row| StrategyView::new(row, &names, &context.base, detail)).collect();
    match listing.key {
        Key::Row(_) => {}
        Key::GoalUuid => {
            listing.sort_page(&mut strategies, |view| (view.goal().0.map(|uuid| uuid.to_string()), view.uuid()));
        }
        Key::GoalName => listing.sort_page(&mut strategies, |view| (view.goal().1.map(str::to_owned), view.uuid())),
    }
    Ok(Json(StrategyPage { strategies, next }))
}
