//! `DELETE /v1/audits/{audit}`.

use axum::http::StatusCode;
use watcher_bus::Event;
use watcher_domain::AuditEvent;
use watcher_store::audit;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::{ApiError, Conflict, Invalid};
use crate::openapi::{Headers, InUseProblems, ReadProblems};
use crate::policy::Rule;
use crate::v1::{Ident, find};

/// Soft-deletes an audit that has ended or is suspended. Its action plans stay.
#[utoipa::path(
    delete, path = "/v1/audits/{audit}", operation_id = "delete_audit", tag = "audits",
    params(("audit" = String, Path, description = "UUID, name or number"), Headers),
    responses((status = 204, description = "It is deleted"), ReadProblems, InUseProblems)
)]
pub(crate) async fn delete(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
) -> Result<StatusCode, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.begin().await?;
    let audit = find::audit(&mut tx, &context, &ident).await?;
    context.enforce_on(Rule::AuditDelete, &*audit)?;
    let state = audit.state.after(AuditEvent::Delete).map_err(|_| Invalid::Delete(audit.state.as_str()))?;
    if !audit::soft_delete(&mut tx, audit.id, context.api.clock.now()).await? {
        return Err(Conflict::Changed("audit").into());
    }
    tx.commit().await?;
    tracing::info!(audit.id = %audit.id, "audit {} deleted", audit.id);
    context.api.bus.publish(Event::Audit { audit_id: audit.id, old: Some(audit.state), state });
    Ok(StatusCode::NO_CONTENT)
}
