//! How much of something projects may have per hour whose amount is only known afterwards: nothing is refused, but whoever had too much waits until it
//! is theirs.
//!
//! The generic cell rate algorithm, as in `rates`, with amounts for turns: an instant per project, by which all it had would have come evenly. Half an
//! hour's worth may come at once, so that any hour has one and a half times the limit, and what is under way, at most.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Owner;

const HOUR: Duration = Duration::from_hours(1);
/// How far ahead of its time something may come.
const AHEAD: Duration = Duration::from_mins(30);
/// Nobody waits longer, however much they had.
const FAR: Duration = Duration::from_hours(24);
/// How many projects are remembered before those that have been quiet for long are forgotten.
const REMEMBERED: usize = 1024;

/// What projects had ahead of its time.
#[derive(Debug, Default)]
pub struct Debts {
    due: Mutex<HashMap<Owner, Instant>>,
}

impl Debts {
    /// Notes that a project had this amount of something of which it may have `per_hour`.
    pub fn charge(&self, owner: &Owner, amount: u64, per_hour: u64, now: Instant) {
        let nanos = u128::from(amount) * HOUR.as_nanos() / u128::from(per_hour.max(1));
        let worth = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(FAR);
        let mut due = self.lock();
        if due.len() >= REMEMBERED && !due.contains_key(owner) {
            due.retain(|_, theirs| *theirs > now);
        }
        let theirs = due.entry(owner.clone()).or_insert(now);
        *theirs = ((*theirs).max(now) + worth).min(now + FAR + AHEAD);
    }

    /// When a project may have more: now or later.
    pub fn next(&self, owner: &Owner, now: Instant) -> Instant {
        let due = self.lock().get(owner).copied();
        due.and_then(|due| due.checked_sub(AHEAD)).map_or(now, |next| next.max(now))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Instant>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use watcher_domain::ProjectId;

    use super::*;

    fn project(name: &str) -> ProjectId {
        ProjectId(name.to_owned())
    }

    #[test]
    fn who_had_too_much_waits_until_it_is_theirs_and_nobody_else_does() {
        let (debts, now) = (Debts::default(), Instant::now());
        debts.charge(&Some(project("a")), 50, 100, now);
        assert_eq!(debts.next(&Some(project("a")), now), now, "half an hour's worth");
        debts.charge(&Some(project("a")), 25, 100, now);
        assert_eq!(debts.next(&Some(project("a")), now), now + HOUR / 4);
        assert_eq!(debts.next(&Some(project("a")), now + HOUR / 2), now + HOUR / 2);
        assert_eq!(debts.next(&Some(project("b")), now), now);
        assert_eq!(debts.next(&None, now), now);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let (debts, now) = (Debts::default(), Instant::now());
        for _ in 0..3 {
            debts.charge(&Some(project("a")), u64::MAX, 0, now);
        }
        assert_eq!(debts.next(&Some(project("a")), now), now + FAR);
        debts.charge(&Some(project("b")), u64::MAX, u64::MAX, now);
        assert_eq!(debts.next(&Some(project("b")), now), now + HOUR - AHEAD);
    }

    proptest! {
        #[test]
        fn any_hour_has_the_limit_and_half_of_it_and_what_was_under_way(
            limit in 1_u64..1_000,
            pieces in prop::collection::vec((0_u64..600, 0_u64..500), 1..200),
        ) {
            let (debts, mut now, mut had) = (Debts::default(), Instant::now(), Vec::new());
            for (pause, amount) in pieces {
                now = debts.next(&None, now + Duration::from_secs(pause));
                debts.charge(&None, amount, limit, now);
                had.push((now, amount));
            }
            for (place, (begin, _)) in had.iter().enumerate() {
                let within = had[place..].iter().take_while(|(at, _)| *at < *begin + HOUR);
                let (sum, last) = within.fold((0, 0), |(sum, _), (_, amount)| (sum + amount, *amount));
                prop_assert!(2 * (sum - last) <= 3 * limit + 2, "{sum} with {last} at last, of {limit}");
            }
        }
    }
}
