//! Room on hosts, as Placement counts it, and the choice of a host.

use super::{Amount, Cloud, Consumer, Host};
use crate::number::float;

/// One resource class of a host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Inventory {
    pub(crate) class: &'static str,
    pub(crate) total: u64,
    pub(crate) reserved: u64,
    pub(crate) ratio: f64,
    pub(crate) used: u64,
}

impl Amount {
    /// By resource class, without the classes of which there is nothing.
    pub(crate) fn by_class(self) -> impl Iterator<Item = (&'static str, u64)> {
        [("VCPU", self.vcpus), ("MEMORY_MB", self.memory_mib), ("DISK_GB", self.disk_gib)]
            .into_iter()
            .filter(|&(_, amount)| amount > 0)
    }
}

impl Host {
    /// The inventories of the host. Placement has none with a total of 0.
    pub(crate) fn inventories(&self) -> impl Iterator<Item = Inventory> {
        let node = &self.entry;
        [
            Inventory {
                class: "VCPU",
                total: node.vcpus,
                reserved: node.vcpu_reserved,
                ratio: node.vcpu_ratio,
                used: self.used.vcpus,
            },
            Inventory {
                class: "MEMORY_MB",
                total: node.memory,
                reserved: node.memory_mb_reserved,
                ratio: node.memory_ratio,
                used: self.used.memory_mib,
            },
            Inventory {
                class: "DISK_GB",
                total: node.disk,
                reserved: node.disk_gb_reserved,
                ratio: node.disk_ratio,
                used: self.used.disk_gib,
            },
        ]
        .into_iter()
        .filter(|inventory| inventory.total > 0)
    }

    /// Whether `amount` fits beside all that is claimed: Placement's capacity and `max_unit` checks.
    pub(crate) fn has_room(&self, amount: Amount) -> bool {
        amount.by_class().all(|(class, wanted)| {
            self.inventories().find(|inventory| inventory.class == class).is_some_and(|inventory| {
                let capacity = (float(inventory.total) - float(inventory.reserved)) * inventory.ratio;
                wanted <= inventory.total && float(inventory.used.saturating_add(wanted)) <= capacity
            })
        })
    }
}

impl Cloud {
    /// The hosts on which a consumer may hold something.
    pub(crate) fn places_of(&self, consumer: Consumer) -> impl Iterator<Item = &Host> {
        let hosts = match consumer {
            Consumer::Server(index) => {
                let server = &self.servers[index];
                let destination = server.migration.and_then(|id| self.migrations.get(&id)?.destination);
                [server.host, destination.filter(|&host| server.host != Some(host))]
            }
            Consumer::Migration(id) => [self.migrations.get(&id).map(|migration| migration.source), None],
        };
        hosts.into_iter().flatten().map(|index| &self.hosts[index])
    }

    /// Whether the scheduler would put a server of a size on a host: enabled, up, in its zone, with room.
    pub(super) fn suits(&self, server: usize, host: usize, size: Amount) -> bool {
        let (server, host) = (&self.servers[server], &self.hosts[host]);
        !host.disabled
            && host.is_up()
            && server.entry.pinned_az.as_ref().is_none_or(|zone| zone.is_empty() || *zone == host.zone)
            && (!self.rules.enforce_capacity || host.has_room(size))
    }

    /// The first host that suits a server, other than the one it is on.
    pub(super) fn schedule(&self, server: usize, size: Amount) -> Option<usize> {
        (0..self.hosts.len()).find(|&host| self.servers[server].host != Some(host) && self.suits(server, host, size))
    }
}
