//! A service outside the catalogue, at an address of its own, that asks for no token: a Prometheus of the operator.

use std::fmt;

use async_trait::async_trait;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method};
use url::Url;
use watcher_domain::Failure;
use watcher_domain::cloud::{CloudRequest, CloudResponse};
use watcher_domain::ports::CloudRequests;

use crate::catalog::{base, join};
use crate::error::Error;
use crate::http::{Answer, Http, HttpLimits, Outgoing};
use crate::session::{add_microversion, body};
use crate::transfer::File;

/// Sends every request, whatever service type it names, to one address, without a token.
pub struct PlainService {
    http: Http,
    url: Url,
}

impl fmt::Debug for PlainService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainService").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl PlainService {
    /// The service at `url`, e.g. `http://prometheus:9090`. `ca_pem` are certificates that are trusted besides those of the system.
    ///
    /// # Errors
    /// [`Error::Option`] when that is no address.
    pub fn new(url: &str, limits: HttpLimits, ca_pem: Option<&[u8]>, insecure: bool) -> Result<Self, Error> {
        let parsed = base(url, "").ok_or_else(|| Error::Option {
            option: "url",
            reason: format!("{url:?} is not an address of the form http://HOST:PORT/PATH"),
        })?;
        Ok(Self { http: Http::new(limits, ca_pem, insecure)?, url: parsed })
    }

    async fn request(&self, request: &CloudRequest) -> Result<Answer, Error> {
        self.exchange(request, None, self.http.limits.max_response_bytes).await
    }

    /// Sends a request, with a file in place of its body if one is given. The answer may have any status and any content, up to
    /// `max_bytes`.
    pub async fn transfer(
        &self,
        request: &CloudRequest,
        file: Option<File>,
        max_bytes: usize,
    ) -> Result<Answer, Error> {
        self.exchange(request, file, max_bytes).await
    }

    async fn exchange(&self, request: &CloudRequest, file: Option<File>, max_bytes: usize) -> Result<Answer, Error> {
        request.check()?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let body = body(&mut headers, request, file);
        if let Some(version) = &request.microversion {
            add_microversion(&mut headers, &request.service_type, version);
        }
        let outgoing = Outgoing {
            method: Method::from_bytes(request.method.as_str().as_bytes()).unwrap_or(Method::GET),
            url: join(&self.url, &request.path, &request.query),
            headers,
            body,
        };
        let limits = self.http.limits;
        let outcome = self.http.send(outgoing, max_bytes).await;
        outcome.map_err(|trouble| trouble.of(&request.service_type, &self.url, limits.timeout))
    }
}

#[async_trait]
impl CloudRequests for PlainService {
    async fn send(&self, request: &CloudRequest) -> Result<CloudResponse, Failure> {
        let answer = self.request(request).await.map_err(|error| {
            error.log(request);
            error.to_failure()
        })?;
        answer.into_response(&request.service_type)
    }
}
