//! Plugins: what projects upload, share and use. The registry does everything; here is who may ask for it, and how it is said.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod events;
pub(crate) mod file;
pub(crate) mod grants;
pub(crate) mod life;
pub(crate) mod list;
pub(crate) mod members;
pub(crate) mod show;
pub(crate) mod signatures;
pub(crate) mod update;
pub(crate) mod versions;
pub(crate) mod view;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::routing::{get, post, put};
use serde_json::Value;
use watcher_domain::{PluginId, ProjectId};
use watcher_registry::RegistryError;
use watcher_store::plugin::{self, Plugin, VersionRecord};
use watcher_store::{Stored, Tx};

use crate::arguments;
use crate::context::Context;
use crate::error::{ApiError, Conflict, Invalid, NotFound};
use crate::policy::Rule;
use crate::state::ApiState;

/// Longest id of a project, in characters.
const LONGEST_PROJECT: usize = 64;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        // Uploads have bounds of their own.
        .route("/v1/plugins", get(list::list).post(create::create).layer(DefaultBodyLimit::disable()))
        .route("/v1/plugins/{plugin}", get(show::show).patch(update::update).delete(delete::plugin))
        .route("/v1/plugins/{plugin}/versions", get(versions::list))
        .route("/v1/plugins/{plugin}/versions/{version}", get(versions::show).delete(delete::version))
        .route("/v1/plugins/{plugin}/versions/{version}/file", get(file::download))
        .route("/v1/plugins/{plugin}/versions/{version}/deactivate", post(life::deactivate))
        .route("/v1/plugins/{plugin}/versions/{version}/reactivate", post(life::reactivate))
        .route("/v1/plugins/{plugin}/versions/{version}/deprecate", post(life::deprecate))
        .route("/v1/plugins/{plugin}/versions/{version}/signatures", get(signatures::show).post(signatures::add))
        .route("/v1/plugins/{plugin}/members", get(members::list).post(members::offer))
        .route("/v1/plugins/{plugin}/members/{project}", put(members::answer).delete(members::withdraw))
        .route("/v1/plugins/{plugin}/grants", get(grants::show).put(grants::update))
        .route("/v1/plugins/{plugin}/events", get(events::list))
}

/// Methods of a path below `/v1/plugins`.
pub(crate) fn methods(below: &[&str]) -> &'static str {
    match below {
        [] | [_, "members"] | [_, "versions", _, "signatures"] => "GET, POST",
        [_] => "DELETE, GET, PATCH",
        [_, "members", ..] => "DELETE, PUT",
        [_, "grants"] => "GET, PUT",
        [_, "versions", _] => "DELETE, GET",
        [_, "versions", _, "deactivate" | "reactivate" | "deprecate"] => "POST",
        _ => "GET",
    }
}

/// The variable parts of a path: the plugin, and what of it.
pub(crate) struct PluginPath {
    plugin: String,
    part: String,
}

impl FromRequestParts<ApiState> for PluginPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, api).await.map_err(|_| ApiError::NoSuchPath)?;
        let mut params = params.iter().map(|(_, value)| value.to_owned());
        Ok(Self { plugin: params.next().ok_or(ApiError::NoSuchPath)?, part: params.next().unwrap_or_default() })
    }
}

impl PluginPath {
    /// The plugin, if the caller sees it and the policy allows to do this to it. One that they do not see is as one that is not there.
    async fn find(&self, tx: &mut Tx, context: &Context, rule: Rule) -> Result<Stored<Plugin>, ApiError> {
        let plugin = find(tx, context, &self.plugin).await?;
        context.enforce_on(rule, &plugin.value)?;
        Ok(plugin)
    }

    /// The same for an operation that writes, which the registry does in a transaction of its own.
    async fn permitted(&self, context: &Context, rule: Rule) -> Result<PluginId, ApiError> {
        let mut tx = context.api.store.read().await?;
        Ok(self.find(&mut tx, context, rule).await?.id)
    }

    /// A version of the plugin, by digest or number.
    async fn version(&self, tx: &mut Tx, plugin: PluginId) -> Result<VersionRecord, ApiError> {
        let found = if self.part.contains('\0') { None } else { plugin::find_version(tx, plugin, &self.part).await? };
        found.ok_or_else(|| NotFound::PluginVersion(self.part.clone()).into())
    }

    /// What the registry says, in the words of the API.
    fn told(&self, error: RegistryError) -> ApiError {
        told(error, &self.plugin)
    }
}

/// A plugin that the caller sees.
async fn find(tx: &mut Tx, context: &Context, text: &str) -> Result<Stored<Plugin>, ApiError> {
    let found = match arguments::uuid(text) {
        Some(uuid) => plugin::find(tx, PluginId(uuid), context.show_deleted, &context.visibility()).await?,
        None => None,
    };
    found.ok_or_else(|| NotFound::Plugin(text.to_owned()).into())
}

/// A project that a caller names. Ids of projects are texts that stand in a path as they are.
pub(crate) fn project(field: &str, text: &str) -> Result<ProjectId, Invalid> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > LONGEST_PROJECT || !text.bytes().all(is_allowed) {
        let shown = text.chars().filter(|letter| *letter != '\0').take(LONGEST_PROJECT).collect();
        return Err(Invalid::input(field, &Value::String(shown), "That is no id of a project"));
    }
    Ok(ProjectId(text.to_owned()))
}

/// What the registry says, in the words of the API. `plugin` is how the caller named it.
pub(crate) fn told(error: RegistryError, plugin: &str) -> ApiError {
    match error {
        RegistryError::Refused(refusal) => ApiError::Refused(refusal),
        RegistryError::Quota { .. } => ApiError::Quota(error.to_string()),
        RegistryError::TooManyUploads { .. }
        | RegistryError::TooManyChanges { .. }
        | RegistryError::TooManyAtOnce { .. } => ApiError::TooMany(error.to_string()),
        RegistryError::Busy => ApiError::Busy(error.to_string()),
        RegistryError::SameComponent { .. }
        | RegistryError::SameNumber { .. }
        | RegistryError::InUse { .. }
        | RegistryError::NotShared(_)
        | RegistryError::Member(_)
        | RegistryError::NothingToAccept
        | RegistryError::Deactivated(_)
        | RegistryError::NothingRuns
        | RegistryError::BuiltIn
        | RegistryError::Unsigned(_) => Conflict::Registry(capitalized(&error.to_string())).into(),
        RegistryError::NoPlugin => NotFound::Plugin(plugin.to_owned()).into(),
        RegistryError::NoVersion(version) => NotFound::PluginVersion(version).into(),
        RegistryError::NoMember(project) => NotFound::PluginMember(project).into(),
        RegistryError::NoProject
        | RegistryError::NoLimit(_)
        | RegistryError::BadSignature(_)
        | RegistryError::BadPolicy(_) => Invalid::Plugin(capitalized(&error.to_string())).into(),
        RegistryError::Blob(trouble) if trouble.is_temporary() => ApiError::Busy(capitalized(&trouble.to_string())),
        RegistryError::Store(error) => error.into(),
        RegistryError::Check(_) | RegistryError::Blob(_) | RegistryError::Tampered(_) => ApiError::Registry(error),
    }
}

/// A clause as a sentence.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
