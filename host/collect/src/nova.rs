//! What is read of Nova's and Placement's answers. Everything else in them is ignored.

use serde::Deserialize;
use serde_json::{Map, Value};
use watcher_cluster::{ComputeNode, Instance, NodeState, NodeStatus};

#[derive(Debug, Deserialize)]
pub(crate) struct Hypervisors {
    pub(crate) hypervisors: Vec<Hypervisor>,
}

/// A hypervisor as microversions 2.53 to 2.87 have it.
#[derive(Debug, Deserialize)]
pub(crate) struct Hypervisor {
    pub(crate) id: String,
    hypervisor_hostname: String,
    #[serde(default)]
    pub(crate) hypervisor_type: String,
    status: String,
    state: String,
    #[serde(default)]
    vcpus: u64,
    #[serde(default)]
    memory_mb: u64,
    #[serde(default)]
    local_gb: u64,
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
    pub(crate) servers: Vec<Server>,
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
    /// An object, or an empty string for a server booted from a volume.
    #[serde(default)]
    image: Value,
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
    #[serde(rename = "ephemeral", default)]
    ephemeral: u64,
    /// MiB; older clouds write an empty string for none.
    #[serde(default)]
    swap: Value,
    #[serde(default)]
    extra_specs: Map<String, Value>,
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
        let or = |inventory: Option<Inventory>, total| {
            inventory.unwrap_or(Inventory { total, reserved: 0, allocation_ratio: 1.0 })
        };
        let vcpu = or(inventory.vcpu, self.vcpus);
        let memory = or(inventory.memory_mb, self.memory_mb);
        let disk = or(inventory.disk_gb, self.local_gb);
        let (hostname, disabled_reason) = match self.service {
            Some(service) => (service.host, service.disabled_reason),
            None => (self.hypervisor_hostname, None),
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
        let from_volume = self.image.as_object().is_none_or(Map::is_empty);
        let root = if from_volume { 0 } else { self.flavor.disk };
        let swap_mib = self.flavor.swap.as_u64().unwrap_or(0);
        Instance {
            uuid: self.id,
            name: self.name,
            state: self.vm_state,
            vcpus: self.flavor.vcpus,
            memory_mib: self.flavor.ram,
            disk_gib: root.saturating_add(self.flavor.ephemeral).saturating_add(swap_mib.div_ceil(1024)),
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
