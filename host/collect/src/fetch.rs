//! Reading from a service: typed answers, bounded retries, all pages of a list.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use watcher_domain::cloud::{CloudRequest, Method};
use watcher_domain::ports::CloudRequests;
use watcher_domain::{Blame, Failure};

/// How often a read is tried, and how long to wait in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOptions {
    /// Tries in all, at least 1.
    pub attempts: u32,
    /// Wait after the first failure; doubled after each further one.
    pub first_wait: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self { attempts: 5, first_wait: Duration::from_millis(200) }
    }
}

/// Most pages that one list may have: far more than a cloud fills, and a bound on a service that never ends.
const MAX_PAGES: usize = 10_000;

/// Reads from services.
#[derive(Clone)]
pub(crate) struct Fetch {
    pub(crate) cloud: Arc<dyn CloudRequests>,
    pub(crate) retry: RetryOptions,
}

impl Fetch {
    /// Reads one document; `None` for 404.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        service: &str,
        microversion: Option<&str>,
        path: &str,
        query: Vec<(String, String)>,
    ) -> Result<Option<T>, Failure> {
        let request = CloudRequest {
            service_type: service.to_owned(),
            method: Method::Get,
            path: path.to_owned(),
            query,
            body: None,
            microversion: microversion.map(str::to_owned),
        };
        let mut wait = self.retry.first_wait;
        let mut attempt = 1;
        loop {
            let failure = match self.once(&request).await {
                Ok(document) => return Ok(document),
                Err(failure) => failure,
            };
            if !failure.retryable || attempt >= self.retry.attempts {
                return Err(failure);
            }
            tracing::debug!(attempt, %request, reason = failure.message, "reading from the cloud is tried again");
            tokio::time::sleep(wait).await;
            attempt += 1;
            wait *= 2;
        }
    }

    async fn once<T: DeserializeOwned>(&self, request: &CloudRequest) -> Result<Option<T>, Failure> {
        let response = self.cloud.send(request).await.map_err(|failure| {
            // A read can be repeated whatever came of it.
            let again = failure.retryable || matches!(failure.code.as_str(), "timed-out" | "outcome-unknown");
            Failure { retryable: again, ..failure }
        })?;
        match response.status {
            404 => Ok(None),
            200..300 => serde_json::from_str(&response.body).map(Some).map_err(|error| {
                Failure::new(
                    Blame::Cloud,
                    "unexpected-answer",
                    format!("{request} was answered with something unexpected: {error}"),
                )
            }),
            status => {
                let excerpt: String = response.body.chars().take(200).collect();
                let failure = Failure::new(
                    Blame::Cloud,
                    "refused",
                    format!("{request} was answered {status}: {}", excerpt.trim()),
                );
                Err(if status == 429 || status >= 500 { failure.retryable() } else { failure })
            }
        }
    }

    /// Reads all pages of a list. `rows` takes a page apart; `id` gives the marker of a row.
    ///
    /// A row that comes twice, because the list changed while it was read, is kept once.
    pub(crate) async fn pages<P: DeserializeOwned, R>(
        &self,
        path: &str,
        microversion: &str,
        query: &[(&str, &str)],
        rows: impl Fn(P) -> Vec<R>,
        id: impl Fn(&R) -> &str,
    ) -> Result<Vec<R>, Failure> {
        let mut all: Vec<R> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut marker: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query: Vec<(String, String)> =
                query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            query.extend(marker.take().map(|marker| ("marker".to_owned(), marker)));
            let page: Option<P> = self.get("compute", Some(microversion), path, query).await?;
            // The marker's row may be gone by now; what was read so far is all there is to be had.
            let Some(page) = page else { return Ok(all) };
            let page = rows(page);
            let Some(last) = page.last() else { return Ok(all) };
            marker = Some(id(last).to_owned());
            let before = all.len();
            all.extend(page.into_iter().filter(|row| seen.insert(id(row).to_owned())));
            if all.len() == before {
                return Ok(all);
            }
        }
        Err(Failure::new(Blame::Cloud, "unexpected-answer", format!("the list {path} does not end")))
    }
}
