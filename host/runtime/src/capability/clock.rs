//! `watcher:clock/clock`: the audit's time for decisions, the journaled time for action handlers.

use watcher_domain::Timestamp;

use crate::bindings::imports::watcher::clock::clock::Host;
use crate::call::{Call, Outside};

/// Microseconds since 1970; times before are 0.
pub(crate) fn micros(time: Timestamp) -> u64 {
    u64::try_from(time.timestamp_micros()).unwrap_or(0)
}

impl Host for Call {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        self.enter(0).await?;
        match &mut self.outside {
            // A description is the same text at every call.
            Outside::Nothing => Ok(0),
            Outside::Decision(decision) => Ok(micros(decision.time)),
            Outside::Handler(handler) => match handler.now().await {
                Ok(time_us) => Ok(time_us),
                Err(error) => Err(self.end(error)),
            },
        }
    }
}
