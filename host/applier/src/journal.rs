//! The journal of a handler's call, kept in the database.

use async_trait::async_trait;
use watcher_domain::ActionId;
use watcher_domain::journal::{ActionPhase, Begun, JournalAnswer, JournalCall, JournalError};
use watcher_domain::ports::{Clock, Journal};
use watcher_store::{Store, journal};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Writes the outside calls of one phase of one action, under the term of its plan's lease.
pub struct StoreJournal {
    store: Store,
    clock: Arc<dyn Clock>,
    action_id: ActionId,
    phase: ActionPhase,
    /// An older one than the lease's writes nothing.
    term: i64,
    changes: Mutex<Changes>,
}

/// What requests of the call may have changed in the cloud.
#[derive(Debug, Default)]
struct Changes {
    /// Whether one that is not only a look arrived, or may have.
    happened: bool,
    /// The number of such a one whose answer is not there yet.
    under_way: Option<u32>,
}

impl StoreJournal {
    /// For a phase of an action, under this term.
    pub fn new(store: Store, clock: Arc<dyn Clock>, action_id: ActionId, phase: ActionPhase, term: i64) -> Self {
        Self { store, clock, action_id, phase, term, changes: Mutex::default() }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request of the call may have changed something in the cloud.
    pub(crate) fn may_have_changed_something(&self) -> bool {
        let changes = self.changes();
        changes.happened || changes.under_way.is_some()
    }

    /// Drops what it has: the call begins anew.
    pub(crate) async fn forget(&self) -> Result<(), watcher_store::Error> {
        let mut tx = self.store.begin().await?;
        journal::forget_phase(&mut tx, self.action_id, self.phase, self.term).await?;
        tx.commit().await
    }
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
        if !call.is_repeatable() {
            let mut changes = self.changes();
            match &begun {
                Begun::New => changes.under_way = Some(sequence),
                Begun::Answered(answer) => changes.happened |= !answer.never_left(),
                Begun::InDoubt => changes.happened = true,
            }
        }
        Ok(begun)
    }

    async fn finish(&self, sequence: u32, answer: &JournalAnswer) -> Result<(), JournalError> {
        let mut tx = self.store.begin().await.map_err(unavailable)?;
        let now = self.clock.now();
        let written = journal::finish(&mut tx, self.action_id, self.phase, sequence, answer, self.term, now).await;
        if !written.map_err(unavailable)? {
            return Err(JournalError::Fenced);
        }
        tx.commit().await.map_err(unavailable)?;
        let mut changes = self.changes();
        if changes.under_way.take_if(|under_way| *under_way == sequence).is_some() {
            changes.happened |= !answer.never_left();
        }
        Ok(())
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
