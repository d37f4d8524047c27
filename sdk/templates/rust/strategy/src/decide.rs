//! What moves where: pure logic over numbers, so that every case can be tried in a test.

use watcher_sdk::{Instance, InstanceState, Node};

/// A compute node, as far as the decision depends on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Host {
    /// CPUs in use; none if it may not take part.
    pub used: Option<f64>,
    /// CPUs it has.
    pub cpus: f64,
    /// Memory that instances may have, in MiB.
    pub memory_mib: f64,
}

impl Host {
    /// `used_percent`: CPU use of the whole node, 0–100; none if it was not measured.
    pub fn new(node: &Node, used_percent: Option<f64>) -> Self {
        let cpus = count(usize::try_from(node.vcpus).unwrap_or(usize::MAX));
        let takes_part = node.enabled && node.up;
        Self {
            used: used_percent.filter(|_| takes_part).map(|percent| cpus * percent / 100.0),
            cpus,
            memory_mib: node.memory_capacity_mib(),
        }
    }
}

/// An instance, as far as the decision depends on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guest {
    /// Row of the compute node that it is on.
    pub host: Option<usize>,
    /// CPUs in use; none if it must stay where it is.
    pub used: Option<f64>,
    /// Memory in MiB.
    pub memory_mib: f64,
}

impl Guest {
    /// `used_percent`: CPU use of its own virtual CPUs, 0–100; none if it was not measured.
    pub fn new(instance: &Instance, used_percent: Option<f64>) -> Self {
        let may_move = instance.state == InstanceState::Active && !instance.watcher_exclude && !instance.locked;
        let cpus = count(usize::try_from(instance.vcpus).unwrap_or(usize::MAX));
        Self {
            host: instance.node.map(|node| node as usize),
            used: used_percent.filter(|_| may_move).map(|percent| cpus * percent / 100.0),
            memory_mib: count(usize::try_from(instance.memory_mib).unwrap_or(usize::MAX)),
        }
    }
}

/// One instance that goes from one compute node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Row of the instance.
    pub guest: usize,
    /// Row of the compute node that it leaves.
    pub from: usize,
    /// Row of the compute node that it goes to.
    pub to: usize,
}

/// Takes instances off every host above `threshold` percent, the busiest first, until it is not above any more. An instance goes to the least
/// used host that has memory for it and stays at or below the threshold; the lower row wins a tie, so that the result is always the same.
pub fn relieve(hosts: &[Host], guests: &[Guest], threshold: f64) -> Vec<Move> {
    let mut hosts = hosts.to_vec();
    for guest in guests {
        if let Some(host) = guest.host.and_then(|host| hosts.get_mut(host)) {
            host.memory_mib -= guest.memory_mib;
        }
    }
    let limit = |host: &Host| host.cpus * threshold / 100.0;
    let mut moves = Vec::new();
    for from in 0..hosts.len() {
        let mut candidates: Vec<usize> = (0..guests.len()).filter(|&guest| guests[guest].host == Some(from)).collect();
        candidates.sort_by(|&one, &other| load(&guests[other]).total_cmp(&load(&guests[one])).then(one.cmp(&other)));
        for guest in candidates {
            let Some(used) = hosts[from].used.filter(|&used| used > limit(&hosts[from])) else { break };
            let Guest { used: Some(needed), memory_mib, .. } = guests[guest] else { continue };
            let fits = |host: &Host| {
                host.memory_mib >= memory_mib && host.used.is_some_and(|used| used + needed <= limit(host))
            };
            let free = (0..hosts.len()).filter(|&to| to != from && fits(&hosts[to]));
            let Some(to) = free.min_by(|&one, &other| share(&hosts[one]).total_cmp(&share(&hosts[other]))) else {
                continue;
            };
            hosts[from].used = Some(used - needed);
            hosts[from].memory_mib += memory_mib;
            hosts[to].used = hosts[to].used.map(|used| used + needed);
            hosts[to].memory_mib -= memory_mib;
            moves.push(Move { guest, from, to });
        }
    }
    moves
}

fn load(guest: &Guest) -> f64 {
    guest.used.unwrap_or(0.0)
}

fn share(host: &Host) -> f64 {
    host.used.map_or(f64::INFINITY, |used| used / host.cpus)
}

/// A count as a number.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(used: f64) -> Host {
        Host { used: Some(used), cpus: 10.0, memory_mib: 1000.0 }
    }

    fn guest(host: usize, used: f64) -> Guest {
        Guest { host: Some(host), used: Some(used), memory_mib: 100.0 }
    }

    #[test]
    fn a_host_at_the_threshold_keeps_its_instances() {
        assert_eq!(relieve(&[host(5.0), host(0.0)], &[guest(0, 5.0)], 50.0), []);
    }

    #[test]
    fn the_largest_instance_goes_to_the_least_used_host() {
        let moves = relieve(&[host(8.0), host(2.0), host(1.0)], &[guest(0, 3.0), guest(0, 5.0)], 60.0);
        assert_eq!(moves, [Move { guest: 1, from: 0, to: 2 }]);
    }

    #[test]
    fn nothing_moves_where_there_is_no_room() {
        let full = Host { memory_mib: 50.0, ..host(0.0) };
        let off = Host { used: None, ..host(0.0) };
        assert_eq!(relieve(&[host(9.0), full, off, host(5.0)], &[guest(0, 4.0)], 60.0), []);
    }

    #[test]
    fn an_instance_that_must_stay_is_left_alone() {
        let fixed = Guest { used: None, ..guest(0, 0.0) };
        assert_eq!(relieve(&[host(9.0), host(0.0)], &[fixed], 60.0), []);
    }
}
