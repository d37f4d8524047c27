//! Whose turn it is to compute.
//!
//! A project's turns are counted by the time that they took, and the one that has had least comes next: a project with thirty tasks gets as much as one
//! with one. Who comes back after having had nothing to do starts where the others are, as in the Completely Fair Scheduler of Linux: time that
//! was not used is not saved up. Who has had more than the others waits for them, even after a moment without anything to do.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::Owner;

/// Tasks that are ready, by project.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    lanes: HashMap<Owner, Lane<T>>,
    /// What the project that comes next has had at least: only ever grows.
    now: Duration,
    /// Counts turns given.
    given: u64,
}

/// How many projects are remembered before those are forgotten that have nothing to do.
const REMEMBERED: usize = 1024;

/// One project: forgotten when nothing of it is ready or runs, and it has had no more than others, or there are none.
#[derive(Debug)]
struct Lane<T> {
    ready: VecDeque<T>,
    running: usize,
    had: Duration,
    last: u64,
}

impl<T> Lane<T> {
    fn is_idle(&self) -> bool {
        self.running == 0 && self.ready.is_empty()
    }
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), now: Duration::ZERO, given: 0 }
    }
}

impl<T> Turns<T> {
    /// Adds a task that is ready, behind the others of its project.
    pub(crate) fn push(&mut self, owner: &Owner, task: T) {
        if let Some(lane) = self.lanes.get_mut(owner) {
            if lane.is_idle() {
                lane.had = lane.had.max(self.now);
            }
            lane.ready.push_back(task);
            return;
        }
        if self.lanes.len() >= REMEMBERED {
            self.lanes.retain(|_, lane| !lane.is_idle());
        }
        let lane = Lane { ready: VecDeque::from([task]), running: 0, had: self.now, last: self.given };
        self.lanes.insert(owner.clone(), lane);
    }

    /// Takes the task whose turn it is.
    pub(crate) fn next(&mut self) -> Option<(Owner, T)> {
        self.next_of(|_| true)
    }

    /// The same of projects that have no turn now.
    pub(crate) fn next_of_idle(&mut self) -> Option<(Owner, T)> {
        self.next_of(|lane| lane.running == 0)
    }

    /// Whether nothing is ready.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.values().all(|lane| lane.ready.is_empty())
    }

    /// Whether a project is ready that has no turn now.
    pub(crate) fn is_idle_ready(&self) -> bool {
        self.lanes.values().any(|lane| lane.running == 0 && !lane.ready.is_empty())
    }

    fn next_of(&mut self, may: impl Fn(&Lane<T>) -> bool) -> Option<(Owner, T)> {
        let ready = self.lanes.iter_mut().filter(|(_, lane)| !lane.ready.is_empty() && may(lane));
        let (owner, lane) = ready.min_by_key(|(_, lane)| (lane.had, lane.last))?;
        let task = lane.ready.pop_front()?;
        lane.running += 1;
        self.given += 1;
        lane.last = self.given;
        self.now = self.now.max(lane.had);
        Some((owner.clone(), task))
    }

    /// Counts a turn of a project that ended.
    pub(crate) fn charge(&mut self, owner: &Owner, took: Duration) {
        let Some(lane) = self.lanes.get_mut(owner) else { return };
        lane.running -= 1;
        lane.had += took;
        if !lane.is_idle() {
            return;
        }
        if lane.had <= self.now {
            self.lanes.remove(owner);
        } else if self.lanes.values().all(Lane::is_idle) {
            // Nobody else waited for the time that they had.
            self.lanes.clear();
        }
    }

    /// Takes everything that is ready.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        self.lanes.values_mut().flat_map(|lane| std::mem::take(&mut lane.ready)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use watcher_domain::ProjectId;

    use super::*;

    const SLICE: Duration = Duration::from_micros(500);

    fn owner(name: &str) -> ProjectId {
        ProjectId(name.to_owned())
    }

    /// Gives so many turns of a slice each to tasks that are ready again at once; how many each project had.
    fn serve(turns: &mut Turns<()>, count: usize) -> HashMap<Owner, usize> {
        let mut had = HashMap::new();
        for _ in 0..count {
            let (owner, ()) = turns.next().unwrap();
            turns.push(&owner, ());
            turns.charge(&owner, SLICE);
            *had.entry(owner).or_default() += 1;
        }
        had
    }

    #[test]
    fn a_project_with_many_tasks_gets_no_more_than_one_with_few() {
        let mut turns = Turns::default();
        (0..30).for_each(|_| turns.push(&Some(owner("busy")), ()));
        turns.push(&Some(owner("other")), ());
        let had = serve(&mut turns, 1000);
        assert_eq!((had[&Some(owner("busy"))], had[&Some(owner("other"))]), (500, 500));
    }

    #[test]
    fn only_who_has_no_turn_is_asked_when_turns_are_taken() {
        let mut turns = Turns::default();
        (0..3).for_each(|_| turns.push(&Some(owner("busy")), ()));
        assert!(turns.is_idle_ready());
        let first = turns.next().unwrap().0;
        assert!(!turns.is_idle_ready() && turns.next_of_idle().is_none());
        turns.push(&Some(owner("other")), ());
        assert_eq!(turns.next_of_idle().unwrap().0, Some(owner("other")));
        turns.charge(&first, SLICE);
        assert_eq!(turns.next_of_idle().unwrap().0, Some(owner("busy")));
    }

    #[test]
    fn who_comes_late_is_served_next_but_gets_nothing_for_the_time_before() {
        let mut turns = Turns::default();
        turns.push(&Some(owner("busy")), ());
        serve(&mut turns, 1000);
        turns.push(&Some(owner("late")), ());
        assert_eq!(serve(&mut turns, 2).len(), 2);
        assert_eq!(serve(&mut turns, 100)[&Some(owner("busy"))], 50);
    }

    #[test]
    fn a_project_that_has_nothing_to_do_is_forgotten() {
        let mut turns = Turns::default();
        turns.push(&Some(owner("a")), ());
        let (owner, ()) = turns.next().unwrap();
        turns.charge(&owner, SLICE);
        assert!(turns.lanes.is_empty());
        assert!(turns.next().is_none());
    }

    #[test]
    fn long_turns_count_also_for_a_project_that_waits_after_each() {
        let (busy, waits) = (Some(owner("busy")), Some(owner("waits")));
        let mut turns = Turns::default();
        turns.push(&busy, ());
        let mut had = [Duration::ZERO; 2];
        let mut is_ready = false;
        for _ in 0..1000 {
            if !std::mem::replace(&mut is_ready, true) {
                turns.push(&waits, ());
            }
            let (owner, ()) = turns.next().unwrap();
            if owner == busy {
                turns.push(&busy, ());
                turns.charge(&busy, SLICE);
                had[0] += SLICE;
            } else {
                turns.charge(&waits, SLICE * 10);
                had[1] += SLICE * 10;
                is_ready = false;
            }
        }
        assert!(had[1] <= had[0] + SLICE * 10, "{had:?}");
    }

    proptest! {
        #[test]
        fn projects_that_are_always_ready_differ_by_no_more_than_the_longest_turn(
            tasks in prop::collection::vec(1_usize..6, 2..6),
            lengths in prop::collection::vec(1_u64..1000, 200..400),
        ) {
            let mut turns = Turns::default();
            for (project, count) in tasks.iter().enumerate() {
                (0..*count).for_each(|_| turns.push(&Some(owner(&project.to_string())), ()));
            }
            let mut had: HashMap<Owner, u64> = HashMap::new();
            let longest = lengths.iter().max().copied().unwrap();
            for length in lengths {
                let (owner, ()) = turns.next().unwrap();
                turns.push(&owner, ());
                turns.charge(&owner, Duration::from_micros(length));
                *had.entry(owner).or_default() += length;
            }
            let (least, most) = (had.values().min().unwrap(), had.values().max().unwrap());
            prop_assert_eq!(had.len(), tasks.len());
            prop_assert!(most - least <= longest, "{} and {}", least, most);
        }
    }
}
