//! Migrations: what they are, and how one is asked for.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Actor, Cloud, Consumer, Refusal};
use crate::ids;

/// How a server moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MigrationKind {
    /// It keeps running.
    Live,
    /// It is stopped, and somebody has to confirm that it arrived well.
    Cold,
    /// The same, and it gets another flavor on the way.
    Resize,
}

impl MigrationKind {
    /// Nova's `migration_type`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live-migration",
            Self::Cold => "migration",
            Self::Resize => "resize",
        }
    }
}

/// How a migration ends, decided when it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Completes,
    /// It ends in an error.
    Fails,
    /// It never ends.
    Stuck,
    /// It is not even accepted, with this message.
    Refused(String),
}

/// The way a migration would take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route<'a> {
    pub(crate) server: &'a str,
    pub(crate) source: &'a str,
    pub(crate) destination: Option<&'a str>,
}

/// A migration, running or over.
#[derive(Debug, Clone)]
pub(crate) struct Migration {
    pub(crate) id: u64,
    pub(crate) uuid: Uuid,
    pub(crate) kind: MigrationKind,
    pub(crate) server: usize,
    pub(crate) source: usize,
    /// `None` if no host was found.
    pub(crate) destination: Option<usize>,
    /// Flavor on the source, and on the destination.
    pub(crate) flavors: (usize, usize),
    pub(crate) status: &'static str,
    pub(crate) created: DateTime<Utc>,
    pub(crate) updated: DateTime<Utc>,
    pub(crate) user: String,
    pub(crate) project: String,
    pub(super) fate: Fate,
    /// When the current phase of work began: the start, or the revert.
    pub(super) started: DateTime<Utc>,
    /// What the server was before, to become it again.
    pub(super) old_vm_state: String,
}

impl Migration {
    /// Whether Nova lists it below its server: live migrations in progress.
    pub(crate) fn is_live_in_progress(&self) -> bool {
        self.kind == MigrationKind::Live && matches!(self.status, "queued" | "preparing" | "running" | "post-migrating")
    }
}

/// Body of `os-migrateLive`, after all that depends on the microversion.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveRequest {
    pub(crate) host: Option<String>,
    /// The destination is not verified (`force`, and all requests with a host before 2.30).
    pub(crate) bypass_scheduler: bool,
    /// Since 2.34 the request is accepted before the destination is verified; what is wrong with it is found later,
    /// and shows as a migration with status `error`.
    pub(crate) asynchronous: bool,
}

/// Migrations remembered; the oldest that are over are forgotten first.
const MAX_MIGRATIONS: usize = 200_000;

impl Cloud {
    /// `os-migrateLive`.
    pub(crate) fn live_migrate(
        &mut self,
        server: usize,
        request: &LiveRequest,
        actor: &Actor,
        now: DateTime<Utc>,
        fate: impl FnOnce(&Route<'_>) -> Fate,
    ) -> Result<(), Refusal> {
        const ACTION: &str = "os-migrateLive";
        self.check_unlocked(server, actor)?;
        let source = self.check_movable(server, ACTION, &["active", "paused"])?;
        let wanted = request.host.as_deref().map(|name| self.known_host(name)).transpose()?;
        let destination = self.live_destination(server, source, wanted, request.bypass_scheduler);
        match (fate(&self.route(server, source, wanted.or(destination.as_ref().ok().copied()))), destination) {
            (Fate::Refused(message), _) => Err(Refusal::Fault(message)),
            (_, Err(refusal)) if !request.asynchronous => Err(refusal),
            (_, Err(_)) => {
                let id = self.record(MigrationKind::Live, server, source, wanted, actor, now);
                self.fail_before_start(id, now);
                Ok(())
            }
            (fate, Ok(destination)) => {
                let id = self.record(MigrationKind::Live, server, source, Some(destination), actor, now);
                self.start(id, fate, "migrating");
                Ok(())
            }
        }
    }

    /// `migrate`: a cold migration. Its destination is verified before the answer.
    pub(crate) fn cold_migrate(
        &mut self,
        server: usize,
        host: Option<&str>,
        actor: &Actor,
        now: DateTime<Utc>,
        fate: impl FnOnce(&Route<'_>) -> Fate,
    ) -> Result<(), Refusal> {
        const NO_HOST: Refusal = Refusal::NoValidHost("No valid host found for cold migrate");
        self.check_unlocked(server, actor)?;
        let source = self.check_movable(server, "migrate", &["active", "stopped"])?;
        let wanted = host.map(|name| self.known_host(name)).transpose()?;
        if wanted == Some(source) {
            return Err(Refusal::SameHost);
        }
        let destination = match wanted {
            Some(host) => Some(host).filter(|&host| self.suits(server, host, self.servers[server].size())),
            None => self.schedule(server, self.servers[server].size()),
        };
        match (fate(&self.route(server, source, wanted.or(destination))), destination) {
            (Fate::Refused(message), _) => Err(Refusal::Fault(message)),
            (_, None) => Err(NO_HOST),
            (fate, Some(destination)) => {
                let id = self.record(MigrationKind::Cold, server, source, Some(destination), actor, now);
                self.start(id, fate, "resize_prep");
                Ok(())
            }
        }
    }

    /// `resize`: to a host of the scheduler's choice, which is never the one it is on.
    pub(crate) fn resize(
        &mut self,
        server: usize,
        flavor: &str,
        actor: &Actor,
        now: DateTime<Utc>,
        fate: impl FnOnce(&Route<'_>) -> Fate,
    ) -> Result<(), Refusal> {
        const NO_HOST: Refusal = Refusal::NoValidHost("No valid host found for resize");
        self.check_unlocked(server, actor)?;
        let found = self.flavors.list().iter().position(|known| known.id == flavor);
        let flavor = found.ok_or_else(|| Refusal::FlavorNotFound(flavor.to_owned()))?;
        let source = self.check_movable(server, "resize", &["active", "stopped"])?;
        if self.servers[server].flavor == flavor {
            return Err(Refusal::SameFlavor);
        }
        let destination = self.schedule(server, self.flavors.list()[flavor].size);
        match (fate(&self.route(server, source, destination)), destination) {
            (Fate::Refused(message), _) => Err(Refusal::Fault(message)),
            (_, None) => Err(NO_HOST),
            (fate, Some(destination)) => {
                let id = self.record(MigrationKind::Resize, server, source, Some(destination), actor, now);
                if let Some(migration) = self.migrations.get_mut(&id) {
                    migration.flavors.1 = flavor;
                }
                self.start(id, fate, "resize_prep");
                Ok(())
            }
        }
    }

    fn known_host(&self, name: &str) -> Result<usize, Refusal> {
        self.host_named(name).ok_or_else(|| Refusal::HostNotFound(name.to_owned()))
    }

    fn live_destination(
        &self,
        server: usize,
        source: usize,
        wanted: Option<usize>,
        bypass_scheduler: bool,
    ) -> Result<usize, Refusal> {
        const NO_HOST: Refusal = Refusal::NoValidHost("There are not enough hosts available.");
        if !self.hosts[source].is_up() {
            return Err(Refusal::ServiceUnavailable(self.hosts[source].name().to_owned()));
        }
        match wanted {
            Some(host) if host == source => Err(Refusal::MigrateToSelf {
                server: self.servers[server].entry.uuid.clone(),
                host: self.hosts[host].name().to_owned(),
            }),
            Some(host) if bypass_scheduler && !self.hosts[host].is_up() => {
                Err(Refusal::ServiceUnavailable(self.hosts[host].name().to_owned()))
            }
            Some(host) if bypass_scheduler || self.suits(server, host, self.servers[server].size()) => Ok(host),
            Some(_) => Err(NO_HOST),
            None => self.schedule(server, self.servers[server].size()).ok_or(NO_HOST),
        }
    }

    fn route(&self, server: usize, source: usize, destination: Option<usize>) -> Route<'_> {
        Route {
            server: &self.servers[server].entry.uuid,
            source: self.hosts[source].name(),
            destination: destination.map(|host| self.hosts[host].name()),
        }
    }

    /// Its host, if the server is in a state in which it may move.
    fn check_movable(&self, server: usize, action: &'static str, states: &[&str]) -> Result<usize, Refusal> {
        self.check_state(server, action, states)?;
        let server = &self.servers[server];
        server.host.ok_or_else(|| Refusal::InvalidState {
            action,
            server: server.entry.uuid.clone(),
            attribute: "host",
            state: "None".to_owned(),
        })
    }

    fn record(
        &mut self,
        kind: MigrationKind,
        server: usize,
        source: usize,
        destination: Option<usize>,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> u64 {
        let id = self.next_migration;
        self.next_migration += 1;
        if self.migrations.len() >= MAX_MIGRATIONS
            && let Some(oldest) = self.migrations.keys().find(|id| !self.is_in_use(**id)).copied()
        {
            self.migrations.remove(&oldest);
        }
        self.migrations.insert(
            id,
            Migration {
                id,
                uuid: ids::derived("migration", &format!("{id} {}", self.servers[server].entry.uuid)),
                kind,
                server,
                source,
                destination,
                flavors: (self.servers[server].flavor, self.servers[server].flavor),
                status: "accepted",
                created: now,
                updated: now,
                user: actor.user.clone(),
                project: actor.project.clone(),
                fate: Fate::Completes,
                started: now,
                old_vm_state: self.servers[server].vm_state.to_string(),
            },
        );
        id
    }

    fn is_in_use(&self, id: u64) -> bool {
        self.migrations.get(&id).is_some_and(|migration| self.servers[migration.server].migration == Some(id))
    }

    fn fail_before_start(&mut self, id: u64, now: DateTime<Utc>) {
        if let Some(migration) = self.migrations.get_mut(&id) {
            migration.status = "error";
            migration.updated = now;
        }
    }

    /// Claims the destination; the migration keeps the source.
    fn start(&mut self, id: u64, fate: Fate, task_state: &'static str) {
        let Some(migration) = self.migrations.get_mut(&id) else { return };
        migration.fate = fate;
        migration.status = match migration.kind {
            MigrationKind::Live => "preparing",
            MigrationKind::Cold | MigrationKind::Resize => "pre-migrating",
        };
        let (index, source, started) = (migration.server, migration.source, migration.started);
        let server = &mut self.servers[index];
        server.task_state = Some(task_state);
        server.migration = Some(id);
        server.updated = started;
        let (size, new_size) = (server.size(), self.flavors.list()[migration.flavors.1].size);
        if let Some(destination) = migration.destination {
            self.hosts[source].release(Consumer::Server(index));
            self.hosts[source].claim(Consumer::Migration(id), size);
            self.hosts[destination].claim(Consumer::Server(index), new_size);
        }
        self.running.insert(id);
    }
}
