//! `GET /v1/data_model`.

use axum::Json;
use watcher_cluster::AuditScope;

use crate::arguments::{self, Arguments};
use crate::context::Context;
use crate::error::{ApiError, Invalid, NotFound};
use crate::microversion::Microversion;
use crate::openapi::{Headers, ReadProblems};
use crate::policy::Rule;
use crate::v1::data_model::view::DataModel;
use crate::v1::find;

/// The only model that is shown.
const COMPUTE: &str = "compute";

/// Compute nodes and their servers, as the decision engine sees the cloud. From version 1.3.
#[utoipa::path(
    get, path = "/v1/data_model", operation_id = "list_data_model", tag = "data model",
    params(
        Headers,
        ("data_model_type" = Option<String>, Query, description = "`compute`, which it is without"),
        ("audit_uuid" = Option<String>, Query, description = "UUID of an audit: only what lies in its scope"),
    ),
    responses((status = 200, description = "The rows of the model", body = DataModel), ReadProblems)
)]
pub(crate) async fn list(context: Context, mut arguments: Arguments) -> Result<Json<DataModel>, ApiError> {
    let model_type = arguments.take("data_model_type")?.unwrap_or_else(|| COMPUTE.to_owned());
    let audit = match arguments.take("audit_uuid")? {
        None => None,
        Some(text) => match arguments::uuid(&text) {
            Some(uuid) => Some((uuid, text)),
            None => return Err(Invalid::uuid_argument("audit_uuid", &text).into()),
        },
    };
    arguments.done()?;
    if context.version < Microversion::DATA_MODEL {
        return Err(ApiError::NotInThisVersion);
    }
    if model_type != COMPUTE {
        return Err(NotFound::DataModel(model_type).into());
    }
    context.enforce(Rule::DataModelGetAll)?;
    let scope = match audit {
        None => AuditScope::default(),
        Some((uuid, text)) => {
            let mut tx = context.api.store.read().await?;
            match find::audit_by_uuid(&mut tx, &context, Some(uuid), &text).await {
                Ok(audit) => audit.value.scope,
                Err(ApiError::NotFound(_)) => return Err(Invalid::AuditOfModel(text).into()),
                Err(error) => return Err(error),
            }
        }
    };
    let model = context.api.ask(context.api.probe.compute_model(&scope)).await?;
    Ok(Json(DataModel::new(&model, context.version)))
}
