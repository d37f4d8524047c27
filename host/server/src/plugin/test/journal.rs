//! A journal in memory, which shows what a handler asked for.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use watcher_domain::journal::{Begun, JournalAnswer, JournalCall, JournalError};
use watcher_domain::ports::Journal;

/// Every outside call of one phase, with its answer.
#[derive(Debug, Default)]
pub(super) struct MemoryJournal(Mutex<Vec<(JournalCall, Option<JournalAnswer>)>>);

/// Most calls that are kept for being shown.
const MAX_CALLS: usize = 10_000;

#[async_trait]
impl Journal for MemoryJournal {
    async fn begin(&self, _sequence: u32, call: &JournalCall) -> Result<Begun, JournalError> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() < MAX_CALLS {
            calls.push((call.clone(), None));
        }
        Ok(Begun::New)
    }

    async fn finish(&self, sequence: u32, answer: &JournalAnswer) -> Result<(), JournalError> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = calls.get_mut(sequence as usize) {
            call.1 = Some(answer.clone());
        }
        Ok(())
    }
}

impl MemoryJournal {
    /// One line for each request, as `GET compute /servers/1 → 200`.
    pub(super) fn requests(&self) -> Vec<String> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = calls.iter().filter_map(|(call, answer)| match call {
            JournalCall::Request { request } => Some((request, answer)),
            JournalCall::Now | JournalCall::Sleep { .. } | JournalCall::Random { .. } => None,
        });
        let line = |(request, answer): (&watcher_domain::cloud::CloudRequest, &Option<JournalAnswer>)| {
            let came = match answer {
                Some(JournalAnswer::Response { response }) => response.status.to_string(),
                Some(JournalAnswer::Failed { failure }) => format!("{}: {}", failure.code, failure.message),
                _ => "no answer".to_owned(),
            };
            format!("{request} → {came}")
        };
        requests.map(line).collect()
    }

    /// How long the handler slept, in milliseconds.
    pub(super) fn slept_ms(&self) -> u64 {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slept = calls.iter().map(|(call, _)| match call {
            JournalCall::Sleep { duration_ms } => *duration_ms,
            JournalCall::Request { .. } | JournalCall::Now | JournalCall::Random { .. } => 0,
        });
        slept.sum()
    }
}
