//! Signing policies: whose signatures count for a project, or for all, and when one is needed.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use watcher_domain::{ProjectId, Timestamp};
use watcher_registry::{RegistryError, SigningPolicy, signing_policy};

use crate::arguments::Arguments;
use crate::body::{Body, Fields};
use crate::context::Context;
use crate::error::{ApiError, Invalid};
use crate::openapi::{Headers, ReadProblems, WriteProblems};
use crate::policy::Rule;
use crate::state::ApiState;
use crate::target;
use crate::time;
use crate::v1::Ident;
use crate::v1::plugins::told;

/// Name of the body in messages.
const ARGUMENT: &str = "signing_policy";
/// In the place of a project: the policy that counts for all of them, besides their own.
const ALL: &str = "all";

pub(crate) fn routes() -> Router<ApiState> {
    Router::new().route("/v1/signing_policies/{project}", get(show).put(update))
}

/// Whose signatures count, and when one is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SigningPolicyView {
    /// The project; `all` for what counts for all of them, besides their own.
    project_id: String,
    /// Keys; a signature by any one of them will do.
    keys: Vec<SigningKeyView>,
    /// When one is needed: any of `upload`, `acceptance`, `execution`.
    require: Vec<String>,
    /// Since when.
    updated_at: Option<String>,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SigningKeyView {
    /// For people; each name once.
    name: String,
    /// What signatures name it by: the first 16 hexadecimal digits of the SHA-256 of the key.
    key: String,
    /// Base64 of its 32 bytes.
    public_key: String,
    /// `active`; `retired`, whose signatures are good for acceptance and execution only; or `revoked`, whose are good for nothing.
    state: String,
}

/// Whose signatures are to count, and when one is to be needed. What was there before is replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `update` reads")]
pub(crate) struct NewSigningPolicy {
    /// At most 64.
    keys: Vec<NewSigningKey>,
    /// Any of `upload`, `acceptance`, `execution`.
    require: Vec<String>,
}

/// A public key by its name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `update` reads")]
pub(crate) struct NewSigningKey {
    name: String,
    /// PEM, or base64 of its 32 bytes.
    public_key: String,
    /// `active` without it.
    state: Option<String>,
}

fn text(value: impl Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

fn view(project: Option<&ProjectId>, policy: SigningPolicy, since: Option<Timestamp>) -> SigningPolicyView {
    let key = |key: watcher_registry::NamedKey| SigningKeyView {
        key: key.public_key.id().to_string(),
        public_key: key.public_key.to_string(),
        state: text(key.state),
        name: key.name,
    };
    SigningPolicyView {
        project_id: project.map_or_else(|| ALL.to_owned(), |project| project.0.clone()),
        keys: policy.keys.into_iter().map(key).collect(),
        require: policy.require.into_iter().map(text).collect(),
        updated_at: since.map(time::with_offset),
    }
}

/// Whose policy is meant, and whether the caller may have to do with it.
fn whose(context: &Context, Ident(text): Ident, own: Rule, all: Rule) -> Result<Option<ProjectId>, ApiError> {
    if text.contains('\0') {
        return Err(Invalid::Nul.into());
    }
    if text == ALL {
        context.enforce(all)?;
        return Ok(None);
    }
    let project = ProjectId(text);
    context.enforce_on(own, target::project(&project))?;
    let actor = context.actor();
    if !actor.is_admin && actor.project.as_ref() != Some(&project) {
        return Err(ApiError::Forbidden(own));
    }
    Ok(Some(project))
}

/// Whose signatures count for a project, and when one is needed. Others than administrators see their own, and the one for `all`.
#[utoipa::path(
    get, path = "/v1/signing_policies/{project}", operation_id = "show_signing_policy", tag = "plugins",
    params(("project" = String, Path, description = "Id of the project, or `all`"), Headers),
    responses((status = 200, description = "The policy", body = SigningPolicyView), ReadProblems)
)]
pub(crate) async fn show(
    context: Context,
    ident: Ident,
    arguments: Arguments,
) -> Result<Json<SigningPolicyView>, ApiError> {
    arguments.done()?;
    let project = whose(&context, ident, Rule::SigningPolicyGet, Rule::SigningPolicyGet)?;
    let found = signing_policy(&context.api.store, project.as_ref()).await;
    let (policy, since) = found.map_err(|error| told(error, ""))?;
    Ok(Json(view(project.as_ref(), policy, since)))
}

/// Says whose signatures count for a project, and when one is needed.
#[utoipa::path(
    put, path = "/v1/signing_policies/{project}", operation_id = "update_signing_policy", tag = "plugins",
    params(("project" = String, Path, description = "Id of the project, or `all`"), Headers),
    request_body = NewSigningPolicy,
    responses((status = 200, description = "The policy", body = SigningPolicyView), ReadProblems, WriteProblems)
)]
pub(crate) async fn update(
    context: Context,
    ident: Ident,
    arguments: Arguments,
    body: Body,
) -> Result<Json<SigningPolicyView>, ApiError> {
    arguments.done()?;
    let body = body.required(ARGUMENT)?;
    let fields = Fields::of(ARGUMENT, &body, &["keys", "require"])?;
    fields.mandatory("keys")?;
    fields.mandatory("require")?;
    let read = json!({"keys": fields.any("keys"), "require": fields.any("require")});
    let policy: SigningPolicy = serde_json::from_value(read)
        .map_err(|error| told(RegistryError::BadPolicy(error.to_string().chars().take(300).collect()), ""))?;
    let project = whose(&context, ident, Rule::SigningPolicyUpdate, Rule::SigningPolicyUpdateAll)?;
    let since = context.api.registry.set_signing_policy(project.as_ref(), &policy).await;
    let since = since.map_err(|error| told(error, ""))?;
    Ok(Json(view(project.as_ref(), policy, Some(since))))
}
