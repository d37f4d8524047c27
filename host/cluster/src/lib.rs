//! Cluster data model, audit scope and the cluster file format: data and pure questions about it.
//!
//! No IO happens here beyond parsing text that a caller has read: an audit must be replayable from a saved snapshot
//! of these types. Read [`model`] first, then [`scope`], then [`mod@file`]; [`mod@generate`] makes files of any size.

pub mod file;
pub mod generate;
pub mod model;
pub mod scope;

pub use file::{ClusterFile, ClusterFileError};
pub use generate::{GenerateOptions, generate};
pub use model::{
    Aggregate, ClusterDataModel, ComputeModel, ComputeNode, Instance, ModelError, NodeState, NodeStatus, ServiceZone,
    Topology,
};
pub use scope::{AuditScope, ScopeError};
