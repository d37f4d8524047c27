//! What the host knows of one call of a guest: the data of its store.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::time::Instant;
use watcher_cluster::ClusterDataModel;
use watcher_domain::journal::JournalError;
use watcher_domain::limits::{LimitHit, LimitName};
use watcher_domain::ports::{Datasource, PlannerRun, Recorder, Scoring, ScoringRun, StrategyRun};
use watcher_domain::{Account, Blame, Failure, Limits, Timestamp};

use crate::bindings::imports::watcher::types::types;
use crate::capability::log::Log;
use crate::handler::{Handler, Paces};
use crate::limits::Memory;

/// Bytes that imports move before others get the thread, and what a call counts besides: about a millisecond of either.
const SLICE_BYTES: usize = 2 << 20;
const CALL_BYTES: usize = 256;
/// Bytes that a text in a list takes besides its own: lists of millions of empty texts are work, too.
pub(crate) const TEXT_BYTES: usize = size_of::<String>();

/// Why the host ends a call from within an import. A guest cannot catch it.
#[derive(Debug)]
pub(crate) enum Stop {
    Limit(LimitHit),
    Journal(JournalError),
}

/// Data of a store.
pub(crate) struct Call {
    pub(crate) memory: Memory,
    pub(crate) log: Log,
    pub(crate) outside: Outside,
    /// Set by an import that ends the call.
    pub(crate) stop: Option<Stop>,
    /// Whether the guest was started: an error before is none of its output.
    pub(crate) entered: bool,
    pub(crate) limits: Limits,
    host_calls: u64,
    requests: u64,
    moved: usize,
    kept: u64,
}

/// What lies beyond the imports.
pub(crate) enum Outside {
    /// Nothing: the guest only describes.
    Nothing,
    /// A strategy or planner decides on a snapshot, or a scoring engine scores.
    Decision(Box<Decision>),
    /// An action handler works on the cloud.
    Handler(Box<Handler>),
}

/// What a strategy or planner sees, or a scoring engine.
pub(crate) struct Decision {
    pub(crate) time: Timestamp,
    pub(crate) seed: u64,
    pub(crate) random: ChaCha8Rng,
    /// Empty for a scoring engine, whose world does not have it.
    pub(crate) model: Arc<ClusterDataModel>,
    /// Only of a strategy: the worlds of others do not have them.
    pub(crate) sources: Option<Sources>,
}

/// Where metrics and scores come from, and who is told what was seen.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) datasource: Arc<dyn Datasource>,
    pub(crate) scoring: Option<Scoring>,
    pub(crate) recorder: Arc<dyn Recorder>,
    account: Account,
    paces: Arc<Paces>,
}

impl Sources {
    /// Waits until the project may ask for another metric. Tools, which run plugins for nobody, ask as they like.
    pub(crate) async fn turn(&self, limits: &Limits) -> Result<(), Failure> {
        let Account { project: project @ Some(_), shares } = &self.account else { return Ok(()) };
        let now = Instant::now();
        let latest = now.checked_add(limits.deadline()).unwrap_or(now);
        match self.paces.requests.turn(project, shares.requests_per_minute, now, latest) {
            Some(turn) if turn <= now => Ok(()),
            Some(turn) => {
                tokio::time::sleep_until(turn).await;
                Ok(())
            }
            None => {
                let limit = shares.requests_per_minute;
                let message = format!("the project's limit of {limit} requests per minute was reached");
                Err(Failure::new(Blame::Service, "too-many-requests", message).retryable())
            }
        }
    }
}

impl Decision {
    pub(crate) fn of_strategy(run: &StrategyRun, paces: Arc<Paces>) -> Self {
        Self {
            time: run.time,
            seed: run.seed,
            random: ChaCha8Rng::seed_from_u64(run.seed),
            model: Arc::clone(&run.model),
            sources: Some(Sources {
                datasource: Arc::clone(&run.datasource),
                scoring: run.scoring.clone(),
                recorder: Arc::clone(&run.recorder),
                account: run.account.clone(),
                paces,
            }),
        }
    }

    pub(crate) fn of_planner(run: &PlannerRun) -> Self {
        Self {
            time: run.time,
            seed: run.seed,
            random: ChaCha8Rng::seed_from_u64(run.seed),
            model: Arc::clone(&run.model),
            sources: None,
        }
    }

    pub(crate) fn of_scoring(run: &ScoringRun) -> Self {
        Self {
            time: run.time,
            seed: run.seed,
            random: ChaCha8Rng::seed_from_u64(run.seed),
            model: Arc::default(),
            sources: None,
        }
    }
}

impl Call {
    pub(crate) fn new(plugin: String, limits: Limits, outside: Outside) -> Self {
        Self {
            memory: Memory::new(&limits),
            log: Log::new(plugin, limits.log_bytes),
            outside,
            stop: None,
            entered: false,
            limits,
            host_calls: 0,
            requests: 0,
            moved: 0,
            kept: 0,
        }
    }

    /// Counts a call of an import that passed `bytes` to the host, texts and [`TEXT_BYTES`] for each in a list, and lets others use the thread now
    /// and then: what imports do costs the guest no fuel.
    pub(crate) async fn enter(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls {
            return Err(self.stop_at(LimitName::HostCalls, self.limits.host_calls));
        }
        if u64::try_from(bytes).unwrap_or(u64::MAX) > self.limits.host_call_fuel {
            return Err(self.stop_at(LimitName::HostCallFuel, self.limits.host_call_fuel));
        }
        self.moved(CALL_BYTES + bytes);
        if self.moved >= SLICE_BYTES {
            self.moved = 0;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Notes that an import moves so many bytes.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes);
    }

    /// Where a strategy's questions go; nowhere for others.
    pub(crate) fn sources(&self) -> Option<&Sources> {
        match &self.outside {
            Outside::Decision(decision) => decision.sources.as_ref(),
            Outside::Nothing | Outside::Handler(_) => None,
        }
    }

    /// Notes that the recording of the run has to keep so many bytes: how often a guest asks, and for how much, is its own choice.
    pub(crate) fn keep(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.kept = self.kept.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.kept > self.limits.recording_bytes {
            return Err(self.stop_at(LimitName::Recording, self.limits.recording_bytes));
        }
        Ok(())
    }

    /// Whether an action is told to stop.
    pub(crate) fn is_abort(&self) -> bool {
        matches!(&self.outside, Outside::Handler(handler) if handler.is_abort())
    }

    /// Requests to the outside so far.
    pub(crate) const fn requests(&self) -> u64 {
        self.requests
    }

    /// Counts a request to the outside.
    pub(crate) fn count_request(&mut self) -> Result<(), LimitHit> {
        if self.requests >= self.limits.requests {
            return Err(LimitHit { limit: LimitName::Requests, value: self.limits.requests });
        }
        self.requests += 1;
        Ok(())
    }

    /// Ends the call because of a limit.
    pub(crate) fn stop_at(&mut self, limit: LimitName, value: u64) -> wasmtime::Error {
        self.end(Stop::Limit(LimitHit { limit, value }))
    }

    /// Ends the call: what the import that was called returns to the engine.
    pub(crate) fn end(&mut self, stop: Stop) -> wasmtime::Error {
        self.stop = Some(stop);
        wasmtime::Error::msg("the host ended the call")
    }
}

/// What an import answers that has nothing behind it while a guest describes itself.
pub(crate) fn nothing_there(what: &str) -> types::Failure {
    lower(Failure::new(
        Blame::Plugin,
        "not-available",
        format!("{what} cannot be asked for while the plugin describes"),
    ))
}

/// A failure as the guest gets it.
pub(crate) fn lower(failure: Failure) -> types::Failure {
    let blame = match failure.blame {
        Blame::Input => types::Blame::Input,
        Blame::Plugin => types::Blame::Plugin,
        Blame::Cloud => types::Blame::Cloud,
        Blame::Service => types::Blame::Service,
    };
    types::Failure { code: failure.code, message: failure.message, retryable: failure.retryable, blame }
}

impl types::Host for Call {}
