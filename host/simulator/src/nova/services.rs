//! `os-services`: compute services can be enabled, disabled and forced down.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::routing::{get, put};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::query::Params;
use super::version::Version;
use super::{Answer, NovaError, require_admin};
use crate::app::{App, reply};
use crate::cloud::{Actor, Host};
use crate::ids;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/os-services", get(list)).route("/os-services/{id}", put(update))
}

const COMPUTE: &str = "nova-compute";
/// Services besides the compute services; they cannot be changed.
const CONTROLLER: [&str; 2] = ["nova-scheduler", "nova-conductor"];

/// A time as Nova writes those of services and migrations.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

fn controller_view(number: usize, binary: &str, version: Version, now: DateTime<Utc>) -> Value {
    let id =
        if version.since(53) { ids::derived("service", binary).to_string().into() } else { Value::from(number + 1) };
    let mut view = json!({
        "id": id,
        "binary": binary,
        "host": "controller",
        "zone": "internal",
        "status": "enabled",
        "state": "up",
        "updated_at": time(now),
        "disabled_reason": null,
    });
    if version.since(11) {
        view["forced_down"] = false.into();
    }
    view
}

fn view(host: &Host, version: Version, now: DateTime<Utc>) -> Value {
    let id = if version.since(53) {
        host.service_uuid.to_string().into()
    } else {
        Value::from(host.number + CONTROLLER.len() as u64)
    };
    let reported = if host.silent { now - TimeDelta::hours(1) } else { now };
    let mut view = json!({
        "id": id,
        "binary": COMPUTE,
        "host": host.name(),
        "zone": host.zone,
        "status": host.status().as_str(),
        "state": host.state().as_str(),
        "updated_at": time(reported),
        "disabled_reason": host.disabled_reason,
    });
    if version.since(11) {
        view["forced_down"] = host.forced_down.into();
    }
    view
}

async fn list(app: State<Arc<App>>, actor: Extension<Actor>, version: Extension<Version>, params: Params) -> Answer {
    require_admin(&actor, "os-services:list")?;
    let (cloud, now) = (app.cloud(), app.now());
    let binary = params.get("binary").filter(|binary| !binary.is_empty());
    let host = params.get("host").filter(|host| !host.is_empty());
    let mut views: Vec<Value> = CONTROLLER
        .iter()
        .enumerate()
        .filter(|(_, name)| {
            binary.is_none_or(|binary| binary == **name) && host.is_none_or(|host| host == "controller")
        })
        .map(|(number, name)| controller_view(number, name, *version, now))
        .collect();
    if binary.is_none_or(|binary| binary == COMPUTE) {
        let wanted = cloud.hosts().iter().filter(|known| host.is_none_or(|host| host == known.name()));
        views.extend(wanted.map(|host| view(host, *version, now)));
    }
    Ok(reply(StatusCode::OK, &json!({"services": views})))
}

/// All bodies of all versions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    status: Option<String>,
    disabled_reason: Option<String>,
    forced_down: Option<bool>,
    host: Option<String>,
    binary: Option<String>,
}

async fn update(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    require_admin(&actor, "os-services:update")?;
    let change: Change = serde_json::from_slice(&body)
        .map_err(|error| NovaError::bad_request(format!("Invalid input for service: {error}")))?;
    if version.since(53) {
        update_by_uuid(&app, *version, &id, change)
    } else {
        update_by_action(&app, *version, &id, &change)
    }
}

fn update_by_uuid(app: &App, version: Version, id: &str, change: Change) -> Answer {
    let uuid = Uuid::parse_str(id).map_err(|_| NovaError::bad_request(format!("Invalid uuid {id}")))?;
    let mut cloud = app.cloud_mut();
    let Some(index) = cloud.host_of_service(uuid) else {
        return Err(match CONTROLLER.iter().find(|binary| ids::derived("service", binary) == uuid) {
            Some(binary) => NovaError::bad_request(format!(
                "Updating a {binary} service is not supported. Only nova-compute services can be updated."
            )),
            None => NovaError::not_found(format!("Service {id} could not be found.")),
        });
    };
    if change.host.is_some() || change.binary.is_some() {
        return Err(NovaError::bad_request("Additional properties are not allowed ('host', 'binary' were unexpected)"));
    }
    if change.status.is_none() && change.forced_down.is_none() {
        return Err(NovaError::bad_request(
            "No updates were requested. Fields 'status' or 'forced_down' should be specified.",
        ));
    }
    let disabled = match change.status.as_deref() {
        None => None,
        Some("enabled") => Some(false),
        Some("disabled") => Some(true),
        Some(other) => {
            return Err(NovaError::bad_request(format!(
                "Invalid input for field/attribute status. Value: {other}. '{other}' is not one of ['enabled', 'disabled']"
            )));
        }
    };
    if change.disabled_reason.is_some() && disabled != Some(true) {
        return Err(NovaError::bad_request("Specifying 'disabled_reason' requires that status is 'disabled'."));
    }
    let now = app.now();
    let host = cloud.host_mut(index);
    if let Some(disabled) = disabled {
        host.disabled = disabled;
        host.disabled_reason = change.disabled_reason;
    }
    if let Some(forced_down) = change.forced_down {
        host.forced_down = forced_down;
    }
    Ok(reply(StatusCode::OK, &json!({"service": view(host, version, now)})))
}

/// `PUT /os-services/{enable,disable,disable-log-reason,force-down}`, until 2.52.
fn update_by_action(app: &App, version: Version, action: &str, change: &Change) -> Answer {
    let (Some(name), Some(binary)) = (&change.host, &change.binary) else {
        return Err(NovaError::bad_request("Invalid input for service: 'host' and 'binary' are required properties"));
    };
    let mut cloud = app.cloud_mut();
    let found = cloud.host_named(name).filter(|_| binary == COMPUTE);
    let missing = || NovaError::not_found(format!("Could not find binary {binary} on host {name}."));
    let host = cloud.host_mut(found.ok_or_else(missing)?);
    let mut service = json!({"host": name, "binary": binary});
    match action {
        "enable" => {
            host.disabled = false;
            host.disabled_reason = None;
            service["status"] = "enabled".into();
        }
        "disable" => {
            host.disabled = true;
            host.disabled_reason = None;
            service["status"] = "disabled".into();
        }
        "disable-log-reason" => {
            let reason = change
                .disabled_reason
                .clone()
                .ok_or_else(|| NovaError::bad_request("Missing disabled reason field"))?;
            host.disabled = true;
            service["status"] = "disabled".into();
            service["disabled_reason"] = reason.clone().into();
            host.disabled_reason = Some(reason);
        }
        "force-down" if version.since(11) => {
            let forced_down = change.forced_down.ok_or_else(|| NovaError::bad_request("Missing forced_down field"))?;
            host.forced_down = forced_down;
            service["forced_down"] = forced_down.into();
        }
        _ => return Err(NovaError::not_found("Unknown action")),
    }
    Ok(reply(StatusCode::OK, &json!({"service": service})))
}
