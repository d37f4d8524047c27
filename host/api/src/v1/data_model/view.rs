//! The compute model as clients see it: a table, with one row for each server and one for each node without servers.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use watcher_cluster::{ComputeModel, ComputeNode, Instance};

use crate::microversion::Microversion;

/// A compute model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DataModel {
    /// Sorted by UUID of the node, then of the server. Servers that are on no node are not shown.
    context: Vec<DataModelRow>,
}

/// A node, with one of its servers if it has some.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DataModelRow {
    #[serde(flatten)]
    #[schema(value_type = NodeColumns)]
    node: Arc<NodeColumns>,
    /// Not there in the row of a node without servers.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    server: Option<ServerColumns>,
}

/// A compute node.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the API calls them so")]
pub(crate) struct NodeColumns {
    /// Host name of its compute service.
    node_hostname: String,
    /// Whether the scheduler may use it.
    node_status: &'static str,
    node_disabled_reason: Option<String>,
    node_state: &'static str,
    /// MiB.
    node_memory: u64,
    /// MiB.
    node_memory_mb_reserved: u64,
    /// GiB.
    node_disk: u64,
    /// GiB.
    node_disk_gb_reserved: u64,
    node_vcpus: u64,
    node_vcpu_reserved: u64,
    /// Allocation ratio.
    node_memory_ratio: f64,
    /// Allocation ratio.
    node_vcpu_ratio: f64,
    /// Allocation ratio.
    node_disk_ratio: f64,
    node_uuid: String,
}

/// A server.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the API calls them so")]
pub(crate) struct ServerColumns {
    /// Whether the audit's scope excludes it.
    server_watcher_exclude: bool,
    server_name: String,
    /// Nova's `vm_state`.
    server_state: String,
    /// MiB.
    server_memory: u64,
    /// GiB.
    server_disk: u64,
    server_vcpus: u64,
    #[schema(value_type = Object)]
    server_metadata: Map<String, Value>,
    server_project_id: String,
    server_locked: bool,
    /// Availability zone that it is pinned to; empty if none. From version 1.6.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_pinned_az: Option<String>,
    /// From version 1.6.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    server_flavor_extra_specs: Option<Map<String, Value>>,
    server_uuid: String,
}

impl DataModel {
    pub(crate) fn new(model: &ComputeModel, version: Microversion) -> Self {
        let mut nodes: Vec<usize> = (0..model.nodes().len()).collect();
        nodes.sort_by(|a, b| model.nodes()[*a].uuid.cmp(&model.nodes()[*b].uuid));
        let mut context = Vec::with_capacity(model.instances().len() + nodes.len());
        for index in nodes {
            let node = Arc::new(NodeColumns::from(&model.nodes()[index]));
            let occupants = model.instances_of(index).iter();
            let mut servers: Vec<&Instance> = occupants.map(|&row| &model.instances()[row as usize]).collect();
            servers.sort_by(|a, b| a.uuid.cmp(&b.uuid));
            if servers.is_empty() {
                context.push(DataModelRow { node, server: None });
                continue;
            }
            context.extend(servers.into_iter().map(|server| DataModelRow {
                node: Arc::clone(&node),
                server: Some(ServerColumns::new(server, version)),
            }));
        }
        Self { context }
    }
}

impl From<&ComputeNode> for NodeColumns {
    fn from(node: &ComputeNode) -> Self {
        Self {
            node_hostname: node.hostname.clone(),
            node_status: node.status.as_str(),
            node_disabled_reason: node.disabled_reason.clone(),
            node_state: node.state.as_str(),
            node_memory: node.memory_mib,
            node_memory_mb_reserved: node.memory_reserved_mib,
            node_disk: node.disk_gib,
            node_disk_gb_reserved: node.disk_reserved_gib,
            node_vcpus: node.vcpus,
            node_vcpu_reserved: node.vcpu_reserved,
            node_memory_ratio: node.memory_ratio,
            node_vcpu_ratio: node.vcpu_ratio,
            node_disk_ratio: node.disk_ratio,
            node_uuid: node.uuid.clone(),
        }
    }
}

impl ServerColumns {
    fn new(server: &Instance, version: Microversion) -> Self {
        let extended = version >= Microversion::EXTENDED_MODEL;
        Self {
            server_watcher_exclude: server.watcher_exclude,
            server_name: server.name.clone(),
            server_state: server.state.clone(),
            server_memory: server.memory_mib,
            server_disk: server.disk_gib,
            server_vcpus: server.vcpus,
            server_metadata: server.metadata.clone(),
            server_project_id: server.project_id.clone(),
            server_locked: server.locked,
            server_pinned_az: extended.then(|| server.pinned_az.clone()),
            server_flavor_extra_specs: extended.then(|| server.flavor_extra_specs.clone()),
            server_uuid: server.uuid.clone(),
        }
    }
}
