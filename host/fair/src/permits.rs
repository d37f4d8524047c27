//! Permits for work, shared out fairly between the projects that wait for them.
//!
//! A free permit goes to the project that has the fewest at the moment; of several, to the one that got its last one longest ago. Within a project the first to
//! ask is the first to get. No project has more than its share, however few others there are: what is left over is there at once for whoever comes.
//! A share may differ from project to project; what a project says when it asks holds from then on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::Owner;

/// A number of permits.
#[derive(Debug)]
pub struct FairPermits {
    state: Mutex<State>,
    /// How many one project has at most that does not say otherwise.
    share: usize,
}

#[derive(Debug, Default)]
struct State {
    free: usize,
    owners: HashMap<Owner, Queue>,
    /// Counts permits given.
    given: u64,
}

/// One project: forgotten when it neither has nor waits for anything.
#[derive(Debug, Default)]
struct Queue {
    held: usize,
    share: usize,
    last: u64,
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

/// The right to work. Given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    permits: Arc<FairPermits>,
    owner: Owner,
}

impl FairPermits {
    /// So many permits, of which one project has at most `share`. Both are at least 1.
    pub fn new(permits: usize, share: usize) -> Arc<Self> {
        let state = State { free: permits.max(1), ..State::default() };
        Arc::new(Self { state: Mutex::new(state), share: share.max(1) })
    }

    /// Waits for a permit. Whoever stops waiting loses nothing but its place.
    pub async fn acquire(self: &Arc<Self>, owner: Owner) -> Permit {
        self.acquire_within(owner, self.share).await
    }

    /// The same for a project with a share of its own, which is at least 1.
    pub async fn acquire_within(self: &Arc<Self>, owner: Owner, share: usize) -> Permit {
        loop {
            let (sender, receiver) = oneshot::channel();
            {
                let mut state = self.lock();
                let queue = state.owners.entry(owner.clone()).or_default();
                queue.share = share.max(1);
                // Whoever stopped waiting while nothing became free left a place behind.
                queue.waiting.retain(|sender| !sender.is_closed());
                queue.waiting.push_back(sender);
            }
            self.share_out();
            // The sender is kept until it is used.
            if let Ok(permit) = receiver.await {
                return permit;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives free permits to those who wait.
    fn share_out(self: &Arc<Self>) {
        loop {
            // Not in a `while let`, which would hold the lock while a permit that nobody takes comes back here.
            let next = self.lock().next();
            let Some((owner, sender)) = next else { return };
            drop(sender.send(Permit { permits: Arc::clone(self), owner }));
        }
    }
}

impl State {
    /// Whose turn it is, with the permit already counted as theirs.
    fn next(&mut self) -> Option<(Owner, oneshot::Sender<Permit>)> {
        if self.free == 0 {
            return None;
        }
        let able = self.owners.iter_mut().filter(|(_, queue)| queue.held < queue.share && !queue.waiting.is_empty());
        let (owner, queue) = able.min_by_key(|(_, queue)| (queue.held, queue.last))?;
        let sender = queue.waiting.pop_front()?;
        self.free -= 1;
        self.given += 1;
        queue.held += 1;
        queue.last = self.given;
        Some((owner.clone(), sender))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut state = self.permits.lock();
            state.free += 1;
            if let Some(queue) = state.owners.get_mut(&self.owner) {
                queue.held -= 1;
                queue.waiting.retain(|sender| !sender.is_closed());
                if queue.held == 0 && queue.waiting.is_empty() {
                    state.owners.remove(&self.owner);
                }
            }
        }
        self.permits.share_out();
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;
    use watcher_domain::ProjectId;

    use super::*;

    type Waiting = std::pin::Pin<Box<dyn Future<Output = Permit>>>;

    fn owner(name: &str) -> ProjectId {
        ProjectId(name.to_owned())
    }

    fn ask(permits: &Arc<FairPermits>, name: &str) -> Waiting {
        let (permits, owner) = (Arc::clone(permits), owner(name));
        let mut waiting: Waiting = Box::pin(async move { permits.acquire(Some(owner)).await });
        assert!(look(&mut waiting).is_none(), "it has a place now, and waits");
        waiting
    }

    fn take(permits: &Arc<FairPermits>, name: &str) -> Permit {
        let (permits, owner) = (Arc::clone(permits), owner(name));
        let mut waiting: Waiting = Box::pin(async move { permits.acquire(Some(owner)).await });
        look(&mut waiting).unwrap()
    }

    fn look(waiting: &mut Waiting) -> Option<Permit> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_project_with_much_work_leaves_room_for_another() {
        let permits = FairPermits::new(3, 2);
        let (first, _second) = (take(&permits, "busy"), take(&permits, "busy"));
        let mut third = ask(&permits, "busy");
        let _other = take(&permits, "other");
        drop(first);
        assert!(look(&mut third).is_some());
    }

    #[test]
    fn a_project_may_have_a_share_of_its_own() {
        let permits = FairPermits::new(4, 1);
        let within = |share| {
            let permits = Arc::clone(&permits);
            let mut waiting: Waiting =
                Box::pin(async move { permits.acquire_within(Some(owner("large")), share).await });
            (look(&mut waiting), waiting)
        };
        let ((first, _), (second, _)) = (within(2), within(2));
        assert!(first.is_some() && second.is_some());
        let (third, mut waiting) = within(2);
        assert!(third.is_none());
        let (fourth, _) = within(3);
        assert!(fourth.is_none() && look(&mut waiting).is_some(), "who came first is served by what was said last");
    }

    #[test]
    fn who_has_least_comes_first_and_then_who_waits_longest() {
        let permits = FairPermits::new(2, 2);
        let (a, b) = (take(&permits, "a"), take(&permits, "a"));
        let mut more = ask(&permits, "a");
        let (mut x, mut y) = (ask(&permits, "x"), ask(&permits, "y"));
        drop(a);
        let served = [look(&mut x), look(&mut y)];
        assert_eq!(served.iter().flatten().count(), 1);
        assert!(look(&mut more).is_none());
        drop(b);
        assert!(look(&mut more).is_none(), "a project without any comes first");
        drop((x, y, served));
        assert!(look(&mut more).is_some());
    }

    #[test]
    fn who_stops_waiting_holds_nobody_up() {
        let permits = FairPermits::new(1, 1);
        let held = take(&permits, "a");
        let gone = ask(&permits, "b");
        let mut patient = ask(&permits, "c");
        drop(gone);
        drop(held);
        assert!(look(&mut patient).is_some());
        drop(patient);
        assert!(permits.lock().owners.is_empty(), "nothing is remembered of who has gone");
    }

    #[test]
    fn who_stops_waiting_leaves_nothing_behind_while_nothing_becomes_free() {
        let permits = FairPermits::new(1, 1);
        let _held = take(&permits, "a");
        (0..100).for_each(|_| drop(ask(&permits, "a")));
        assert!(permits.lock().owners[&Some(owner("a"))].waiting.len() <= 1);
    }

    proptest! {
        #[test]
        fn permits_are_never_lost_nor_given_twice(
            total in 1_usize..5,
            share in 1_usize..5,
            steps in prop::collection::vec((0_u8..4, 0_usize..3, any::<prop::sample::Index>()), 1..80),
        ) {
            let permits = FairPermits::new(total, share);
            let names = ["a", "b", "c"];
            let (mut held, mut waiting): (Vec<Permit>, Vec<Waiting>) = (Vec::new(), Vec::new());
            for (step, name, index) in steps {
                match step {
                    0 | 1 => {
                        let (permits, owner) = (Arc::clone(&permits), owner(names[name]));
                        waiting.push(Box::pin(async move { permits.acquire(Some(owner)).await }));
                    }
                    2 if !held.is_empty() => drop(held.swap_remove(index.index(held.len()))),
                    3 if !waiting.is_empty() => drop(waiting.swap_remove(index.index(waiting.len()))),
                    _ => {}
                }
                let mut still = Vec::new();
                for mut one in waiting {
                    match look(&mut one) {
                        Some(permit) => held.push(permit),
                        None => still.push(one),
                    }
                }
                waiting = still;
                prop_assert!(held.len() <= total);
                for name in names {
                    prop_assert!(held.iter().filter(|permit| permit.owner == Some(owner(name))).count() <= share);
                }
            }
            drop((held, waiting));
            prop_assert_eq!(permits.lock().free, total);
            prop_assert!(permits.lock().owners.is_empty());
        }
    }
}
