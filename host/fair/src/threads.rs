//! Threads that compute for projects, fairly.
//!
//! Work here is made of futures that give the thread back often; what shares it out is [`Turns`]. The threads are none of the async runtime's: guests that
//! compute without end take no thread from whoever answers requests, and with their lower priority the operating system lets those go first. Timers and
//! sockets that a future opens belong to the runtime of whoever started it.
//!
//! As many threads work at a time as were asked for, so that whose turn it is is decided here and not by the operating system, in much longer slices. But a
//! future may be held up where it cannot be interrupted: giving back a gigabyte of memory takes a tenth of a second. When no turn has ended for a moment, a
//! project that has none gets one on a thread that is kept for that.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_task::{Builder, Runnable};
use rustix::process::nice;
use tokio::runtime::Handle;

use crate::Owner;
use crate::turns::Turns;

/// How much lower the priority of the threads is.
const NICER: i32 = 10;
/// How long no turn may end before others than those at work get one.
const HELD_UP: Duration = Duration::from_millis(1);
/// Stack of a thread. Guests have stacks of their own.
const STACK_BYTES: usize = 4 << 20;

/// Why the threads cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("no thread can be started for plugins")]
pub struct StartError(#[from] io::Error);

/// Whose a task is, and where its timers and sockets are.
struct Origin {
    owner: Owner,
    context: Handle,
}

type Ready = Runnable<Origin>;

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// Turns at a time.
    width: usize,
}

struct State {
    turns: Turns<Ready>,
    /// Turns now.
    running: usize,
    /// When the last one began or ended.
    moved: Instant,
    /// Whether a thread looks whether turns are held up.
    watched: bool,
    closed: bool,
}

/// A number of threads. They end when it is dropped, and with them whatever still runs there.
pub struct FairThreads {
    shared: Arc<Shared>,
}

impl FairThreads {
    /// Starts threads of which so many work at a time, and as many more for when those are held up.
    pub fn start(width: NonZeroUsize) -> Result<Self, StartError> {
        let state = State { turns: Turns::default(), running: 0, moved: Instant::now(), watched: false, closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new(), width: width.get() });
        let this = Self { shared };
        for number in 0..width.get().saturating_mul(2) {
            let shared = Arc::clone(&this.shared);
            let thread = std::thread::Builder::new().name(format!("sandbox-{number}")).stack_size(STACK_BYTES);
            thread.spawn(move || shared.work())?;
        }
        Ok(this)
    }

    /// Does work of a project there. Whoever stops waiting ends it, at the next moment that it gives its thread back. None if the threads ended first.
    ///
    /// # Panics
    /// When the work does; the thread goes on. Outside of an async runtime.
    pub async fn run<T: Send + 'static>(
        &self,
        owner: Owner,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let shared = Arc::clone(&self.shared);
        let schedule = move |task: Ready| shared.push(task);
        let origin = Origin { owner, context: Handle::current() };
        let (ready, task) = Builder::new().propagate_panic(true).metadata(origin).spawn(|_| work, schedule);
        ready.schedule();
        task.fallible().await
    }
}

impl Drop for FairThreads {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let left = {
            let mut state = self.lock();
            state.closed = true;
            state.turns.clear()
        };
        self.wake.notify_all();
        // Without the lock: what ends with a task may wake others.
        drop(left);
    }

    fn push(&self, task: Ready) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            drop(task);
            return;
        }
        let owner = task.metadata().owner.clone();
        state.turns.push(&owner, task);
        self.call(&state);
    }

    /// Wakes a thread if there is something to do that none of those awake will do.
    fn call(&self, state: &State) {
        // Threads at work look for the next turn themselves: to wake another for each would cost more than a turn may take.
        let free = state.running < self.width && !state.turns.is_empty();
        if free || state.running >= self.width && !state.watched && state.turns.is_idle_ready() {
            self.wake.notify_one();
        }
    }

    fn work(&self) {
        if let Err(error) = nice(NICER) {
            tracing::warn!(%error, "the priority of a thread for plugins cannot be lowered");
        }
        while let Some((owner, task)) = self.next() {
            let context = task.metadata().context.clone();
            let entered = context.enter();
            let begin = Instant::now();
            task.run();
            drop(entered);
            let mut state = self.lock();
            state.moved = Instant::now();
            state.running -= 1;
            let took = state.moved - begin;
            state.turns.charge(&owner, took);
        }
    }

    /// Waits for the next turn; none when it is over.
    fn next(&self) -> Option<(Owner, Ready)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let held_up = state.moved.elapsed();
            let next = if state.running < self.width {
                state.turns.next()
            } else if held_up >= HELD_UP {
                state.turns.next_of_idle()
            } else {
                None
            };
            if next.is_some() {
                state.running += 1;
                state.moved = Instant::now();
                self.call(&state);
                return next;
            }
            state = if state.running >= self.width && !state.watched && state.turns.is_idle_ready() {
                state.watched = true;
                let waited = self.wake.wait_timeout(state, HELD_UP.saturating_sub(held_up));
                let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
                state.watched = false;
                state
            } else {
                self.wake.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use tokio::sync::oneshot;
    use watcher_domain::ProjectId;

    use super::*;

    fn owner(name: &str) -> ProjectId {
        ProjectId(name.to_owned())
    }

    fn threads(count: usize) -> Arc<FairThreads> {
        Arc::new(FairThreads::start(NonZeroUsize::new(count).unwrap()).unwrap())
    }

    /// Computes until it is told to stop, giving the thread back all the time.
    async fn busy(stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            std::hint::black_box((0..1000).sum::<u64>());
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn work_comes_back_with_its_result_and_may_wait_for_timers() {
        let threads = threads(1);
        let work = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            7
        };
        assert_eq!(threads.run(None, work).await, Some(7));
    }

    #[tokio::test]
    async fn endless_work_of_one_project_does_not_hold_up_another() {
        let (threads, stop) = (threads(1), Arc::new(AtomicBool::new(false)));
        let running: Vec<_> = (0..20)
            .map(|_| {
                let (threads, stop) = (Arc::clone(&threads), Arc::clone(&stop));
                tokio::spawn(async move { threads.run(Some(owner("busy")), busy(stop)).await })
            })
            .collect();
        for _ in 0..50 {
            assert_eq!(threads.run(Some(owner("other")), async { 1 }).await, Some(1));
        }
        stop.store(true, Ordering::Relaxed);
        for task in running {
            assert_eq!(task.await.unwrap(), Some(()));
        }
    }

    #[tokio::test]
    async fn work_that_holds_a_thread_up_does_not_hold_up_another_project() {
        let threads = threads(1);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (started, start) = oneshot::channel();
        let stuck = {
            let threads = Arc::clone(&threads);
            let work = async move {
                started.send(()).unwrap();
                // Not a way to wait in a future: it keeps the thread, as the operating system may.
                held.recv().unwrap();
            };
            tokio::spawn(async move { threads.run(Some(owner("stuck")), work).await })
        };
        start.await.unwrap();
        assert_eq!(threads.run(Some(owner("other")), async { 1 }).await, Some(1));
        release.send(()).unwrap();
        assert_eq!(stuck.await.unwrap(), Some(()));
    }

    #[tokio::test]
    async fn who_stops_waiting_ends_the_work() {
        struct Ended(Option<oneshot::Sender<()>>);
        impl Drop for Ended {
            fn drop(&mut self) {
                if let Some(sender) = self.0.take() {
                    // Nobody may be waiting any more.
                    let _ = sender.send(());
                }
            }
        }
        let threads = threads(1);
        let (sender, receiver) = oneshot::channel();
        let (started, start) = oneshot::channel();
        let work = async move {
            let _ended = Ended(Some(sender));
            started.send(()).unwrap();
            busy(Arc::default()).await;
        };
        tokio::select! {
            _ = threads.run(None, work) => unreachable!("it never ends"),
            started = start => started.unwrap(),
        }
        receiver.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_reaches_whoever_waits_and_the_thread_goes_on() {
        let threads = threads(1);
        let other = Arc::clone(&threads);
        let panicked = tokio::spawn(async move { other.run(None, async { panic!("on purpose") }).await });
        assert!(panicked.await.unwrap_err().is_panic());
        assert_eq!(threads.run(None, async { 1 }).await, Some(1));
    }

    #[tokio::test]
    async fn work_that_waits_when_the_threads_end_is_given_up() {
        let threads = threads(1);
        let (sender, receiver) = oneshot::channel::<()>();
        let mut work = Box::pin(threads.run(None, async { receiver.await.is_ok() }));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(work.as_mut().poll(&mut context).is_pending());
        threads.shared.close();
        drop(sender);
        assert_eq!(work.await, None);
    }
}
