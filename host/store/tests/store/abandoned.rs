//! Whoever stops waiting for a transaction leaves nothing behind.

use std::task::{Context, Waker};

use watcher_store::testing::backends;
use watcher_store::{Store, goal};

use crate::fixtures::Fixtures;

/// Polls so often at most, leaving the thread to others between, and stops waiting then; whether it ended before.
async fn poll_times<T>(work: impl Future<Output = T>, times: usize) -> bool {
    let mut work = Box::pin(work);
    for _ in 0..times {
        if work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_transaction_that_is_given_up_while_it_begins_does_not_hurt_those_after_it() {
    const ENOUGH: usize = 20;
    for backend in backends().await {
        let (store, fixtures) = ((*backend).clone(), Fixtures::default());
        let (mut given_up, mut number) = (0, 0);
        // Whether the answer is there at once is up to the machine: some are, whatever is asked.
        while given_up < ENOUGH && number < 100 * ENOUGH {
            // Once sends the question, and the answer is not there yet; now and then a bit longer.
            let polls = if number % 5 == 0 { number / 10 % 10 + 1 } else { 1 };
            let begun = match number % 2 {
                0 => poll_times(store.begin(), polls).await,
                _ => poll_times(store.read(), polls).await,
            };
            given_up += usize::from(!begun);
            let mut tx = store.begin().await.unwrap();
            goal::insert(&mut tx, &fixtures.goal(&format!("goal-{number}"))).await.unwrap();
            tx.commit().await.unwrap();
            number += 1;
        }
        assert_eq!(given_up, ENOUGH, "of {number} on {}", backend.name);
        // From a connection of its own: what was written is there for everybody.
        let store = Store::connect(&backend.url).await.unwrap();
        let mut tx = store.read().await.unwrap();
        assert_eq!(goal::list_built_in(&mut tx).await.unwrap().len(), number, "{}", backend.name);
    }
}
