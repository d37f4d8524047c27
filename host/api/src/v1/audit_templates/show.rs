//! `GET /v1/audit_templates/{audit_template}`.

use axum::Json;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems};
use crate::policy::Rule;
use crate::v1::audit_templates::view::AuditTemplateView;
use crate::v1::{Detail, Ident, find};

/// One audit template.
#[utoipa::path(
    get, path = "/v1/audit_templates/{audit_template}", operation_id = "show_audit_template", tag = "audit templates",
    params(("audit_template" = String, Path, description = "UUID, name or number"), Headers),
    responses((status = 200, description = "The audit template", body = AuditTemplateView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
) -> Result<Json<AuditTemplateView>, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let template = find::audit_template(&mut tx, &context, &ident).await?;
    context.enforce_on(Rule::AuditTemplateGet, &*template)?;
    let names = find::names(&mut tx, &context, [template.goal_id], template.strategy_id).await?;
    Ok(Json(AuditTemplateView::new(&template, &names, &context.base, context.version, Detail::Full)))
}
