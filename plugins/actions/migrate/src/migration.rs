//! One migration from request to end.
//!
//! Nova accepts a live migration before it has looked at the destination, so the answer to the request says little: the migrations
//! that appear after it, and where the instance is, say what came of it. The same look tells what became of a request without
//! an answer.

use std::fmt;

use serde_json::json;
use watcher_sdk::{Failure, LogLevel, Poll, Sent};

use crate::MigrationType;
use crate::nova::{Migration, Nova, Server, gone, refused};

/// How often a request is sent when nobody knows what became of it.
const MAX_SENDS: u32 = 3;

/// Which instance goes where, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route<'a> {
    pub(crate) instance: &'a str,
    pub(crate) kind: MigrationType,
    pub(crate) source: &'a str,
    /// None: the scheduler chooses.
    pub(crate) destination: Option<&'a str>,
}

impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            MigrationType::Live => "Live",
            MigrationType::Cold => "Cold",
        };
        let destination = self.destination.unwrap_or("a host of the scheduler's choice");
        write!(f, "{kind} migration of instance {} from {} to {destination}", self.instance, self.source)
    }
}

impl Route<'_> {
    /// Whether the instance is where it should go.
    pub(crate) fn is_arrived(&self, server: &Server) -> bool {
        match self.destination {
            Some(destination) => server.more.host.as_deref() == Some(destination),
            None => server.more.host.as_deref().is_some_and(|host| host != self.source),
        }
    }

    fn failed(&self, reason: &str) -> Failure {
        Failure::cloud("migration-failed", format!("{self} failed: {reason}"))
    }
}

/// Moves the instance, and returns when it has arrived and Nova leaves it alone.
pub(crate) fn carry_out(nova: &Nova<'_>, route: &Route<'_>) -> Result<(), Failure> {
    let server = nova.server(route.instance)?.ok_or_else(|| gone(route.instance))?;
    if route.is_arrived(&server) && server.is_idle() && server.status != "VERIFY_RESIZE" {
        nova.host.log(LogLevel::Info, &format!("{route}: the instance is there already"), &[]);
        return Ok(());
    }
    let attempt = Attempt { nova, route, before: server, known: nova.migrations(route.instance)? };
    attempt.request()?;
    match route.kind {
        MigrationType::Live => attempt.wait_live(),
        MigrationType::Cold => attempt.wait_cold(),
    }
}

/// A migration that is asked for or under way.
struct Attempt<'a> {
    nova: &'a Nova<'a>,
    route: &'a Route<'a>,
    /// The instance before the request.
    before: Server,
    /// Its migrations before the request.
    known: Vec<Migration>,
}

impl Attempt<'_> {
    /// Asks for the migration, and makes sure that the request was carried out.
    fn request(&self) -> Result<(), Failure> {
        let host = self.route.destination;
        let action = match self.route.kind {
            MigrationType::Live => json!({"os-migrateLive": {"host": host, "block_migration": "auto"}}),
            MigrationType::Cold => json!({"migrate": {"host": host}}),
        };
        let mut doubt = None;
        for _ in 0..MAX_SENDS {
            match self.nova.act(self.route.instance, action.clone())? {
                Sent::Answered(response) if response.is_success() => return Ok(()),
                // A broken service may have begun, and one that says "busy" may be so with a request whose answer was lost.
                Sent::Answered(response) => {
                    let is_doubtful = response.status >= 500 || (response.status == 409 && doubt.is_some());
                    if is_doubtful && self.has_begun()? {
                        return Ok(());
                    }
                    return Err(refused(&self.route.to_string(), &response));
                }
                Sent::InDoubt(failure) => {
                    let mut poll = self.nova.short_poll();
                    loop {
                        if self.has_begun()? {
                            return Ok(());
                        }
                        if !poll.wait(self.nova.host)? {
                            break;
                        }
                    }
                    doubt = Some(failure);
                }
            }
        }
        let reason = doubt.map_or_else(String::new, |failure| failure.message);
        Err(self.route.failed(&format!("Nova did not say whether it takes the request, and did not begin: {reason}")))
    }

    fn server(&self) -> Result<Server, Failure> {
        self.nova.server(self.route.instance)?.ok_or_else(|| gone(self.route.instance))
    }

    /// The instance, while it is waited for.
    fn watch(&self, poll: &mut Poll) -> Result<Server, Failure> {
        self.nova.watch(self.route.instance, poll)?.ok_or_else(|| gone(self.route.instance))
    }

    /// The latest migration that appeared after the request.
    fn latest(&self) -> Result<Option<Migration>, Failure> {
        let migrations = self.nova.migrations(self.route.instance)?;
        let new = migrations.into_iter().filter(|migration| !self.known.iter().any(|known| known.is(migration)));
        Ok(new.max_by(|a, b| (&a.created_at, a.id).cmp(&(&b.created_at, b.id))))
    }

    /// Whether there is any sign that the request arrived.
    fn has_begun(&self) -> Result<bool, Failure> {
        let server = self.server()?;
        Ok((!server.is_idle() && self.before.is_idle()) || self.route.is_arrived(&server) || self.latest()?.is_some())
    }

    /// The failure of a migration that ended with the instance where it was.
    fn failure(&self, migration: Option<&Migration>, server: &Server) -> Failure {
        let mut reason = match migration {
            Some(migration) => format!("Nova ended migration {} with status {}", migration.id, migration.status),
            None => "Nova did not begin it".to_owned(),
        };
        if server.status == "ERROR" {
            reason.push_str(", the instance is in status ERROR");
        }
        if let Some(fault) = server.fault() {
            reason.push_str(": ");
            reason.push_str(fault);
        }
        self.route.failed(&reason)
    }

    fn timed_out(&self, server: &Server) -> Failure {
        let task = server.task_state.as_deref().unwrap_or("none");
        Failure::cloud(
            "migration-timed-out",
            format!(
                "{} did not end in time: the instance is on {}, status {}, task state {task}",
                self.route,
                server.more.host_name(),
                server.status
            ),
        )
    }

    /// Fails if Nova leaves the instance alone because the migration ended without success. It may also not have begun yet, so
    /// without a sign of an end it is given some time.
    fn check_idle(&self, server: &Server, poll: &mut Poll, patience: &mut Poll) -> Result<(), Failure> {
        let latest = match self.latest() {
            Err(failure) if failure.retryable => {
                return if poll.wait(self.nova.host)? { Ok(()) } else { Err(failure) };
            }
            outcome => outcome?,
        };
        let is_over = server.status == "ERROR" || latest.as_ref().is_some_and(Migration::has_failed);
        if !is_over && patience.wait(self.nova.host)? {
            return Ok(());
        }
        // The instance was read before its migrations, and one may have ended in between.
        let again = self.watch(poll)?;
        if again.is_idle() && again.more.host == server.more.host && again.status == server.status {
            return Err(self.failure(latest.as_ref(), &again));
        }
        if poll.wait(self.nova.host)? { Ok(()) } else { Err(self.timed_out(&again)) }
    }

    fn wait_live(&self) -> Result<(), Failure> {
        let (mut poll, mut patience) = (self.nova.poll(), self.nova.short_poll());
        loop {
            let server = self.watch(&mut poll)?;
            if server.is_idle() {
                if self.route.is_arrived(&server) && server.status != "ERROR" {
                    return Ok(());
                }
                self.check_idle(&server, &mut poll, &mut patience)?;
            } else if !poll.wait(self.nova.host)? {
                return Err(self.timed_out(&server));
            }
        }
    }

    fn wait_cold(&self) -> Result<(), Failure> {
        let (mut poll, mut patience) = (self.nova.poll(), self.nova.short_poll());
        loop {
            let server = self.watch(&mut poll)?;
            if server.is_idle() {
                match (server.status.as_str(), self.route.is_arrived(&server)) {
                    ("VERIFY_RESIZE", true) => return self.confirm(),
                    ("VERIFY_RESIZE", false) => {
                        let reason = format!("the instance waits for confirmation on {}", server.more.host_name());
                        return Err(self.route.failed(&reason));
                    }
                    (status, true) if status != "ERROR" => {
                        // Nova is configured to confirm by itself.
                        return Ok(());
                    }
                    _ => self.check_idle(&server, &mut poll, &mut patience)?,
                }
            } else if !poll.wait(self.nova.host)? {
                return Err(self.timed_out(&server));
            }
        }
    }

    /// Confirms a cold migration, and waits until the instance is as before.
    fn confirm(&self) -> Result<(), Failure> {
        finish_resize(self.nova, self.route.instance, "confirmResize")?;
        let mut poll = self.nova.poll();
        loop {
            let server = self.watch(&mut poll)?;
            if server.is_idle() && server.status == self.before.status {
                return Ok(());
            }
            if server.is_idle() && server.status == "ERROR" {
                return Err(self.failure(None, &server));
            }
            if !poll.wait(self.nova.host)? {
                return Err(self.timed_out(&server));
            }
        }
    }
}

/// Confirms or reverts a cold migration that waits for it. When no answer comes, the instance says.
pub(crate) fn finish_resize(nova: &Nova<'_>, instance: &str, action: &str) -> Result<(), Failure> {
    let mut doubt = None;
    for _ in 0..MAX_SENDS {
        match nova.act(instance, json!({action: null}))? {
            Sent::Answered(response) if response.is_success() => return Ok(()),
            Sent::Answered(response) => {
                let is_doubtful = response.status >= 500 || doubt.is_some();
                if is_doubtful && is_resize_finished(nova, instance)? {
                    return Ok(());
                }
                return Err(refused(&format!("{action} of instance {instance}"), &response));
            }
            Sent::InDoubt(failure) => {
                if is_resize_finished(nova, instance)? {
                    return Ok(());
                }
                doubt = Some(failure);
            }
        }
    }
    Err(doubt.unwrap_or_else(|| Failure::cloud("outcome-unknown", "Nova did not answer")))
}

/// Whether the instance waits for confirmation no more.
fn is_resize_finished(nova: &Nova<'_>, instance: &str) -> Result<bool, Failure> {
    let server = nova.server(instance)?.ok_or_else(|| gone(instance))?;
    Ok(server.status != "VERIFY_RESIZE" || !server.is_idle())
}
