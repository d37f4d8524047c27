//! Keeps a claim alive while its work goes on.

use std::future::Future;
use std::time::Duration;

/// Runs `work` while `renew` keeps saying that the claim still holds; `None` if it does not any more, and `work` is dropped.
///
/// `renew` is asked three times per lease. An error of the database is not a no: the lease may still hold, and the next answer decides.
pub(crate) async fn hold<T, F, R>(lease: Duration, work: F, renew: impl Fn() -> R) -> Option<T>
where
    F: Future<Output = T>,
    R: Future<Output = Result<bool, watcher_store::Error>>,
{
    // Both are polled side by side: work that holds the one write connection of SQLite must go on while the renewal waits for it.
    let lost = async {
        let mut ticks = tokio::time::interval(lease / 3);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match renew().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a lease could not be renewed"),
            }
        }
    };
    tokio::select! {
        result = work => Some(result),
        () = lost => None,
    }
}
