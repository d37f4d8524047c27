//! `POST /servers/{id}/action`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

use super::servers::visible;
use super::version::Version;
use super::{Answer, NovaError, require_admin};
use crate::app::App;
use crate::cloud::{Actor, LiveRequest, PowerAction};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/servers/{id}/action", post(act))
}

/// An action with its arguments, checked against the microversion.
enum Action {
    LiveMigrate(LiveRequest),
    ColdMigrate { host: Option<String> },
    Resize { flavor: String },
    ConfirmResize,
    RevertResize,
    Power(PowerAction),
    Lock(bool),
}

impl Action {
    fn parse(body: &[u8], version: Version) -> Result<Self, NovaError> {
        let malformed = || NovaError::bad_request("Malformed request body");
        let body: Map<String, Value> = serde_json::from_slice(body).map_err(|_| malformed())?;
        let mut entries = body.into_iter();
        let (Some((name, arguments)), None) = (entries.next(), entries.next()) else { return Err(malformed()) };
        match name.as_str() {
            "os-migrateLive" => live_request(&arguments, version).map(Self::LiveMigrate),
            "migrate" => Ok(Self::ColdMigrate { host: cold_host(&arguments, version)? }),
            "resize" => Ok(Self::Resize { flavor: flavor_ref(&arguments)? }),
            "confirmResize" => Ok(Self::ConfirmResize),
            "revertResize" => Ok(Self::RevertResize),
            "os-start" => Ok(Self::Power(PowerAction::Start)),
            "os-stop" => Ok(Self::Power(PowerAction::Stop)),
            "pause" => Ok(Self::Power(PowerAction::Pause)),
            "unpause" => Ok(Self::Power(PowerAction::Unpause)),
            "suspend" => Ok(Self::Power(PowerAction::Suspend)),
            "resume" => Ok(Self::Power(PowerAction::Resume)),
            "lock" => Ok(Self::Lock(true)),
            "unlock" => Ok(Self::Lock(false)),
            other => Err(NovaError::bad_request(format!("There is no such action: {other}"))),
        }
    }
}

/// An error of Nova's schema validation.
fn invalid(field: &str, value: &Value, reason: &str) -> NovaError {
    NovaError::bad_request(format!("Invalid input for field/attribute {field}. Value: {value}. {reason}"))
}

fn host_name(field: &str, value: &Value) -> Result<Option<String>, NovaError> {
    match value {
        Value::Null => Ok(None),
        Value::String(name) if !name.is_empty() && name.len() <= 255 => Ok(Some(name.clone())),
        other => Err(invalid(field, other, &format!("{other} is not of type 'string', 'null'"))),
    }
}

fn boolean(field: &str, value: &Value) -> Result<bool, NovaError> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" | "on" | "y" | "yes" => Ok(true),
            "0" | "f" | "false" | "off" | "n" | "no" => Ok(false),
            _ => Err(invalid(field, value, &format!("{value} is not one of [True, False]"))),
        },
        other => Err(invalid(field, other, &format!("{other} is not one of [True, False]"))),
    }
}

fn live_request(arguments: &Value, version: Version) -> Result<LiveRequest, NovaError> {
    const NAME: &str = "os-migrateLive";
    let Some(given) = arguments.as_object() else {
        return Err(invalid(NAME, arguments, "It is not of type 'object'"));
    };
    let allowed: &[&str] = if version.since(68) {
        &["host", "block_migration"]
    } else if version.since(30) {
        &["host", "block_migration", "force"]
    } else if version.since(25) {
        &["host", "block_migration"]
    } else {
        &["host", "block_migration", "disk_over_commit"]
    };
    if let Some(unknown) = given.keys().find(|name| !allowed.contains(&name.as_str())) {
        let reason = format!("Additional properties are not allowed ('{unknown}' was unexpected)");
        return Err(invalid(NAME, arguments, &reason));
    }
    let required = |name: &str| {
        given.get(name).ok_or_else(|| invalid(NAME, arguments, &format!("'{name}' is a required property")))
    };
    let host = host_name("host", required("host")?)?;
    let block = required("block_migration")?;
    if !(version.since(25) && block.as_str() == Some("auto")) {
        boolean("block_migration", block)?;
    }
    if !version.since(25) {
        boolean("disk_over_commit", required("disk_over_commit")?)?;
    }
    let force = given.get("force").map(|force| boolean("force", force)).transpose()?.unwrap_or(false);
    if force && host.is_none() {
        return Err(NovaError::bad_request("Can't force to a non-provided destination"));
    }
    let bypass_scheduler = force || (host.is_some() && !version.since(30));
    Ok(LiveRequest { host, bypass_scheduler, asynchronous: version.since(34) })
}

fn cold_host(arguments: &Value, version: Version) -> Result<Option<String>, NovaError> {
    match arguments {
        Value::Object(given) if version.since(56) => {
            if let Some(unknown) = given.keys().find(|name| *name != "host") {
                let reason = format!("Additional properties are not allowed ('{unknown}' was unexpected)");
                return Err(invalid("migrate", arguments, &reason));
            }
            given.get("host").map_or(Ok(None), |host| host_name("host", host))
        }
        other if version.since(56) && !other.is_null() => {
            Err(invalid("migrate", other, &format!("{other} is not of type 'object', 'null'")))
        }
        // Before 2.56 the scheduler chose, whatever the body said.
        _ => Ok(None),
    }
}

fn flavor_ref(arguments: &Value) -> Result<String, NovaError> {
    const NAME: &str = "resize";
    let Some(given) = arguments.as_object() else {
        return Err(invalid(NAME, arguments, "It is not of type 'object'"));
    };
    if let Some(unknown) = given.keys().find(|name| !matches!(name.as_str(), "flavorRef" | "OS-DCF:diskConfig")) {
        let reason = format!("Additional properties are not allowed ('{unknown}' was unexpected)");
        return Err(invalid(NAME, arguments, &reason));
    }
    match given.get("flavorRef") {
        Some(Value::String(id)) if !id.is_empty() => Ok(id.clone()),
        Some(Value::Number(id)) if id.is_u64() => Ok(id.to_string()),
        Some(other) => Err(invalid("flavorRef", other, &format!("{other} is not of type 'string', 'integer'"))),
        None => Err(invalid(NAME, arguments, "'flavorRef' is a required property")),
    }
}

async fn act(
    app: State<Arc<App>>,
    actor: Extension<Actor>,
    version: Extension<Version>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let action = Action::parse(&body, *version)?;
    match action {
        Action::LiveMigrate(_) => require_admin(&actor, "os-migrate-server:migrate_live")?,
        Action::ColdMigrate { .. } => require_admin(&actor, "os-migrate-server:migrate")?,
        Action::Resize { .. } | Action::ConfirmResize | Action::RevertResize | Action::Power(_) | Action::Lock(_) => {}
    }
    let mut cloud = app.cloud_mut();
    let server = visible(&cloud, &actor, &id)?;
    let now = app.now();
    let fate = |route: &crate::cloud::Route<'_>| app.faults.on_migration(route);
    let mut status = StatusCode::ACCEPTED;
    match action {
        Action::LiveMigrate(request) => cloud.live_migrate(server, &request, &actor, now, fate)?,
        Action::ColdMigrate { host } => cloud.cold_migrate(server, host.as_deref(), &actor, now, fate)?,
        Action::Resize { flavor } => cloud.resize(server, &flavor, &actor, now, fate)?,
        Action::ConfirmResize => {
            cloud.confirm_resize(server, &actor, now)?;
            status = StatusCode::NO_CONTENT;
        }
        Action::RevertResize => cloud.revert_resize(server, &actor, now)?,
        Action::Power(power) => cloud.power(server, power, &actor, now)?,
        Action::Lock(locked) => cloud.set_locked(server, locked, now),
    }
    Ok(status.into_response())
}
