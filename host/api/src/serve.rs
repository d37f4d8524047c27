//! Connections: how many, and how long a client may take to say what it wants.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

/// Bounds of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at a time; more wait to be accepted.
    pub connections: usize,
    /// How long the head of a request may take, and how long a connection may say nothing between two requests.
    pub head_timeout: Duration,
    /// Most bytes of a request's head; a larger one is answered 431.
    pub head_bytes: usize,
    /// How long requests may take to end once the service is told to stop.
    pub drain_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head_timeout: Duration::from_mins(1),
            head_bytes: 64 << 10,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Serves the API until `stop` resolves, and then until the requests under way have been answered.
pub async fn serve(listener: TcpListener, router: Router, limits: ConnectionLimits, stop: impl Future<Output = ()>) {
    let free = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_buf_size(limits.head_bytes);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &free) => accepted,
        };
        let (stream, from, slot) = accepted;
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(from));
            request.map(axum::body::Body::new)
        });
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that goes away, or says what is not HTTP, is no event.
            if let Err(error) = connection.await {
                tracing::debug!(%error, %from, "a connection broke");
            }
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way when the API stopped");
    }
}

async fn accept(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit) {
    loop {
        let Ok(slot) = Arc::clone(free).acquire_owned().await else {
            // Nobody closes the semaphore.
            std::future::pending::<()>().await;
            continue;
        };
        match listener.accept().await {
            Ok((stream, from)) => {
                // Answers are small and written at once: waiting for more only delays them.
                let _ = stream.set_nodelay(true);
                return (stream, from, slot);
            }
            Err(error) => {
                drop(slot);
                tracing::warn!(%error, "a connection could not be accepted");
                // Most likely there are no file descriptors: the next try would fail at once.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
