//! Flavors: a cluster file has only sizes per instance, Nova has a list of flavors.

use std::collections::HashMap;

use serde_json::{Map, Value};
use watcher_cluster::file::InstanceEntry;

use super::Amount;

/// A flavor, found by grouping the instances of a cluster file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Flavor {
    /// Nova's id: a number as text.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) size: Amount,
    pub(crate) extra_specs: Map<String, Value>,
}

/// All flavors, in the order in which instances first use them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flavors {
    list: Vec<Flavor>,
    by_shape: HashMap<(Option<String>, Amount, String), usize>,
    names: HashMap<String, usize>,
}

impl Flavors {
    /// The flavor of an instance, made if it is new. Two sizes under one name become two names.
    pub(crate) fn of(&mut self, entry: &InstanceEntry) -> usize {
        let size = Amount::of(entry);
        let specs = Value::Object(entry.flavor_extra_specs.clone()).to_string();
        let shape = (entry.flavor.clone(), size, specs);
        if let Some(&index) = self.by_shape.get(&shape) {
            return index;
        }
        let index = self.list.len();
        let wanted =
            entry.flavor.clone().unwrap_or_else(|| format!("c{}.m{}.d{}", size.vcpus, size.memory_mib, size.disk_gib));
        let seen = self.names.entry(wanted.clone()).or_insert(0);
        *seen += 1;
        let name = if *seen == 1 { wanted } else { format!("{wanted}-{seen}") };
        self.list.push(Flavor {
            id: (index + 1).to_string(),
            name,
            size,
            extra_specs: entry.flavor_extra_specs.clone(),
        });
        self.by_shape.insert(shape, index);
        index
    }

    pub(crate) fn list(&self) -> &[Flavor] {
        &self.list
    }
}
