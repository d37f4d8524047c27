//! `watcher:clock/timer`: durable waits of action handlers.

use crate::bindings::imports::watcher::clock::timer::Host;
use crate::bindings::imports::watcher::types::types::Failure;
use crate::call::{Call, Outside, lower, nothing_there};

impl Host for Call {
    async fn sleep(&mut self, duration_ms: u64) -> wasmtime::Result<Result<(), Failure>> {
        self.enter(0).await?;
        match &mut self.outside {
            Outside::Nothing | Outside::Decision(_) => Ok(Err(nothing_there("a wait"))),
            Outside::Handler(handler) => match handler.sleep(duration_ms).await {
                Ok(answer) => Ok(answer.map_err(lower)),
                Err(error) => Err(self.end(error)),
            },
        }
    }
}
