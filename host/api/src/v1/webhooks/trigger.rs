//! `POST /v1/webhooks/{audit}`.

use axum::http::StatusCode;
use watcher_bus::Work;
use watcher_domain::{Audit, AuditEvent, AuditId, AuditType};
use watcher_store::{Stored, Tx, audit};

use crate::arguments::Arguments;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Conflict, Invalid};
use crate::openapi::{Headers, ReadProblems, WriteProblems};
use crate::policy::Rule;
use crate::v1::{Ident, find};

/// Role of other services of the cloud.
const SERVICE_ROLE: &str = "service";

/// Sets off an audit of type `EVENT` that is `PENDING` or `SUCCEEDED`. Calls while one waits for its run are one with it. Any JSON will do as the body, but there must be one.
#[utoipa::path(
    post, path = "/v1/webhooks/{audit}", operation_id = "trigger_audit", tag = "webhooks",
    params(("audit" = String, Path, description = "UUID, name or number"), Headers),
    request_body = serde_json::Value,
    responses((status = 202, description = "The audit will run"), ReadProblems, WriteProblems)
)]
pub(crate) async fn trigger(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
    body: Body,
) -> Result<StatusCode, ApiError> {
    arguments.done()?;
    body.required("body")?;
    if context.api.options.webhooks_auth {
        context.enforce(Rule::WebhookTrigger)?;
    }
    let mut tx = context.api.store.begin().await?;
    let audit = find(&mut tx, &context, &ident).await?;
    if audit.audit_type != AuditType::Event {
        return Err(Invalid::TypeDisallowed(audit.audit_type.as_str()).into());
    }
    let state = audit.state;
    state.after(AuditEvent::Trigger).map_err(|_| Invalid::StateDisallowed(state.as_str()))?;
    if !audit::trigger(&mut tx, audit.id, context.api.clock.now()).await? {
        return Err(Conflict::Changed("audit").into());
    }
    tx.commit().await?;
    tracing::info!(audit.id = %audit.id, "audit {} triggered", audit.id);
    context.api.bus.publish(Work::RunAudit { audit_id: audit.id });
    Ok(StatusCode::ACCEPTED)
}

/// The audit that is meant. Services call webhooks for audits of every project, whose projects are not theirs.
async fn find(tx: &mut Tx, context: &Context, ident: &str) -> Result<Stored<Audit>, ApiError> {
    let is_service = context.caller.roles.iter().any(|role| role == SERVICE_ROLE);
    if context.api.options.webhooks_auth
        && is_service
        && let Ok(id) = ident.parse()
        && let Some(audit) = audit::get(tx, AuditId(id)).await?
        && audit.stamps.deleted_at.is_none()
    {
        return Ok(audit);
    }
    find::audit(tx, context, ident).await
}
