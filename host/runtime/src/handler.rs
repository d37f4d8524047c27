//! The outside of an action handler: every call goes through the journal, before it is made and when its answer came.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::Instant;
use watcher_domain::cloud::{CloudRequest, CloudResponse, Permission};
use watcher_domain::journal::{ActionPhase, Begun, JournalAnswer, JournalCall, JournalError};
use watcher_domain::limits::{LimitHit, LimitName};
use watcher_domain::ports::{ActionCall, Clock, CloudRequests, Ids, Journal};
use watcher_domain::{Account, Blame, Failure};
use watcher_fair::Rates;

use crate::call::Stop;
use crate::capability::clock::micros;

/// What one call of an action handler can reach.
pub(crate) struct Handler {
    phase: ActionPhase,
    permission: Permission,
    cloud: Arc<dyn CloudRequests>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    random: ChaCha8Rng,
    account: Account,
    paces: Arc<Paces>,
    deadline: Instant,
    sequence: u32,
    journal_limit: u64,
    journaled: u64,
}

/// Later than any deadline.
const CENTURY: Duration = Duration::from_hours(100 * 366 * 24);

/// How many times as often as requests a project may look at the clock, take random numbers and begin to wait. Each is written to the journal, and the
/// database is everybody's.
const LOOKS_PER_REQUEST: u64 = 10;

/// How often projects may do what is others' business, too.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    /// Requests to the cloud, and for metrics.
    pub(crate) requests: Rates,
    /// What else handlers have the journal keep.
    looks: Rates,
}

/// What to do about a call.
enum Turn {
    Answered(JournalAnswer),
    Make { sequence: u32, in_doubt: bool },
}

impl Handler {
    pub(crate) fn new(call: &ActionCall, clock: Arc<dyn Clock>, ids: &dyn Ids, paces: Arc<Paces>) -> Self {
        Self {
            phase: call.phase,
            permission: call.permission.clone(),
            cloud: Arc::clone(&call.cloud),
            journal: Arc::clone(&call.journal),
            clock,
            random: ChaCha8Rng::seed_from_u64(ids.seed()),
            account: call.account.clone(),
            paces,
            deadline: Instant::now() + CENTURY,
            sequence: 0,
            journal_limit: call.limits.journal_bytes,
            journaled: 0,
        }
    }

    /// Says when the call has to end, which now begins.
    pub(crate) fn begins(&mut self, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            self.deadline = deadline;
        }
    }

    /// Whether it is told to stop.
    pub(crate) const fn is_abort(&self) -> bool {
        matches!(self.phase, ActionPhase::Abort)
    }

    /// Counts what the journal keeps; also what it has already, so that a resumed handler ends where it would have ended.
    fn journal(&mut self, bytes: u64) -> Result<(), Stop> {
        self.journaled = self.journaled.saturating_add(bytes);
        if self.journaled > self.journal_limit {
            return Err(Stop::Limit(LimitHit { limit: LimitName::Journal, value: self.journal_limit }));
        }
        Ok(())
    }

    async fn begin(&mut self, call: &JournalCall) -> Result<Turn, Stop> {
        self.journal(call.size_bytes())?;
        let sequence = self.sequence;
        self.sequence += 1;
        match self.journal.begin(sequence, call).await.map_err(Stop::Journal)? {
            Begun::Answered(answer) => {
                self.journal(answer.size_bytes())?;
                Ok(Turn::Answered(answer))
            }
            Begun::New => Ok(Turn::Make { sequence, in_doubt: false }),
            Begun::InDoubt => Ok(Turn::Make { sequence, in_doubt: true }),
        }
    }

    /// The same, no more often than the project may have something written down, be it refused afterwards. A turn that comes after the deadline is not waited for:
    /// the deadline ends the call.
    async fn begin_look(&mut self, call: &JournalCall) -> Result<Turn, Stop> {
        let Account { project, shares } = &self.account;
        let per_minute = shares.requests_per_minute.max(1).saturating_mul(LOOKS_PER_REQUEST);
        let now = Instant::now();
        let turn = self.paces.looks.turn(project, per_minute, now, self.deadline).unwrap_or(self.deadline);
        if turn > now {
            tokio::time::sleep_until(turn).await;
        }
        self.begin(call).await
    }

    async fn finish(&mut self, sequence: u32, answer: &JournalAnswer) -> Result<(), Stop> {
        self.journal(answer.size_bytes())?;
        self.journal.finish(sequence, answer).await.map_err(Stop::Journal)
    }

    /// An answer that does not belong to the call it was written down for.
    fn mismatch(&self, called: impl Display, answer: &JournalAnswer) -> Stop {
        let recorded = match answer {
            JournalAnswer::Response { .. } => "a request",
            JournalAnswer::Now { .. } => "a look at the clock",
            JournalAnswer::Slept => "a wait",
            JournalAnswer::Random { .. } => "a random number",
            JournalAnswer::Failed { .. } => "a failure",
        };
        Stop::Journal(JournalError::NotDeterministic {
            sequence: self.sequence.saturating_sub(1),
            recorded: recorded.to_owned(),
            called: called.to_string(),
        })
    }

    /// The time, in microseconds since 1970.
    pub(crate) async fn now(&mut self) -> Result<u64, Stop> {
        match self.begin_look(&JournalCall::Now).await? {
            Turn::Answered(JournalAnswer::Now { time_us }) => Ok(time_us),
            Turn::Answered(other) => Err(self.mismatch("a look at the clock", &other)),
            Turn::Make { sequence, .. } => {
                let time_us = micros(self.clock.now());
                self.finish(sequence, &JournalAnswer::Now { time_us }).await?;
                Ok(time_us)
            }
        }
    }

    /// Random bytes.
    pub(crate) async fn random(&mut self, count: u32) -> Result<Vec<u8>, Stop> {
        match self.begin_look(&JournalCall::Random { count }).await? {
            Turn::Answered(JournalAnswer::Random { bytes }) if bytes.len() == count as usize => Ok(bytes),
            Turn::Answered(other) => Err(self.mismatch("a random number", &other)),
            Turn::Make { sequence, .. } => {
                let mut bytes = vec![0; count as usize];
                self.random.fill_bytes(&mut bytes);
                self.finish(sequence, &JournalAnswer::Random { bytes: bytes.clone() }).await?;
                Ok(bytes)
            }
        }
    }

    /// Waits. The start of the wait is journaled as a look at the clock, so that a resumed handler waits only for what is left.
    pub(crate) async fn sleep(&mut self, duration_ms: u64) -> Result<Result<(), Failure>, Stop> {
        let start_us = self.now().await?;
        match self.begin_look(&JournalCall::Sleep { duration_ms }).await? {
            Turn::Answered(JournalAnswer::Slept) => Ok(Ok(())),
            Turn::Answered(JournalAnswer::Failed { failure }) => Ok(Err(failure)),
            Turn::Answered(other) => Err(self.mismatch("a wait", &other)),
            Turn::Make { sequence, in_doubt } => {
                let mut left = Duration::from_millis(duration_ms);
                if in_doubt {
                    left =
                        left.saturating_sub(Duration::from_micros(micros(self.clock.now()).saturating_sub(start_us)));
                }
                // The refusal is written down too: a resumed handler has another deadline, and must see the same.
                if Instant::now().checked_add(left).is_none_or(|end| end > self.deadline) {
                    let message = format!("a wait of {duration_ms} ms would end after the deadline of the call");
                    let failure = Failure::new(Blame::Plugin, "deadline-exceeded", message);
                    self.finish(sequence, &JournalAnswer::Failed { failure: failure.clone() }).await?;
                    return Ok(Err(failure));
                }
                tokio::time::sleep(left).await;
                self.finish(sequence, &JournalAnswer::Slept).await?;
                Ok(Ok(()))
            }
        }
    }

    /// Sends a well-formed request, if it is granted.
    pub(crate) async fn send(&mut self, request: CloudRequest) -> Result<Result<CloudResponse, Failure>, Stop> {
        let call = JournalCall::Request { request: request.clone() };
        let (sequence, in_doubt) = match self.begin_look(&call).await? {
            Turn::Answered(JournalAnswer::Response { response }) => return Ok(Ok(response)),
            Turn::Answered(JournalAnswer::Failed { failure }) => return Ok(Err(failure)),
            Turn::Answered(other) => return Err(self.mismatch(request, &other)),
            Turn::Make { sequence, in_doubt } => (sequence, in_doubt),
        };
        // Looked at after the journal: a resumed handler sees what it saw, even if the grant has changed since.
        let answer = if let Err(failure) = self.permit(&request) {
            Err(failure)
        } else if in_doubt && !call.is_repeatable() {
            let message = format!("{request} left before a restart, and its answer is not known");
            Err(Failure::new(Blame::Cloud, "outcome-unknown", message))
        } else {
            match self.turn(&request).await {
                Ok(()) => self.cloud.send(&request).await,
                Err(failure) => Err(failure),
            }
        };
        let journaled = match answer.clone() {
            Ok(response) => JournalAnswer::Response { response },
            Err(failure) => JournalAnswer::Failed { failure },
        };
        self.finish(sequence, &journaled).await?;
        Ok(answer)
    }

    /// Waits until the project may send another request.
    async fn turn(&self, request: &CloudRequest) -> Result<(), Failure> {
        let Account { project, shares } = &self.account;
        let now = Instant::now();
        match self.paces.requests.turn(project, shares.requests_per_minute, now, self.deadline) {
            Some(turn) if turn <= now => Ok(()),
            Some(turn) => {
                tokio::time::sleep_until(turn).await;
                Ok(())
            }
            None => {
                let limit = shares.requests_per_minute;
                let message =
                    format!("{request} was not sent: the project's limit of {limit} requests per minute was reached");
                Err(Failure::new(Blame::Service, "too-many-requests", message).retryable())
            }
        }
    }

    fn permit(&self, request: &CloudRequest) -> Result<(), Failure> {
        let refused = |why: String| Err(Failure::new(Blame::Plugin, "not-granted", format!("{request} {why}")));
        match self.phase {
            ActionPhase::Validate => return refused("is refused: validate-parameters makes no requests".to_owned()),
            ActionPhase::PreCondition | ActionPhase::PostCondition if !request.method.is_safe() => {
                return refused(format!("is refused: {} only reads", self.phase));
            }
            ActionPhase::PreCondition
            | ActionPhase::Execute
            | ActionPhase::PostCondition
            | ActionPhase::Revert
            | ActionPhase::Abort => {}
        }
        self.permission
            .check(request)
            .map_err(|why| Failure::new(why.blame(), "not-granted", format!("{request} {why}")))
    }
}
