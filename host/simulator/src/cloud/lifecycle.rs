//! What is done to servers and services besides moving them.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::{Actor, Cloud, MigrationKind, Refusal};

/// An action that takes a server from some states to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PowerAction {
    Start,
    Stop,
    Pause,
    Unpause,
    Suspend,
    Resume,
}

impl PowerAction {
    /// Name of the action, the states it starts from, and the state it ends in.
    fn path(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Self::Start => ("os-start", &["stopped"], "active"),
            Self::Stop => ("os-stop", &["active", "rescued", "error"], "stopped"),
            Self::Pause => ("pause", &["active", "rescued"], "paused"),
            Self::Unpause => ("unpause", &["paused"], "active"),
            Self::Suspend => ("suspend", &["active"], "suspended"),
            Self::Resume => ("resume", &["suspended"], "active"),
        }
    }
}

impl Cloud {
    /// Refuses a user who may not touch a locked server. An admin may, as in Nova.
    pub(super) fn check_unlocked(&self, server: usize, actor: &Actor) -> Result<(), Refusal> {
        let server = &self.servers[server];
        if server.locked && !actor.admin { Err(Refusal::Locked(server.entry.uuid.clone())) } else { Ok(()) }
    }

    /// Refuses an action in other states than these, and on a server that is busy.
    pub(super) fn check_state(&self, server: usize, action: &'static str, states: &[&str]) -> Result<(), Refusal> {
        let server = &self.servers[server];
        let refused = |attribute, state: &str| {
            Err(Refusal::InvalidState { action, server: server.entry.uuid.clone(), attribute, state: state.to_owned() })
        };
        if !states.contains(&&*server.vm_state) {
            return refused("vm_state", &server.vm_state);
        }
        match server.task_state {
            Some(task) => refused("task_state", task),
            None => Ok(()),
        }
    }

    pub(crate) fn power(
        &mut self,
        server: usize,
        action: PowerAction,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let (name, from, to) = action.path();
        self.check_unlocked(server, actor)?;
        self.check_state(server, name, from)?;
        let server = &mut self.servers[server];
        server.vm_state = Cow::Borrowed(to);
        server.updated = now;
        Ok(())
    }

    pub(crate) fn set_locked(&mut self, server: usize, locked: bool, now: DateTime<Utc>) {
        let server = &mut self.servers[server];
        server.locked = locked;
        server.updated = now;
    }

    pub(crate) fn confirm_resize(&mut self, server: usize, actor: &Actor, now: DateTime<Utc>) -> Result<(), Refusal> {
        let id = self.check_resized(server, "confirmResize", actor)?;
        self.confirm(id, now);
        Ok(())
    }

    pub(crate) fn revert_resize(&mut self, server: usize, actor: &Actor, now: DateTime<Utc>) -> Result<(), Refusal> {
        let id = self.check_resized(server, "revertResize", actor)?;
        self.revert(id, now);
        Ok(())
    }

    fn check_resized(&self, server: usize, action: &'static str, actor: &Actor) -> Result<u64, Refusal> {
        self.check_unlocked(server, actor)?;
        self.check_state(server, action, &["resized"])?;
        let server = &self.servers[server];
        server.migration.ok_or_else(|| Refusal::MigrationNotFound {
            migration: "with status finished".to_owned(),
            server: server.entry.uuid.clone(),
        })
    }

    /// The live migration `id` of a server.
    fn live_migration_of(&self, server: usize, id: &str) -> Result<u64, Refusal> {
        let found = id.parse().ok().and_then(|id: u64| self.migrations.get(&id));
        found.filter(|migration| migration.server == server).map(|migration| migration.id).ok_or_else(|| {
            Refusal::MigrationNotFound { migration: id.to_owned(), server: self.servers[server].entry.uuid.clone() }
        })
    }

    /// Aborts a live migration. Before 2.65 (`in_queue` false) only one that runs.
    pub(crate) fn abort_live_migration(
        &mut self,
        server: usize,
        id: &str,
        in_queue: bool,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let id = self.check_live_running(server, id, "abort live migration", in_queue)?;
        self.end_on_source(id, "cancelled", now);
        Ok(())
    }

    /// Ends a running live migration at once, on its destination.
    pub(crate) fn force_complete(&mut self, server: usize, id: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
        let id = self.check_live_running(server, id, "force_complete", false)?;
        self.complete_live(id, now);
        Ok(())
    }

    fn check_live_running(
        &self,
        server: usize,
        id: &str,
        action: &'static str,
        in_queue: bool,
    ) -> Result<u64, Refusal> {
        let id = self.live_migration_of(server, id)?;
        let migration = &self.migrations[&id];
        let status = migration.status;
        match (migration.kind, status) {
            (MigrationKind::Live, "running") => Ok(id),
            (MigrationKind::Live, "queued" | "preparing") if in_queue => Ok(id),
            _ => Err(Refusal::MigrationState {
                migration: id,
                server: self.servers[server].entry.uuid.clone(),
                status,
                action,
            }),
        }
    }
}
