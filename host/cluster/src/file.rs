//! The cluster file format: one JSON document with a cluster, the metric values of a period, and optional traces.
//!
//! A *case* is a cluster file that also names a strategy, parameters and a scope. Keys that only other tools need
//! (`rack`, `numa`, `flavor`, …) are accepted and kept out of the model.

use std::collections::HashMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{
    Aggregate, ClusterDataModel, ComputeModel, ComputeNode, Instance, ModelError, NodeState, NodeStatus, ServiceZone,
    Topology,
};
use crate::scope::AuditScope;

/// Why a cluster file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ClusterFileError {
    /// Not JSON, or not of this shape; the source names line and column.
    #[error("not a cluster file")]
    Syntax(#[source] serde_json::Error),
    /// Well-formed, but it contradicts itself.
    #[error("the cluster contradicts itself")]
    Model(#[from] ModelError),
    /// A number that cannot be: negative capacity, a ratio of 0, a metric that is no number, …
    #[error("{place}: {reason}")]
    Value {
        /// Where, as a path in the document.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

/// Metric values by resource, then by metric name.
pub type MetricTable = IndexMap<String, IndexMap<String, Option<f64>>>;

/// A parsed cluster file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ClusterFile {
    /// Nodes and instances.
    #[serde(default)]
    pub compute: ComputeSection,
    /// What a datasource answers for the period a strategy asks about.
    #[serde(default)]
    pub metrics: MetricsSection,
    /// CPU use over a day, for servers of time series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<Traces>,
    /// Host aggregates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aggregates: Vec<Aggregate>,
    /// Zones of compute services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceZone>,
    /// In a case: the strategy to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// In a case: its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Map<String, Value>>,
    /// In a case: the audit scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<AuditScope>,
    /// In a case: the seed of the strategy's random numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// `compute` of a cluster file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ComputeSection {
    /// Compute nodes, in the order of the cloud.
    #[serde(default)]
    pub nodes: Vec<NodeEntry>,
    /// Instances, in the order of the cloud.
    #[serde(default)]
    pub instances: Vec<InstanceEntry>,
}

/// One compute node of a cluster file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeEntry {
    /// UUID of the hypervisor.
    pub uuid: String,
    /// Host name.
    pub hostname: String,
    /// Total virtual CPUs.
    pub vcpus: u64,
    /// Total memory in MiB.
    pub memory: u64,
    /// Total disk in GiB.
    pub disk: u64,
    /// Allocation ratio of virtual CPUs.
    #[serde(default = "one")]
    pub vcpu_ratio: f64,
    /// Allocation ratio of memory.
    #[serde(default = "one")]
    pub memory_ratio: f64,
    /// Allocation ratio of disk.
    #[serde(default = "one")]
    pub disk_ratio: f64,
    /// Reserved virtual CPUs.
    #[serde(default)]
    pub vcpu_reserved: u64,
    /// Reserved memory in MiB.
    #[serde(default)]
    pub memory_mb_reserved: u64,
    /// Reserved disk in GiB.
    #[serde(default)]
    pub disk_gb_reserved: u64,
    /// `enabled` or `disabled`.
    #[serde(default = "enabled")]
    pub status: NodeStatus,
    /// Why it is disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    /// `up` or `down`.
    #[serde(default = "up")]
    pub state: NodeState,
}

/// One instance of a cluster file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceEntry {
    /// UUID of the server.
    pub uuid: String,
    /// Its name; the UUID if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Host name or UUID of its node; `null` if it is on none.
    #[serde(default)]
    pub node: Option<String>,
    /// Virtual CPUs.
    pub vcpus: u64,
    /// Memory in MiB.
    pub memory: u64,
    /// Local disk in GiB.
    pub disk: u64,
    /// Nova's `vm_state`.
    #[serde(default = "active")]
    pub state: String,
    /// User metadata.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Project that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// Must not be moved.
    #[serde(default)]
    pub watcher_exclude: bool,
    /// Locked by its owner.
    #[serde(default)]
    pub locked: bool,
    /// Name of its flavor, for servers that list flavors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flavor: Option<String>,
    /// Zone it is pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_az: Option<String>,
    /// Extra specs of its flavor.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub flavor_extra_specs: Map<String, Value>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// `metrics` of a cluster file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MetricsSection {
    /// By node UUID or host name.
    #[serde(default)]
    pub host: MetricTable,
    /// By instance UUID.
    #[serde(default)]
    pub instance: MetricTable,
}

/// CPU use over one day: 288 samples of 300 s, in percent of an instance's virtual CPUs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Traces {
    /// The series.
    pub series: Vec<Vec<f64>>,
    /// Index of the series of each instance, by UUID.
    pub instance_series: HashMap<String, usize>,
}

fn one() -> f64 {
    1.0
}
fn enabled() -> NodeStatus {
    NodeStatus::Enabled
}
fn up() -> NodeState {
    NodeState::Up
}
fn active() -> String {
    "active".to_owned()
}

/// The project that owns instances of a cluster file that names none.
pub const DEFAULT_PROJECT: &str = "00000000-0000-0000-0000-0000000000aa";

impl ClusterFile {
    /// Parses and checks a document.
    pub fn parse(text: &[u8]) -> Result<Self, ClusterFileError> {
        let file: Self = serde_json::from_slice(text).map_err(ClusterFileError::Syntax)?;
        file.check()?;
        file.model()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), ClusterFileError> {
        for node in &self.compute.nodes {
            let ratios =
                [("vcpu_ratio", node.vcpu_ratio), ("memory_ratio", node.memory_ratio), ("disk_ratio", node.disk_ratio)];
            for (name, ratio) in ratios {
                if !(ratio.is_finite() && ratio > 0.0) {
                    return Err(ClusterFileError::Value {
                        place: format!("compute node {}, {name}", node.hostname),
                        reason: format!("{ratio} is not a positive number"),
                    });
                }
            }
        }
        if let Some(traces) = &self.traces {
            for (instance, &series) in &traces.instance_series {
                if traces.series.get(series).is_none_or(Vec::is_empty) {
                    return Err(ClusterFileError::Value {
                        place: format!("traces, instance {instance}"),
                        reason: format!("series {series} is missing or empty"),
                    });
                }
            }
        }
        Ok(())
    }

    /// The cluster data model of the file, unscoped.
    pub fn model(&self) -> Result<ClusterDataModel, ModelError> {
        let nodes = self.compute.nodes.iter().map(NodeEntry::to_node).collect();
        let placed = self.compute.instances.iter().map(|entry| (entry.to_instance(), entry.node.clone()));
        Ok(ClusterDataModel {
            compute: ComputeModel::new(nodes, placed)?,
            topology: Topology { aggregates: self.aggregates.clone(), zones: self.services.clone() },
        })
    }
}

impl NodeEntry {
    fn to_node(&self) -> ComputeNode {
        ComputeNode {
            uuid: self.uuid.clone(),
            hostname: self.hostname.clone(),
            status: self.status,
            disabled_reason: self.disabled_reason.clone(),
            state: self.state,
            vcpus: self.vcpus,
            vcpu_reserved: self.vcpu_reserved,
            vcpu_ratio: self.vcpu_ratio,
            memory_mib: self.memory,
            memory_reserved_mib: self.memory_mb_reserved,
            memory_ratio: self.memory_ratio,
            disk_gib: self.disk,
            disk_reserved_gib: self.disk_gb_reserved,
            disk_ratio: self.disk_ratio,
        }
    }
}

impl InstanceEntry {
    fn to_instance(&self) -> Instance {
        Instance {
            uuid: self.uuid.clone(),
            name: self.name.clone().unwrap_or_else(|| self.uuid.clone()),
            state: self.state.clone(),
            vcpus: self.vcpus,
            memory_mib: self.memory,
            disk_gib: self.disk,
            watcher_exclude: self.watcher_exclude,
            locked: self.locked,
            project_id: self.project_id.clone().unwrap_or_else(|| DEFAULT_PROJECT.to_owned()),
            metadata: self.metadata.clone(),
            pinned_az: self.pinned_az.clone().unwrap_or_default(),
            flavor_extra_specs: self.flavor_extra_specs.clone(),
            created_at: self.created_at.clone(),
        }
    }
}
