//! `GET /v1/action_plans` and `/v1/action_plans/detail`.

use axum::Json;
use watcher_domain::AuditId;
use watcher_store::{Page, action_plan, efficacy_indicator};

use crate::arguments::{self, Arguments, Marker};
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, PageArguments, ReadProblems};
use crate::policy::Rule;
use crate::v1::action_plans::view::{ActionPlanPage, ActionPlanView};
use crate::v1::{Detail, find};

/// What a list is sorted by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    Row(action_plan::Sort),
    AuditUuid,
    StrategyUuid,
    StrategyName,
}

pub(crate) const KEYS: &[(&str, Key)] = &[
    ("id", Key::Row(action_plan::Sort::Serial)),
    ("uuid", Key::Row(action_plan::Sort::Uuid)),
    ("audit_id", Key::Row(action_plan::Sort::AuditSerial)),
    ("strategy_id", Key::Row(action_plan::Sort::StrategySerial)),
    ("state", Key::Row(action_plan::Sort::State)),
    ("global_efficacy", Key::Row(action_plan::Sort::GlobalEfficacy)),
    ("hostname", Key::Row(action_plan::Sort::Hostname)),
    ("status_message", Key::Row(action_plan::Sort::StatusMessage)),
    ("created_at", Key::Row(action_plan::Sort::CreatedAt)),
    ("updated_at", Key::Row(action_plan::Sort::UpdatedAt)),
    ("deleted_at", Key::Row(action_plan::Sort::DeletedAt)),
    ("audit_uuid", Key::AuditUuid),
    ("strategy_uuid", Key::StrategyUuid),
    ("strategy_name", Key::StrategyName),
];

/// Action plans.
#[utoipa::path(
    get, path = "/v1/action_plans", operation_id = "list_action_plans", tag = "action plans",
    params(
        Headers, PageArguments,
        ("audit_uuid" = Option<String>, Query, description = "UUID of their audit"),
        ("strategy" = Option<String>, Query, description = "UUID or name of their strategy"),
    ),
    responses((status = 200, description = "A page of action plans", body = ActionPlanPage), ReadProblems)
)]
pub(crate) async fn brief(context: Context, arguments: Arguments) -> Result<Json<ActionPlanPage>, ApiError> {
    page(&context, arguments, Rule::ActionPlanGetAll, Detail::Brief, "action_plans").await
}

/// Action plans as full records.
#[utoipa::path(
    get, path = "/v1/action_plans/detail", operation_id = "list_action_plans_in_full", tag = "action plans",
    params(
        Headers, PageArguments,
        ("audit_uuid" = Option<String>, Query, description = "UUID of their audit"),
        ("strategy" = Option<String>, Query, description = "UUID or name of their strategy"),
    ),
    responses((status = 200, description = "A page of action plans", body = ActionPlanPage), ReadProblems)
)]
pub(crate) async fn full(context: Context, arguments: Arguments) -> Result<Json<ActionPlanPage>, ApiError> {
    page(&context, arguments, Rule::ActionPlanDetail, Detail::Full, "action_plans/detail").await
}

async fn page(
    context: &Context,
    mut arguments: Arguments,
    rule: Rule,
    detail: Detail,
    path: &str,
) -> Result<Json<ActionPlanPage>, ApiError> {
    let audit = arguments.take_uuid("audit_uuid")?;
    let strategy = arguments.take("strategy")?.filter(|strategy| !strategy.is_empty());
    let paging = arguments.take_paging(Marker::Uuid)?;
    arguments.done()?;
    context.enforce(rule)?;
    let listing = paging.check(KEYS, &context.api.options)?;
    let mut tx = context.api.store.read().await?;
    let marker = match &listing.marker {
        Some(text) => Some(find::action_plan_by_uuid(&mut tx, context, arguments::uuid(text), text).await?.id.0),
        None => None,
    };
    let mut filter = action_plan::ActionPlanFilter { audit: audit.map(AuditId), ..Default::default() };
    if let Some(strategy) = strategy {
        let Some(strategy) = find::strategy_filter(&mut tx, context, &strategy).await? else {
            return Ok(Json(ActionPlanPage { action_plans: Vec::new(), next: None }));
        };
        filter.strategy = Some(strategy.id);
    }
    let sort = match listing.key {
        Key::Row(sort) => sort,
        Key::AuditUuid | Key::StrategyUuid | Key::StrategyName => action_plan::Sort::Serial,
    };
    let page = Page { limit: listing.limit, marker, sort, dir: listing.dir, show_deleted: context.show_deleted };
    let rows = action_plan::list(&mut tx, &filter, &page, &context.visibility()).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let indicators = efficacy_indicator::list_of_plans(&mut tx, &ids).await?;
    let names = find::names(&mut tx, context, [], rows.iter().map(|row| row.strategy_id)).await?;
    let next = listing.next(&context.base, path, rows.len(), rows.last().map(|row| row.id));
    let mut action_plans: Vec<_> = rows
        .iter()
        .map(|row| {
            let indicators = indicators.get(&row.id).into_iter().flatten();
            ActionPlanView::new(row, indicators, &names, &context.base, context.version, detail)
        })
        .collect();
    let key = listing.key;
    let text = |view: &ActionPlanView| match key {
        Key::Row(_) => None,
        Key::AuditUuid => Some(view.audit_uuid.to_string()),
        Key::StrategyUuid => view.strategy_uuid.map(|uuid| uuid.to_string()),
        Key::StrategyName => view.strategy_name.clone(),
    };
    if !matches!(key, Key::Row(_)) {
        listing.sort_page(&mut action_plans, |view| (text(view), view.uuid));
    }
    Ok(Json(ActionPlanPage { action_plans, next }))
}
