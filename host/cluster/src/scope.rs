//! Audit scope: which part of a cluster an audit may look at and touch.
//!
//! A scope is a list of one object per model, `[{"compute": [rule, …]}]`. A rule has one key: `host_aggregates` and
//! `availability_zones` say which compute nodes are in scope (all of them together; without any, all nodes are), `exclude` says what is
//! not. Reading is strict and names the offending place; [`AuditScope::apply`] reads, then cuts the model down.

mod rules;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{ClusterDataModel, ComputeModel, Instance, Parts, Topology};
use rules::{AggregateRef, Exclusion, Name, Rule, Rules};

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
    /// Whether this has the shape of a scope. Names need not exist: clusters change.
    ///
    /// # Errors
    /// [`ScopeError::Invalid`] for the first value that does not fit; [`ScopeError::WildcardAndNames`].
    pub fn validate(&self) -> Result<(), ScopeError> {
        self.rules().map(|_| ())
    }

    /// The part of `model` in this scope.
    ///
    /// Nodes out of scope are removed with their instances; excluded instances stay, flagged
    /// [`crate::Instance::watcher_exclude`], and move to the end of their node's list, in the order of the model. Names that the cluster does not
    /// have are ignored, but including only such names leaves no node. Instances on no node stay as they are.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn apply(&self, model: ClusterDataModel) -> Result<ClusterDataModel, ScopeError> {
        let rules = self.rules()?;
        if rules.is_empty() {
            return Ok(model);
        }
        let ClusterDataModel { compute, topology } = model;
        let nodes_in_scope = nodes_in_scope(&rules, &compute, &topology);
        let exclusions: Vec<&Exclusion> = rules
            .iter()
            .filter_map(|rule| if let Rule::Exclude(exclusions) = rule { Some(exclusions) } else { None })
            .flatten()
            .collect();
        let compute = flag_excluded(keep_nodes(compute, &nodes_in_scope), &exclusions);
        Ok(ClusterDataModel { compute, topology })
    }

    /// The rules of the compute model.
    fn rules(&self) -> Result<Rules, ScopeError> {
        rules::read(&self.0)
    }
}

/// For each node whether it is in scope.
fn nodes_in_scope(rules: &[Rule], compute: &ComputeModel, topology: &Topology) -> Vec<bool> {
    let mut included: HashSet<&str> = HashSet::new();
    let mut excluded: HashSet<&str> = HashSet::new();
    let mut limited = false;
    for rule in rules {
        match rule {
            Rule::HostAggregates(aggregates) => {
                limited = true;
                included.extend(hosts_of_aggregates(aggregates, topology));
            }
            Rule::AvailabilityZones(zones) => {
                limited = true;
                let named = |zone: &str| zones.iter().any(|name| name.matches(zone));
                included.extend(topology.zones.iter().filter(|zone| named(&zone.zone)).map(|zone| zone.host.as_str()));
            }
            Rule::Exclude(exclusions) => {
                for exclusion in exclusions {
                    match exclusion {
                        Exclusion::ComputeNodes(names) => excluded.extend(names.iter().map(String::as_str)),
                        Exclusion::HostAggregates(aggregates) => {
                            excluded.extend(hosts_of_aggregates(aggregates, topology));
                        }
                        Exclusion::Instances(_) | Exclusion::Metadata(_) | Exclusion::Projects(_) => {}
                    }
                }
            }
        }
    }
    let in_scope = |hostname: &str| (!limited || included.contains(hostname)) && !excluded.contains(hostname);
    compute.nodes().iter().map(|node| in_scope(&node.hostname)).collect()
}

/// Host names of the members of some aggregates.
fn hosts_of_aggregates<'a>(aggregates: &'a [AggregateRef], topology: &'a Topology) -> impl Iterator<Item = &'a str> {
    let named = move |id: i64, name: &str| {
        aggregates.iter().any(|aggregate| match aggregate {
            AggregateRef::Id(wanted) => *wanted == id,
            AggregateRef::Name(wanted) => wanted.matches(name),
            AggregateRef::Any => true,
        })
    };
    topology
        .aggregates
        .iter()
        .filter(move |aggregate| named(aggregate.id, &aggregate.name))
        .flat_map(|aggregate| aggregate.hosts.iter().map(String::as_str))
}

/// Removes the other nodes, and the instances on them.
fn keep_nodes(compute: ComputeModel, keep: &[bool]) -> ComputeModel {
    if keep.iter().all(|&keep| keep) {
        return compute;
    }
    let Parts { nodes, instances, placement, occupants } = compute.into_parts();
    let mut new_row_of_node = Vec::with_capacity(nodes.len());
    let mut kept_nodes = Vec::new();
    let mut kept_occupants = Vec::new();
    for ((node, occupants), &keep) in nodes.into_iter().zip(occupants).zip(keep) {
        new_row_of_node.push(if keep { u32::try_from(kept_nodes.len()).ok() } else { None });
        if keep {
            kept_nodes.push(node);
            kept_occupants.push(occupants);
        }
    }
    let mut new_row_of_instance = Vec::with_capacity(instances.len());
    let mut kept_instances = Vec::new();
    let mut kept_placement = Vec::new();
    for (instance, node) in instances.into_iter().zip(placement) {
        let new_node = node.map(|node| new_row_of_node[node as usize]);
        if let Some(None) = new_node {
            new_row_of_instance.push(None);
            continue;
        }
        new_row_of_instance.push(u32::try_from(kept_instances.len()).ok());
        kept_instances.push(instance);
        kept_placement.push(new_node.flatten());
    }
    for occupants in &mut kept_occupants {
        *occupants = occupants.iter().filter_map(|&instance| new_row_of_instance[instance as usize]).collect();
    }
    Parts { nodes: kept_nodes, instances: kept_instances, placement: kept_placement, occupants: kept_occupants }.into()
}

/// Flags excluded instances that are on a node, and puts them behind the others there.
fn flag_excluded(compute: ComputeModel, exclusions: &[&Exclusion]) -> ComputeModel {
    let mut uuids: HashSet<&str> = HashSet::new();
    let mut projects: HashSet<&str> = HashSet::new();
    let mut metadata: Vec<(&str, &str)> = Vec::new();
    for exclusion in exclusions {
        match exclusion {
            Exclusion::Instances(names) => uuids.extend(names.iter().map(String::as_str)),
            Exclusion::Projects(names) => projects.extend(names.iter().map(String::as_str)),
            Exclusion::Metadata(pairs) => {
                for (key, value) in pairs {
                    // A key that is given twice has the value that is given last.
                    metadata.retain(|(other, _)| other != key);
                    metadata.push((key, value));
                }
            }
            Exclusion::ComputeNodes(_) | Exclusion::HostAggregates(_) => {}
        }
    }
    if uuids.is_empty() && projects.is_empty() && metadata.is_empty() {
        return compute;
    }
    let Parts { nodes, mut instances, placement, mut occupants } = compute.into_parts();
    let mut excluded = vec![false; instances.len()];
    for (row, instance) in instances.iter_mut().enumerate() {
        excluded[row] = placement[row].is_some()
            && (uuids.contains(instance.uuid.as_str())
                || projects.contains(instance.project_id.as_str())
                || matches_metadata(instance, &metadata));
        instance.watcher_exclude |= excluded[row];
    }
    for occupants in &mut occupants {
        let (mut first, mut last): (Vec<u32>, Vec<u32>) =
            occupants.iter().partition(|&&instance| !excluded[instance as usize]);
        last.sort_unstable();
        first.append(&mut last);
        *occupants = first;
    }
    Parts { nodes, instances, placement, occupants }.into()
}

/// Whether an instance has all the keys, and for one of them the value, whatever its case.
fn matches_metadata(instance: &Instance, wanted: &[(&str, &str)]) -> bool {
    let equal = |&(key, value): &(&str, &str)| {
        instance.metadata.get(key).is_some_and(|own| rules::word(own).to_lowercase() == value)
    };
    wanted.iter().all(|(key, _)| instance.metadata.contains_key(*key)) && wanted.iter().any(equal)
}

impl Name {
    fn matches(&self, other: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(name) => name == other,
        }
    }
}
