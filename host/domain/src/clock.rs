//! Time and fresh ids come from outside, so that tests and replays decide them.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

/// UTC, truncated to microseconds: what both databases keep, so that a value read back is equal.
pub type Timestamp = DateTime<Utc>;

/// Says what time it is.
pub trait Clock: Send + Sync {
    /// Now, truncated to microseconds.
    fn now(&self) -> Timestamp;
}

/// Makes fresh ids.
pub trait Ids: Send + Sync {
    /// A UUID that nobody has seen; later ones sort after earlier ones.
    fn uuid(&self) -> Uuid;
    /// A seed for the random numbers of a run.
    fn seed(&self) -> u64;
}

/// The time of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that others take")]
    fn now(&self) -> Timestamp {
        Utc::now().trunc_subsecs(6)
    }
}

/// UUIDs of version 7.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the source of ids that others take")]
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the source of ids that others take")]
    fn seed(&self) -> u64 {
        Uuid::new_v4().as_u64_pair().0
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct MockClock(Mutex<Timestamp>);

impl Default for MockClock {
    fn default() -> Self {
        Self(Mutex::new(DateTime::from_timestamp_micros(1_767_225_600_000_000).unwrap_or_default()))
    }
}

impl MockClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now += by;
    }
}

impl Clock for MockClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Ids that count up from a start: `00000000-0000-7000-8000-…`.
#[derive(Debug, Default)]
pub struct CountingIds(std::sync::atomic::AtomicU64);

impl CountingIds {
    /// Begins after `start`, so that two sources do not meet.
    pub fn starting_at(start: u64) -> Self {
        Self(std::sync::atomic::AtomicU64::new(start))
    }
}

impl Ids for CountingIds {
    fn uuid(&self) -> Uuid {
        let count = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        Uuid::from_u64_pair(0x7000, 0x8000_0000_0000_0000 | count)
    }

    fn seed(&self) -> u64 {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
    }
}
