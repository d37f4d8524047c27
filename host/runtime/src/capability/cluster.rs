//! `watcher:cluster`: columns of the snapshot.
//!
//! A column is built when it is asked for and handed over at once: a guest asks for each once, so keeping columns would cost memory
//! and save nothing.

use serde_json::{Map, Value};
use watcher_cluster::{ClusterDataModel, ComputeNode, Instance};
use watcher_domain::{Blame, Failure};

use crate::bindings::imports::watcher::cluster::compute::{Host, Occupancy};
use crate::bindings::imports::watcher::types::types::{self, Strings};
use crate::call::{Call, Outside, lower};

/// Bytes that a row takes on its way, about.
const TEXT_BYTES: usize = 64;
const NUMBER_BYTES: usize = 8;

type Column<T> = Result<T, types::Failure>;

impl Call {
    fn model(&self) -> Option<&ClusterDataModel> {
        match &self.outside {
            Outside::Decision(decision) => Some(&decision.model),
            Outside::Nothing | Outside::Handler(_) => None,
        }
    }

    fn nodes(&self) -> &[ComputeNode] {
        self.model().map_or(&[], |model| model.compute.nodes())
    }

    fn instances(&self) -> &[Instance] {
        self.model().map_or(&[], |model| model.compute.instances())
    }
}

fn unknown<T>(column: &str, known: &str) -> Column<T> {
    let column: String = column.chars().take(80).collect();
    let message = format!("there is no column {column:?} of this type here; there are {known}");
    Err(lower(Failure::new(Blame::Plugin, "unknown-column", message)))
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

/// Joins one string per row.
struct Joined(Strings);

impl Joined {
    fn of<'a, T: 'a>(rows: &'a [T], size: usize, text: impl Fn(&'a T) -> &'a str) -> Strings {
        let mut joined = Self::with_capacity(rows.len(), size);
        for row in rows {
            joined.push(text(row));
        }
        joined.0
    }

    fn json<'a, T: 'a>(rows: &'a [T], object: impl Fn(&'a T) -> &'a Map<String, Value>) -> Strings {
        let mut joined = Self::with_capacity(rows.len(), 2);
        for row in rows {
            let object = object(row);
            if object.is_empty() {
                joined.push("{}");
            } else {
                joined.push(&serde_json::to_string(object).unwrap_or_else(|_| "{}".to_owned()));
            }
        }
        joined.0
    }

    fn with_capacity(rows: usize, size: usize) -> Self {
        Self(Strings { text: String::with_capacity(rows * size), ends: Vec::with_capacity(rows) })
    }

    fn push(&mut self, text: &str) {
        self.0.text.push_str(text);
        self.0.ends.push(count(self.0.text.len()));
    }
}

fn collect<T, C>(rows: &[T], cell: impl Fn(&T) -> C) -> Vec<C> {
    rows.iter().map(cell).collect()
}

impl Host for Call {
    async fn node_count(&mut self) -> wasmtime::Result<u32> {
        self.enter(0).await?;
        Ok(count(self.nodes().len()))
    }

    async fn node_strings(&mut self, column: String) -> wasmtime::Result<Column<Strings>> {
        self.enter(column.len()).await?;
        self.moved(self.nodes().len() * TEXT_BYTES);
        let nodes = self.nodes();
        Ok(Ok(match column.as_str() {
            "uuid" => Joined::of(nodes, 36, |node| &node.uuid),
            "hostname" => Joined::of(nodes, 16, |node| &node.hostname),
            "status" => Joined::of(nodes, 8, |node| node.status.as_str()),
            "state" => Joined::of(nodes, 4, |node| node.state.as_str()),
            "disabled-reason" => Joined::of(nodes, 0, |node| node.disabled_reason.as_deref().unwrap_or_default()),
            _ => return Ok(unknown(&column, "uuid, hostname, status, state, disabled-reason")),
        }))
    }

    async fn node_integers(&mut self, column: String) -> wasmtime::Result<Column<Vec<u64>>> {
        self.enter(column.len()).await?;
        self.moved(self.nodes().len() * NUMBER_BYTES);
        let nodes = self.nodes();
        Ok(Ok(match column.as_str() {
            "vcpus" => collect(nodes, |node| node.vcpus),
            "vcpu-reserved" => collect(nodes, |node| node.vcpu_reserved),
            "memory-mib" => collect(nodes, |node| node.memory_mib),
            "memory-reserved-mib" => collect(nodes, |node| node.memory_reserved_mib),
            "disk-gib" => collect(nodes, |node| node.disk_gib),
            "disk-reserved-gib" => collect(nodes, |node| node.disk_reserved_gib),
            _ => {
                let known = "vcpus, vcpu-reserved, memory-mib, memory-reserved-mib, disk-gib, disk-reserved-gib";
                return Ok(unknown(&column, known));
            }
        }))
    }

    async fn node_numbers(&mut self, column: String) -> wasmtime::Result<Column<Vec<f64>>> {
        self.enter(column.len()).await?;
        self.moved(self.nodes().len() * NUMBER_BYTES);
        let nodes = self.nodes();
        Ok(Ok(match column.as_str() {
            "vcpu-ratio" => collect(nodes, |node| node.vcpu_ratio),
            "memory-ratio" => collect(nodes, |node| node.memory_ratio),
            "disk-ratio" => collect(nodes, |node| node.disk_ratio),
            _ => return Ok(unknown(&column, "vcpu-ratio, memory-ratio, disk-ratio")),
        }))
    }

    async fn instance_count(&mut self) -> wasmtime::Result<u32> {
        self.enter(0).await?;
        Ok(count(self.instances().len()))
    }

    async fn instance_strings(&mut self, column: String) -> wasmtime::Result<Column<Strings>> {
        self.enter(column.len()).await?;
        self.moved(self.instances().len() * TEXT_BYTES);
        let instances = self.instances();
        Ok(Ok(match column.as_str() {
            "uuid" => Joined::of(instances, 36, |instance| &instance.uuid),
            "name" => Joined::of(instances, 16, |instance| &instance.name),
            "state" => Joined::of(instances, 6, |instance| &instance.state),
            "project-id" => Joined::of(instances, 32, |instance| &instance.project_id),
            "metadata" => Joined::json(instances, |instance| &instance.metadata),
            "created-at" => Joined::of(instances, 20, |instance| instance.created_at.as_deref().unwrap_or_default()),
            "pinned-az" => Joined::of(instances, 0, |instance| &instance.pinned_az),
            "flavor-extra-specs" => Joined::json(instances, |instance| &instance.flavor_extra_specs),
            _ => {
                let known = "uuid, name, state, project-id, metadata, created-at, pinned-az, flavor-extra-specs";
                return Ok(unknown(&column, known));
            }
        }))
    }

    async fn instance_integers(&mut self, column: String) -> wasmtime::Result<Column<Vec<u64>>> {
        self.enter(column.len()).await?;
        self.moved(self.instances().len() * NUMBER_BYTES);
        let instances = self.instances();
        Ok(Ok(match column.as_str() {
            "vcpus" => collect(instances, |instance| instance.vcpus),
            "memory-mib" => collect(instances, |instance| instance.memory_mib),
            "disk-gib" => collect(instances, |instance| instance.disk_gib),
            _ => return Ok(unknown(&column, "vcpus, memory-mib, disk-gib")),
        }))
    }

    async fn instance_flags(&mut self, column: String) -> wasmtime::Result<Column<Vec<bool>>> {
        self.enter(column.len()).await?;
        self.moved(self.instances().len() * NUMBER_BYTES);
        let instances = self.instances();
        Ok(Ok(match column.as_str() {
            "watcher-exclude" => collect(instances, |instance| instance.watcher_exclude),
            "locked" => collect(instances, |instance| instance.locked),
            _ => return Ok(unknown(&column, "watcher-exclude, locked")),
        }))
    }

    async fn placement(&mut self) -> wasmtime::Result<Occupancy> {
        self.enter(0).await?;
        self.moved(self.instances().len() * NUMBER_BYTES);
        let mut occupancy = Occupancy { instances: Vec::with_capacity(self.instances().len()), ends: Vec::new() };
        if let Some(model) = self.model() {
            for node in 0..model.compute.nodes().len() {
                occupancy.instances.extend_from_slice(model.compute.instances_of(node));
                occupancy.ends.push(count(occupancy.instances.len()));
            }
        }
        Ok(occupancy)
    }
}
