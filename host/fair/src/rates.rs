//! How often a project may do something within a minute.
//!
//! The generic cell rate algorithm: an instant per project, by which its next turn would come if all came evenly. A tenth of the limit may come at
//! once, and the rest is spread over the minute, so that no minute, wherever it begins, has more than the limit.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Owner;

const MINUTE: Duration = Duration::from_mins(1);
/// How many projects are remembered before those that have been quiet for long are forgotten.
const REMEMBERED: usize = 1024;

/// Turns of projects.
#[derive(Debug, Default)]
pub struct Rates {
    next: Mutex<HashMap<Owner, Instant>>,
}

impl Rates {
    /// Takes the next turn of a project that may have `per_minute` of them: when it comes, at `now` or later. None if it would come after `latest`:
    /// then no turn is taken.
    pub fn turn(&self, owner: &Owner, per_minute: u64, now: Instant, latest: Instant) -> Option<Instant> {
        let pace = Pace::of(per_minute)?;
        let mut next = self.lock();
        if next.len() >= REMEMBERED && !next.contains_key(owner) {
            next.retain(|_, theirs| *theirs > now);
        }
        let theirs = next.get(owner).map_or(now, |theirs| (*theirs).max(now));
        let turn = pace.turn(theirs, now);
        if turn > latest {
            return None;
        }
        next.insert(owner.clone(), theirs + pace.apart);
        Some(turn)
    }

    /// When the next turn of a project would come, at `now` or later, without taking it. None if it may have none at all.
    pub fn next(&self, owner: &Owner, per_minute: u64, now: Instant) -> Option<Instant> {
        let pace = Pace::of(per_minute)?;
        let theirs = self.lock().get(owner).map_or(now, |theirs| (*theirs).max(now));
        Some(pace.turn(theirs, now))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Instant>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a limit means for single turns.
struct Pace {
    /// Between two turns.
    apart: Duration,
    /// How far ahead of their time turns may come.
    ahead: Duration,
}

impl Pace {
    fn of(per_minute: u64) -> Option<Self> {
        if per_minute == 0 {
            return None;
        }
        let burst = u32::try_from((per_minute / 10).max(1)).unwrap_or(u32::MAX / 10);
        let steady = u32::try_from(per_minute).unwrap_or(u32::MAX) - burst + 1;
        // Rounded up: a nanosecond less would let one more into a minute.
        let apart = MINUTE / steady + Duration::from_nanos(1);
        Some(Self { apart, ahead: apart.saturating_mul(burst - 1) })
    }

    fn turn(&self, theirs: Instant, now: Instant) -> Instant {
        theirs.checked_sub(self.ahead).map_or(now, |turn| turn.max(now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use watcher_domain::ProjectId;

    use super::*;

    fn owner(name: &str) -> ProjectId {
        ProjectId(name.to_owned())
    }

    #[test]
    fn a_project_has_no_turn_when_the_limit_is_zero() {
        let now = Instant::now();
        assert_eq!(Rates::default().turn(&Some(owner("a")), 0, now, now + MINUTE), None);
    }

    #[test]
    fn what_one_project_asks_does_not_delay_another() {
        let (rates, now) = (Rates::default(), Instant::now());
        for _ in 0..100 {
            rates.turn(&Some(owner("busy")), 60, now, now + MINUTE);
        }
        assert_eq!(rates.turn(&Some(owner("other")), 60, now, now), Some(now));
    }

    #[test]
    fn to_look_when_the_next_turn_comes_takes_none() {
        let (rates, now) = (Rates::default(), Instant::now());
        for _ in 0..6 {
            assert_eq!(rates.next(&None, 60, now), Some(now));
            assert_eq!(rates.turn(&None, 60, now, now), Some(now));
        }
        let next = rates.next(&None, 60, now).unwrap();
        assert!(next > now);
        assert_eq!(rates.turn(&None, 60, now, now + MINUTE), Some(next));
        assert_eq!(rates.next(&None, 0, now), None);
    }

    #[test]
    fn a_turn_that_would_come_too_late_is_not_taken() {
        let (rates, now) = (Rates::default(), Instant::now());
        assert_eq!(rates.turn(&None, 1, now, now), Some(now));
        for _ in 0..5 {
            assert_eq!(rates.turn(&None, 1, now, now + MINUTE / 2), None);
        }
        let next = rates.turn(&None, 1, now, now + 2 * MINUTE).unwrap();
        assert!(next >= now + MINUTE && next < now + MINUTE * 11 / 10);
    }

    proptest! {
        #[test]
        fn no_minute_has_more_turns_than_the_limit(
            limit in 1_u64..200,
            pauses in prop::collection::vec(0_u64..2_000, 1..600),
        ) {
            let rates = Rates::default();
            let (mut now, mut turns) = (Instant::now(), Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                if let Some(turn) = rates.turn(&None, limit, now, now + MINUTE) {
                    prop_assert!(turn >= now);
                    turns.push(turn);
                }
            }
            turns.sort();
            for (place, begin) in turns.iter().enumerate() {
                let within = turns[place..].iter().take_while(|turn| **turn < *begin + MINUTE).count();
                prop_assert!(within as u64 <= limit, "{within} of {limit}");
            }
        }
    }
}
