//! What Nova says about a server.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::version::Version;
use crate::app::App;
use crate::cloud::{Actor, Cloud, DEFAULT_ZONE, Flavor, Server};
use crate::ids;

/// A time as Nova writes those of servers.
fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn links(app: &App, uuid: &str) -> Value {
    json!([
        {"rel": "self", "href": format!("{}/servers/{uuid}", app.endpoints.compute)},
        {"rel": "bookmark", "href": format!("{}/compute/servers/{uuid}", app.endpoints.base)},
    ])
}

/// The name of a server on its hypervisor.
pub(super) fn instance_name(uuid: &str) -> String {
    format!("instance-{}", &ids::derived_hex("name", uuid)[..8])
}

/// One line of `GET /servers`.
pub(super) fn brief(app: &App, server: &Server) -> Value {
    json!({"id": server.entry.uuid, "name": server.name(), "links": links(app, &server.entry.uuid)})
}

fn flavor(app: &App, flavor: &Flavor, version: Version) -> Value {
    if version.since(47) {
        return json!({
            "vcpus": flavor.size.vcpus,
            "ram": flavor.size.memory_mib,
            "disk": flavor.size.disk_gib,
            "ephemeral": 0,
            "swap": 0,
            "original_name": flavor.name,
            "extra_specs": flavor.extra_specs,
        });
    }
    let href = format!("{}/compute/flavors/{}", app.endpoints.base, flavor.id);
    json!({"id": flavor.id, "links": [{"rel": "bookmark", "href": href}]})
}

/// All of a server that this user may see in this version.
pub(super) fn full(app: &App, cloud: &Cloud, server: &Server, version: Version, actor: &Actor) -> Value {
    let host = server.host.map(|index| &cloud.hosts()[index]);
    let uuid = &server.entry.uuid;
    let image = ids::derived("image", "default");
    let mut view = Map::with_capacity(56);
    let mut put = |name: &str, value: Value| {
        view.insert(name.to_owned(), value);
    };
    put("id", uuid.clone().into());
    put("name", server.name().into());
    put("status", server.status().into());
    put("tenant_id", server.project.clone().into());
    put("user_id", ids::derived_hex("owner", &server.project).into());
    put("metadata", server.entry.metadata.clone().into());
    put("hostId", host.map_or_else(String::new, |host| ids::host_id(&server.project, host.name())).into());
    let href = format!("{}/compute/images/{image}", app.endpoints.base);
    put("image", json!({"id": image, "links": [{"rel": "bookmark", "href": href}]}));
    put("flavor", flavor(app, &cloud.flavors()[server.flavor], version));
    put("created", time(server.created).into());
    put("updated", time(server.updated).into());
    put("addresses", json!({}));
    put("accessIPv4", "".into());
    put("accessIPv6", "".into());
    put("links", links(app, uuid));
    put("OS-DCF:diskConfig", "MANUAL".into());
    if matches!(server.status(), "ACTIVE" | "BUILD" | "MIGRATING" | "RESIZE" | "VERIFY_RESIZE" | "REVERT_RESIZE") {
        put("progress", 0.into());
    }
    put("OS-EXT-AZ:availability_zone", host.map_or(DEFAULT_ZONE, |host| &host.zone).into());
    put("config_drive", "".into());
    put("key_name", Value::Null);
    put("OS-SRV-USG:launched_at", time(server.created).trim_end_matches('Z').into());
    put("OS-SRV-USG:terminated_at", Value::Null);
    put("OS-EXT-STS:task_state", server.task_state.into());
    put("OS-EXT-STS:vm_state", server.vm_state.as_ref().into());
    put("OS-EXT-STS:power_state", server.power_state().into());
    put("os-extended-volumes:volumes_attached", json!([]));
    put("security_groups", json!([{"name": "default"}]));
    if let Some((when, message)) = &server.fault {
        put("fault", json!({"code": 500, "created": time(*when), "message": message}));
    }
    if actor.admin {
        let name = host.map_or(Value::Null, |host| host.name().into());
        put("OS-EXT-SRV-ATTR:host", name.clone());
        put("OS-EXT-SRV-ATTR:hypervisor_hostname", name);
        put("OS-EXT-SRV-ATTR:instance_name", instance_name(uuid).into());
        if version.since(3) {
            put("OS-EXT-SRV-ATTR:hostname", server.name().to_lowercase().into());
            put("OS-EXT-SRV-ATTR:reservation_id", format!("r-{}", &ids::derived_hex("reservation", uuid)[..8]).into());
            put("OS-EXT-SRV-ATTR:launch_index", 0.into());
            put("OS-EXT-SRV-ATTR:kernel_id", "".into());
            put("OS-EXT-SRV-ATTR:ramdisk_id", "".into());
            put("OS-EXT-SRV-ATTR:root_device_name", "/dev/vda".into());
            put("OS-EXT-SRV-ATTR:user_data", Value::Null);
        }
    }
    if version.since(9) {
        put("locked", server.locked.into());
    }
    if version.since(16) && actor.admin {
        let status = match host {
            None => "",
            Some(host) if !host.is_up() => "DOWN",
            Some(host) if host.disabled => "MAINTENANCE",
            Some(_) => "UP",
        };
        put("host_status", status.into());
    }
    if version.since(19) {
        put("description", Value::Null);
    }
    if version.since(26) {
        put("tags", json!([]));
    }
    if version.since(63) {
        put("trusted_image_certificates", Value::Null);
    }
    if version.since(73) {
        put("locked_reason", Value::Null);
    }
    if version.since(96) {
        let zone = server.entry.pinned_az.as_deref().filter(|zone| !zone.is_empty());
        put("pinned_availability_zone", zone.into());
    }
    Value::Object(view)
}
