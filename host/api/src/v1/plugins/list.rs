//! `GET /v1/plugins`.

use axum::Json;
use serde_json::Value;
use watcher_domain::plugin::{MemberStatus, PluginVisibility};
use watcher_domain::{PluginKind, ProjectId};
use watcher_store::{Page, Whose, plugin};

use crate::arguments::{Arguments, Marker};
use crate::context::Context;
use crate::error::{ApiError, Invalid};
use crate::openapi::{Headers, PageArguments, ReadProblems};
use crate::policy::Rule;
use crate::v1::plugins::find;
use crate::v1::plugins::view::{PluginPage, PluginView};

pub(crate) const KEYS: &[(&str, plugin::Sort)] = &[
    ("id", plugin::Sort::Serial),
    ("uuid", plugin::Sort::Uuid),
    ("kind", plugin::Sort::Kind),
    ("name", plugin::Sort::Name),
    ("visibility", plugin::Sort::Visibility),
    ("created_at", plugin::Sort::CreatedAt),
    ("updated_at", plugin::Sort::UpdatedAt),
];

/// Plugins: built-in ones, those of the caller's project, public ones, and those that the project accepted; for administrators, all.
/// Community plugins are listed if they are asked for, and offered ones by what was said to them.
#[utoipa::path(
    get, path = "/v1/plugins", operation_id = "list_plugins", tag = "plugins",
    params(
        Headers, PageArguments,
        ("kind" = Option<String>, Query, description = "Of this kind"),
        ("name" = Option<String>, Query, description = "Of this name"),
        ("visibility" = Option<String>, Query, description = "That are seen so"),
        ("owner" = Option<String>, Query, description = "Of this project; `built-in` for those of nobody"),
        ("member_status" = Option<String>, Query,
         description = "Offered to the caller's project, or accepted by it, and what it said; `all` for anything"),
    ),
    responses((status = 200, description = "A page of plugins", body = PluginPage), ReadProblems)
)]
pub(crate) async fn list(context: Context, mut arguments: Arguments) -> Result<Json<PluginPage>, ApiError> {
    let kind = take::<PluginKind>(&mut arguments, "kind")?;
    let name = arguments.take("name")?;
    let visibility = take::<PluginVisibility>(&mut arguments, "visibility")?;
    let owner = arguments.take("owner")?;
    let member = match arguments.take("member_status")?.as_deref() {
        None => None,
        Some("all") => Some(None),
        Some(text) => Some(Some(parse::<MemberStatus>("member_status", text)?)),
    };
    let paging = arguments.take_paging(Marker::Text)?;
    arguments.done()?;
    context.enforce(Rule::PluginGetAll)?;
    if [&name, &owner].into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(Invalid::Nul.into());
    }
    let listing = paging.check(KEYS, &context.api.options)?;
    let project = context.caller.project_id.clone();
    let filter = plugin::PluginFilter {
        kind,
        name,
        visibility,
        owner: owner.map_or(Whose::Anybodys, |owner| Whose::of(&owner)),
        member: member.map(|status| (project.clone().unwrap_or_else(|| ProjectId(String::new())), status)),
    };
    let mut tx = context.api.store.read().await?;
    let marker = match &listing.marker {
        Some(text) => Some(find(&mut tx, &context, text).await?.id.0),
        None => None,
    };
    let page =
        Page { limit: listing.limit, marker, sort: listing.key, dir: listing.dir, show_deleted: context.show_deleted };
    let rows = plugin::list(&mut tx, &filter, &page, &context.visibility()).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let members = match &project {
        Some(project) => plugin::memberships(&mut tx, &ids, project).await?,
        None => std::collections::HashMap::new(),
    };
    let plugins = rows.iter().map(|row| PluginView::new(row, members.get(&row.id).copied(), &context)).collect();
    let next = listing.next(&context.base, "plugins", rows.len(), rows.last().map(|row| row.id));
    Ok(Json(PluginPage { plugins, next }))
}

/// Takes an argument out that must be a word of a closed set.
fn take<T: std::str::FromStr>(arguments: &mut Arguments, name: &str) -> Result<Option<T>, Invalid> {
    arguments.take(name)?.map(|text| parse(name, &text)).transpose()
}

fn parse<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Invalid> {
    text.parse().map_err(|_| Invalid::input(name, &Value::String(text.to_owned()), "There is no such value"))
}
