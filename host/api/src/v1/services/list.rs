//! `GET /v1/services` and `/v1/services/detail`.

use axum::Json;
use watcher_store::{Page, Reference, service};

use crate::arguments::{Arguments, Marker};
use crate::context::Context;
use crate::error::{ApiError, NotFound};
use crate::openapi::{Headers, PageArguments, ReadProblems};
use crate::policy::Rule;
use crate::v1::Detail;
use crate::v1::services::view::{ServicePage, ServiceView};

pub(crate) const KEYS: &[(&str, service::Sort)] = &[
    ("id", service::Sort::Serial),
    ("name", service::Sort::Name),
    ("host", service::Sort::Host),
    ("last_seen_up", service::Sort::LastSeenUp),
    ("created_at", service::Sort::CreatedAt),
    ("updated_at", service::Sort::UpdatedAt),
    ("deleted_at", service::Sort::DeletedAt),
];

/// Services.
#[utoipa::path(
    get, path = "/v1/services", operation_id = "list_services", tag = "services", params(Headers, PageArguments),
    responses((status = 200, description = "A page of services", body = ServicePage), ReadProblems)
)]
pub(crate) async fn brief(context: Context, arguments: Arguments) -> Result<Json<ServicePage>, ApiError> {
    page(&context, arguments, Rule::ServiceGetAll, Detail::Brief, "services").await
}

/// Services as full records.
#[utoipa::path(
    get, path = "/v1/services/detail", operation_id = "list_services_in_full", tag = "services",
    params(Headers, PageArguments),
    responses((status = 200, description = "A page of services", body = ServicePage), ReadProblems)
)]
pub(crate) async fn full(context: Context, arguments: Arguments) -> Result<Json<ServicePage>, ApiError> {
    page(&context, arguments, Rule::ServiceDetail, Detail::Full, "services/detail").await
}

async fn page(
    context: &Context,
    mut arguments: Arguments,
    rule: Rule,
    detail: Detail,
    path: &str,
) -> Result<Json<ServicePage>, ApiError> {
    let paging = arguments.take_paging(Marker::Number)?;
    arguments.done()?;
    context.enforce(rule)?;
    let listing = paging.check(KEYS, &context.api.options)?;
    let mut tx = context.api.store.read().await?;
    let marker = match &listing.marker {
        None => None,
        Some(text) => {
            let reference = Reference::Serial(text.parse().unwrap_or(i64::MIN));
            let found = service::find(&mut tx, &reference, context.show_deleted).await?;
            Some(found.ok_or_else(|| NotFound::Service(text.clone()))?.serial)
        }
    };
    let page =
        Page { limit: listing.limit, marker, sort: listing.key, dir: listing.dir, show_deleted: context.show_deleted };
    let rows = service::list(&mut tx, &page).await?;
    let next = listing.next(&context.base, path, rows.len(), rows.last().map(|row| row.serial));
    let services = rows.iter().map(|row| ServiceView::new(row, context, detail)).collect();
    Ok(Json(ServicePage { services, next }))
}
