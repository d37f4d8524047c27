//! `/v1/plugins/{plugin}/members`: the projects that a plugin is offered to, and what they say.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use watcher_domain::ProjectId;
use watcher_domain::plugin::MemberStatus;
use watcher_store::plugin;

use crate::arguments::Arguments;
use crate::body::{Body, Fields};
use crate::context::Context;
use crate::error::{ApiError, Invalid};
use crate::openapi::{ChangeProblems, Headers, ReadProblems, WriteProblems};
use crate::policy::Rule;
use crate::target;
use crate::v1::Created;
use crate::v1::plugins::view::{PluginMemberList, PluginMemberView};
use crate::v1::plugins::{PluginPath, project};

/// Name of the bodies in messages.
const ARGUMENT: &str = "member";
/// Members that a list has; a project has not as many unless its limits were raised beyond.
const MOST_MEMBERS: u32 = 10_000;

/// A project that a plugin is offered to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `offer` reads")]
pub(crate) struct NewPluginMember {
    /// Id of the project.
    member: String,
}

/// What a project says to a plugin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `answer` reads")]
pub(crate) struct PluginAnswer {
    /// `accepted`, `rejected` or `pending`.
    status: String,
}

/// The projects that a plugin is offered to. Other projects than its own see only themselves.
#[utoipa::path(
    get, path = "/v1/plugins/{plugin}/members", operation_id = "list_plugin_members", tag = "plugins",
    params(("plugin" = String, Path, description = "UUID"), Headers),
    responses((status = 200, description = "The members", body = PluginMemberList), ReadProblems)
)]
pub(crate) async fn list(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
) -> Result<Json<PluginMemberList>, ApiError> {
    arguments.done()?;
    let mut tx = context.api.store.read().await?;
    let found = path.find(&mut tx, &context, Rule::PluginMembers).await?;
    let actor = context.actor();
    let sees_all = actor.is_admin || found.project_id.is_some() && found.project_id == actor.project;
    let nobody = ProjectId(String::new());
    let only = if sees_all { None } else { Some(actor.project.as_ref().unwrap_or(&nobody)) };
    let members = plugin::members(&mut tx, found.id, only, MOST_MEMBERS).await?;
    let members = members.iter().map(|member| PluginMemberView::new(found.id.0, member)).collect();
    Ok(Json(PluginMemberList { members }))
}

/// Offers a shared plugin to a project, which then accepts or rejects it.
#[utoipa::path(
    post, path = "/v1/plugins/{plugin}/members", operation_id = "offer_plugin", tag = "plugins",
    params(("plugin" = String, Path, description = "UUID"), Headers),
    request_body = NewPluginMember,
    responses(
        (status = 201, description = "The member", body = PluginMemberView,
         headers(("Location" = String, description = "Where it is"))),
        ReadProblems, WriteProblems, ChangeProblems,
    )
)]
pub(crate) async fn offer(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
    body: Body,
) -> Result<Created<PluginMemberView>, ApiError> {
    arguments.done()?;
    let body = body.required(ARGUMENT)?;
    let fields = Fields::of(ARGUMENT, &body, &["member"])?;
    fields.mandatory("member")?;
    let project = project("member", fields.text("member")?.unwrap_or_default())?;
    let id = path.permitted(&context, Rule::PluginOffer).await?;
    let member = context.api.registry.offer(&context.actor(), id, &project).await;
    let member = member.map_err(|error| path.told(error))?;
    Ok(Created {
        location: context.base.v1(&format!("plugins/{id}/members/{project}")),
        view: PluginMemberView::new(id.0, &member),
    })
}

/// Says what a project says to a plugin: to one that it was offered, or to a community or public one. What it accepts it may use.
#[utoipa::path(
    put, path = "/v1/plugins/{plugin}/members/{project}", operation_id = "answer_plugin", tag = "plugins",
    params(
        ("plugin" = String, Path, description = "UUID"),
        ("project" = String, Path, description = "Id of the project that says it"),
        Headers,
    ),
    request_body = PluginAnswer,
    responses((status = 200, description = "The member", body = PluginMemberView), ReadProblems, WriteProblems, ChangeProblems)
)]
pub(crate) async fn answer(
    context: Context,
    path: PluginPath,
    arguments: Arguments,
    body: Body,
) -> Result<Json<PluginMemberView>, ApiError> {
    arguments.done()?;
    let body = body.required(ARGUMENT)?;
    let fields = Fields::of(ARGUMENT, &body, &["status"])?;
    fields.mandatory("status")?;
    let text = fields.text("status")?.unwrap_or_default();
    let status: MemberStatus = text
        .parse()
        .map_err(|_| Invalid::input("status", &Value::String(text.to_owned()), "There is no such value"))?;
    let mut tx = context.api.store.read().await?;
    let found = super::find(&mut tx, &context, &path.plugin).await?;
    drop(tx);
    let project = project("project", &path.part)?;
    context.enforce_on(Rule::PluginAccept, target::project(&project))?;
    let status = context.api.registry.answer(&context.actor(), found.id, &project, status).await;
    let status = status.map_err(|error| path.told(error))?;
    Ok(Json(PluginMemberView { plugin_uuid: found.id.0, project_id: project.0, status: status.as_str() }))
}

/// Takes the offer to a project back: it may not use the plugin any more, but what runs goes on.
#[utoipa::path(
    delete, path = "/v1/plugins/{plugin}/members/{project}", operation_id = "withdraw_plugin", tag = "plugins",
    params(
        ("plugin" = String, Path, description = "UUID"),
        ("project" = String, Path, description = "Id of the project"),
        Headers,
    ),
    responses((status = 204, description = "It is no member"), ReadProblems)
)]
pub(crate) async fn withdraw(context: Context, path: PluginPath, arguments: Arguments) -> Result<StatusCode, ApiError> {
    arguments.done()?;
    let id = path.permitted(&context, Rule::PluginOffer).await?;
    let project = project("project", &path.part)?;
    let withdrawn = context.api.registry.withdraw(&context.actor(), id, &project).await;
    withdrawn.map_err(|error| path.told(error))?;
    Ok(StatusCode::NO_CONTENT)
}
