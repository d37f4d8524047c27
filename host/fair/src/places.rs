//! What waits or runs in one process, by id: bounded altogether, and by project.
//!
//! Without the second bound a project with more work than there are places would keep everybody else's work out, even where permits are shared out fairly.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::Owner;

/// Places for work with an id each. A place holds what stops its work.
#[derive(Debug)]
pub struct Places<I, S> {
    state: Mutex<State<I, S>>,
    freed: Notify,
    most: usize,
    most_of_project: usize,
}

#[derive(Debug)]
struct State<I, S> {
    stops: HashMap<I, S>,
    by_project: HashMap<Owner, usize>,
    left_out: bool,
}

/// A place. Given up when it is dropped, however its work ends.
#[derive(Debug)]
pub struct Place<I: Copy + Eq + Hash, S> {
    places: Arc<Places<I, S>>,
    id: I,
    owner: Option<Owner>,
}

impl<I: Copy + Eq + Hash, S: Clone> Places<I, S> {
    /// So many places, of which one project has at most `most_of_project`.
    pub fn new(most: usize, most_of_project: usize) -> Arc<Self> {
        let state = State { stops: HashMap::new(), by_project: HashMap::new(), left_out: false };
        Arc::new(Self { state: Mutex::new(state), freed: Notify::new(), most, most_of_project })
    }

    /// A place for work, with what stops it. None if the work has one already, or all are taken.
    pub fn enter(self: &Arc<Self>, id: I, stop: S) -> Option<Place<I, S>> {
        let mut state = self.lock();
        if state.stops.contains_key(&id) {
            return None;
        }
        if state.stops.len() >= self.most {
            state.left_out = true;
            return None;
        }
        state.stops.insert(id, stop);
        drop(state);
        Some(Place { places: Arc::clone(self), id, owner: None })
    }

    /// What stops this work, if it has a place.
    pub fn stop_of(&self, id: &I) -> Option<S> {
        self.lock().stops.get(id).cloned()
    }

    /// Waits until work has ended while other work was left out for want of a place. Work that was itself left out ends nothing.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl<I, S> Places<I, S> {
    fn lock(&self) -> MutexGuard<'_, State<I, S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I: Copy + Eq + Hash, S> Place<I, S> {
    /// Says whose work it is. None, and the place is given up, if the project has all of its places.
    #[must_use]
    pub fn of(mut self, owner: Owner) -> Option<Self> {
        let mut state = self.places.lock();
        let taken = state.by_project.get(&owner).copied().unwrap_or_default();
        if taken >= self.places.most_of_project {
            state.left_out = true;
            drop(state);
            return None;
        }
        state.by_project.insert(owner.clone(), taken + 1);
        drop(state);
        self.owner = Some(owner);
        Some(self)
    }
}

impl<I: Copy + Eq + Hash, S> Drop for Place<I, S> {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        state.stops.remove(&self.id);
        let Some(owner) = &self.owner else { return };
        if std::mem::take(&mut state.left_out) {
            self.places.freed.notify_one();
        }
        if let Some(count) = state.by_project.get_mut(owner) {
            *count -= 1;
            if *count == 0 {
                state.by_project.remove(owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use watcher_domain::ProjectId;

    use super::*;

    fn owner(name: &str) -> ProjectId {
        ProjectId(name.to_owned())
    }

    #[test]
    fn work_has_one_place_until_it_gives_it_up() {
        let places = Places::new(10, 10);
        let place = places.enter(1, "stop").unwrap();
        assert!(places.enter(1, "other").is_none());
        assert_eq!(places.stop_of(&1), Some("stop"));
        drop(place.of(None));
        assert_eq!(places.freed().now_or_never(), None, "nobody was left out");
        assert_eq!(places.stop_of(&1), None);
        assert!(places.enter(1, "stop").is_some());
    }

    #[test]
    fn a_project_with_much_work_leaves_places_to_others() {
        let places = Places::new(10, 3);
        let mut held: Vec<_> =
            (0..3).map(|id| places.enter(id, ()).unwrap().of(Some(owner("busy"))).unwrap()).collect();
        assert!(places.enter(3, ()).unwrap().of(Some(owner("busy"))).is_none());
        assert_eq!(places.stop_of(&3), None, "its place was given up");
        assert_eq!(places.freed().now_or_never(), None, "whoever is left out frees nothing");
        held.push(places.enter(4, ()).unwrap().of(Some(owner("other"))).unwrap());
        drop(held.remove(0));
        assert_eq!((places.freed().now_or_never(), places.freed().now_or_never()), (Some(()), None));
        assert!(places.enter(3, ()).unwrap().of(Some(owner("busy"))).is_some());
    }

    #[test]
    fn what_finds_no_place_at_all_is_said_to_be_left_out() {
        let places = Places::new(1, 1);
        let held = places.enter(1, ()).unwrap().of(None);
        assert!(places.enter(2, ()).is_none());
        drop(held);
        assert_eq!(places.freed().now_or_never(), Some(()));
    }
}
