//! One resize from request to confirmation, and the way back.
//!
//! Nova copies the instance to another host, where it has the new flavor, and waits there for the confirmation. Where no answer says what
//! came of a request, the instance and the migrations that appeared after it do.

use serde_json::json;
use watcher_sdk::{Failure, LogLevel, Poll, Sent};

use crate::Parameters;
use crate::nova::{self, Migration, Nova, Server, gone, refused};

/// How often a request is sent when nobody knows what became of it.
const MAX_SENDS: u32 = 3;

/// Resizes the instance, and returns when it has the flavor and Nova leaves it alone.
pub(crate) fn carry_out(nova: &Nova<'_>, parameters: &Parameters) -> Result<(), Failure> {
    let instance = parameters.resource_id.as_str();
    let server = nova.server(instance)?.ok_or_else(|| gone(instance))?;
    let flavor = nova::known_flavor(nova, &parameters.flavor)?;
    if server.more.flavor.id == flavor && server.is_idle() && !server.is_waiting() {
        let message = format!("Instance {instance} has flavor {} already", parameters.flavor);
        nova.host.log(LogLevel::Info, &message, &[]);
        return Ok(());
    }
    let attempt = Attempt { nova, parameters, flavor, before: server, known: nova.migrations(instance)? };
    attempt.request()?;
    attempt.wait()?;
    finish(nova, instance, "confirmResize")?;
    attempt.wait_confirmed()
}

/// A resize that is asked for or under way.
struct Attempt<'a> {
    nova: &'a Nova<'a>,
    parameters: &'a Parameters,
    /// Id of the new flavor.
    flavor: String,
    /// The instance before the request.
    before: Server,
    /// Its migrations before the request.
    known: Vec<Migration>,
}

impl Attempt<'_> {
    fn instance(&self) -> &str {
        &self.parameters.resource_id
    }

    fn what(&self) -> String {
        format!("Resize of instance {} to flavor {}", self.instance(), self.parameters.flavor)
    }

    fn failed(&self, reason: &str) -> Failure {
        Failure::cloud("resize-failed", format!("{} failed: {reason}", self.what()))
    }

    /// Asks for the resize, and makes sure that the request was carried out.
    fn request(&self) -> Result<(), Failure> {
        let mut doubt = None;
        for _ in 0..MAX_SENDS {
            match self.nova.act(self.instance(), json!({"resize": {"flavorRef": self.flavor}}))? {
                Sent::Answered(response) if response.is_success() => return Ok(()),
                // A broken service may have begun, and one that says "busy" may be so with a request whose answer was lost.
                Sent::Answered(response) => {
                    let is_doubtful = response.status >= 500 || (response.status == 409 && doubt.is_some());
                    if is_doubtful && self.has_begun()? {
                        return Ok(());
                    }
                    return Err(refused(&self.what(), &response));
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
        Err(self.failed(&format!("Nova did not say whether it takes the request, and did not begin: {reason}")))
    }

    /// Whether there is any sign that the request arrived.
    fn has_begun(&self) -> Result<bool, Failure> {
        let server = self.nova.server(self.instance())?.ok_or_else(|| gone(self.instance()))?;
        Ok((!server.is_idle() && self.before.is_idle())
            || (server.is_waiting() && !self.before.is_waiting())
            || self.latest()?.is_some())
    }

    /// The latest migration that appeared after the request.
    fn latest(&self) -> Result<Option<Migration>, Failure> {
        let migrations = self.nova.migrations(self.instance())?;
        let new = migrations.into_iter().filter(|migration| !self.known.iter().any(|known| known.is(migration)));
        Ok(new.max_by(|a, b| (&a.created_at, a.id).cmp(&(&b.created_at, b.id))))
    }

    fn watch(&self, poll: &mut Poll) -> Result<Server, Failure> {
        self.nova.watch(self.instance(), poll)?.ok_or_else(|| gone(self.instance()))
    }

    /// Waits until the instance waits for the confirmation, or was confirmed by Nova itself.
    fn wait(&self) -> Result<(), Failure> {
        let (mut poll, mut patience) = (self.nova.poll(), self.nova.short_poll());
        loop {
            let server = self.watch(&mut poll)?;
            if server.is_idle() {
                if server.more.flavor.id == self.flavor && server.status != "ERROR" {
                    return Ok(());
                }
                if server.is_waiting() {
                    let reason =
                        format!("the instance waits for confirmation with the flavor of id {}", server.more.flavor.id);
                    return Err(self.failed(&reason));
                }
                self.check_idle(&server, &mut poll, &mut patience)?;
            } else if !poll.wait(self.nova.host)? {
                return Err(self.timed_out(&server));
            }
        }
    }

    /// Fails if Nova leaves the instance alone because the resize ended without success. It may also not have begun yet, so without a sign of
    /// an end it is given some time.
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
        if again.is_idle() && again.more.flavor.id != self.flavor && again.status == server.status {
            return Err(self.failure(latest.as_ref(), &again));
        }
        if again.is_idle() && again.status == "ERROR" {
            return Err(self.failure(latest.as_ref(), &again));
        }
        if poll.wait(self.nova.host)? { Ok(()) } else { Err(self.timed_out(&again)) }
    }

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
        self.failed(&reason)
    }

    fn timed_out(&self, server: &Server) -> Failure {
        let task = server.task_state.as_deref().unwrap_or("none");
        let message = format!(
            "{} did not end in time: the instance is in status {}, task state {task}",
            self.what(),
            server.status
        );
        Failure::cloud("resize-timed-out", message)
    }

    /// Waits until Nova has confirmed.
    fn wait_confirmed(&self) -> Result<(), Failure> {
        let mut poll = self.nova.poll();
        loop {
            let server = self.watch(&mut poll)?;
            if server.is_idle() && server.status == "ERROR" {
                return Err(self.failure(None, &server));
            }
            if server.is_idle() && !server.is_waiting() {
                return Ok(());
            }
            if !poll.wait(self.nova.host)? {
                return Err(self.timed_out(&server));
            }
        }
    }
}

/// Confirms or reverts a resize, unless nothing waits for it. When no answer comes, the instance says.
fn finish(nova: &Nova<'_>, instance: &str, action: &str) -> Result<(), Failure> {
    let is_waiting =
        || -> Result<bool, Failure> { Ok(nova.server(instance)?.ok_or_else(|| gone(instance))?.is_waiting()) };
    let mut doubt = None;
    for _ in 0..MAX_SENDS {
        if !is_waiting()? {
            return Ok(());
        }
        match nova.act(instance, json!({action: null}))? {
            Sent::Answered(response) if response.is_success() => return Ok(()),
            Sent::Answered(response) => {
                let is_doubtful = response.status >= 500 || doubt.is_some();
                if is_doubtful && !is_waiting()? {
                    return Ok(());
                }
                return Err(refused(&format!("{action} of instance {instance}"), &response));
            }
            Sent::InDoubt(failure) => doubt = Some(failure),
        }
    }
    if !is_waiting()? {
        return Ok(());
    }
    Err(doubt.unwrap_or_else(|| Failure::cloud("outcome-unknown", "Nova did not answer")))
}

/// Takes a resize back that was not confirmed. One that was cannot be: nobody remembers the old flavor.
pub(crate) fn bring_back(nova: &Nova<'_>, parameters: &Parameters) -> Result<(), Failure> {
    let instance = parameters.resource_id.as_str();
    let cannot = |reason: &str| {
        Failure::cloud("not-reverted", format!("Instance {instance} cannot get its old flavor back: {reason}"))
    };
    let mut poll = nova.poll();
    let mut is_taken_back = false;
    loop {
        let Some(server) = nova.watch(instance, &mut poll)? else {
            nova.host.log(LogLevel::Warn, &format!("Instance {instance} is gone, there is nothing to revert"), &[]);
            return Ok(());
        };
        if server.is_waiting() {
            finish(nova, instance, "revertResize")?;
            is_taken_back = true;
        } else if server.is_idle() {
            if server.status == "ERROR" {
                return Err(cannot(&format!(
                    "it is in status ERROR: {}",
                    server.fault().unwrap_or("Nova does not say why")
                )));
            }
            if !is_taken_back && server.more.flavor.id == nova::known_flavor(nova, &parameters.flavor)? {
                return Err(cannot("the resize was confirmed"));
            }
            return Ok(());
        }
        if !poll.wait(nova.host)? {
            let task = server.task_state.as_deref().unwrap_or("none");
            return Err(cannot(&format!("it stays in status {}, task state {task}", server.status)));
        }
    }
}
