//! `GET /v1/audit_templates` and `/v1/audit_templates/detail`.

use axum::Json;
use watcher_store::{Page, audit_template};

use crate::arguments::{self, Arguments, Marker};
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, PageArguments, ReadProblems};
use crate::policy::Rule;
use crate::v1::audit_templates::view::{AuditTemplatePage, AuditTemplateView};
use crate::v1::names::PageSort;
use crate::v1::{Detail, find};

/// What a list is sorted by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    Row(audit_template::Sort),
    Page(PageSort),
}

pub(crate) const KEYS: &[(&str, Key)] = &[
    ("id", Key::Row(audit_template::Sort::Serial)),
    ("uuid", Key::Row(audit_template::Sort::Uuid)),
    ("name", Key::Row(audit_template::Sort::Name)),
    ("description", Key::Row(audit_template::Sort::Description)),
    ("goal_id", Key::Row(audit_template::Sort::GoalSerial)),
    ("strategy_id", Key::Row(audit_template::Sort::StrategySerial)),
    ("scope", Key::Row(audit_template::Sort::Scope)),
    ("default_parameters", Key::Row(audit_template::Sort::DefaultParameters)),
    ("created_at", Key::Row(audit_template::Sort::CreatedAt)),
    ("updated_at", Key::Row(audit_template::Sort::UpdatedAt)),
    ("deleted_at", Key::Row(audit_template::Sort::DeletedAt)),
    ("goal_uuid", Key::Page(PageSort::GoalUuid)),
    ("goal_name", Key::Page(PageSort::GoalName)),
    ("strategy_uuid", Key::Page(PageSort::StrategyUuid)),
    ("strategy_name", Key::Page(PageSort::StrategyName)),
];

/// Audit templates.
#[utoipa::path(
    get, path = "/v1/audit_templates", operation_id = "list_audit_templates", tag = "audit templates",
    params(
        Headers, PageArguments,
        ("goal" = Option<String>, Query, description = "UUID or name of their goal"),
        ("strategy" = Option<String>, Query, description = "UUID or name of their strategy"),
    ),
    responses((status = 200, description = "A page of audit templates", body = AuditTemplatePage), ReadProblems)
)]
pub(crate) async fn brief(context: Context, arguments: Arguments) -> Result<Json<AuditTemplatePage>, ApiError> {
    page(&context, arguments, Rule::AuditTemplateGetAll, Detail::Brief, "audit_templates").await
}

/// Audit templates as full records.
#[utoipa::path(
    get, path = "/v1/audit_templates/detail", operation_id = "list_audit_templates_in_full", tag = "audit templates",
    params(
        Headers, PageArguments,
        ("goal" = Option<String>, Query, description = "UUID or name of their goal"),
        ("strategy" = Option<String>, Query, description = "UUID or name of their strategy"),
    ),
    responses((status = 200, description = "A page of audit templates", body = AuditTemplatePage), ReadProblems)
)]
pub(crate) async fn full(context: Context, arguments: Arguments) -> Result<Json<AuditTemplatePage>, ApiError> {
    page(&context, arguments, Rule::AuditTemplateDetail, Detail::Full, "audit_templates/detail").await
}

async fn page(
    context: &Context,
    mut arguments: Arguments,
    rule: Rule,
    detail: Detail,
    path: &str,
) -> Result<Json<AuditTemplatePage>, ApiError> {
    let goal = arguments.take("goal")?.filter(|goal| !goal.is_empty());
    let strategy = arguments.take("strategy")?.filter(|strategy| !strategy.is_empty());
    let paging = arguments.take_paging(Marker::Uuid)?;
    arguments.done()?;
    context.enforce(rule)?;
    let listing = paging.check(KEYS, &context.api.options)?;
    let mut tx = context.api.store.read().await?;
    let marker = match &listing.marker {
        Some(text) => Some(find::audit_template_by_uuid(&mut tx, context, arguments::uuid(text), text).await?.id.0),
        None => None,
    };
    let mut filter = audit_template::AuditTemplateFilter::default();
    let nothing = AuditTemplatePage { audit_templates: Vec::new(), next: None };
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
        Key::Page(_) => audit_template::Sort::Serial,
    };
    let page = Page { limit: listing.limit, marker, sort, dir: listing.dir, show_deleted: context.show_deleted };
    let rows = audit_template::list(&mut tx, &filter, &page, &context.visibility()).await?;
    let names = find::names(
        &mut tx,
        context,
        rows.iter().map(|row| row.goal_id),
        rows.iter().filter_map(|row| row.strategy_id),
    )
    .await?;
    let next = listing.next(&context.base, path, rows.len(), rows.last().map(|row| row.id));
    let mut audit_templates: Vec<_> =
        rows.iter().map(|row| AuditTemplateView::new(row, &names, &context.base, context.version, detail)).collect();
    if let Key::Page(by) = listing.key {
        listing.sort_page(&mut audit_templates, |view| (view.related.sort_text(by), view.uuid));
    }
    Ok(Json(AuditTemplatePage { audit_templates, next }))
}
