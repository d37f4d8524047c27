//! The compute cluster data model: compute nodes, instances, and which instance is on which node.
//!
//! Order is part of the model. Strategies walk nodes and instances in the order in which the cloud listed them, and the
//! instances of one node in the order in which they were placed there; a decision depends on both.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Whether the scheduler may use a node (`enabled`) or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeStatus {
    /// The compute service takes new instances.
    Enabled,
    /// An operator, or an action, took the service out of scheduling.
    Disabled,
}

/// Whether the compute service of a node reports to Nova.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// The service reported within Nova's `service_down_time`.
    Up,
    /// The service is silent, or was forced down.
    Down,
}

impl NodeStatus {
    /// Nova's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

impl NodeState {
    /// Nova's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A hypervisor, with its totals and what Placement says about them.
///
/// Usable capacity of a resource is `(total - reserved) * ratio`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComputeNode {
    /// UUID of the hypervisor, which is that of its Placement resource provider.
    pub uuid: String,
    /// Host name of the compute service: what migrations and service changes are addressed to.
    pub hostname: String,
    /// Whether the scheduler may use it.
    pub status: NodeStatus,
    /// Why it is disabled, if somebody said so.
    pub disabled_reason: Option<String>,
    /// Whether the service reports.
    pub state: NodeState,
    /// Total virtual CPUs, before reservation and ratio.
    pub vcpus: u64,
    /// Virtual CPUs reserved for the host.
    pub vcpu_reserved: u64,
    /// Allocation ratio of virtual CPUs.
    pub vcpu_ratio: f64,
    /// Total memory in MiB.
    pub memory_mib: u64,
    /// Memory reserved for the host in MiB.
    pub memory_reserved_mib: u64,
    /// Allocation ratio of memory.
    pub memory_ratio: f64,
    /// Total disk in GiB.
    pub disk_gib: u64,
    /// Disk reserved for the host in GiB.
    pub disk_reserved_gib: u64,
    /// Allocation ratio of disk.
    pub disk_ratio: f64,
}

/// A server (virtual machine).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// UUID of the server.
    pub uuid: String,
    /// Its name, as its owner gave it.
    pub name: String,
    /// Nova's `vm_state` in lower case: `active`, `paused`, `stopped`, … An open set.
    pub state: String,
    /// Virtual CPUs of the flavor.
    pub vcpus: u64,
    /// Memory of the flavor in MiB.
    pub memory_mib: u64,
    /// Local disk in GiB: root (0 when booted from a volume) + ephemeral + swap rounded up.
    pub disk_gib: u64,
    /// Set when the audit scope excludes it: it counts, but must not be moved.
    pub watcher_exclude: bool,
    /// Whether its owner locked it.
    pub locked: bool,
    /// Project that owns it.
    pub project_id: String,
    /// User metadata.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Availability zone it is pinned to, empty if none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pinned_az: String,
    /// Extra specs of its flavor.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub flavor_extra_specs: Map<String, Value>,
    /// When it was created, as the cloud wrote it, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// A host aggregate, for scopes that name one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregate {
    /// Nova's integer id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Host names of its members.
    pub hosts: Vec<String>,
}

/// The availability zone of one compute service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceZone {
    /// Host name of the service.
    pub host: String,
    /// Its zone.
    pub zone: String,
}

/// What a scope may refer to besides nodes and instances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// All host aggregates.
    #[serde(default)]
    pub aggregates: Vec<Aggregate>,
    /// Zones of the compute services.
    #[serde(default)]
    pub zones: Vec<ServiceZone>,
}

/// A contradiction in a model that somebody tried to build.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ModelError {
    /// Two nodes share a UUID.
    #[error("compute node {0} is listed twice")]
    DuplicateNode(String),
    /// Two nodes share a host name.
    #[error("hostname {0} belongs to two compute nodes")]
    DuplicateHostname(String),
    /// Two instances share a UUID.
    #[error("instance {0} is listed twice")]
    DuplicateInstance(String),
    /// An instance is placed on a node that is not there.
    #[error("instance {instance} is on node {node}, which is not in the cluster")]
    UnknownNode {
        /// The instance.
        instance: String,
        /// What it names as its node.
        node: String,
    },
}

/// Nodes, instances and placement. Rows are addressed by index; indexes stay valid for the life of a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ComputeModel {
    nodes: Vec<ComputeNode>,
    instances: Vec<Instance>,
    /// For every instance the index of its node, or `None` if it is on no node.
    placement: Vec<Option<u32>>,
    /// For every node its instances, in the order in which they were placed.
    occupants: Vec<Vec<u32>>,
}

impl ComputeModel {
    /// Builds a model from nodes and placed instances, in the order given; a node is named by UUID or host name.
    pub fn new(
        nodes: Vec<ComputeNode>,
        placed: impl IntoIterator<Item = (Instance, Option<String>)>,
    ) -> Result<Self, ModelError> {
        let mut by_name = HashMap::with_capacity(nodes.len() * 2);
        for (index, node) in nodes.iter().enumerate() {
            if by_name.insert(node.uuid.clone(), index).is_some() {
                return Err(ModelError::DuplicateNode(node.uuid.clone()));
            }
        }
        for (index, node) in nodes.iter().enumerate() {
            if let Some(other) = by_name.insert(node.hostname.clone(), index)
                && other != index
            {
                return Err(ModelError::DuplicateHostname(node.hostname.clone()));
            }
        }
        let mut model = Self { occupants: vec![Vec::new(); nodes.len()], nodes, ..Self::default() };
        let mut seen = std::collections::HashSet::new();
        for (instance, node) in placed {
            if !seen.insert(instance.uuid.clone()) {
                return Err(ModelError::DuplicateInstance(instance.uuid));
            }
            let node = match node {
                None => None,
                Some(name) => Some(
                    *by_name
                        .get(&name)
                        .ok_or_else(|| ModelError::UnknownNode { instance: instance.uuid.clone(), node: name })?,
                ),
            };
            model.push(instance, node);
        }
        Ok(model)
    }

    fn push(&mut self, instance: Instance, node: Option<usize>) {
        let index = row(self.instances.len());
        self.instances.push(instance);
        self.placement.push(node.map(row));
        if let Some(node) = node {
            self.occupants[node].push(index);
        }
    }

    /// All nodes, in the order of the cloud.
    pub fn nodes(&self) -> &[ComputeNode] {
        &self.nodes
    }

    /// All instances, in the order of the cloud, placed or not.
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// The node of an instance, as an index into [`Self::nodes`].
    pub fn node_of(&self, instance: usize) -> Option<usize> {
        self.placement.get(instance).copied().flatten().map(|node| node as usize)
    }

    /// The instances of a node in the order in which they were placed, as indexes into [`Self::instances`].
    pub fn instances_of(&self, node: usize) -> &[u32] {
        self.occupants.get(node).map_or(&[], Vec::as_slice)
    }

    /// The node with this UUID or host name.
    pub fn find_node(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.uuid == name || node.hostname == name)
    }

    /// Splits the model into its parts.
    pub(crate) fn into_parts(self) -> Parts {
        Parts { nodes: self.nodes, instances: self.instances, placement: self.placement, occupants: self.occupants }
    }
}

/// The fields of a model, for whoever rebuilds one and keeps them in agreement.
pub(crate) struct Parts {
    pub nodes: Vec<ComputeNode>,
    pub instances: Vec<Instance>,
    pub placement: Vec<Option<u32>>,
    pub occupants: Vec<Vec<u32>>,
}

impl From<Parts> for ComputeModel {
    fn from(parts: Parts) -> Self {
        Self { nodes: parts.nodes, instances: parts.instances, placement: parts.placement, occupants: parts.occupants }
    }
}

/// What an audit sees of a cluster: immutable, and storable as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterDataModel {
    /// Nodes and instances.
    pub compute: ComputeModel,
    /// Aggregates and zones.
    #[serde(default)]
    pub topology: Topology,
}

fn row(index: usize) -> u32 {
    u32::try_from(index).expect("a cluster has fewer than 2^32 rows: file and API bodies are bounded far below")
}
