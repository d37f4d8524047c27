//! `/v1/plugins/{plugin}/grants`: what a project lets a plugin ask of its cloud.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use watcher_domain::cloud::{Grant, GrantedVersion, GrantedVersions, RequestPattern};
use watcher_domain::{ProjectId, Timestamp};
use watcher_store::plugin;

use crate::arguments::Arguments;
use crate::body::{Body, Fields};
use crate::context::Context;
use crate::error::{ApiError, Invalid};
use crate::openapi::{ChangeProblems, Headers, ReadProblems, WriteProblems};
use crate::policy::Rule;
use crate::target;
use crate::time;
use crate::v1::plugins::view::RunningVersion;
use crate::v1::plugins::{PluginPath, find, told};
use watcher_registry::{GrantFor, RegistryError};

/// Name of the body in messages.
const ARGUMENT: &str = "grant";
/// Most patterns of a grant.
const MOST_PATTERNS: usize = 256;
/// Most versions of a grant.
const MOST_VERSIONS: usize = 64;

/// What a project lets a plugin ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginGrantView {
    plugin_uuid: Uuid,
    /// The project.
    project_id: String,
    /// Requests that the plugin may send; null if the project never said.
    requests: Option<Vec<RequestPatternView>>,
    /// The versions of the plugin that may; null if the project never said.
    #[schema(value_type = Option<Object>)]
    versions: Option<GrantedVersionsView>,
    /// Since when.
    updated_at: Option<String>,
}

/// Every version, also those that are uploaded later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AnyVersion {
    Any,
}

/// Which versions a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum GrantedVersionsView {
    Any(AnyVersion),
    These(Vec<RunningVersion>),
}

/// Which versions a grant is to be for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum VersionNames {
    Any(AnyVersion),
    /// Numbers or digests.
    These(Vec<String>),
}

/// A kind of request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestPatternView {
    /// Service type of the catalogue, e.g. `compute`.
    service: String,
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`.
    method: String,
    /// Path below the endpoint; a segment `{name}` stands for any one segment.
    path: String,
    /// Keys that its query may have; no query if it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    query: Vec<String>,
    /// API microversions, as `2.1-2.56`, `2.56` for one, or open at an end: `2.1-`, `-2.56`. Any, and none, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    microversions: Option<String>,
    /// The only member that the body may have, one of these; any body if it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
}

/// What a project is to let a plugin ask.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `update` reads")]
pub(crate) struct NewPluginGrant {
    /// Requests that the plugin may send; none lets it send nothing.
    requests: Vec<RequestPatternView>,
    /// The versions of the plugin that may: `any`, or a list of numbers and digests; the version that runs now without it.
    #[schema(value_type = Option<Object>)]
    versions: Option<VersionNames>,
}

impl From<&RequestPattern> for RequestPatternView {
    fn from(pattern: &RequestPattern) -> Self {
        Self {
            service: pattern.service.clone(),
            method: pattern.method.as_str().to_owned(),
            path: pattern.path.clone(),
            query: pattern.query.clone(),
            microversions: pattern.microversions.clone(),
            actions: pattern.actions.clone(),
        }
    }
}

fn shown(version: &GrantedVersion) -> RunningVersion {
    RunningVersion { version: version.version.clone(), digest: version.digest.to_string() }
}

fn view(plugin: Uuid, project: ProjectId, grant: Option<(Grant, Timestamp)>) -> PluginGrantView {
    PluginGrantView {
        plugin_uuid: plugin,
        project_id: project.0,
        updated_at: grant.as_ref().map(|(_, since)| time::with_offset(*since)),
        versions: grant.as_ref().map(|(grant, _)| match &grant.versions {
            GrantedVersions::Any => GrantedVersionsView::Any(AnyVersion::Any),
            GrantedVersions::These(versions) => GrantedVersionsView::These(versions.iter().map(shown).collect()),
        }),
        requests: grant.map(|(grant, _)| grant.requests.iter().map(RequestPatternView::from).collect()),
    }
}

/// The project whose grants are meant: the caller's own, or for administrators another one.
fn project(context: &Context, given: Option<String>) -> Result<ProjectId, ApiError> {
    match given {
        Some(given) => Ok(super::project("project_id", &given)?),
        None => context.caller.project_id.clone().ok_or_else(|| told(RegistryError::NoProject, "")),
    }
}

/// What a project lets a plugin ask.
#[utoipa::path(
    get, path = "/v1/plugins/{plugin}/grants", operation_id = "show_plugin_grants", tag = "plugins",
    params(
        ("plugin" = String, Path, description = "UUID"),
        ("project_id" = Option<String>, Query, description = "The project; the caller's own without it"),
        Headers,
    ),
    responses((status = 200, description = "The grant", body = PluginGrantView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    path: PluginPath,
    mut arguments: Arguments,
) -> Result<Json<PluginGrantView>, ApiError> {
    let given = arguments.take("project_id")?;
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let found = find(&mut tx, &context, &path.plugin).await?;
    let project = project(&context, given)?;
    let actor = context.actor();
    context.enforce_on(Rule::PluginGrants, target::project(&project))?;
    if !actor.is_admin && actor.project.as_ref() != Some(&project) {
        return Err(ApiError::Forbidden(Rule::PluginGrants));
    }
    let grant = plugin::grant_of(&mut tx, found.id, &project).await?;
    Ok(Json(view(found.id.0, project, grant)))
}

/// Lets versions of a plugin ask something of the cloud, for the runs of a project. What was let before is replaced.
#[utoipa::path(
    put, path = "/v1/plugins/{plugin}/grants", operation_id = "update_plugin_grants", tag = "plugins",
    params(
        ("plugin" = String, Path, description = "UUID"),
        ("project_id" = Option<String>, Query, description = "The project; the caller's own without it"),
        Headers,
    ),
    request_body = NewPluginGrant,
    responses((status = 200, description = "The grant", body = PluginGrantView), ReadProblems, WriteProblems, ChangeProblems)
)]
pub(crate) async fn update(
    context: Context,
    path: PluginPath,
    mut arguments: Arguments,
    body: Body,
) -> Result<Json<PluginGrantView>, ApiError> {
    let given = arguments.take("project_id")?;
    arguments.done()?;
    let body = body.required(ARGUMENT)?;
    let fields = Fields::of(ARGUMENT, &body, &["requests", "versions"])?;
    fields.mandatory("requests")?;
    let requests = read(fields.any("requests").unwrap_or(&Value::Null))?;
    let versions = versions(fields.any("versions"))?;
    let mut tx = context.api.store.read().await?;
    let found = find(&mut tx, &context, &path.plugin).await?;
    drop(tx);
    let project = project(&context, given)?;
    context.enforce_on(Rule::PluginGrant, target::project(&project))?;
    let registry = &context.api.registry;
    let granted = registry.set_grant(&context.actor(), found.id, &project, requests, versions).await;
    let granted = granted.map_err(|error| path.told(error))?;
    Ok(Json(view(found.id.0, project, Some(granted))))
}

fn versions(given: Option<&Value>) -> Result<GrantFor, Invalid> {
    let Some(given) = given else { return Ok(GrantFor::Running) };
    let refuse = |reason: &str| Invalid::input("versions", given, reason);
    match serde_json::from_value(given.clone()) {
        Ok(VersionNames::Any(AnyVersion::Any)) => Ok(GrantFor::Any),
        Ok(VersionNames::These(names)) if names.len() > MOST_VERSIONS => {
            Err(refuse(&format!("It has more than {MOST_VERSIONS} items")))
        }
        Ok(VersionNames::These(names)) => Ok(GrantFor::These(names)),
        Err(_) => Err(refuse("It must be \"any\" or a list of numbers and digests of versions")),
    }
}

fn read(given: &Value) -> Result<Vec<RequestPattern>, Invalid> {
    let refuse = |reason: &str| Invalid::input("requests", given, reason);
    let items = given.as_array().ok_or_else(|| refuse("Value not a valid list"))?;
    if items.len() > MOST_PATTERNS {
        return Err(refuse(&format!("It has more than {MOST_PATTERNS} items")));
    }
    let pattern = |item: &Value| -> Result<RequestPattern, Invalid> {
        let refuse = |reason: &str| Invalid::input("requests", item, reason);
        let shown: RequestPatternView = serde_json::from_value(item.clone()).map_err(|_| {
            refuse("Every item must be an object of service, method and path, and perhaps query, microversions and actions")
        })?;
        let method = shown.method.parse().map_err(|_| refuse("There is no such method"))?;
        let pattern = RequestPattern {
            query: shown.query,
            microversions: shown.microversions,
            actions: shown.actions,
            ..RequestPattern::new(shown.service, method, shown.path)
        };
        pattern.check().map_err(|error| refuse(&error.to_string()))?;
        Ok(pattern)
    };
    items.iter().map(pattern).collect()
}
