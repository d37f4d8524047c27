//! What is read of Nova's and Placement's answers. Everything else in them is ignored.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use watcher_cluster::{ComputeNode, Instance, NodeState, NodeStatus};

use crate::fetch::{Link, Page, Row};

#[derive(Debug, Deserialize)]
pub(crate) struct Hypervisors {
    hypervisors: Vec<Hypervisor>,
    #[serde(default)]
    hypervisors_links: Vec<Link>,
}

impl Page for Hypervisors {
    type Row = Hypervisor;

    fn into_parts(self) -> (Vec<Hypervisor>, Vec<Link>) {
        (self.hypervisors, self.hypervisors_links)
    }
}

impl Row for Hypervisor {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A hypervisor as microversions 2.53 to 2.87 have it.
#[derive(Debug, Deserialize)]
pub(crate) struct Hypervisor {
    pub(crate) id: String,
    #[serde(rename = "hypervisor_hostname")]
    name: String,
    #[serde(rename = "hypervisor_type", default)]
    pub(crate) kind: String,
    status: String,
    state: String,
    vcpus: Option<u64>,
    memory_mb: Option<u64>,
    local_gb: Option<u64>,
    service: Option<HypervisorService>,
}

#[derive(Debug, Deserialize)]
struct HypervisorService {
    host: String,
    disabled_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Services {
    pub(crate) services: Vec<Service>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Service {
    pub(crate) host: String,
    pub(crate) zone: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Aggregates {
    pub(crate) aggregates: Vec<watcher_cluster::Aggregate>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Servers {
    servers: Vec<Server>,
    #[serde(default)]
    servers_links: Vec<Link>,
}

impl Page for Servers {
    type Row = Server;

    fn into_parts(self) -> (Vec<Server>, Vec<Link>) {
        (self.servers, self.servers_links)
    }
}

impl Row for Server {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A server as microversions from 2.47 have it, with its flavor inside.
#[derive(Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    tenant_id: String,
    created: Option<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default)]
    locked: bool,
    #[serde(default)]
    image: Image,
    flavor: Flavor,
    #[serde(rename = "OS-EXT-STS:vm_state", default)]
    pub(crate) vm_state: String,
    #[serde(rename = "OS-EXT-SRV-ATTR:host")]
    pub(crate) host: Option<String>,
    #[serde(rename = "pinned_availability_zone")]
    pinned_az: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Flavor {
    vcpus: u64,
    ram: u64,
    disk: u64,
    #[serde(default)]
    ephemeral: u64,
    /// MiB.
    #[serde(default, deserialize_with = "number_or_text")]
    swap: u64,
    #[serde(default)]
    extra_specs: Map<String, Value>,
}

/// Whether a server has an image: an object if so, an empty string for one that was booted from a volume.
#[derive(Debug, Default)]
struct Image {
    is_some: bool,
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ImageVisitor;

        impl<'de> Visitor<'de> for ImageVisitor {
            type Value = Image;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an image or an empty string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Image, E> {
                Ok(Image { is_some: !text.is_empty() })
            }

            fn visit_unit<E>(self) -> Result<Image, E> {
                Ok(Image::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Image, A::Error> {
                let mut image = Image::default();
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    image.is_some = true;
                }
                Ok(image)
            }
        }

        deserializer.deserialize_any(ImageVisitor)
    }
}

/// A number; clouds before the flavor was embedded wrote an empty string for 0.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Option::<Either>::deserialize(deserializer)? {
        None => Ok(0),
        Some(Either::Number(number)) => Ok(number),
        Some(Either::Text(text)) if text.is_empty() => Ok(0),
        Some(Either::Text(text)) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Inventories {
    pub(crate) inventories: InventoryByClass,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct InventoryByClass {
    #[serde(rename = "VCPU")]
    vcpu: Option<Inventory>,
    #[serde(rename = "MEMORY_MB")]
    memory_mb: Option<Inventory>,
    #[serde(rename = "DISK_GB")]
    disk_gb: Option<Inventory>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Inventory {
    total: u64,
    #[serde(default)]
    reserved: u64,
    #[serde(default = "one")]
    allocation_ratio: f64,
}

const fn one() -> f64 {
    1.0
}

impl Hypervisor {
    /// Total, reserved and ratio as Placement has them, or else the hypervisor's total.
    pub(crate) fn into_node(self, inventory: &InventoryByClass) -> ComputeNode {
        let or = |inventory: Option<Inventory>, total: Option<u64>| {
            inventory.unwrap_or(Inventory { total: total.unwrap_or(0), reserved: 0, allocation_ratio: 1.0 })
        };
        let vcpu = or(inventory.vcpu, self.vcpus);
        let memory = or(inventory.memory_mb, self.memory_mb);
        let disk = or(inventory.disk_gb, self.local_gb);
        let (hostname, disabled_reason) = match self.service {
            Some(service) => (service.host, service.disabled_reason),
            None => (self.name, None),
        };
        ComputeNode {
            uuid: self.id,
            hostname,
            status: if self.status == "disabled" { NodeStatus::Disabled } else { NodeStatus::Enabled },
            disabled_reason,
            state: if self.state == "down" { NodeState::Down } else { NodeState::Up },
            vcpus: vcpu.total,
            vcpu_reserved: vcpu.reserved,
            vcpu_ratio: vcpu.allocation_ratio,
            memory_mib: memory.total,
            memory_reserved_mib: memory.reserved,
            memory_ratio: memory.allocation_ratio,
            disk_gib: disk.total,
            disk_reserved_gib: disk.reserved,
            disk_ratio: disk.allocation_ratio,
        }
    }
}

impl Server {
    /// Local disk is root (none when booted from a volume) + ephemeral + swap, in whole GiB.
    pub(crate) fn into_instance(self) -> Instance {
        let root = if self.image.is_some { self.flavor.disk } else { 0 };
        Instance {
            uuid: self.id,
            name: self.name,
            state: self.vm_state,
            vcpus: self.flavor.vcpus,
            memory_mib: self.flavor.ram,
            disk_gib: root.saturating_add(self.flavor.ephemeral).saturating_add(self.flavor.swap.div_ceil(1024)),
            watcher_exclude: false,
            locked: self.locked,
            project_id: self.tenant_id,
            metadata: self.metadata,
            pinned_az: self.pinned_az.unwrap_or_default(),
            flavor_extra_specs: self.flavor.extra_specs,
            created_at: self.created,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn server(image: &Value, swap: &Value) -> Instance {
        let server: Server = serde_json::from_value(json!({
            "id": "i1", "name": "vm", "tenant_id": "p1", "status": "ACTIVE", "locked": true, "image": image,
            "metadata": {"a": "b"}, "created": "2026-01-01T00:00:00Z", "OS-EXT-STS:vm_state": "active",
            "OS-EXT-SRV-ATTR:host": "node_1", "addresses": {"net": [{"addr": "10.0.0.1"}]},
            "flavor": {"vcpus": 2, "ram": 1024, "disk": 20, "ephemeral": 5, "swap": swap, "original_name": "m1"},
        }))
        .unwrap();
        server.into_instance()
    }

    #[test]
    fn local_disk_is_root_and_ephemeral_and_swap_in_whole_gib() {
        let image = json!({"id": "x", "links": []});
        assert_eq!(server(&image, &json!(0)).disk_gib, 25);
        assert_eq!(server(&image, &json!(1)).disk_gib, 26);
        assert_eq!(server(&image, &json!(1024)).disk_gib, 26);
        assert_eq!(server(&image, &json!(1025)).disk_gib, 27);
        assert_eq!(server(&image, &json!("")).disk_gib, 25);
        assert_eq!(server(&image, &json!("2048")).disk_gib, 27);
    }

    #[test]
    fn a_server_booted_from_a_volume_has_no_root_disk() {
        for image in [json!(""), json!(null), json!({})] {
            assert_eq!(server(&image, &json!(null)).disk_gib, 5);
        }
    }

    #[test]
    fn what_nova_says_of_a_server_is_kept() {
        let instance = server(&json!(""), &json!(0));
        assert_eq!((instance.state.as_str(), instance.vcpus, instance.memory_mib), ("active", 2, 1024));
        assert_eq!((instance.project_id.as_str(), instance.locked, instance.watcher_exclude), ("p1", true, false));
        assert_eq!(instance.metadata["a"], "b");
    }

    fn node(hypervisor: Value, inventories: Value) -> ComputeNode {
        let hypervisor: Hypervisor = serde_json::from_value(hypervisor).unwrap();
        let inventories: Inventories = serde_json::from_value(inventories).unwrap();
        hypervisor.into_node(&inventories.inventories)
    }

    #[test]
    fn what_placement_does_not_know_is_as_the_hypervisor_has_it() {
        let hypervisor = json!({
            "id": "h1", "hypervisor_hostname": "node_1.example.org", "hypervisor_type": "QEMU", "status": "disabled",
            "state": "down", "vcpus": 8, "memory_mb": 4096, "local_gb": 100,
            "service": {"id": "s1", "host": "node_1", "disabled_reason": "fan"},
        });
        let inventories = json!({"inventories": {
            "VCPU": {"total": 16, "reserved": 2, "allocation_ratio": 4.0, "max_unit": 16},
            "PCI_DEVICE": {"total": 1},
        }});
        let node = node(hypervisor, inventories);
        assert_eq!((node.hostname.as_str(), node.disabled_reason.as_deref()), ("node_1", Some("fan")));
        assert_eq!((node.status, node.state), (NodeStatus::Disabled, NodeState::Down));
        assert_eq!((node.vcpus, node.vcpu_reserved), (16, 2));
        assert_eq!((node.memory_mib, node.memory_reserved_mib), (4096, 0));
        assert_eq!((node.disk_gib, node.disk_reserved_gib), (100, 0));
        assert!((node.vcpu_ratio - 4.0).abs() < f64::EPSILON && (node.disk_ratio - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_hypervisor_without_totals_and_service_is_read_too() {
        let bare =
            json!({"id": "h1", "hypervisor_hostname": "node_1", "status": "enabled", "state": "up", "vcpus": null});
        let node = node(bare, json!({"inventories": {}}));
        assert_eq!((node.hostname.as_str(), node.vcpus), ("node_1", 0));
    }
}
