//! Structs over the columns of the cluster data model.

use crate::{Blame, Failure};

/// Many strings in one text; string `i` ends at byte `ends[i]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StringColumn {
    text: String,
    ends: Vec<u32>,
}

impl StringColumn {
    /// Takes a column as it crosses the border.
    ///
    /// # Errors
    /// `malformed-column` when the ends do not describe the text: the host is at fault.
    pub fn new(text: String, ends: Vec<u32>) -> Result<Self, Failure> {
        let mut last = 0;
        for &end in &ends {
            if end < last || !text.is_char_boundary(end as usize) {
                return Err(malformed("a string column"));
            }
            last = end;
        }
        if last as usize != text.len() {
            return Err(malformed("a string column"));
        }
        Ok(Self { text, ends })
    }

    /// The string of a row; empty for a row that is not there.
    pub fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends.get(row - 1).copied().unwrap_or(0) as usize };
        let end = self.ends.get(row).map_or(start, |&end| end as usize);
        &self.text[start..end]
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All strings, in row order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|row| self.get(row))
    }
}

impl<'a> FromIterator<&'a str> for StringColumn {
    fn from_iter<I: IntoIterator<Item = &'a str>>(strings: I) -> Self {
        let mut column = Self::default();
        for string in strings {
            column.text.push_str(string);
            column.ends.push(u32::try_from(column.text.len()).unwrap_or(u32::MAX));
        }
        column
    }
}

/// The numbers of a compute node. Its names are asked of the [`Cluster`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// The scheduler may use it.
    pub enabled: bool,
    /// Its service reports.
    pub up: bool,
    /// Total virtual CPUs.
    pub vcpus: u64,
    /// Reserved virtual CPUs.
    pub vcpu_reserved: u64,
    /// Allocation ratio of virtual CPUs.
    pub vcpu_ratio: f64,
    /// Total memory in MiB.
    pub memory_mib: u64,
    /// Reserved memory in MiB.
    pub memory_reserved_mib: u64,
    /// Allocation ratio of memory.
    pub memory_ratio: f64,
    /// Total disk in GiB.
    pub disk_gib: u64,
    /// Reserved disk in GiB.
    pub disk_reserved_gib: u64,
    /// Allocation ratio of disk.
    pub disk_ratio: f64,
}

impl Node {
    /// Virtual CPUs that can be allocated: `(total - reserved) * ratio`.
    #[expect(clippy::cast_precision_loss, reason = "capacities are far below 2^53")]
    pub fn vcpu_capacity(&self) -> f64 {
        (self.vcpus as f64 - self.vcpu_reserved as f64) * self.vcpu_ratio
    }

    /// Memory that can be allocated, in MiB.
    #[expect(clippy::cast_precision_loss, reason = "capacities are far below 2^53")]
    pub fn memory_capacity_mib(&self) -> f64 {
        (self.memory_mib as f64 - self.memory_reserved_mib as f64) * self.memory_ratio
    }

    /// Disk that can be allocated, in GiB.
    #[expect(clippy::cast_precision_loss, reason = "capacities are far below 2^53")]
    pub fn disk_capacity_gib(&self) -> f64 {
        (self.disk_gib as f64 - self.disk_reserved_gib as f64) * self.disk_ratio
    }
}

/// Nova's `vm_state`, as far as strategies tell states apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstanceState {
    /// Running.
    Active,
    /// Frozen in memory.
    Paused,
    /// Shut off.
    Stopped,
    /// Any other; [`Cluster::instance_state`] has the word.
    Other,
}

/// The numbers of an instance. Its names are asked of the [`Cluster`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// State, as far as strategies tell states apart.
    pub state: InstanceState,
    /// Row of its node in the snapshot, if it is on one.
    pub node: Option<u32>,
    /// Virtual CPUs of its flavor.
    pub vcpus: u64,
    /// Memory of its flavor in MiB.
    pub memory_mib: u64,
    /// Local disk in GiB.
    pub disk_gib: u64,
    /// Must not be moved.
    pub watcher_exclude: bool,
    /// Locked by its owner.
    pub locked: bool,
}

/// The columns of a snapshot as they cross the border, ready to become a [`Cluster`].
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "named as the columns of the WIT package watcher:cluster")]
pub struct Columns {
    pub node_uuid: StringColumn,
    pub node_hostname: StringColumn,
    pub node_status: StringColumn,
    pub node_state: StringColumn,
    pub node_vcpus: Vec<u64>,
    pub node_vcpu_reserved: Vec<u64>,
    pub node_vcpu_ratio: Vec<f64>,
    pub node_memory_mib: Vec<u64>,
    pub node_memory_reserved_mib: Vec<u64>,
    pub node_memory_ratio: Vec<f64>,
    pub node_disk_gib: Vec<u64>,
    pub node_disk_reserved_gib: Vec<u64>,
    pub node_disk_ratio: Vec<f64>,
    pub instance_uuid: StringColumn,
    pub instance_name: StringColumn,
    pub instance_state: StringColumn,
    pub instance_vcpus: Vec<u64>,
    pub instance_memory_mib: Vec<u64>,
    pub instance_disk_gib: Vec<u64>,
    pub instance_watcher_exclude: Vec<bool>,
    pub instance_locked: Vec<bool>,
    /// Instances node by node, in placement order.
    pub placed: Vec<u32>,
    /// Where the instances of each node end in `placed`.
    pub placed_ends: Vec<u32>,
}

/// Compute nodes and instances in scope. Rows are addressed by index, in the order of the cloud.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// Compute nodes.
    pub nodes: Vec<Node>,
    /// Instances, placed or not.
    pub instances: Vec<Instance>,
    placed: Vec<u32>,
    placed_ends: Vec<u32>,
    node_uuid: StringColumn,
    node_hostname: StringColumn,
    instance_uuid: StringColumn,
    instance_name: StringColumn,
    instance_state: StringColumn,
}

impl Cluster {
    /// Puts the columns together.
    ///
    /// # Errors
    /// `malformed-column` when columns of one table differ in length, or a placement names a row that is not there.
    pub fn from_columns(columns: Columns) -> Result<Self, Failure> {
        let c = columns;
        let nodes = c.node_uuid.len();
        let node_lengths = [
            c.node_hostname.len(),
            c.node_status.len(),
            c.node_state.len(),
            c.node_vcpus.len(),
            c.node_vcpu_reserved.len(),
            c.node_vcpu_ratio.len(),
            c.node_memory_mib.len(),
            c.node_memory_reserved_mib.len(),
            c.node_memory_ratio.len(),
            c.node_disk_gib.len(),
            c.node_disk_reserved_gib.len(),
            c.node_disk_ratio.len(),
            c.placed_ends.len(),
        ];
        let instances = c.instance_uuid.len();
        let instance_lengths = [
            c.instance_name.len(),
            c.instance_state.len(),
            c.instance_vcpus.len(),
            c.instance_memory_mib.len(),
            c.instance_disk_gib.len(),
            c.instance_watcher_exclude.len(),
            c.instance_locked.len(),
        ];
        if node_lengths.iter().any(|&len| len != nodes) || instance_lengths.iter().any(|&len| len != instances) {
            return Err(malformed("the length of a column"));
        }
        let mut node_of = vec![None; instances];
        let mut start = 0;
        for (node, &end) in (0_u32..).zip(&c.placed_ends) {
            let occupants = c.placed.get(start..end as usize).ok_or_else(|| malformed("the placement"))?;
            for &instance in occupants {
                *node_of.get_mut(instance as usize).ok_or_else(|| malformed("the placement"))? = Some(node);
            }
            start = end as usize;
        }
        Ok(Self {
            nodes: (0..nodes)
                .map(|i| Node {
                    enabled: c.node_status.get(i) == "enabled",
                    up: c.node_state.get(i) == "up",
                    vcpus: c.node_vcpus[i],
                    vcpu_reserved: c.node_vcpu_reserved[i],
                    vcpu_ratio: c.node_vcpu_ratio[i],
                    memory_mib: c.node_memory_mib[i],
                    memory_reserved_mib: c.node_memory_reserved_mib[i],
                    memory_ratio: c.node_memory_ratio[i],
                    disk_gib: c.node_disk_gib[i],
                    disk_reserved_gib: c.node_disk_reserved_gib[i],
                    disk_ratio: c.node_disk_ratio[i],
                })
                .collect(),
            instances: (0..instances)
                .map(|i| Instance {
                    state: match c.instance_state.get(i) {
                        "active" => InstanceState::Active,
                        "paused" => InstanceState::Paused,
                        "stopped" => InstanceState::Stopped,
                        _ => InstanceState::Other,
                    },
                    node: node_of[i],
                    vcpus: c.instance_vcpus[i],
                    memory_mib: c.instance_memory_mib[i],
                    disk_gib: c.instance_disk_gib[i],
                    watcher_exclude: c.instance_watcher_exclude[i],
                    locked: c.instance_locked[i],
                })
                .collect(),
            placed: c.placed,
            placed_ends: c.placed_ends,
            node_uuid: c.node_uuid,
            node_hostname: c.node_hostname,
            instance_uuid: c.instance_uuid,
            instance_name: c.instance_name,
            instance_state: c.instance_state,
        })
    }

    /// Instances of a node in the order in which they were placed there, at the time of the snapshot.
    pub fn instances_of(&self, node: usize) -> &[u32] {
        let start = if node == 0 { 0 } else { self.placed_ends.get(node - 1).copied().unwrap_or(0) };
        let end = self.placed_ends.get(node).copied().unwrap_or(start);
        &self.placed[start as usize..end as usize]
    }

    /// UUID of a compute node.
    pub fn node_uuid(&self, node: usize) -> &str {
        self.node_uuid.get(node)
    }

    /// Host name of a compute node.
    pub fn node_hostname(&self, node: usize) -> &str {
        self.node_hostname.get(node)
    }

    /// UUID of an instance.
    pub fn instance_uuid(&self, instance: usize) -> &str {
        self.instance_uuid.get(instance)
    }

    /// Name of an instance.
    pub fn instance_name(&self, instance: usize) -> &str {
        self.instance_name.get(instance)
    }

    /// Nova's word for the state of an instance.
    pub fn instance_state(&self, instance: usize) -> &str {
        self.instance_state.get(instance)
    }
}

fn malformed(what: &str) -> Failure {
    Failure::new(
        Blame::Service,
        "malformed-column",
        format!("the host gave a cluster data model in which {what} is wrong"),
    )
}
