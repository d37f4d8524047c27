//! `GET /v1/audits/{audit}`.

use axum::Json;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems};
use crate::policy::Rule;
use crate::v1::audits::view::AuditView;
use crate::v1::{Detail, Ident, find};

/// One audit.
#[utoipa::path(
    get, path = "/v1/audits/{audit}", operation_id = "show_audit", tag = "audits",
    params(("audit" = String, Path, description = "UUID, name or number"), Headers),
    responses((status = 200, description = "The audit", body = AuditView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
) -> Result<Json<AuditView>, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let audit = find::audit(&mut tx, &context, &ident).await?;
    context.enforce_on(Rule::AuditGet, &*audit)?;
    let names = find::names(&mut tx, &context, [audit.goal_id], audit.strategy_id).await?;
    Ok(Json(AuditView::new(&audit, &names, &context.base, context.version, Detail::Full)))
}
