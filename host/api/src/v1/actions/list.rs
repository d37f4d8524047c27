//! `GET /v1/actions` and `/v1/actions/detail`.

use axum::Json;
use watcher_domain::{ActionPlanId, AuditId};
use watcher_store::{Page, action};

use crate::arguments::{self, Arguments, Marker};
use crate::context::Context;
use crate::error::{ApiError, Invalid};
use crate::openapi::{Headers, PageArguments, ReadProblems};
use crate::policy::Rule;
use crate::v1::actions::Descriptions;
use crate::v1::actions::view::{ActionPage, ActionView};
use crate::v1::{Detail, find};

/// What a list is sorted by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    Row(action::Sort),
    ActionPlanUuid,
}

pub(crate) const KEYS: &[(&str, Key)] = &[
    ("id", Key::Row(action::Sort::Serial)),
    ("uuid", Key::Row(action::Sort::Uuid)),
    ("action_plan_id", Key::Row(action::Sort::ActionPlanSerial)),
    ("action_type", Key::Row(action::Sort::ActionType)),
    ("input_parameters", Key::Row(action::Sort::InputParameters)),
    ("state", Key::Row(action::Sort::State)),
    ("parents", Key::Row(action::Sort::Parents)),
    ("status_message", Key::Row(action::Sort::StatusMessage)),
    ("created_at", Key::Row(action::Sort::CreatedAt)),
    ("updated_at", Key::Row(action::Sort::UpdatedAt)),
    ("deleted_at", Key::Row(action::Sort::DeletedAt)),
    ("action_plan_uuid", Key::ActionPlanUuid),
];

/// Actions.
#[utoipa::path(
    get, path = "/v1/actions", operation_id = "list_actions", tag = "actions",
    params(
        Headers, PageArguments,
        ("action_plan_uuid" = Option<String>, Query, description = "UUID of their action plan"),
        ("audit_uuid" = Option<String>, Query, description = "UUID of their audit; not together with the plan's"),
    ),
    responses((status = 200, description = "A page of actions", body = ActionPage), ReadProblems)
)]
pub(crate) async fn brief(context: Context, arguments: Arguments) -> Result<Json<ActionPage>, ApiError> {
    page(&context, arguments, Rule::ActionGetAll, Detail::Brief, "actions").await
}

/// Actions as full records.
#[utoipa::path(
    get, path = "/v1/actions/detail", operation_id = "list_actions_in_full", tag = "actions",
    params(
        Headers, PageArguments,
        ("action_plan_uuid" = Option<String>, Query, description = "UUID of their action plan"),
        ("audit_uuid" = Option<String>, Query, description = "UUID of their audit; not together with the plan's"),
    ),
    responses((status = 200, description = "A page of actions", body = ActionPage), ReadProblems)
)]
pub(crate) async fn full(context: Context, arguments: Arguments) -> Result<Json<ActionPage>, ApiError> {
    page(&context, arguments, Rule::ActionDetail, Detail::Full, "actions/detail").await
}

async fn page(
    context: &Context,
    mut arguments: Arguments,
    rule: Rule,
    detail: Detail,
    path: &str,
) -> Result<Json<ActionPage>, ApiError> {
    let action_plan = arguments.take_uuid("action_plan_uuid")?;
    let audit = arguments.take_uuid("audit_uuid")?;
    let paging = arguments.take_paging(Marker::Uuid)?;
    arguments.done()?;
    context.enforce(rule)?;
    if action_plan.is_some() && audit.is_some() {
        return Err(Invalid::BothFilters.into());
    }
    let listing = paging.check(KEYS, &context.api.options)?;
    let mut tx = context.api.store.read().await?;
    let marker = match &listing.marker {
        Some(text) => Some(find::action_by_uuid(&mut tx, context, arguments::uuid(text), text).await?.id.0),
        None => None,
    };
    let filter = action::ActionFilter { action_plan: action_plan.map(ActionPlanId), audit: audit.map(AuditId) };
    let sort = match listing.key {
        Key::Row(sort) => sort,
        Key::ActionPlanUuid => action::Sort::Serial,
    };
    let page = Page { limit: listing.limit, marker, sort, dir: listing.dir, show_deleted: context.show_deleted };
    let rows = action::list(&mut tx, &filter, &page, &context.visibility()).await?;
    let descriptions = Descriptions::of(&mut tx, &context.visibility(), rows.iter().map(|row| &row.value)).await?;
    let next = listing.next(&context.base, path, rows.len(), rows.last().map(|row| row.id));
    let mut actions: Vec<_> = rows
        .iter()
        .map(|row| {
            let description = descriptions.get(row);
            ActionView::new(row, description, &context.base, context.version, detail)
        })
        .collect();
    match listing.key {
        Key::Row(_) => {}
        Key::ActionPlanUuid => {
            listing.sort_page(&mut actions, |view| (Some(view.action_plan_uuid.to_string()), view.uuid));
        }
    }
    Ok(Json(ActionPage { actions, next }))
}
