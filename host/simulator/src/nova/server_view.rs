//! What Nova says about a server. Structures instead of JSON values: a page has a thousand of them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::version::Version;
use crate::app::App;
use crate::cloud::{Actor, Cloud, DEFAULT_ZONE, Flavor, Server};
use crate::ids;

/// A time as Nova writes those of servers.
fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The name of a server on its hypervisor.
pub(super) fn instance_name(uuid: &str) -> String {
    format!("instance-{}", &ids::derived_hex("name", uuid)[..8])
}

#[derive(Debug, Serialize)]
struct Link {
    rel: &'static str,
    href: String,
}

fn links(app: &App, uuid: &str) -> [Link; 2] {
    [
        Link { rel: "self", href: format!("{}/servers/{uuid}", app.endpoints.compute) },
        Link { rel: "bookmark", href: format!("{}/compute/servers/{uuid}", app.endpoints.base) },
    ]
}

/// One line of `GET /servers`.
#[derive(Debug, Serialize)]
pub(super) struct Brief<'a> {
    id: &'a str,
    name: &'a str,
    links: [Link; 2],
}

impl<'a> Brief<'a> {
    pub(super) fn new(app: &App, server: &'a Server) -> Self {
        Self { id: &server.entry.uuid, name: server.name(), links: links(app, &server.entry.uuid) }
    }
}

#[derive(Debug, Serialize)]
struct Image {
    id: String,
    links: [Link; 1],
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum FlavorView<'a> {
    /// Since 2.47: as it was when the server was made.
    Embedded {
        vcpus: u64,
        ram: u64,
        disk: u64,
        ephemeral: u64,
        swap: u64,
        original_name: &'a str,
        extra_specs: &'a Map<String, Value>,
    },
    Reference {
        id: &'a str,
        links: [Link; 1],
    },
}

impl<'a> FlavorView<'a> {
    fn new(app: &App, flavor: &'a Flavor, version: Version) -> Self {
        if version.since(47) {
            return Self::Embedded {
                vcpus: flavor.size.vcpus,
                ram: flavor.size.memory_mib,
                disk: flavor.size.disk_gib,
                ephemeral: 0,
                swap: 0,
                original_name: &flavor.name,
                extra_specs: &flavor.extra_specs,
            };
        }
        let href = format!("{}/compute/flavors/{}", app.endpoints.base, flavor.id);
        Self::Reference { id: &flavor.id, links: [Link { rel: "bookmark", href }] }
    }
}

#[derive(Debug, Serialize)]
struct SecurityGroup {
    name: &'static str,
}

#[derive(Debug, Serialize)]
struct Fault<'a> {
    code: u16,
    created: String,
    message: &'a str,
}

/// What only an admin sees.
#[derive(Debug, Serialize)]
struct AdminFields<'a> {
    #[serde(rename = "OS-EXT-SRV-ATTR:host")]
    host: Option<&'a str>,
    #[serde(rename = "OS-EXT-SRV-ATTR:hypervisor_hostname")]
    hypervisor_hostname: Option<&'a str>,
    #[serde(rename = "OS-EXT-SRV-ATTR:instance_name")]
    instance_name: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    since_3: Option<BootFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_status: Option<&'static str>,
}

/// What came with 2.3.
#[derive(Debug, Serialize)]
struct BootFields {
    #[serde(rename = "OS-EXT-SRV-ATTR:hostname")]
    hostname: String,
    #[serde(rename = "OS-EXT-SRV-ATTR:reservation_id")]
    reservation_id: String,
    #[serde(rename = "OS-EXT-SRV-ATTR:launch_index")]
    launch_index: u32,
    #[serde(rename = "OS-EXT-SRV-ATTR:kernel_id")]
    kernel_id: &'static str,
    #[serde(rename = "OS-EXT-SRV-ATTR:ramdisk_id")]
    ramdisk_id: &'static str,
    #[serde(rename = "OS-EXT-SRV-ATTR:root_device_name")]
    root_device_name: &'static str,
    #[serde(rename = "OS-EXT-SRV-ATTR:user_data")]
    user_data: (),
}

/// All of a server that one user may see in one version. What is skipped when `None` does not exist in that version.
#[derive(Debug, Serialize)]
pub(super) struct Full<'a> {
    id: &'a str,
    name: &'a str,
    status: &'static str,
    tenant_id: &'a str,
    user_id: String,
    metadata: &'a Map<String, Value>,
    #[serde(rename = "hostId")]
    host_id: String,
    image: Image,
    flavor: FlavorView<'a>,
    created: String,
    updated: String,
    addresses: Map<String, Value>,
    #[serde(rename = "accessIPv4")]
    access_ipv4: &'static str,
    #[serde(rename = "accessIPv6")]
    access_ipv6: &'static str,
    links: [Link; 2],
    #[serde(rename = "OS-DCF:diskConfig")]
    disk_config: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<u8>,
    #[serde(rename = "OS-EXT-AZ:availability_zone")]
    availability_zone: &'a str,
    config_drive: &'static str,
    key_name: (),
    #[serde(rename = "OS-SRV-USG:launched_at")]
    launched_at: String,
    #[serde(rename = "OS-SRV-USG:terminated_at")]
    terminated_at: (),
    #[serde(rename = "OS-EXT-STS:task_state")]
    task_state: Option<&'static str>,
    #[serde(rename = "OS-EXT-STS:vm_state")]
    vm_state: &'a str,
    #[serde(rename = "OS-EXT-STS:power_state")]
    power_state: u8,
    #[serde(rename = "os-extended-volumes:volumes_attached")]
    volumes_attached: [(); 0],
    security_groups: [SecurityGroup; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault<'a>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    admin: Option<AdminFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted_image_certificates: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_reason: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned_availability_zone: Option<Value>,
    /// Only of a single server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_groups: Option<[(); 0]>,
}

impl<'a> Full<'a> {
    pub(super) fn new(app: &App, cloud: &'a Cloud, server: &'a Server, version: Version, actor: &Actor) -> Self {
        let host = server.host.map(|index| &cloud.hosts()[index]);
        let uuid = &server.entry.uuid;
        let image = ids::derived("image", "default").to_string();
        let image_href = format!("{}/compute/images/{image}", app.endpoints.base);
        let created = time(server.created);
        let status = server.status();
        let has_progress =
            matches!(status, "ACTIVE" | "BUILD" | "MIGRATING" | "RESIZE" | "VERIFY_RESIZE" | "REVERT_RESIZE");
        Self {
            id: uuid,
            name: server.name(),
            status,
            tenant_id: &server.project,
            user_id: ids::derived_hex("owner", &server.project),
            metadata: &server.entry.metadata,
            host_id: host.map_or_else(String::new, |host| ids::host_id(&server.project, host.name())),
            image: Image { id: image, links: [Link { rel: "bookmark", href: image_href }] },
            flavor: FlavorView::new(app, &cloud.flavors()[server.flavor], version),
            launched_at: created.trim_end_matches('Z').to_owned(),
            created,
            updated: time(server.updated),
            addresses: Map::new(),
            access_ipv4: "",
            access_ipv6: "",
            links: links(app, uuid),
            disk_config: "MANUAL",
            progress: has_progress.then_some(0),
            availability_zone: host.map_or(DEFAULT_ZONE, |host| &host.zone),
            config_drive: "",
            key_name: (),
            terminated_at: (),
            task_state: server.task_state,
            vm_state: &server.vm_state,
            power_state: server.power_state(),
            volumes_attached: [],
            security_groups: [SecurityGroup { name: "default" }],
            fault: server.fault.as_ref().map(|(when, message)| Fault { code: 500, created: time(*when), message }),
            admin: actor.admin.then(|| AdminFields::new(cloud, server, version)),
            locked: version.since(9).then_some(server.locked),
            description: version.since(19).then_some(()),
            tags: version.since(26).then_some([]),
            trusted_image_certificates: version.since(63).then_some(()),
            locked_reason: version.since(73).then_some(()),
            pinned_availability_zone: version
                .since(96)
                .then(|| server.entry.pinned_az.as_deref().filter(|zone| !zone.is_empty()).into()),
            server_groups: None,
        }
    }
}

impl<'a> AdminFields<'a> {
    fn new(cloud: &'a Cloud, server: &'a Server, version: Version) -> Self {
        let host = server.host.map(|index| &cloud.hosts()[index]);
        let name = host.map(crate::cloud::Host::name);
        let uuid = &server.entry.uuid;
        let host_status = match host {
            None => "",
            Some(host) if !host.is_up() => "DOWN",
            Some(host) if host.disabled => "MAINTENANCE",
            Some(_) => "UP",
        };
        Self {
            host: name,
            hypervisor_hostname: name,
            instance_name: instance_name(uuid),
            since_3: version.since(3).then(|| BootFields {
                hostname: server.name().to_lowercase(),
                reservation_id: format!("r-{}", &ids::derived_hex("reservation", uuid)[..8]),
                launch_index: 0,
                kernel_id: "",
                ramdisk_id: "",
                root_device_name: "/dev/vda",
                user_data: (),
            }),
            host_status: version.since(16).then_some(host_status),
        }
    }
}
