//! Work that comes to its end although nobody waits for it any more.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Work whose end must be seen once it has begun: whoever stops waiting leaves it to a task of its own, which drops what comes.
///
/// A `BEGIN` that was sent and whose answer nobody read leaves its connection in a transaction that the driver knows nothing of (sqlx 0.9: the depth is
/// counted after the answer): what is written on it next is part of that one, and refused if that one was to read only.
pub(crate) struct Finish<T: Send + 'static> {
    work: Option<Work<T>>,
    begun: bool,
}

impl<T: Send + 'static> Finish<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: Some(Box::pin(work)), begun: false }
    }
}

impl<T: Send + 'static> Future for Finish<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.begun = true;
        let Some(work) = &mut self.work else { return Poll::Pending };
        let done = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(done)
    }
}

impl<T: Send + 'static> Drop for Finish<T> {
    fn drop(&mut self) {
        // Without a runtime the process ends, and its connections with it.
        if let (true, Some(work), Ok(runtime)) = (self.begun, self.work.take(), Handle::try_current()) {
            runtime.spawn(async move { drop(work.await) });
        }
    }
}
