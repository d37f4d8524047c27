//! What the operations share, and the settings of the API.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use watcher_bus::Bus;
use watcher_cluster::{AuditScope, ComputeModel};
use watcher_domain::{Clock, Ids, Strategy};
use watcher_fair::FairPermits;
use watcher_registry::Registry;
use watcher_store::Store;

use crate::auth::Authentication;
use crate::cors::CorsOptions;
use crate::error::ApiError;
use crate::policy::Policy;

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Most items of one page, and how many a page has where the client does not say.
    pub max_limit: u32,
    /// Most bytes of a request's body.
    pub body_limit: usize,
    /// Most bytes of a component that is uploaded.
    pub upload_limit: usize,
    /// How long an upload may take to arrive.
    pub upload_timeout: Duration,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// Start of links for requests without a usable `Host` header, without a slash at the end.
    pub host_url: String,
    /// Whether `Forwarded`, or else `X-Forwarded-Proto` and `X-Forwarded-Host`, and `X-Forwarded-Prefix` are believed: only behind a
    /// proxy that sets them.
    pub proxy_headers: bool,
    /// Which pages may call this API from a browser.
    pub cors: CorsOptions,
    /// How long the decision engine may take to answer while a client waits.
    pub probe_timeout: Duration,
    /// How long the lists of goals and strategies are answered from memory; zero asks the database each time.
    pub recent: Duration,
    /// Whether webhooks need a token and obey the policy.
    pub webhooks_auth: bool,
    /// Seconds after its last sign of life at which a service counts as failed.
    pub service_down_time_s: u32,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            max_limit: 1000,
            body_limit: 1 << 20,
            upload_limit: 64 << 20,
            upload_timeout: Duration::from_mins(2),
            body_timeout: Duration::from_secs(30),
            host_url: "http://localhost:9322".to_owned(),
            proxy_headers: false,
            cors: CorsOptions::default(),
            probe_timeout: Duration::from_mins(1),
            recent: Duration::ZERO,
            webhooks_auth: true,
            service_down_time_s: 90,
        }
    }
}

/// What a strategy needs, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirements {
    /// The datasource and its state; none if the strategy has none.
    pub datasource: Option<String>,
    /// Metrics, and whether the datasource has them.
    pub metrics: Vec<(String, bool)>,
    /// Whether the compute model is there.
    pub compute_model: bool,
    /// Whether the storage model is there.
    pub storage_model: bool,
    /// Whether the baremetal model is there.
    pub baremetal_model: bool,
}

/// The decision engine did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the decision engine did not answer: {0}")]
pub struct ProbeError(pub String);

/// What the API asks of the decision engine while a client waits.
#[async_trait]
pub trait Probe: Send + Sync {
    /// What a strategy needs, and whether it is there now.
    async fn requirements(&self, strategy: &Strategy) -> Result<Requirements, ProbeError>;

    /// The compute model within a scope, as the cloud is now.
    async fn compute_model(&self, scope: &AuditScope) -> Result<Arc<ComputeModel>, ProbeError>;
}

/// What the operations share. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// The database.
    pub store: Store,
    /// Which plugins there are.
    pub registry: Arc<Registry>,
    /// Where it says that there is work.
    pub bus: Bus,
    /// How callers show who they are.
    pub authentication: Authentication,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// Asks the decision engine.
    pub probe: Arc<dyn Probe>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// Settings.
    pub options: Arc<ApiOptions>,
    /// How much is done at a time for one project.
    pub places: Places,
}

/// How much is done at a time for one project, so that it does not take the connections to the database and the memory of all. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Places {
    /// Requests that are worked on.
    pub(crate) requests: Arc<FairPermits>,
    /// Components that are being downloaded: each is in memory until the client has taken it.
    pub(crate) downloads: Arc<FairPermits>,
}

impl Places {
    /// Half of the connections to PostgreSQL of a pool; more requests wait. With SQLite they take turns with its four readers and one writer.
    const REQUESTS_OF_PROJECT: usize = 8;
    /// All requests of all projects: there are not so many connections of clients.
    const REQUESTS: usize = 1 << 20;
    const DOWNLOADS: usize = 16;
    const DOWNLOADS_OF_PROJECT: usize = 2;
}

impl Default for Places {
    fn default() -> Self {
        Self {
            requests: FairPermits::new(Self::REQUESTS, Self::REQUESTS_OF_PROJECT),
            downloads: FairPermits::new(Self::DOWNLOADS, Self::DOWNLOADS_OF_PROJECT),
        }
    }
}

impl ApiState {
    /// Waits for an answer of the decision engine, but not for ever.
    pub(crate) async fn ask<T>(&self, question: impl Future<Output = Result<T, ProbeError>>) -> Result<T, ApiError> {
        let patience = self.options.probe_timeout;
        let answer = tokio::time::timeout(patience, question).await;
        let answer = answer.unwrap_or_else(|_| Err(ProbeError(format!("nothing within {} s", patience.as_secs()))));
        answer.map_err(ApiError::EngineAway)
    }
}
