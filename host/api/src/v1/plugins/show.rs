//! `GET /v1/plugins/{plugin}`.

use axum::Json;
use watcher_store::plugin::{self, Plugin};
use watcher_store::{Stored, Tx};

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::openapi::{Headers, ReadProblems};
use crate::policy::Rule;
use crate::v1::plugins::PluginPath;
use crate::v1::plugins::view::PluginView;

/// One plugin.
#[utoipa::path(
    get, path = "/v1/plugins/{plugin}", operation_id = "show_plugin", tag = "plugins",
    params(("plugin" = String, Path, description = "UUID"), Headers),
    responses((status = 200, description = "The plugin", body = PluginView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
) -> Result<Json<PluginView>, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let plugin = path.find(&mut tx, &context, Rule::PluginGet).await?;
    Ok(Json(full_record(&mut tx, &context, &plugin).await?))
}

/// The full record of one plugin.
pub(crate) async fn full_record(
    tx: &mut Tx,
    context: &Context,
    plugin: &Stored<Plugin>,
) -> Result<PluginView, ApiError> {
    let member = match &context.caller.project_id {
        Some(project) => plugin::find_member(tx, plugin.id, project).await?.map(|member| member.status),
        None => None,
    };
    let running = plugin::effective(tx, plugin.id).await?;
    Ok(PluginView::new(plugin, member, context).running(running))
}
