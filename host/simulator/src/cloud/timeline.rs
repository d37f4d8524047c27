//! How migrations move on with time, and how they end.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Cloud, Consumer, Fate, MigrationKind};

/// Part of a live migration that is preparation.
const LIVE_PREPARATION: f64 = 0.1;
/// Parts of a cold migration at which its task state changes.
const COLD_PREPARED: f64 = 0.1;
const COLD_COPIED: f64 = 0.8;
const COLD_MOVED: f64 = 0.9;

impl Cloud {
    /// Brings all migrations to where they are at `now`. True if something changed.
    pub(crate) fn settle(&mut self, now: DateTime<Utc>) -> bool {
        let running: Vec<u64> = self.running.iter().copied().collect();
        let mut changed = false;
        for id in running {
            changed |= self.progress(id, now);
        }
        changed
    }

    /// Whether time moves anything.
    pub(crate) fn is_moving(&self) -> bool {
        !self.running.is_empty()
    }

    fn progress(&mut self, id: u64, now: DateTime<Utc>) -> bool {
        let Some(migration) = self.migrations.get(&id) else {
            return self.running.remove(&id);
        };
        let before = (migration.status, self.servers[migration.server].task_state);
        let (kind, fate, server) = (migration.kind, migration.fate.clone(), migration.server);
        let elapsed = (now - migration.started).to_std().unwrap_or(Duration::ZERO);
        if before.0 == "reverting" {
            if elapsed >= self.rules.cold_migration {
                self.end_on_source(id, "reverted", now);
            }
        } else {
            match kind {
                MigrationKind::Live => self.progress_live(id, &fate, part(elapsed, self.rules.live_migration), now),
                MigrationKind::Cold | MigrationKind::Resize => {
                    self.progress_cold(id, &fate, part(elapsed, self.rules.cold_migration), now);
                }
            }
        }
        let after = (self.migrations.get(&id).map(|migration| migration.status), self.servers[server].task_state);
        after != (Some(before.0), before.1)
    }

    fn progress_live(&mut self, id: u64, fate: &Fate, part: f64, now: DateTime<Utc>) {
        match fate {
            Fate::Completes if part >= 1.0 => self.complete_live(id, now),
            Fate::Fails if part >= 1.0 => self.end_on_source(id, "error", now),
            _ if part >= LIVE_PREPARATION => self.set_phase(id, "running", "migrating", now),
            _ => {}
        }
    }

    fn progress_cold(&mut self, id: u64, fate: &Fate, part: f64, now: DateTime<Utc>) {
        if part < COLD_PREPARED {
            return;
        }
        if part < COLD_COPIED || *fate == Fate::Stuck {
            return self.set_phase(id, "migrating", "resize_migrating", now);
        }
        if *fate == Fate::Fails {
            let server = self.migrations.get(&id).map(|migration| migration.server);
            self.end_on_source(id, "error", now);
            if let Some(server) = server {
                let server = &mut self.servers[server];
                server.vm_state = Cow::Borrowed("error");
                server.fault = Some((now, "Resize error: not able to execute ssh command".to_owned()));
            }
            return;
        }
        self.move_to_destination(id);
        if part < COLD_MOVED {
            self.set_phase(id, "post-migrating", "resize_migrated", now);
        } else if part < 1.0 {
            self.set_phase(id, "post-migrating", "resize_finish", now);
        } else {
            self.finish_cold(id, now);
        }
    }

    fn set_phase(&mut self, id: u64, status: &'static str, task_state: &'static str, now: DateTime<Utc>) {
        let Some(migration) = self.migrations.get_mut(&id) else { return };
        let server = &mut self.servers[migration.server];
        if migration.status != status || server.task_state != Some(task_state) {
            migration.status = status;
            migration.updated = now;
            server.task_state = Some(task_state);
            server.updated = now;
        }
    }

    fn move_to_destination(&mut self, id: u64) {
        let Some(migration) = self.migrations.get(&id) else { return };
        let (server, flavors) = (migration.server, migration.flavors);
        self.set_host(server, migration.destination);
        self.set_flavor(server, flavors.1);
    }

    fn set_flavor(&mut self, server: usize, flavor: usize) {
        let (server, size) = (&mut self.servers[server], self.flavors.list()[flavor].size);
        if server.flavor != flavor {
            server.flavor = flavor;
            (server.entry.vcpus, server.entry.memory, server.entry.disk) = (size.vcpus, size.memory_mib, size.disk_gib);
        }
    }

    fn set_host(&mut self, server: usize, host: Option<usize>) {
        let old = std::mem::replace(&mut self.servers[server].host, host);
        if let Some(old) = old {
            self.hosts[old].servers.remove(&server);
        }
        if let Some(host) = host {
            self.hosts[host].servers.insert(server);
        }
    }

    pub(super) fn complete_live(&mut self, id: u64, now: DateTime<Utc>) {
        self.move_to_destination(id);
        self.release_source(id);
        self.end(id, "completed", None, now);
    }

    fn finish_cold(&mut self, id: u64, now: DateTime<Utc>) {
        self.running.remove(&id);
        let Some(migration) = self.migrations.get_mut(&id) else { return };
        migration.status = "finished";
        migration.updated = now;
        let server = &mut self.servers[migration.server];
        server.vm_state = Cow::Borrowed("resized");
        server.task_state = None;
        server.updated = now;
    }

    /// The server was well on its destination: the source is given up.
    pub(super) fn confirm(&mut self, id: u64, now: DateTime<Utc>) {
        self.release_source(id);
        let old = self.migrations.get(&id).map(|migration| migration.old_vm_state.clone());
        self.end(id, "confirmed", old, now);
    }

    /// Starts the way back of a cold migration that was finished.
    pub(super) fn revert(&mut self, id: u64, now: DateTime<Utc>) {
        let Some(migration) = self.migrations.get_mut(&id) else { return };
        migration.status = "reverting";
        migration.updated = now;
        migration.started = now;
        let server = &mut self.servers[migration.server];
        server.task_state = Some("resize_reverting");
        server.updated = now;
        self.running.insert(id);
    }

    /// Ends a migration with the server on its source, as it was before.
    pub(super) fn end_on_source(&mut self, id: u64, status: &'static str, now: DateTime<Utc>) {
        let Some(migration) = self.migrations.get(&id) else { return };
        let (server, source, destination) = (migration.server, migration.source, migration.destination);
        let (flavor, old) = (migration.flavors.0, migration.old_vm_state.clone());
        self.set_flavor(server, flavor);
        let size = self.servers[server].size();
        if let Some(destination) = destination {
            self.hosts[destination].release(Consumer::Server(server));
        }
        self.hosts[source].release(Consumer::Migration(id));
        self.hosts[source].claim(Consumer::Server(server), size);
        self.set_host(server, Some(source));
        self.end(id, status, Some(old), now);
    }

    fn release_source(&mut self, id: u64) {
        if let Some(migration) = self.migrations.get(&id) {
            self.hosts[migration.source].release(Consumer::Migration(id));
        }
    }

    fn end(&mut self, id: u64, status: &'static str, vm_state: Option<String>, now: DateTime<Utc>) {
        self.running.remove(&id);
        let Some(migration) = self.migrations.get_mut(&id) else { return };
        migration.status = status;
        migration.updated = now;
        let server = &mut self.servers[migration.server];
        if let Some(vm_state) = vm_state {
            server.vm_state = Cow::Owned(vm_state);
        }
        server.task_state = None;
        server.migration = None;
        server.updated = now;
    }
}

/// How much of `whole` has passed, 1 when all has. Work that takes no time is done at once.
fn part(elapsed: Duration, whole: Duration) -> f64 {
    if elapsed >= whole { 1.0 } else { elapsed.as_secs_f64() / whole.as_secs_f64() }
}
