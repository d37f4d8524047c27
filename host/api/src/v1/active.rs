//! How many audits and action plans of a project may wait and run: whoever looks for what is due looks at all of them.
//!
//! Requests that ask at the same time may each find room for the last one.

use watcher_domain::ProjectId;
use watcher_store::{Tx, action_plan, audit};

use crate::context::Context;
use crate::error::ApiError;
use crate::v1::plugins::told;

/// Refuses one more audit than the project may have. Administrators without a project have no limit.
pub(crate) async fn one_more_audit(
    tx: &mut Tx,
    context: &Context,
    project: Option<&ProjectId>,
) -> Result<(), ApiError> {
    let Some(project) = project else { return Ok(()) };
    let limit = context.api.registry.shares(tx, project).await.map_err(|error| told(error, ""))?.active_audits;
    if audit::active(tx, project, limit).await? < limit {
        return Ok(());
    }
    Err(ApiError::Quota(format!(
        "quota exceeded: the project may have {limit} active audits, and has them; delete or cancel some that are PENDING, ONGOING \
         or SUSPENDED, or of type EVENT"
    )))
}

/// Refuses to let one more action plan wait or run than the project may have.
pub(crate) async fn one_more_plan(tx: &mut Tx, context: &Context, project: Option<&ProjectId>) -> Result<(), ApiError> {
    let Some(project) = project else { return Ok(()) };
    let limit = context.api.registry.shares(tx, project).await.map_err(|error| told(error, ""))?.active_plans;
    if action_plan::active(tx, project, limit).await? < limit {
        return Ok(());
    }
    Err(ApiError::Quota(format!(
        "quota exceeded: the project may have {limit} action plans that are PENDING, ONGOING or CANCELLING, and has them; start this one \
         when some have ended, or cancel some"
    )))
}
