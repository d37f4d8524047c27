//! The state of the cloud: hosts, servers, flavors, migrations and who claims what. Pure: no HTTP, and time is given.
//!
//! Nothing runs in the background. [`Cloud::settle`] brings all migrations to where they are at a given time, and
//! is called before every look at the cloud.

mod flavor;
mod lifecycle;
mod migration;
mod placement;
mod refusal;
mod timeline;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use watcher_cluster::file::{InstanceEntry, NodeEntry};
use watcher_cluster::{Aggregate, ClusterFile, NodeState, NodeStatus};

pub(crate) use flavor::Flavor;
pub(crate) use lifecycle::PowerAction;
pub(crate) use migration::{Fate, LiveRequest, Migration, MigrationKind, Route};
pub(crate) use placement::Inventory;
pub(crate) use refusal::Refusal;

use crate::ids;

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Actor {
    pub(crate) user: String,
    pub(crate) project: String,
    pub(crate) admin: bool,
}

/// An amount of each resource that Placement accounts for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Amount {
    pub(crate) vcpus: u64,
    pub(crate) memory_mib: u64,
    pub(crate) disk_gib: u64,
}

impl Amount {
    pub(crate) fn of(entry: &InstanceEntry) -> Self {
        Self { vcpus: entry.vcpus, memory_mib: entry.memory, disk_gib: entry.disk }
    }

    fn add(&mut self, other: Self) {
        self.vcpus = self.vcpus.saturating_add(other.vcpus);
        self.memory_mib = self.memory_mib.saturating_add(other.memory_mib);
        self.disk_gib = self.disk_gib.saturating_add(other.disk_gib);
    }

    fn subtract(&mut self, other: Self) {
        self.vcpus = self.vcpus.saturating_sub(other.vcpus);
        self.memory_mib = self.memory_mib.saturating_sub(other.memory_mib);
        self.disk_gib = self.disk_gib.saturating_sub(other.disk_gib);
    }
}

/// Who holds an allocation: a server, or a migration that keeps the source of a server until it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Consumer {
    Server(usize),
    Migration(u64),
}

/// A hypervisor with its compute service.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) entry: NodeEntry,
    /// Nova's integer id, from 1.
    pub(crate) number: u64,
    pub(crate) service_uuid: Uuid,
    pub(crate) zone: String,
    pub(crate) disabled: bool,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) forced_down: bool,
    /// The service is silent: down, whatever an operator says.
    pub(crate) silent: bool,
    pub(crate) claims: BTreeMap<Consumer, Amount>,
    pub(crate) used: Amount,
    /// Servers whose host this is, in the order of the cluster file.
    pub(crate) servers: BTreeSet<usize>,
    /// Placement's generation: grows with every change of claims.
    pub(crate) generation: u64,
}

impl Host {
    pub(crate) fn name(&self) -> &str {
        &self.entry.hostname
    }

    pub(crate) fn is_up(&self) -> bool {
        !self.forced_down && !self.silent
    }

    pub(crate) fn status(&self) -> NodeStatus {
        if self.disabled { NodeStatus::Disabled } else { NodeStatus::Enabled }
    }

    pub(crate) fn state(&self) -> NodeState {
        if self.is_up() { NodeState::Up } else { NodeState::Down }
    }

    fn claim(&mut self, consumer: Consumer, amount: Amount) {
        self.claims.insert(consumer, amount);
        self.used.add(amount);
        self.generation += 1;
    }

    fn release(&mut self, consumer: Consumer) {
        if let Some(amount) = self.claims.remove(&consumer) {
            self.used.subtract(amount);
            self.generation += 1;
        }
    }
}

/// A virtual machine.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) entry: InstanceEntry,
    pub(crate) flavor: usize,
    pub(crate) project: String,
    pub(crate) host: Option<usize>,
    pub(crate) vm_state: Cow<'static, str>,
    pub(crate) task_state: Option<&'static str>,
    pub(crate) locked: bool,
    pub(crate) created: DateTime<Utc>,
    pub(crate) updated: DateTime<Utc>,
    pub(crate) fault: Option<(DateTime<Utc>, String)>,
    /// The migration that owns the server now: running, or waiting for its confirmation.
    pub(crate) migration: Option<u64>,
}

impl Server {
    pub(crate) fn name(&self) -> &str {
        self.entry.name.as_deref().unwrap_or(&self.entry.uuid)
    }

    pub(crate) fn size(&self) -> Amount {
        Amount::of(&self.entry)
    }

    /// What Nova's API calls the status, from `vm_state` and `task_state`.
    pub(crate) fn status(&self) -> &'static str {
        match (&*self.vm_state, self.task_state) {
            ("active" | "stopped", Some("resize_prep" | "resize_migrating" | "resize_migrated" | "resize_finish")) => {
                "RESIZE"
            }
            ("active" | "paused", Some("migrating")) => "MIGRATING",
            ("resized", Some("resize_reverting")) => "REVERT_RESIZE",
            ("active", _) => "ACTIVE",
            ("building", _) => "BUILD",
            ("stopped", _) => "SHUTOFF",
            ("resized", _) => "VERIFY_RESIZE",
            ("paused", _) => "PAUSED",
            ("suspended", _) => "SUSPENDED",
            ("rescued", _) => "RESCUE",
            ("error", _) => "ERROR",
            ("deleted", _) => "DELETED",
            ("soft-delete", _) => "SOFT_DELETED",
            ("shelved", _) => "SHELVED",
            ("shelved_offloaded", _) => "SHELVED_OFFLOADED",
            _ => "UNKNOWN",
        }
    }

    /// Nova's `power_state`: 0 no state, 1 running, 3 paused, 4 shut down.
    pub(crate) fn power_state(&self) -> u8 {
        match &*self.vm_state {
            "active" | "resized" | "rescued" => 1,
            "paused" => 3,
            "stopped" | "suspended" | "shelved" | "shelved_offloaded" | "soft-delete" => 4,
            _ => 0,
        }
    }
}

/// What of the options the cloud needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) live_migration: Duration,
    pub(crate) cold_migration: Duration,
    pub(crate) enforce_capacity: bool,
}

/// The whole cloud.
#[derive(Debug, Clone)]
pub(crate) struct Cloud {
    rules: Rules,
    hosts: Vec<Host>,
    servers: Vec<Server>,
    flavors: flavor::Flavors,
    aggregates: Vec<Aggregate>,
    host_by_name: HashMap<String, usize>,
    host_by_uuid: HashMap<String, usize>,
    server_by_uuid: HashMap<String, usize>,
    migrations: BTreeMap<u64, Migration>,
    /// Migrations that time moves on.
    running: BTreeSet<u64>,
    next_migration: u64,
}

/// Zone of hosts that the cluster file puts in none.
pub(crate) const DEFAULT_ZONE: &str = "nova";

impl Cloud {
    /// The cloud of a cluster file, as it was at `now`.
    pub(crate) fn new(file: &ClusterFile, rules: Rules, now: DateTime<Utc>) -> Self {
        let zones: HashMap<&str, &str> =
            file.services.iter().map(|service| (service.host.as_str(), service.zone.as_str())).collect();
        let mut hosts: Vec<Host> =
            (1..).zip(&file.compute.nodes).map(|(number, node)| host(number, node, &zones)).collect();
        let host_by_name: HashMap<_, _> =
            hosts.iter().enumerate().map(|(index, host)| (host.entry.hostname.clone(), index)).collect();
        let host_by_uuid: HashMap<_, _> =
            hosts.iter().enumerate().map(|(index, host)| (host.entry.uuid.clone(), index)).collect();

        let mut flavors = flavor::Flavors::default();
        let mut servers = Vec::with_capacity(file.compute.instances.len());
        // Nova lists the newest first: the first of the file is the youngest.
        let mut created = now - TimeDelta::days(1);
        for (index, entry) in file.compute.instances.iter().enumerate() {
            let named = |name: &String| host_by_uuid.get(name).or_else(|| host_by_name.get(name)).copied();
            let server = server(entry, flavors.of(entry), entry.node.as_ref().and_then(named), created);
            if let Some(host) = server.host {
                hosts[host].claim(Consumer::Server(index), server.size());
                hosts[host].servers.insert(index);
            }
            servers.push(server);
            created -= TimeDelta::seconds(1);
        }
        Self {
            rules,
            server_by_uuid: servers
                .iter()
                .enumerate()
                .map(|(index, server)| (server.entry.uuid.clone(), index))
                .collect(),
            hosts,
            servers,
            flavors,
            aggregates: file.aggregates.clone(),
            host_by_name,
            host_by_uuid,
            migrations: BTreeMap::new(),
            running: BTreeSet::new(),
            next_migration: 1,
        }
    }

    /// All hosts, in the order of the cluster file.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// All servers, in the order of the cluster file.
    pub(crate) fn servers(&self) -> &[Server] {
        &self.servers
    }

    pub(crate) fn flavors(&self) -> &[Flavor] {
        self.flavors.list()
    }

    pub(crate) fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }

    /// All migrations, oldest first.
    pub(crate) fn migrations(&self) -> &BTreeMap<u64, Migration> {
        &self.migrations
    }

    pub(crate) fn host_named(&self, name: &str) -> Option<usize> {
        self.host_by_name.get(name).copied()
    }

    pub(crate) fn host_with_uuid(&self, uuid: &str) -> Option<usize> {
        self.host_by_uuid.get(uuid).copied()
    }

    /// The host of a compute service.
    pub(crate) fn host_of_service(&self, uuid: Uuid) -> Option<usize> {
        self.hosts.iter().position(|host| host.service_uuid == uuid)
    }

    pub(crate) fn host_mut(&mut self, index: usize) -> &mut Host {
        &mut self.hosts[index]
    }

    /// The server with this UUID.
    pub(crate) fn server(&self, uuid: &str) -> Result<usize, Refusal> {
        self.server_by_uuid.get(uuid).copied().ok_or_else(|| Refusal::ServerNotFound(uuid.to_owned()))
    }
}

fn host(number: u64, node: &NodeEntry, zones: &HashMap<&str, &str>) -> Host {
    Host {
        number,
        service_uuid: ids::derived("service", &node.uuid),
        zone: (*zones.get(node.hostname.as_str()).unwrap_or(&DEFAULT_ZONE)).to_owned(),
        disabled: node.status == NodeStatus::Disabled,
        disabled_reason: node.disabled_reason.clone(),
        forced_down: false,
        silent: node.state == NodeState::Down,
        claims: BTreeMap::new(),
        used: Amount::default(),
        servers: BTreeSet::new(),
        generation: 0,
        entry: node.clone(),
    }
}

fn server(entry: &InstanceEntry, flavor: usize, host: Option<usize>, created: DateTime<Utc>) -> Server {
    let created = entry
        .created_at
        .as_deref()
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
        .map_or(created, |parsed| parsed.to_utc());
    Server {
        flavor,
        project: entry.project_id.clone().unwrap_or_else(|| watcher_cluster::file::DEFAULT_PROJECT.to_owned()),
        host,
        vm_state: Cow::Owned(entry.state.to_lowercase()),
        task_state: None,
        locked: entry.locked,
        created,
        updated: created,
        fault: None,
        migration: None,
        entry: entry.clone(),
    }
}
