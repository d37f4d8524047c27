//! `os-hypervisors`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::routing::get;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::query::{Params, add_next_link};
use super::server_view::instance_name;
use super::version::Version;
use super::{Answer, NovaError, require_admin};
use crate::app::{App, reply};
use crate::cloud::{Actor, Cloud, Host};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/os-hypervisors", get(list))
        .route("/os-hypervisors/detail", get(detail))
        .route("/os-hypervisors/statistics", get(statistics))
        .route("/os-hypervisors/{id}", get(show))
        .route("/os-hypervisors/{id}/uptime", get(uptime))
        .route("/os-hypervisors/{id}/search", get(search))
        .route("/os-hypervisors/{id}/servers", get(servers_of))
}

const UPTIME: &str = " 08:32:11 up 93 days, 18:25, 12 users,  load average: 0.20, 0.12, 0.14";

fn view(cloud: &Cloud, host: &Host, version: Version, detail: bool, with_servers: bool) -> Value {
    let mut view = Map::new();
    view.insert("id".into(), if version.since(53) { host.entry.uuid.clone().into() } else { Value::from(host.number) });
    view.insert("hypervisor_hostname".into(), host.name().into());
    view.insert("state".into(), host.state().as_str().into());
    view.insert("status".into(), host.status().as_str().into());
    if detail {
        if !version.since(88) {
            insert_use(&mut view, host, version);
        }
        view.insert("hypervisor_type".into(), "QEMU".into());
        view.insert("hypervisor_version".into(), 8_002_002.into());
        view.insert("host_ip".into(), host_ip(host.number).into());
        if version.since(88) {
            view.insert("uptime".into(), if host.is_up() { UPTIME.into() } else { Value::Null });
        }
        let service_id =
            if version.since(53) { host.service_uuid.to_string().into() } else { Value::from(host.number + 2) };
        let service = json!({"id": service_id, "host": host.name(), "disabled_reason": host.disabled_reason});
        view.insert("service".into(), service);
    }
    if with_servers && (version.since(75) || !host.servers.is_empty()) {
        view.insert("servers".into(), server_references(cloud, host));
    }
    Value::Object(view)
}

/// What Placement knows better, and Nova stopped to tell with 2.88.
fn insert_use(view: &mut Map<String, Value>, host: &Host, version: Version) {
    let (node, used) = (&host.entry, host.used);
    let difference = |total: u64, used: u64| Value::from(total.cast_signed().saturating_sub(used.cast_signed()));
    let memory_used = used.memory_mib + node.memory_mb_reserved;
    view.insert("vcpus".into(), node.vcpus.into());
    view.insert("vcpus_used".into(), used.vcpus.into());
    view.insert("memory_mb".into(), node.memory.into());
    view.insert("memory_mb_used".into(), memory_used.into());
    view.insert("free_ram_mb".into(), difference(node.memory, memory_used));
    view.insert("local_gb".into(), node.disk.into());
    view.insert("local_gb_used".into(), used.disk_gib.into());
    view.insert("free_disk_gb".into(), difference(node.disk, used.disk_gib));
    view.insert("disk_available_least".into(), difference(node.disk, used.disk_gib));
    view.insert("running_vms".into(), host.servers.len().into());
    view.insert("current_workload".into(), host.claims.len().abs_diff(host.servers.len()).into());
    let cpu = json!({
        "arch": "x86_64",
        "model": "EPYC-Rome",
        "vendor": "AMD",
        "topology": {"cells": 1, "sockets": 1, "cores": node.vcpus, "threads": 1},
        "features": ["aes", "avx2", "sse4.2"],
    });
    view.insert("cpu_info".into(), if version.since(28) { cpu } else { cpu.to_string().into() });
}

fn host_ip(number: u64) -> String {
    format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255)
}

fn server_references(cloud: &Cloud, host: &Host) -> Value {
    host.servers
        .iter()
        .map(|&index| &cloud.servers()[index])
        .map(|server| json!({"name": instance_name(&server.entry.uuid), "uuid": server.entry.uuid}))
        .collect()
}

async fn list(app: State<Arc<App>>, actor: Extension<Actor>, version: Extension<Version>, params: Params) -> Answer {
    require_admin(&actor, "os-hypervisors:list")?;
    many(&app, *version, &params, false)
}

async fn detail(app: State<Arc<App>>, actor: Extension<Actor>, version: Extension<Version>, params: Params) -> Answer {
    require_admin(&actor, "os-hypervisors:list-detail")?;
    many(&app, *version, &params, true)
}

fn many(app: &App, version: Version, params: &Params, detail: bool) -> Answer {
    let cloud = app.cloud();
    let with_servers = version.since(53) && params.flag("with_servers")?;
    if version.since(53)
        && let Some(pattern) = params.get("hypervisor_hostname_pattern")
    {
        if params.get("limit").is_some() || params.get("marker").is_some() {
            return Err(NovaError::bad_request(
                "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.",
            ));
        }
        let found: Vec<Value> =
            matching(&cloud, pattern)?.map(|host| view(&cloud, host, version, detail, with_servers)).collect();
        return Ok(reply(StatusCode::OK, &json!({"hypervisors": found})));
    }
    // Before 2.33 there were no pages.
    let limit = if version.since(33) { params.limit(app.options.max_page)? } else { usize::MAX };
    let start = match params.get("marker").filter(|_| version.since(33)) {
        None => 0,
        Some(marker) => {
            let found = position(&cloud, marker, version);
            found.ok_or_else(|| NovaError::bad_request(format!("marker [{marker}] not found")))? + 1
        }
    };
    let page = cloud.hosts().get(start..).unwrap_or_default();
    let page = &page[..limit.min(page.len())];
    let views: Vec<Value> = page.iter().map(|host| view(&cloud, host, version, detail, with_servers)).collect();
    let given = views.len();
    let mut body = json!({"hypervisors": views});
    let url = format!("{}/os-hypervisors{}", app.endpoints.compute, if detail { "/detail" } else { "" });
    let last =
        page.last().map(|host| if version.since(53) { host.entry.uuid.clone() } else { host.number.to_string() });
    if version.since(33) {
        add_next_link(&mut body, "hypervisors_links", params, &url, (limit, given), last.as_deref());
    }
    Ok(reply(StatusCode::OK, &body))
}

fn matching<'a>(cloud: &'a Cloud, pattern: &'a str) -> Result<impl Iterator<Item = &'a Host>, NovaError> {
    let mut found = cloud.hosts().iter().filter(move |host| host.name().contains(pattern)).peekable();
    if found.peek().is_none() {
        return Err(NovaError::not_found(format!("No hypervisor matching '{pattern}' could be found.")));
    }
    Ok(found)
}

fn position(cloud: &Cloud, id: &str, version: Version) -> Option<usize> {
    if version.since(53) {
        return cloud.host_with_uuid(id);
    }
    let number: usize = id.parse().ok()?;
    number.checked_sub(1).filter(|&index| index < cloud.hosts().len())
}

async fn show(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    require_admin(&actor, "os-hypervisors:show")?;
    let cloud = app.cloud();
    let host = found(&cloud, &id, *version)?;
    let with_servers = version.since(53) && params.flag("with_servers")?;
    let view = view(&cloud, host, *version, true, with_servers);
    Ok(reply(StatusCode::OK, &json!({"hypervisor": view})))
}

fn found<'a>(cloud: &'a Cloud, id: &str, version: Version) -> Result<&'a Host, NovaError> {
    position(cloud, id, version)
        .map(|index| &cloud.hosts()[index])
        .ok_or_else(|| NovaError::not_found(format!("Hypervisor with ID '{id}' could not be found.")))
}

async fn uptime(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path(id): Path<String>,
) -> Answer {
    require_admin(&actor, "os-hypervisors:uptime")?;
    gone_since(*version, 88)?;
    let cloud = app.cloud();
    let host = found(&cloud, &id, *version)?;
    if !host.is_up() {
        let message = format!("Compute service of {} is unavailable at this time.", host.name());
        return Err(NovaError::bad_request(message));
    }
    let mut view = view(&cloud, host, *version, false, false);
    view["uptime"] = UPTIME.into();
    Ok(reply(StatusCode::OK, &json!({"hypervisor": view})))
}

fn gone_since(version: Version, minor: u32) -> Result<(), NovaError> {
    if version.since(minor) { Err(NovaError::not_found("The resource could not be found.")) } else { Ok(()) }
}

async fn search(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path(pattern): Path<String>,
) -> Answer {
    require_admin(&actor, "os-hypervisors:search")?;
    gone_since(*version, 53)?;
    let cloud = app.cloud();
    let views: Vec<Value> =
        matching(&cloud, &pattern)?.map(|host| view(&cloud, host, *version, false, false)).collect();
    Ok(reply(StatusCode::OK, &json!({"hypervisors": views})))
}

async fn servers_of(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path(pattern): Path<String>,
) -> Answer {
    require_admin(&actor, "os-hypervisors:servers")?;
    gone_since(*version, 53)?;
    let cloud = app.cloud();
    let views: Vec<Value> = matching(&cloud, &pattern)?.map(|host| view(&cloud, host, *version, false, true)).collect();
    Ok(reply(StatusCode::OK, &json!({"hypervisors": views})))
}

async fn statistics(app: State<Arc<App>>, actor: Extension<Actor>, version: Extension<Version>) -> Answer {
    require_admin(&actor, "os-hypervisors:statistics")?;
    gone_since(*version, 88)?;
    let cloud = app.cloud();
    let enabled = || cloud.hosts().iter().filter(|host| !host.disabled);
    let sum = |of: fn(&Host) -> u64| enabled().map(of).fold(0_u64, u64::saturating_add);
    let (memory, memory_used) =
        (sum(|host| host.entry.memory), sum(|host| host.used.memory_mib + host.entry.memory_mb_reserved));
    let (disk, disk_used) = (sum(|host| host.entry.disk), sum(|host| host.used.disk_gib));
    let statistics = json!({
        "count": enabled().count(),
        "vcpus": sum(|host| host.entry.vcpus),
        "vcpus_used": sum(|host| host.used.vcpus),
        "memory_mb": memory,
        "memory_mb_used": memory_used,
        "free_ram_mb": memory.cast_signed().saturating_sub(memory_used.cast_signed()),
        "local_gb": disk,
        "local_gb_used": disk_used,
        "free_disk_gb": disk.cast_signed().saturating_sub(disk_used.cast_signed()),
        "disk_available_least": disk.cast_signed().saturating_sub(disk_used.cast_signed()),
        "running_vms": enabled().map(|host| host.servers.len()).sum::<usize>(),
        "current_workload": 0,
    });
    Ok(reply(StatusCode::OK, &json!({"hypervisor_statistics": statistics})))
}
