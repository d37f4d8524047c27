//! Work beside everything else: what takes long with what plugins and users send, and that nobody should wait for who has nothing to do with it.

use std::sync::LazyLock;

use rustix::process::nice;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How much lower the priority of the threads is: that of those on which plugins run.
const NICER: i32 = 10;
/// Most threads. Whoever has such work done is one of fewer: workers of audits, uploads at a time.
const THREADS: usize = 64;

/// A runtime for its threads only; nothing is ever driven on it. None if it could not be started.
static CHORES: LazyLock<Option<Runtime>> = LazyLock::new(|| {
    let lower = || {
        if let Err(error) = nice(NICER) {
            tracing::warn!(%error, "the priority of a thread for chores cannot be lowered");
        }
    };
    let mut builder = Builder::new_current_thread();
    builder.thread_name("chores").max_blocking_threads(THREADS).on_thread_start(lower);
    builder.build().inspect_err(|error| tracing::warn!(%error, "threads for chores cannot be started")).ok()
});

/// Does work on a thread of lower priority. It is done even if nobody waits for it.
///
/// # Panics
/// Outside of an async runtime, if no such thread can be started.
pub fn chore<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    match &*CHORES {
        Some(runtime) => runtime.spawn_blocking(work),
        None => tokio::task::spawn_blocking(work),
    }
}

/// Does work on such a thread, and waits for what it gives. Its panic goes on here.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    chore(work).await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_chore_gives_its_result_or_its_panic_and_has_a_lower_priority() {
        let here = nice(0).unwrap();
        assert_eq!(chore(|| nice(0).unwrap()).await.unwrap(), here + NICER);
        assert!(chore(|| panic!("on purpose")).await.unwrap_err().is_panic());
        assert_eq!(nice(0).unwrap(), here);
    }
}
