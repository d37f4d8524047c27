//! `POST /v1/plugins`.

use axum::extract::Request;
use utoipa::ToSchema;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems, UploadProblems, WriteProblems};
use crate::policy::Rule;
use crate::upload;
use crate::v1::plugins::told;
use crate::v1::plugins::view::PluginVersionView;
use crate::v1::{Created, Detail};
use watcher_registry::RegistryError;

/// An upload in parts.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `upload::read` reads")]
pub(crate) struct UploadForm {
    /// The component.
    #[schema(value_type = String, format = Binary)]
    component: Vec<u8>,
    /// What is new in it, for people; at most 64 KiB.
    notes: Option<String>,
    /// A detached signature over its digest; at most 16 KiB.
    signature: Option<String>,
}

/// Uploads a component: a new plugin of the caller's project, or a new version of one. The component says itself which. A refused one is
/// not kept; the answer says everything that is wrong with it.
#[utoipa::path(
    post, path = "/v1/plugins", operation_id = "upload_plugin", tag = "plugins",
    params(Headers),
    request_body(content((String = "application/wasm"), (UploadForm = "multipart/form-data"))),
    responses(
        (status = 201, description = "The version", body = PluginVersionView,
         headers(("Location" = String, description = "Where it is"))),
        ReadProblems, WriteProblems, UploadProblems,
    )
)]
pub(crate) async fn create(
    context: Context,
    arguments: Arguments,
    request: Request,
) -> Result<Created<PluginVersionView>, ApiError> {
    arguments.done()?;
    context.enforce(Rule::PluginCreate)?;
    let (registry, actor) = (&context.api.registry, context.actor());
    let place = match registry.begin_upload(&actor).await {
        Ok(place) => place,
        Err(error) => {
            // What is forgotten as it arrives needs no memory, and has no place.
            if let RegistryError::TooManyUploads { .. } = error {
                upload::forget(request, &context.api.options).await;
            }
            return Err(told(error, ""));
        }
    };
    let upload = upload::read(request, &context.api.options).await?;
    let release = registry.upload(place, &actor, upload).await.map_err(|error| told(error, ""))?;
    Ok(Created {
        location: context
            .base
            .v1(&format!("plugins/{}/versions/{}", release.plugin.id, release.version.version.digest)),
        view: PluginVersionView::new(&release.plugin, &release.version, &context, Detail::Full),
    })
}
