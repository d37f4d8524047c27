//! `DELETE /v1/audit_templates/{audit_template}`.

use axum::http::StatusCode;
use watcher_store::audit_template;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::{ApiError, NotFound};
use crate::openapi::{Headers, ReadProblems};
use crate::policy::Rule;
use crate::v1::{Ident, find};

/// Soft-deletes an audit template. Audits made from it stay.
#[utoipa::path(
    delete, path = "/v1/audit_templates/{audit_template}", operation_id = "delete_audit_template",
    tag = "audit templates",
    params(("audit_template" = String, Path, description = "UUID, name or number"), Headers),
    responses((status = 204, description = "It is deleted"), ReadProblems)
)]
pub(crate) async fn delete(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
) -> Result<StatusCode, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.begin().await?;
    let template = find::audit_template(&mut tx, &context, &ident).await?;
    context.enforce_on(Rule::AuditTemplateDelete, &*template)?;
    if !audit_template::soft_delete(&mut tx, template.id, context.api.clock.now()).await? {
        return Err(NotFound::AuditTemplate(ident).into());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
