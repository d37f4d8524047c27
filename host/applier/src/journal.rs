//! The journal of a handler's call, kept in the database.

use async_trait::async_trait;
use watcher_domain::ActionId;
use watcher_domain::journal::{ActionPhase, Begun, JournalAnswer, JournalCall, JournalError};
use watcher_domain::ports::{Clock, Journal};
use watcher_store::{Store, journal};

use std::sync::Arc;

/// Writes the outside calls of one phase of one action, under the term of its plan's lease.
pub struct StoreJournal {
    /// Where.
    pub store: Store,
    /// When.
    pub clock: Arc<dyn Clock>,
    /// Whose.
    pub action_id: ActionId,
    /// Which export runs.
    pub phase: ActionPhase,
    /// Term of the plan's lease: an older one writes nothing.
    pub term: i64,
}

fn unavailable(error: watcher_store::Error) -> JournalError {
    JournalError::Unavailable(Box::new(error))
}

#[async_trait]
impl Journal for StoreJournal {
    async fn begin(&self, sequence: u32, call: &JournalCall) -> Result<Begun, JournalError> {
        let mut tx = self.store.begin().await.map_err(unavailable)?;
        let begun =
            journal::begin(&mut tx, self.action_id, self.phase, sequence, call, self.term, self.clock.now()).await;
        let begun = match begun.map_err(unavailable)? {
            journal::Entry::New => Begun::New,
            journal::Entry::Fenced => return Err(JournalError::Fenced),
            journal::Entry::Found { call: recorded, answer } => {
                if recorded != *call {
                    return Err(JournalError::NotDeterministic {
                        sequence,
                        recorded: describe(&recorded),
                        called: describe(call),
                    });
                }
                answer.map_or(Begun::InDoubt, Begun::Answered)
            }
        };
        tx.commit().await.map_err(unavailable)?;
        Ok(begun)
    }

    async fn finish(&self, sequence: u32, answer: &JournalAnswer) -> Result<(), JournalError> {
        let mut tx = self.store.begin().await.map_err(unavailable)?;
        let now = self.clock.now();
        let written = journal::finish(&mut tx, self.action_id, self.phase, sequence, answer, self.term, now).await;
        if !written.map_err(unavailable)? {
            return Err(JournalError::Fenced);
        }
        tx.commit().await.map_err(unavailable)
    }
}

fn describe(call: &JournalCall) -> String {
    match call {
        JournalCall::Request { request } => request.to_string(),
        JournalCall::Now => "a look at the clock".to_owned(),
        JournalCall::Sleep { duration_ms } => format!("a wait of {duration_ms} ms"),
        JournalCall::Random { count } => format!("{count} random bytes"),
    }
}
