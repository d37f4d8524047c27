//! Where the simulator takes its time from.

use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// Tells the time. Migrations, tokens and time series depend on nothing else.
pub trait Clock: Debug + Send + Sync {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}

/// Real time, read once and then carried on by tokio's clock: a test that pauses tokio's time pauses the cloud.
#[derive(Debug)]
pub struct TokioClock {
    origin: DateTime<Utc>,
    started: Instant,
}

impl TokioClock {
    /// Starts at the system's time.
    #[expect(clippy::disallowed_methods, reason = "the simulator is a cloud of its own: this is its one clock")]
    pub fn start() -> Self {
        Self::start_at(Utc::now())
    }

    /// Starts at a given time.
    pub fn start_at(origin: DateTime<Utc>) -> Self {
        Self { origin, started: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> DateTime<Utc> {
        self.origin + TimeDelta::from_std(self.started.elapsed()).unwrap_or(TimeDelta::MAX)
    }
}

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: DateTime<Utc>) -> Self {
        Self(Mutex::new(start))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now += TimeDelta::from_std(by).unwrap_or(TimeDelta::zero());
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
