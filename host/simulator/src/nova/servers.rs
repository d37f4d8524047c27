//! `servers`: lists with filters and pages, and one server.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::routing::get;
use chrono::{DateTime, Utc};
use http::StatusCode;
use regex::Regex;
use serde::Serialize;
use serde_json::Value;

use super::query::{Params, next_link};
use super::server_view::{Brief, Full};
use super::version::Version;
use super::{Answer, NovaError, require_admin};
use crate::app::{App, reply_with};
use crate::cloud::{Actor, Cloud, Refusal, Server};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/servers", get(list)).route("/servers/detail", get(detail)).route("/servers/{id}", get(show))
}

/// What may be asked for; since 2.75 anything else is an error, before it is ignored.
const PARAMETERS: [&str; 47] = [
    "access_ip_v4",
    "access_ip_v6",
    "all_tenants",
    "auto_disk_config",
    "availability_zone",
    "changes-before",
    "changes-since",
    "config_drive",
    "created_at",
    "deleted",
    "description",
    "display_description",
    "display_name",
    "flavor",
    "host",
    "hostname",
    "image",
    "image_ref",
    "ip",
    "ip6",
    "kernel_id",
    "key_name",
    "launch_index",
    "launched_at",
    "limit",
    "locked",
    "marker",
    "name",
    "node",
    "not-tags",
    "not-tags-any",
    "power_state",
    "progress",
    "project_id",
    "ramdisk_id",
    "reservation_id",
    "root_device_name",
    "soft_deleted",
    "sort_dir",
    "sort_key",
    "status",
    "tags",
    "tags-any",
    "task_state",
    "tenant_id",
    "uuid",
    "vm_state",
];

/// The filters of a list.
#[derive(Debug, Default)]
struct Filter {
    project: Option<String>,
    host: Option<String>,
    node: Option<String>,
    statuses: Vec<String>,
    name: Option<Regex>,
    uuid: Option<String>,
    flavor: Option<String>,
    zone: Option<String>,
    vm_state: Option<String>,
    task_state: Option<String>,
    power_state: Option<u8>,
    locked: Option<bool>,
    changed_since: Option<DateTime<Utc>>,
    nothing: bool,
}

impl Filter {
    fn new(params: &Params, version: Version, actor: &Actor) -> Result<Self, NovaError> {
        if version.since(75)
            && let Some(unknown) = params.names().find(|name| !PARAMETERS.contains(name) && *name != "user_id")
        {
            return Err(NovaError::bad_request(format!(
                "Additional properties are not allowed ('{unknown}' was unexpected)"
            )));
        }
        let all_tenants = params.flag("all_tenants")?;
        if all_tenants {
            require_admin(actor, "servers:index:get_all_tenants")?;
        }
        let text = |name: &str| params.get(name).map(ToOwned::to_owned);
        // What only an admin may filter by is ignored for others.
        let admin = |name: &str| if actor.admin { text(name) } else { None };
        let project =
            if all_tenants { text("project_id").or_else(|| text("tenant_id")) } else { Some(actor.project.clone()) };
        let name = params.get("name").or_else(|| params.get("display_name")).map(Regex::new).transpose();
        let changed_since = match params.get("changes-since") {
            None => None,
            Some(text) => {
                let parsed = DateTime::parse_from_rfc3339(text);
                let invalid = |_| NovaError::bad_request("Invalid changes-since value");
                Some(parsed.map_err(invalid)?.to_utc())
            }
        };
        Ok(Self {
            project,
            host: admin("host"),
            node: admin("node"),
            statuses: params.all("status").map(str::to_ascii_uppercase).collect(),
            name: name.map_err(|_| NovaError::bad_request("Invalid filter field: name."))?,
            uuid: text("uuid"),
            flavor: text("flavor"),
            zone: admin("availability_zone"),
            vm_state: admin("vm_state"),
            task_state: admin("task_state"),
            power_state: admin("power_state").and_then(|state| state.parse().ok()),
            locked: if version.since(73) && params.get("locked").is_some() {
                Some(params.flag("locked")?)
            } else {
                None
            },
            changed_since,
            nothing: params.flag("deleted").unwrap_or(false) || params.flag("soft_deleted").unwrap_or(false),
        })
    }

    fn takes(&self, cloud: &Cloud, server: &Server) -> bool {
        let host = || server.host.map(|index| &cloud.hosts()[index]);
        let is = |wanted: &Option<String>, given: &str| wanted.as_ref().is_none_or(|wanted| wanted == given);
        !self.nothing
            && is(&self.project, &server.project)
            && is(&self.uuid, &server.entry.uuid)
            && is(&self.vm_state, &server.vm_state)
            && (self.statuses.is_empty() || self.statuses.iter().any(|status| status == server.status()))
            && self.host.as_ref().is_none_or(|name| host().is_some_and(|host| host.name() == name))
            && self.node.as_ref().is_none_or(|name| host().is_some_and(|host| host.name() == name))
            && self.zone.as_ref().is_none_or(|zone| host().is_some_and(|host| host.zone == *zone))
            && self.name.as_ref().is_none_or(|name| name.is_match(server.name()))
            && is(&self.flavor, &cloud.flavors()[server.flavor].id)
            && self.task_state.as_ref().is_none_or(|task| server.task_state == Some(task.as_str()))
            && self.power_state.is_none_or(|state| server.power_state() == state)
            && self.locked.is_none_or(|locked| server.locked == locked)
            && self.changed_since.is_none_or(|since| server.updated >= since)
    }

    /// The servers to look at, from `start`, in order: those of one host if a filter names one.
    fn candidates<'a>(&self, cloud: &'a Cloud, start: usize) -> Box<dyn Iterator<Item = &'a Server> + 'a> {
        match (&self.host, &self.node) {
            (Some(name), _) | (None, Some(name)) => match cloud.host_named(name) {
                Some(index) => {
                    Box::new(cloud.hosts()[index].servers.range(start..).map(|&index| &cloud.servers()[index]))
                }
                None => Box::new(std::iter::empty()),
            },
            (None, None) => Box::new(cloud.servers().get(start..).unwrap_or_default().iter()),
        }
    }
}

async fn list(app: State<Arc<App>>, actor: Extension<Actor>, version: Extension<Version>, params: Params) -> Answer {
    many(&app, &actor, *version, &params, false)
}

async fn detail(app: State<Arc<App>>, actor: Extension<Actor>, version: Extension<Version>, params: Params) -> Answer {
    many(&app, &actor, *version, &params, true)
}

fn many(app: &App, actor: &Actor, version: Version, params: &Params, detail: bool) -> Answer {
    let filter = Filter::new(params, version, actor)?;
    let limit = params.limit(app.options.max_page)?;
    let cloud = app.cloud();
    let start = match params.get("marker") {
        None => 0,
        Some(marker) => {
            let found = cloud.server(marker);
            found.map_err(|_| NovaError::bad_request(format!("marker [{marker}] not found")))? + 1
        }
    };
    let page: Vec<&Server> =
        filter.candidates(&cloud, start).filter(|server| filter.takes(&cloud, server)).take(limit).collect();
    let url = format!("{}/servers{}", app.endpoints.compute, if detail { "/detail" } else { "" });
    let last = page.last().map(|server| server.entry.uuid.as_str());
    let servers_links = next_link(params, &url, (limit, page.len()), last);
    Ok(if detail {
        let servers = page.iter().map(|server| Full::new(app, &cloud, server, version, actor)).collect();
        reply_with(StatusCode::OK, &Page { servers, servers_links })
    } else {
        let servers = page.iter().map(|server| Brief::new(app, server)).collect();
        reply_with(StatusCode::OK, &Page { servers, servers_links })
    })
}

#[derive(Debug, Serialize)]
struct Page<T> {
    servers: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    servers_links: Option<Value>,
}

#[derive(Debug, Serialize)]
struct One<T> {
    server: T,
}

/// The server with this id, if the user may see it.
pub(super) fn visible(cloud: &Cloud, actor: &Actor, id: &str) -> Result<usize, NovaError> {
    let index = cloud.server(id)?;
    if actor.admin || cloud.servers()[index].project == actor.project {
        Ok(index)
    } else {
        Err(Refusal::ServerNotFound(id.to_owned()).into())
    }
}

async fn show(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path(id): Path<String>,
) -> Answer {
    let cloud = app.cloud();
    let server = &cloud.servers()[visible(&cloud, &actor, &id)?];
    let mut view = Full::new(&app, &cloud, server, *version, &actor);
    view.server_groups = version.since(71).then_some([]);
    Ok(reply_with(StatusCode::OK, &One { server: view }))
}
