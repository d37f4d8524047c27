//! What can go wrong on the way to a cloud and back.

use std::sync::Arc;
use std::time::Duration;

use watcher_domain::cloud::{CloudRequest, InvalidRequest};
use watcher_domain::{Blame, Failure};

use crate::catalog::Interface;

/// A request that was not answered. `Display` names addresses and users, for operators; [`Error::to_failure`] does not, for plugins
/// and users.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// An option that cannot be.
    #[error("{option}: {reason}")]
    Option {
        /// Which.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Keystone did not answer.
    #[error("Keystone at {url} cannot be reached")]
    KeystoneAway {
        /// Where it should be.
        url: String,
        /// What happened.
        #[source]
        source: Option<Arc<reqwest::Error>>,
    },
    /// Keystone does not know the user, or the password is wrong.
    #[error("Keystone at {url} does not accept {who}: {suspects}")]
    Credentials {
        /// Where.
        url: String,
        /// Who tried to log in.
        who: String,
        /// What may be wrong.
        suspects: &'static str,
    },
    /// What answers is not Keystone, or it cannot work.
    #[error("{url} does not answer as Keystone v3 does: {reason}")]
    NotKeystone {
        /// Where.
        url: String,
        /// What it did instead.
        reason: String,
    },
    /// Keystone does not let the service user do something.
    #[error("Keystone at {url} does not let {who} {what}")]
    Forbidden {
        /// Where.
        url: String,
        /// Who asked.
        who: String,
        /// What for.
        what: &'static str,
    },
    /// The catalogue has no endpoint for it.
    #[error("{0}")]
    UnknownService(Box<UnknownService>),
    /// A request that must not be sent.
    #[error("invalid request")]
    Invalid(#[from] InvalidRequest),
    /// It certainly did not arrive.
    #[error("{service} at {url} cannot be reached")]
    Unreachable {
        /// Service type.
        service: String,
        /// Its endpoint.
        url: String,
        /// What happened.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// No answer in time; it may have arrived.
    #[error("{service} at {url} did not answer within {} s", .timeout.as_secs_f64())]
    TimedOut {
        /// Service type.
        service: String,
        /// Its endpoint.
        url: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// The connection broke; it may have arrived.
    #[error("{service} at {url} broke the connection before its answer was complete")]
    Broken {
        /// Service type.
        service: String,
        /// Its endpoint.
        url: String,
        /// What happened.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// The answer is longer than allowed.
    #[error("the answer of {service} at {url} is larger than {limit} bytes")]
    TooLarge {
        /// Service type.
        service: String,
        /// Its endpoint.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// The answer is not UTF-8.
    #[error("the answer of {service} is not text")]
    NotText {
        /// Service type.
        service: String,
    },
}

/// A service that has no endpoint, and what there is instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("service {service} has no {interface} endpoint{} in the catalogue of {who} at {url}; it has {available}", in_region(.region.as_deref()))]
pub struct UnknownService {
    /// Service type.
    pub service: String,
    /// Interface that was looked for.
    pub interface: Interface,
    /// Region that was looked for, if any.
    pub region: Option<String>,
    /// Whose catalogue.
    pub who: String,
    /// Which Keystone.
    pub url: String,
    /// Service types that have one.
    pub available: String,
}

fn in_region(region: Option<&str>) -> String {
    region.map(|region| format!(" in region {region}")).unwrap_or_default()
}

impl Error {
    /// Whether the same request may be answered later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::KeystoneAway { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. } => true,
            Self::Option { .. }
            | Self::Credentials { .. }
            | Self::NotKeystone { .. }
            | Self::Forbidden { .. }
            | Self::UnknownService(_)
            | Self::Invalid(_)
            | Self::TooLarge { .. }
            | Self::NotText { .. } => false,
        }
    }

    /// Writes it to the log, with the request that was not answered.
    pub(crate) fn log(&self, request: &CloudRequest) {
        tracing::warn!(error = self as &dyn std::error::Error, %request, "a request was not answered");
    }

    /// The same for those who must not learn addresses. The codes are those of the WIT package `watcher:openstack`.
    pub fn to_failure(&self) -> Failure {
        let (blame, code, message) = match self {
            Self::KeystoneAway { .. } => {
                (Blame::Cloud, "unreachable", "Keystone cannot be reached, so the request was not sent".to_owned())
            }
            Self::Option { .. } | Self::Credentials { .. } | Self::NotKeystone { .. } | Self::Forbidden { .. } => (
                Blame::Service,
                "unreachable",
                "the service cannot log in to Keystone, so the request was not sent".to_owned(),
            ),
            Self::UnknownService(unknown) => (
                Blame::Cloud,
                "unknown-service",
                format!("service {} is not in the catalogue of the cloud", unknown.service),
            ),
            Self::Invalid(invalid) => (Blame::Plugin, "invalid-request", invalid.to_string()),
            Self::Unreachable { service, .. } => {
                (Blame::Cloud, "unreachable", format!("service {service} cannot be reached"))
            }
            Self::TimedOut { service, timeout, .. } => (
                Blame::Cloud,
                "timed-out",
                format!("service {service} did not answer within {} s", timeout.as_secs_f64()),
            ),
            Self::Broken { service, .. } => (
                Blame::Cloud,
                "outcome-unknown",
                format!("service {service} broke the connection before its answer was complete"),
            ),
            Self::TooLarge { service, limit, .. } => (
                Blame::Cloud,
                "response-too-large",
                format!("the answer of service {service} is larger than {limit} bytes"),
            ),
            Self::NotText { service } => {
                (Blame::Cloud, "response-not-text", format!("the answer of service {service} is not text"))
            }
        };
        Failure { code: code.to_owned(), message, retryable: self.is_transient(), blame }
    }
}
