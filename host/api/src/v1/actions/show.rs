//! `GET /v1/actions/{action}`.

use axum::Json;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems};
use crate::policy::Rule;
use crate::target;
use crate::v1::actions::view::ActionView;
use crate::v1::actions::{UUID, full_record};
use crate::v1::{Ident, find};

/// One action.
#[utoipa::path(
    get, path = "/v1/actions/{action}", operation_id = "show_action", tag = "actions",
    params(("action" = String, Path, description = "UUID"), Headers),
    responses((status = 200, description = "The action", body = ActionView), ReadProblems)
)]
pub(crate) async fn show(context: Context, ident: Ident, arguments: Arguments) -> Result<Json<ActionView>, ApiError> {
    let uuid = ident.uuid(UUID)?;
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let action = find::action_by_uuid(&mut tx, &context, Some(uuid), &ident.0).await?;
    context.enforce_on(Rule::ActionGet, target::action(&mut tx, &action).await?)?;
    Ok(Json(full_record(&mut tx, &context, &action).await?))
}
