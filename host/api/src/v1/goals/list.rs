//! `GET /v1/goals` and `/v1/goals/detail`.

use axum::Json;
use watcher_store::{Page, goal};

use crate::arguments::{self, Arguments, Marker};
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, PageArguments, ReadProblems};
use crate::policy::Rule;
use crate::v1::goals::view::{GoalPage, GoalView};
use crate::v1::{Detail, find};

pub(crate) const KEYS: &[(&str, goal::Sort)] = &[
    ("id", goal::Sort::Serial),
    ("uuid", goal::Sort::Uuid),
    ("name", goal::Sort::Name),
    ("display_name", goal::Sort::DisplayName),
    ("efficacy_specification", goal::Sort::EfficacySpecification),
    ("created_at", goal::Sort::CreatedAt),
    ("updated_at", goal::Sort::UpdatedAt),
    ("deleted_at", goal::Sort::DeletedAt),
];

/// Goals.
#[utoipa::path(
    get, path = "/v1/goals", operation_id = "list_goals", tag = "goals", params(Headers, PageArguments),
    responses((status = 200, description = "A page of goals", body = GoalPage), ReadProblems)
)]
pub(crate) async fn brief(context: Context, arguments: Arguments) -> Result<Json<GoalPage>, ApiError> {
    page(&context, arguments, Rule::GoalGetAll, Detail::Brief, "goals").await
}

/// Goals as full records.
#[utoipa::path(
    get, path = "/v1/goals/detail", operation_id = "list_goals_in_full", tag = "goals", params(Headers, PageArguments),
    responses((status = 200, description = "A page of goals", body = GoalPage), ReadProblems)
)]
pub(crate) async fn full(context: Context, arguments: Arguments) -> Result<Json<GoalPage>, ApiError> {
    page(&context, arguments, Rule::GoalDetail, Detail::Full, "goals/detail").await
}

async fn page(
    context: &Context,
    mut arguments: Arguments,
    rule: Rule,
    detail: Detail,
    path: &str,
) -> Result<Json<GoalPage>, ApiError> {
    let paging = arguments.take_paging(Marker::Text)?;
    arguments.done()?;
    context.enforce(rule)?;
    let listing = paging.check(KEYS, &context.api.options)?;
    let mut tx = context.api.store.read().await?;
    let marker = match &listing.marker {
        Some(text) => Some(find::goal_by_uuid(&mut tx, context, arguments::uuid(text), text).await?.id.0),
        None => None,
    };
    let page =
        Page { limit: listing.limit, marker, sort: listing.key, dir: listing.dir, show_deleted: context.show_deleted };
    let rows = goal::list(&mut tx, &page, &context.visibility()).await?;
    let goals = rows.iter().map(|goal| GoalView::new(goal, &context.base, detail)).collect();
    let next = listing.next(&context.base, path, rows.len(), rows.last().map(|goal| goal.id));
    Ok(Json(GoalPage { goals, next }))
}
