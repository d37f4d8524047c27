//! `GET /v1/audits` and `/v1/audits/detail`.

use axum::Json;
use watcher_store::{Page, audit};

use crate::arguments::{self, Arguments, Marker};
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, PageArguments, ReadProblems};
use crate::policy::Rule;
use crate::v1::audits::view::{AuditPage, AuditView};
use crate::v1::names::PageSort;
use crate::v1::{Detail, find};

/// What a list is sorted by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    Row(audit::Sort),
    Page(PageSort),
}

pub(crate) const KEYS: &[(&str, Key)] = &[
    ("id", Key::Row(audit::Sort::Serial)),
    ("uuid", Key::Row(audit::Sort::Uuid)),
    ("name", Key::Row(audit::Sort::Name)),
    ("audit_type", Key::Row(audit::Sort::AuditType)),
    ("state", Key::Row(audit::Sort::State)),
    ("parameters", Key::Row(audit::Sort::Parameters)),
    ("interval", Key::Row(audit::Sort::Interval)),
    ("goal_id", Key::Row(audit::Sort::GoalSerial)),
    ("strategy_id", Key::Row(audit::Sort::StrategySerial)),
    ("scope", Key::Row(audit::Sort::Scope)),
    ("auto_trigger", Key::Row(audit::Sort::AutoTrigger)),
    ("next_run_time", Key::Row(audit::Sort::NextRunTime)),
    ("hostname", Key::Row(audit::Sort::Hostname)),
    ("start_time", Key::Row(audit::Sort::StartTime)),
    ("end_time", Key::Row(audit::Sort::EndTime)),
    ("force", Key::Row(audit::Sort::Force)),
    ("status_message", Key::Row(audit::Sort::StatusMessage)),
    ("created_at", Key::Row(audit::Sort::CreatedAt)),
    ("updated_at", Key::Row(audit::Sort::UpdatedAt)),
    ("deleted_at", Key::Row(audit::Sort::DeletedAt)),
    ("goal_uuid", Key::Page(PageSort::GoalUuid)),
    ("goal_name", Key::Page(PageSort::GoalName)),
    ("strategy_uuid", Key::Page(PageSort::StrategyUuid)),
    ("strategy_name", Key::Page(PageSort::StrategyName)),
];

/// Audits.
#[utoipa::path(
    get, path = "/v1/audits", operation_id = "list_audits", tag = "audits",
    params(
        Headers, PageArguments,
        ("goal" = Option<String>, Query, description = "UUID or name of their goal"),
        ("strategy" = Option<String>, Query, description = "UUID or name of their strategy"),
    ),
    responses((status = 200, description = "A page of audits", body = AuditPage), ReadProblems)
)]
pub(crate) async fn brief(context: Context, arguments: Arguments) -> Result<Json<AuditPage>, ApiError> {
    page(&context, arguments, Rule::AuditGetAll, Detail::Brief, "audits").await
}

/// Audits as full records.
#[utoipa::path(
    get, path = "/v1/audits/detail", operation_id = "list_audits_in_full", tag = "audits",
    params(
        Headers, PageArguments,
        ("goal" = Option<String>, Query, description = "UUID or name of their goal"),
        ("strategy" = Option<String>, Query, description = "UUID or name of their strategy"),
    ),
    responses((status = 200, description = "A page of audits", body = AuditPage), ReadProblems)
)]
pub(crate) async fn full(context: Context, arguments: Arguments) -> Result<Json<AuditPage>, ApiError> {
    page(&context, arguments, Rule::AuditDetail, Detail::Full, "audits/detail").await
}

async fn page(
    context: &Context,
    mut arguments: Arguments,
    rule: Rule,
    detail: Detail,
    path: &str,
) -> Result<Json<AuditPage>, ApiError> {
    let goal = arguments.take("goal")?.filter(|goal| !goal.is_empty());
    let strategy = arguments.take("strategy")?.filter(|strategy| !strategy.is_empty());
    let paging = arguments.take_paging(Marker::Uuid)?;
    arguments.done()?;
    context.enforce(rule)?;
    let listing = paging.check(KEYS, &context.api.options)?;
    let mut tx = context.api.store.read().await?;
    let marker = match &listing.marker {
        Some(text) => Some(find::audit_by_uuid(&mut tx, context, arguments::uuid(text), text).await?.id.0),
        None => None,
    };
    let mut filter = audit::AuditFilter::default();
    let nothing = AuditPage { audits: Vec::new(), next: None };
    if let Some(goal) = goal {
        let Some(goal) = find::goal_filter(&mut tx, context, &goal).await? else { return Ok(Json(nothing)) };
        filter.goal = Some(goal.id);
    }
    if let Some(strategy) = strategy {
        let Some(strategy) = find::strategy_filter(&mut tx, context, &strategy).await? else {
            return Ok(Json(nothing));
        };
        filter.strategy = Some(strategy.id);
    }
    let sort = match listing.key {
        Key::Row(sort) => sort,
        Key::Page(_) => audit::Sort::Serial,
    };
    let page = Page { limit: listing.limit, marker, sort, dir: listing.dir, show_deleted: context.show_deleted };
    let rows = audit::list(&mut tx, &filter, &page, &context.visibility()).await?;
    let names = find::names(
        &mut tx,
        context,
        rows.iter().map(|row| row.goal_id),
        rows.iter().filter_map(|row| row.strategy_id),
    )
    .await?;
    let next = listing.next(&context.base, path, rows.len(), rows.last().map(|row| row.id));
    let mut audits: Vec<_> =
        rows.iter().map(|row| AuditView::new(row, &names, &context.base, context.version, detail)).collect();
    if let Key::Page(by) = listing.key {
        listing.sort_page(&mut audits, |view| (view.related.sort_text(by), view.uuid));
    }
    Ok(Json(AuditPage { audits, next }))
}
