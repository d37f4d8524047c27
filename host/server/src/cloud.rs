//! The cloud as this process sees it: sessions, collector, datasource, and whose tokens callers bring.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use watcher_api::{AuthError, Authentication, Caller, TokenCheck};
use watcher_collect::{ComputeCollector, ComputeCollectorOptions, PrometheusDatasource, PrometheusOptions};
use watcher_domain::cloud::{CloudRequest, CloudResponse};
use watcher_domain::ports::{CloudRequests, Collector, Datasource};
use watcher_domain::{Blame, Clock, Failure, Ids, ProjectId};
use watcher_openstack::{HttpLimits, PlainService, TokenError, TokenValidator, ValidatorOptions};

use crate::config::{Auth, Config};
use crate::keystone::session;

/// What the service needs of a cloud.
pub struct Cloud {
    /// Carries requests of action handlers.
    pub requests: Arc<dyn CloudRequests>,
    /// Builds cluster data models.
    pub collector: Arc<dyn Collector>,
    /// Answers questions about metrics.
    pub datasource: Arc<dyn Datasource>,
    /// Knows callers.
    pub authentication: Authentication,
}

impl Cloud {
    /// Logs in, so that a wrong address or password is known at start and not at the first audit.
    pub async fn connect(config: &Config, clock: &Arc<dyn Clock>, ids: &Arc<dyn Ids>) -> anyhow::Result<Self> {
        let keystone = &config.keystone;
        if keystone.auth_url.is_empty() {
            anyhow::ensure!(
                config.api.auth == Auth::None,
                "keystone.auth_url is not set: where is Keystone? (api.auth = none is for a laptop without one)"
            );
            return Ok(Self::none(clock));
        }
        let session = session(keystone, clock, ids)?;
        session.authenticate().await.context("cannot log in to the cloud")?;
        let requests: Arc<dyn CloudRequests> = session.clone();
        let metrics: Arc<dyn CloudRequests> = if config.prometheus.url.is_empty() {
            requests.clone()
        } else {
            let limits = HttpLimits::default();
            let plain = PlainService::new(&config.prometheus.url, limits, None, false).context("prometheus.url")?;
            Arc::new(plain)
        };
        let authentication = match config.api.auth {
            Auth::None => Authentication::None,
            Auth::Keystone => {
                let ttl = Duration::from_secs(keystone.token_cache_s);
                let defaults = ValidatorOptions::default();
                let options = ValidatorOptions {
                    ttl,
                    negative_ttl: defaults.negative_ttl.min(ttl),
                    max_entries: keystone.token_cache_entries,
                };
                let validator = TokenValidator::new(session, Arc::clone(clock), options);
                let uri = match keystone.www_authenticate_uri.as_str() {
                    "" => keystone.auth_url.clone(),
                    uri => uri.to_owned(),
                };
                Authentication::Keystone { tokens: Arc::new(Tokens(validator)), uri }
            }
        };
        Ok(Self {
            collector: collector(&requests, clock),
            datasource: datasource(metrics, config),
            requests,
            authentication,
        })
    }

    /// A service without a cloud: audits fail and say so, everything else works.
    fn none(clock: &Arc<dyn Clock>) -> Self {
        let requests: Arc<dyn CloudRequests> = Arc::new(NoCloud);
        Self {
            collector: collector(&requests, clock),
            datasource: datasource(requests.clone(), &Config::default()),
            requests,
            authentication: Authentication::None,
        }
    }
}

fn collector(requests: &Arc<dyn CloudRequests>, clock: &Arc<dyn Clock>) -> Arc<dyn Collector> {
    Arc::new(ComputeCollector::new(Arc::clone(requests), Arc::clone(clock), ComputeCollectorOptions::default()))
}

fn datasource(metrics: Arc<dyn CloudRequests>, config: &Config) -> Arc<dyn Datasource> {
    let options = PrometheusOptions {
        fqdn_label: config.prometheus.fqdn_label.clone(),
        instance_uuid_label: config.prometheus.instance_uuid_label.clone(),
        ..PrometheusOptions::default()
    };
    Arc::new(PrometheusDatasource::new(metrics, options))
}

/// Refuses every request, because no cloud is configured.
struct NoCloud;

#[async_trait]
impl CloudRequests for NoCloud {
    async fn send(&self, request: &CloudRequest) -> Result<CloudResponse, Failure> {
        let message = format!("{request} was not sent: keystone.auth_url is not set");
        Err(Failure::new(Blame::Service, "unknown-service", message))
    }
}

/// Tokens as Keystone validates them.
struct Tokens(TokenValidator);

#[async_trait]
impl TokenCheck for Tokens {
    async fn check(&self, token: &str) -> Result<Caller, AuthError> {
        match self.0.validate(token).await {
            Ok(valid) => Ok(Caller {
                user_id: Some(valid.user_id.clone()),
                project_id: valid.project_id.clone().map(ProjectId),
                project_domain_id: valid.project_domain_id.clone(),
                user_domain_id: valid.user_domain_id.clone(),
                domain_id: valid.domain_id.clone(),
                is_system: valid.is_system,
                roles: valid.roles.clone(),
                outside_admin_project: valid.outside_admin_project,
                is_anybody: false,
                service: None,
            }),
            Err(TokenError::Rejected) => Err(AuthError::Rejected),
            Err(TokenError::Unavailable(error)) => Err(AuthError::Unavailable(error.to_string())),
        }
    }
}
