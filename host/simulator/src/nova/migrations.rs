//! `servers/{id}/migrations` (live migrations in progress) and `os-migrations` (all).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::query::{Params, add_next_link};
use super::servers::visible;
use super::services::time;
use super::version::Version;
use super::{Answer, NovaError, require_admin};
use crate::app::{App, reply};
use crate::cloud::{Actor, Cloud, Migration};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/servers/{id}/migrations", get(in_progress))
        .route("/servers/{id}/migrations/{migration}", get(show).delete(abort))
        .route("/servers/{id}/migrations/{migration}/action", post(act))
        .route("/os-migrations", get(list))
}

fn common(cloud: &Cloud, migration: &Migration, version: Version) -> Map<String, Value> {
    let source = &cloud.hosts()[migration.source];
    let destination = migration.destination.map(|index| &cloud.hosts()[index]);
    let mut view = Map::new();
    let mut put = |name: &str, value: Value| {
        view.insert(name.to_owned(), value);
    };
    put("id", migration.id.into());
    if version.since(59) {
        put("uuid", migration.uuid.to_string().into());
    }
    put("status", migration.status.into());
    put("source_compute", source.name().into());
    put("source_node", source.name().into());
    put("dest_compute", destination.map(crate::cloud::Host::name).into());
    put("dest_node", destination.map(crate::cloud::Host::name).into());
    put("dest_host", Value::Null);
    put("created_at", time(migration.created).into());
    put("updated_at", time(migration.updated).into());
    if version.since(80) {
        put("user_id", migration.user.clone().into());
        put("project_id", migration.project.clone().into());
    }
    view
}

fn progress_view(cloud: &Cloud, migration: &Migration, version: Version) -> Value {
    let server = &cloud.servers()[migration.server];
    let mut view = common(cloud, migration, version);
    view.insert("server_uuid".into(), server.entry.uuid.clone().into());
    let bytes = server.entry.memory.saturating_mul(1024 * 1024);
    let moving = migration.status == "running";
    for (name, value) in [
        ("memory_total_bytes", bytes),
        ("memory_processed_bytes", if moving { bytes / 2 } else { 0 }),
        ("memory_remaining_bytes", if moving { bytes - bytes / 2 } else { bytes }),
        ("disk_total_bytes", 0),
        ("disk_processed_bytes", 0),
        ("disk_remaining_bytes", 0),
    ] {
        view.insert(name.into(), value.into());
    }
    Value::Object(view)
}

fn list_view(app: &App, cloud: &Cloud, migration: &Migration, version: Version) -> Value {
    let server = &cloud.servers()[migration.server];
    let (old, new) = migration.flavors;
    let mut view = common(cloud, migration, version);
    view.insert("instance_uuid".into(), server.entry.uuid.clone().into());
    view.insert("old_instance_type_id".into(), (old as u64 + 1).into());
    view.insert("new_instance_type_id".into(), (new as u64 + 1).into());
    if version.since(23) {
        view.insert("migration_type".into(), migration.kind.as_str().into());
        if migration.is_live_in_progress() {
            let path = format!("servers/{}/migrations/{}", server.entry.uuid, migration.id);
            let links = json!([
                {"rel": "self", "href": format!("{}/{path}", app.endpoints.compute)},
                {"rel": "bookmark", "href": format!("{}/compute/{path}", app.endpoints.base)},
            ]);
            view.insert("links".into(), links);
        }
    }
    Value::Object(view)
}

fn exists_since(version: Version, minor: u32) -> Result<(), NovaError> {
    if version.since(minor) { Ok(()) } else { Err(NovaError::not_found("The resource could not be found.")) }
}

async fn in_progress(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path(id): Path<String>,
) -> Answer {
    require_admin(&actor, "servers:migrations:index")?;
    exists_since(*version, 23)?;
    let cloud = app.cloud();
    let server = visible(&cloud, &actor, &id)?;
    let current = cloud.servers()[server].migration.and_then(|id| cloud.migrations().get(&id));
    let views: Vec<Value> = current
        .filter(|migration| migration.is_live_in_progress())
        .map(|migration| progress_view(&cloud, migration, *version))
        .into_iter()
        .collect();
    Ok(reply(StatusCode::OK, &json!({"migrations": views})))
}

async fn show(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path((id, migration)): Path<(String, String)>,
) -> Answer {
    require_admin(&actor, "servers:migrations:show")?;
    exists_since(*version, 23)?;
    let cloud = app.cloud();
    let server = visible(&cloud, &actor, &id)?;
    let found = migration.parse().ok().and_then(|id: u64| cloud.migrations().get(&id));
    let Some(found) = found.filter(|found| found.server == server) else {
        return Err(NovaError::not_found(format!(
            "In-progress live migration {migration} is not found for server {id}."
        )));
    };
    if found.kind != crate::cloud::MigrationKind::Live {
        return Err(NovaError::not_found(format!("Migration {migration} for server {id} is not live-migration.")));
    }
    if !found.is_live_in_progress() {
        return Err(NovaError::not_found(format!("Live migration {migration} for server {id} is not in progress.")));
    }
    Ok(reply(StatusCode::OK, &json!({"migration": progress_view(&cloud, found, *version)})))
}

async fn abort(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path((id, migration)): Path<(String, String)>,
) -> Answer {
    require_admin(&actor, "servers:migrations:delete")?;
    exists_since(*version, 24)?;
    let mut cloud = app.cloud_mut();
    let server = visible(&cloud, &actor, &id)?;
    cloud.abort_live_migration(server, &migration, version.since(65), app.now())?;
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn act(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path((id, migration)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    require_admin(&actor, "servers:migrations:force_complete")?;
    exists_since(*version, 22)?;
    let body: Map<String, Value> =
        serde_json::from_slice(&body).map_err(|_| NovaError::bad_request("Malformed request body"))?;
    if body.len() != 1 || !body.get("force_complete").is_some_and(Value::is_null) {
        return Err(NovaError::bad_request("Malformed request body"));
    }
    let mut cloud = app.cloud_mut();
    let server = visible(&cloud, &actor, &id)?;
    cloud.force_complete(server, &migration, app.now())?;
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn list(app: State<Arc<App>>, actor: Extension<Actor>, version: Extension<Version>, params: Params) -> Answer {
    require_admin(&actor, "os-migrations:index")?;
    let cloud = app.cloud();
    let name = |index: Option<usize>| index.map(|index| cloud.hosts()[index].name());
    let is = |wanted: &str, given: &str| params.get(wanted).is_none_or(|wanted| wanted == given);
    let takes = |migration: &&Migration| {
        let (source, destination) = (name(Some(migration.source)), name(migration.destination));
        is("instance_uuid", &cloud.servers()[migration.server].entry.uuid)
            && is("status", migration.status)
            && is("migration_type", migration.kind.as_str())
            && is("source_compute", source.unwrap_or_default())
            && params.get("host").is_none_or(|host| source == Some(host) || destination == Some(host))
            && (!version.since(80) || (is("user_id", &migration.user) && is("project_id", &migration.project)))
    };
    // The newest first; before 2.59 there were no pages.
    let paged = version.since(59);
    let limit = if paged { params.limit(app.options.max_page)? } else { usize::MAX };
    let end = match params.get("marker").filter(|_| paged) {
        None => u64::MAX,
        Some(marker) => {
            let found = cloud.migrations().values().find(|migration| migration.uuid.to_string() == marker);
            found.ok_or_else(|| NovaError::bad_request(format!("Marker {marker} could not be found.")))?.id
        }
    };
    let page: Vec<&Migration> =
        cloud.migrations().range(..end).rev().map(|(_, migration)| migration).filter(takes).take(limit).collect();
    let views: Vec<Value> = page.iter().map(|migration| list_view(&app, &cloud, migration, *version)).collect();
    let mut body = json!({"migrations": views});
    if paged {
        let url = format!("{}/os-migrations", app.endpoints.compute);
        let last = page.last().map(|migration| migration.uuid.to_string());
        add_next_link(&mut body, "migrations_links", &params, &url, (limit, page.len()), last.as_deref());
    }
    Ok(reply(StatusCode::OK, &body))
}
