//! Services: the processes of this system, as operators see them.

use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::Timestamp;
use crate::state::named_enum;

/// Name of the decision engine's service.
pub const DECISION_ENGINE: &str = "watcher-decision-engine";
/// Name of the applier's service.
pub const APPLIER: &str = "watcher-applier";

named_enum! {
    /// Whether a service works.
    ServiceStatus {
        /// It gave a sign of life lately.
        Active = "ACTIVE",
        /// It did not.
        Failed = "FAILED",
    }
}

impl ServiceStatus {
    /// Of a service that gave its last sign of life at `seen`. A sign from a clock that is ahead by more than `down_time` counts as none.
    pub fn of(seen: Timestamp, now: Timestamp, down_time: Duration) -> Self {
        let down_time = TimeDelta::from_std(down_time).unwrap_or(TimeDelta::MAX);
        if (now - seen).abs() <= down_time { Self::Active } else { Self::Failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_fails_after_its_down_time() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let status = |ago| ServiceStatus::of(now - TimeDelta::seconds(ago), now, Duration::from_secs(90));
        assert_eq!([status(0), status(90), status(-90)], [ServiceStatus::Active; 3]);
        assert_eq!([status(91), status(-91)], [ServiceStatus::Failed; 2]);
    }
}
