//! `GET /v1/services/{service}`.

use axum::Json;
use watcher_store::service;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::{ApiError, NotFound};
use crate::openapi::{Headers, ReadProblems};
use crate::policy::{Rule, Target};
use crate::v1::services::view::ServiceView;
use crate::v1::{Detail, Ident, find};

/// One service. Of several with one name the oldest is shown.
#[utoipa::path(
    get, path = "/v1/services/{service}", operation_id = "show_service", tag = "services",
    params(("service" = String, Path, description = "Number or name"), Headers),
    responses((status = 200, description = "The service", body = ServiceView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
) -> Result<Json<ServiceView>, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let found = match find::reference(&ident) {
        Some(reference) => service::find(&mut tx, &reference, context.show_deleted).await?,
        None => None,
    };
    let found = found.ok_or(NotFound::Service(ident))?;
    context.enforce_on(Rule::ServiceGet, Target::default().with("name", Some(&found.name)))?;
    Ok(Json(ServiceView::new(&found, &context, Detail::Full)))
}
