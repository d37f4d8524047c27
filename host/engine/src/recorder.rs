//! Keeps what a strategy saw until its decision is recorded.

use std::sync::{Mutex, PoisonError};

use watcher_domain::ports::Recorder;
use watcher_domain::recording::Seen;

/// A recorder in memory. What a strategy can ask is bounded by the limits of its call, and so is this.
#[derive(Debug, Default)]
pub struct MemoryRecorder(Mutex<Vec<Seen>>);

impl Recorder for MemoryRecorder {
    fn record(&self, seen: Seen) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }
}

impl MemoryRecorder {
    /// Everything recorded so far, in order.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
