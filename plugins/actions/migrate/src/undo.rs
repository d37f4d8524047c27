//! Bringing an instance back after a migration that failed somewhere, and stopping one that runs.

use watcher_sdk::{Failure, LogLevel, Sent};

use crate::MigrationType;
use crate::migration::{Route, carry_out, finish_resize};
use crate::nova::{self, Nova, Server, gone};

/// How many half states are left one after another before the attempt is given up.
const MAX_STEPS: u32 = 6;

/// Brings the instance back to the source, whatever half state the migration left it in.
pub(crate) fn bring_back(nova: &Nova<'_>, route: &Route<'_>) -> Result<(), Failure> {
    for _ in 0..MAX_STEPS {
        let Some(server) = settled(nova, route)? else {
            nova.host.log(LogLevel::Warn, &format!("{route}: the instance is gone, there is nothing to revert"), &[]);
            return Ok(());
        };
        if server.status == "VERIFY_RESIZE" {
            finish_resize(nova, route.instance, "revertResize")?;
            wait_reverted(nova, route)?;
            continue;
        }
        if server.more.host.as_deref() == Some(route.source) {
            if server.status == "ERROR" {
                let fault = server.fault().unwrap_or("Nova does not say why");
                return Err(cannot(route, &format!("the instance is there, but in status ERROR: {fault}")));
            }
            return Ok(());
        }
        if !route.is_arrived(&server) {
            return Err(cannot(
                route,
                &format!("the instance is on {}, where nobody sent it", server.more.host_name()),
            ));
        }
        let here = server.more.host.clone().unwrap_or_default();
        let back = Route {
            instance: route.instance,
            // An instance that does not run cannot be moved live.
            kind: if matches!(server.status.as_str(), "ACTIVE" | "PAUSED") { route.kind } else { MigrationType::Cold },
            source: &here,
            destination: Some(route.source),
        };
        return carry_out(nova, &back);
    }
    Err(cannot(route, "its state does not settle"))
}

fn cannot(route: &Route<'_>, reason: &str) -> Failure {
    let message = format!("Instance {} cannot be brought back to {}: {reason}", route.instance, route.source);
    Failure::cloud("not-reverted", message)
}

/// Waits until Nova leaves the instance alone. A live migration that runs is told to stop.
fn settled(nova: &Nova<'_>, route: &Route<'_>) -> Result<Option<Server>, Failure> {
    let mut poll = nova.poll();
    let mut is_told = false;
    loop {
        let Some(server) = nova.watch(route.instance, &mut poll)? else { return Ok(None) };
        if server.is_idle() {
            return Ok(Some(server));
        }
        if !is_told && server.task_state.as_deref() == Some("migrating") {
            is_told = tell_to_stop(nova, route)?;
        }
        if !poll.wait(nova.host)? {
            let task = server.task_state.as_deref().unwrap_or("none");
            return Err(cannot(route, &format!("it stays in task state {task}")));
        }
    }
}

fn wait_reverted(nova: &Nova<'_>, route: &Route<'_>) -> Result<(), Failure> {
    let mut poll = nova.poll();
    loop {
        let Some(server) = nova.watch(route.instance, &mut poll)? else { return Ok(()) };
        if server.is_idle() && server.status != "VERIFY_RESIZE" {
            return Ok(());
        }
        if !poll.wait(nova.host)? {
            return Err(cannot(route, &format!("revertResize did not end in time, status {}", server.status)));
        }
    }
}

/// Asks Nova to stop the live migration in progress. `false`: not taken, because it is too early or too late; ask again.
fn tell_to_stop(nova: &Nova<'_>, route: &Route<'_>) -> Result<bool, Failure> {
    let Some(migration) = nova::live_migration(nova, route.instance)? else { return Ok(false) };
    match nova::abort(nova, route.instance, migration.id)? {
        Sent::Answered(response) if response.is_success() => Ok(true),
        Sent::Answered(response) => {
            let message = format!("Nova did not stop migration {}: {}", migration.id, response.error_message());
            nova.host.log(LogLevel::Info, &message, &[]);
            Ok(false)
        }
        // Asking for the end of something that ended is harmless.
        Sent::InDoubt(_) => Ok(false),
    }
}

/// Stops the live migration in progress. `true`: the instance is on the source, and Nova leaves it alone.
pub(crate) fn stop(nova: &Nova<'_>, route: &Route<'_>) -> Result<bool, Failure> {
    let (mut poll, mut patience) = (nova.poll(), nova.short_poll());
    let (mut is_told, mut has_run) = (false, false);
    loop {
        let server = nova.watch(route.instance, &mut poll)?.ok_or_else(|| gone(route.instance))?;
        if server.is_idle() {
            if server.more.host.as_deref() != Some(route.source) {
                return Ok(false);
            }
            if has_run {
                return match server.status.as_str() {
                    "ERROR" => Err(cannot(route, "its migration was stopped, and it is in status ERROR")),
                    _ => Ok(true),
                };
            }
            // The request for the migration may be on its way: a running call that is ended now could leave a migration behind.
            if !patience.wait(nova.host)? {
                return Ok(false);
            }
            continue;
        }
        has_run = true;
        if !is_told {
            is_told = tell_to_stop(nova, route)?;
        }
        if !poll.wait(nova.host)? {
            return Ok(false);
        }
    }
}
