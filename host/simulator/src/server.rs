//! The listener: starts a simulator, serves its router, shuts it down.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tower::ServiceExt;
use watcher_cluster::ClusterFile;

use crate::app::{App, DropConnection, router};
use crate::clock::{Clock, TokioClock};
use crate::error::SimulatorError;
use crate::faults::{FaultOptions, FaultParseError};
use crate::options::{Endpoints, SimulatorOptions};
use crate::{admin, prometheus};

/// A simulated cloud that is not running yet.
#[derive(Debug)]
pub struct Simulator {
    file: ClusterFile,
    options: SimulatorOptions,
    clock: Option<Arc<dyn Clock>>,
}

impl Simulator {
    /// A cloud as the file describes it.
    pub fn new(file: ClusterFile, options: SimulatorOptions) -> Self {
        Self { file, options, clock: None }
    }

    /// Takes the time from this clock instead of a [`TokioClock`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Binds the listener and serves until [`RunningSimulator::shutdown`].
    ///
    /// # Errors
    /// [`SimulatorError::Listen`] names the address that cannot be had; the other variants name a wrong option.
    pub async fn start(self) -> Result<RunningSimulator, SimulatorError> {
        self.options.check()?;
        prometheus::check(&self.file, &self.options)?;
        let address = self.options.listen;
        let refused = |source| SimulatorError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let endpoints = Endpoints::new(&self.options, address);
        let clock = self.clock.unwrap_or_else(|| Arc::new(TokioClock::start()));
        let connections = Arc::new(Semaphore::new(self.options.max_connections.min(Semaphore::MAX_PERMITS)));
        let app = Arc::new(App::new(self.file, self.options, endpoints, clock));
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, router(&app), connections, stopped));
        tracing::info!(%address, "simulated cloud is listening");
        Ok(RunningSimulator { address, app, stop, accepting })
    }
}

/// A simulated cloud that is running. Dropping it stops the listener without waiting.
pub struct RunningSimulator {
    /// The address that is bound.
    pub address: SocketAddr,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl std::fmt::Debug for RunningSimulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RunningSimulator").field("address", &self.address).finish_non_exhaustive()
    }
}

impl RunningSimulator {
    /// Base URLs of the services.
    pub fn endpoints(&self) -> &Endpoints {
        &self.app.endpoints
    }

    /// Replaces all faults, as `PUT /simulator/faults` does.
    ///
    /// # Errors
    /// Says which fault is none; the faults that are on stay.
    pub fn set_faults(&self, faults: &FaultOptions) -> Result<(), FaultParseError> {
        faults.check()?;
        self.app.faults.set(faults);
        Ok(())
    }

    /// What `GET /simulator/state` answers: `placement` (server UUID → host name), `services`, `migrations`.
    pub fn state(&self) -> serde_json::Value {
        admin::state(&self.app)
    }

    /// Stops accepting, lets the requests that are being answered finish (at most five seconds), and returns.
    pub async fn shutdown(self) {
        // No receiver is left only if the listener has ended already.
        let _ = self.stop.send(true);
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "the listener of the simulated cloud failed");
        }
    }
}

/// How long a shutdown waits for answers.
const GRACE: Duration = Duration::from_secs(5);
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

async fn accept(
    listener: TcpListener,
    router: Router,
    connections: Arc<Semaphore>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut open = tokio::task::JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = until_stopped(&mut stopped) => break,
            permit = Arc::clone(&connections).acquire_owned() => permit,
        };
        let stream = tokio::select! {
            () = until_stopped(&mut stopped) => break,
            accepted = listener.accept() => accepted,
        };
        match stream {
            Ok((stream, _)) => {
                let (router, stopped) = (router.clone(), stopped.clone());
                open.spawn(async move {
                    serve(stream, router, stopped).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while open.try_join_next().is_some() {}
    }
    drop(listener);
    let finish = async { while open.join_next().await.is_some() {} };
    // Requests that are still open after the grace period are cut off when the set is dropped.
    let _ = tokio::time::timeout(GRACE, finish).await;
}

/// Returns when the simulator is to stop, or is gone.
async fn until_stopped(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// The answer to a request is to close its connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection was dropped on purpose")]
struct Dropped;

async fn serve(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    // Without it small answers wait for acknowledgements; a socket that refuses still works.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = until_stopped(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
    let response: Result<_, Infallible> = router.oneshot(request.map(Body::new)).await;
    match response {
        Ok(response) if response.extensions().get::<DropConnection>().is_some() => Err(Dropped),
        Ok(response) => Ok(response),
    }
}
