//! The HTTP client: one request, one bounded answer, and what a failure says about whether the request arrived.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use reqwest::redirect::Policy;
use tokio::sync::Semaphore;
use url::Url;
use watcher_domain::Failure;
use watcher_domain::cloud::CloudResponse;

use crate::error::Error;
use crate::transfer::Body;

/// How long and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Time for a connection, with TLS.
    pub connect_timeout: Duration,
    /// Time from the request to the end of the answer.
    pub timeout: Duration,
    /// Largest answer in bytes.
    pub max_response_bytes: usize,
    /// Requests under way at a time; more wait.
    pub max_requests: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_mins(1),
            max_response_bytes: 64 << 20,
            max_requests: 64,
        }
    }
}

/// An answer, whatever its status.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// All headers; some may carry tokens or addresses.
    pub(crate) headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What of it may be passed on: text, and headers without credentials and addresses.
    pub(crate) fn into_response(self, service: &str) -> Result<CloudResponse, Failure> {
        let headers = PASSED_ON
            .iter()
            .filter_map(|&name| Some((name.to_owned(), self.headers.get(name)?.to_str().ok()?.to_owned())))
            .collect();
        let body = String::from_utf8(self.body.into())
            .map_err(|_| Error::NotText { service: service.to_owned() }.to_failure())?;
        Ok(CloudResponse { status: self.status, headers, body })
    }

    /// What the service says is wrong: the message of an `OpenStack` error body, or the beginning of the body.
    pub fn error_message(&self) -> String {
        #[derive(serde::Deserialize)]
        struct Inner {
            #[serde(default)]
            message: Option<String>,
            #[serde(default)]
            detail: Option<String>,
        }
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Outer {
            One(Inner),
            Many(Vec<Inner>),
            Text(String),
            Other(serde::de::IgnoredAny),
        }
        let body: std::collections::BTreeMap<String, Outer> = serde_json::from_slice(&self.body).unwrap_or_default();
        let message = body.into_iter().find_map(|(name, outer)| match outer {
            Outer::One(inner) => inner.message.or(inner.detail),
            Outer::Many(inner) => inner.into_iter().find_map(|inner| inner.detail.or(inner.message)),
            Outer::Text(text) => matches!(name.as_str(), "error" | "message").then_some(text),
            Outer::Other(_) => None,
        });
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(&self.body[..self.body.len().min(800)]).into());
        message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
    }
}

/// Headers of answers that carry neither a credential nor an address.
const PASSED_ON: &[&str] = &[
    "content-type",
    "content-length",
    "date",
    "etag",
    "last-modified",
    "openstack-api-version",
    "retry-after",
    "x-compute-request-id",
    "x-openstack-ironic-api-version",
    "x-openstack-nova-api-version",
    "x-openstack-request-id",
];

/// What went wrong, before it is known on the way to whom.
#[derive(Debug)]
pub(crate) enum Trouble {
    Unreachable(reqwest::Error),
    TimedOut,
    Broken(reqwest::Error),
    TooLarge(usize),
}

impl Trouble {
    pub(crate) fn of(self, service: &str, base: &Url, timeout: Duration) -> Error {
        let (service, url) = (service.to_owned(), base.to_string());
        match self {
            Self::Unreachable(source) => Error::Unreachable { service, url, source: Arc::new(source) },
            Self::TimedOut => Error::TimedOut { service, url, timeout },
            Self::Broken(source) => Error::Broken { service, url, source: Arc::new(source) },
            Self::TooLarge(limit) => Error::TooLarge { service, url, limit },
        }
    }
}

/// A request that is ready to be sent.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Body>,
}

/// The client.
pub(crate) struct Http {
    client: reqwest::Client,
    pub(crate) limits: HttpLimits,
    slots: Semaphore,
}

impl Http {
    /// `ca` are certificates in PEM that are trusted besides those of the system.
    pub(crate) fn new(limits: HttpLimits, ca: Option<&[u8]>, insecure: bool) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("watcher-host/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(limits.connect_timeout)
            .timeout(limits.timeout)
            // Apache closes idle connections after five seconds; a request on one that is being closed is in doubt.
            .pool_idle_timeout(Duration::from_secs(4))
            // Addresses come from the catalogue; a proxy of the environment would see every token.
            .no_proxy()
            .referer(false)
            .tls_danger_accept_invalid_certs(insecure);
        if let Some(pem) = ca {
            let bad = |error: reqwest::Error| Error::Option { option: "cacert", reason: error.to_string() };
            for certificate in reqwest::Certificate::from_pem_bundle(pem).map_err(bad)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|error| Error::Option {
            option: "TLS",
            reason: format!("{error}: the HTTP client cannot start"),
        })?;
        Ok(Self { client, limits, slots: Semaphore::new(limits.max_requests.clamp(1, Semaphore::MAX_PERMITS)) })
    }

    /// Sends a request, and reads the answer up to `max_bytes`.
    pub(crate) async fn send(&self, request: Outgoing, max_bytes: usize) -> Result<Answer, Trouble> {
        let _slot = self.slots.acquire().await;
        let mut builder = self.client.request(request.method, request.url).headers(request.headers);
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let mut response = builder.send().await.map_err(trouble)?;
        if response.content_length().is_some_and(|length| length > max_bytes as u64) {
            return Err(Trouble::TooLarge(max_bytes));
        }
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(trouble)? {
            if body.len() + chunk.len() > max_bytes {
                return Err(Trouble::TooLarge(max_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: body.freeze() })
    }
}

/// Without its URL, which may hold query parameters that are nobody's business.
fn trouble(error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    if error.is_connect() || error.is_builder() {
        Trouble::Unreachable(error)
    } else if error.is_timeout() {
        Trouble::TimedOut
    } else {
        Trouble::Broken(error)
    }
}
