//! `GET /v1/plugins/{plugin}/versions` and `/v1/plugins/{plugin}/versions/{version}`.

use axum::Json;
use watcher_store::plugin;

use crate::arguments::{Arguments, Marker};
use crate::context::Context;
use crate::error::{ApiError, NotFound};
use crate::openapi::{Headers, PageArguments, ReadProblems, VersionPath};
use crate::policy::Rule;
use crate::v1::Detail;
use crate::v1::plugins::PluginPath;
use crate::v1::plugins::view::{PluginVersionPage, PluginVersionView};

/// Versions are listed as they came.
pub(crate) const KEYS: &[(&str, ())] = &[("id", ())];

/// Most versions on a page: each is read with its description.
const MOST: u32 = 50;

/// Versions of a plugin, in the order in which they came; at most 50 on a page.
#[utoipa::path(
    get, path = "/v1/plugins/{plugin}/versions", operation_id = "list_plugin_versions", tag = "plugins",
    params(("plugin" = String, Path, description = "UUID"), Headers, PageArguments),
    responses((status = 200, description = "A page of versions", body = PluginVersionPage), ReadProblems)
)]
pub(crate) async fn list(
    context: Context,
    path: PluginPath,
    mut arguments: Arguments,
) -> Result<Json<PluginVersionPage>, ApiError> {
    let paging = arguments.take_paging(Marker::Text)?;
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let found = path.find(&mut tx, &context, Rule::PluginGet).await?;
    let mut listing = paging.check(KEYS, &context.api.options)?;
    listing.limit = listing.limit.min(MOST);
    let marker = match &listing.marker {
        None => None,
        Some(text) => {
            let reference = if text.contains('\0') { "" } else { text.as_str() };
            let version = plugin::find_version(&mut tx, found.id, reference).await?;
            Some(version.ok_or_else(|| NotFound::PluginVersion(text.clone()))?.serial)
        }
    };
    let rows = plugin::versions_of(&mut tx, found.id, marker, listing.dir, listing.limit).await?;
    let last = rows.last().map(|row| row.version.digest);
    let next = listing.next(&context.base, &format!("plugins/{}/versions", found.id), rows.len(), last);
    let versions = rows.iter().map(|row| PluginVersionView::new(&found, row, &context, Detail::Brief)).collect();
    Ok(Json(PluginVersionPage { versions, next }))
}

/// One version, with the report of its check.
#[utoipa::path(
    get, path = "/v1/plugins/{plugin}/versions/{version}", operation_id = "show_plugin_version", tag = "plugins",
    params(VersionPath, Headers),
    responses((status = 200, description = "The version", body = PluginVersionView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
) -> Result<Json<PluginVersionView>, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let found = path.find(&mut tx, &context, Rule::PluginGet).await?;
    let version = path.version(&mut tx, found.id).await?;
    Ok(Json(PluginVersionView::new(&found, &version, &context, Detail::Full)))
}
