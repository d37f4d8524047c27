//! `PATCH /v1/plugins/{plugin}`.

use axum::Json;
use serde_json::{Map, Value, json};
use watcher_domain::plugin::PluginVisibility;
use watcher_registry::{Change, Changes};
use watcher_store::plugin::Plugin;

use crate::arguments::Arguments;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Invalid};
use crate::openapi::{ChangeProblems, Headers, PatchOperation, ReadProblems, WriteProblems};
use crate::patch::{self, Limits};
use crate::patched::Patched;
use crate::policy::Rule;
use crate::v1::plugins::PluginPath;
use crate::v1::plugins::show::full_record;
use crate::v1::plugins::view::PluginView;

const LIMITS: Limits = Limits {
    internal: patch::INTERNAL,
    allowed: Some(&["visibility", "description", "default_version"]),
    removal: true,
    refuse: |_| None,
};
/// Longest description, in characters.
const LONGEST_DESCRIPTION: usize = 4096;

/// Changes a plugin: `/visibility`, `/description`, and `/default_version` (a number or digest; without it the newest version runs).
#[utoipa::path(
    patch, path = "/v1/plugins/{plugin}", operation_id = "update_plugin", tag = "plugins",
    params(("plugin" = String, Path, description = "UUID"), Headers),
    request_body = Vec<PatchOperation>,
    responses((status = 200, description = "The plugin", body = PluginView), ReadProblems, WriteProblems, ChangeProblems)
)]
pub(crate) async fn update(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
    body: Body,
) -> Result<Json<PluginView>, ApiError> {
    arguments.done()?;
    let body = body.required(patch::ARGUMENT)?;
    let operations = patch::parse(&body, &LIMITS)?;
    let mut tx = context.api.store.read().await?;
    let before = path.find(&mut tx, &context, Rule::PluginUpdate).await?;
    drop(tx);
    let document = document(&before);
    let patched = Patched(patch::apply(document.clone(), &operations)?);
    let changes = changes(&document, &patched)?;
    if changes.visibility == Some(PluginVisibility::Public) {
        context.enforce_on(Rule::PluginPublicize, &before.value)?;
    }
    let updated = context.api.registry.update(&context.actor(), before.id, &changes).await;
    let updated = updated.map_err(|error| path.told(error))?;
    let mut tx = context.api.store.read().await?;
    Ok(Json(full_record(&mut tx, &context, &updated).await?))
}

/// The plugin as patches see it.
fn document(plugin: &Plugin) -> Map<String, Value> {
    let document = json!({
        "visibility": plugin.visibility,
        "description": plugin.description,
        "default_version": plugin.default_digest,
    });
    match document {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn changes(document: &Map<String, Value>, patched: &Patched) -> Result<Changes, Invalid> {
    let is_changed = |name: &str| document.get(name).filter(|value| !value.is_null()) != patched.get(name);
    let mut changes = Changes::default();
    if is_changed("visibility") {
        let text = patched.required_text("visibility")?;
        let visibility = text.parse();
        let reason = "There is no such value";
        changes.visibility = Some(visibility.map_err(|_| Invalid::input("visibility", &Value::String(text), reason))?);
    }
    if is_changed("description") {
        let description = patched.text("description")?;
        if let Some(text) = description.as_ref().filter(|text| text.chars().count() > LONGEST_DESCRIPTION) {
            let reason = format!("It has more than {LONGEST_DESCRIPTION} characters");
            let shown: String = text.chars().take(40).collect();
            return Err(Invalid::input("description", &Value::String(shown), reason));
        }
        if let Some(text) = &description {
            Invalid::refuse_steering_in_lines("description", text)?;
        }
        changes.description = Change::to(description);
    }
    if is_changed("default_version") {
        changes.default_version = Change::to(patched.text("default_version")?);
    }
    Ok(changes)
}
