//! Reading from a service: typed answers, bounded retries, all pages of a list.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;
use watcher_domain::cloud::{CloudRequest, Method};
use watcher_domain::ports::CloudRequests;
use watcher_domain::{Blame, Failure};

/// How often a read is tried, and how long to wait in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOptions {
    /// Tries in all, at least 1.
    pub attempts: u32,
    /// Wait after the first failure; doubled after each further one, up to a second.
    pub first_wait: Duration,
    /// Whether to try again after no answer came in time.
    pub timeouts: bool,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self { attempts: 10, first_wait: Duration::from_millis(100), timeouts: true }
    }
}

/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Most pages that one list may have: far more than a cloud fills, and a bound on a service that never ends.
const MAX_PAGES: usize = 10_000;
/// How many rows are tried as markers when one is gone, before the list is read from its beginning.
const MAX_STEPS_BACK: u32 = 6;
/// Larger documents are parsed where they do not keep other tasks waiting.
const LARGE: usize = 256 << 10;

/// A page of a list.
pub(crate) trait Page: DeserializeOwned + Send + 'static {
    /// What is listed.
    type Row: Row;

    /// Rows, and links to other pages.
    fn into_parts(self) -> (Vec<Self::Row>, Vec<Link>);
}

/// What is listed.
pub(crate) trait Row {
    /// What names it as the marker of a page.
    fn id(&self) -> &str;
}

/// A link of a page.
#[derive(Debug, Deserialize)]
pub(crate) struct Link {
    rel: String,
    href: String,
}

/// The marker of the next page, if there is one. Only the marker is taken from the link: where it leads is the catalogue's business.
fn next_marker(links: &[Link], last: Option<&str>) -> Option<String> {
    let link = links.iter().find(|link| link.rel == "next")?;
    let url = Url::options().base_url(Url::parse("http://cloud/").ok().as_ref()).parse(&link.href).ok();
    let marker =
        url.and_then(|url| url.query_pairs().find(|(name, _)| name == "marker").map(|(_, marker)| marker.into_owned()));
    marker.or_else(|| last.map(str::to_owned))
}

/// What a service said to a read.
enum Read<T> {
    Found(T),
    /// 404.
    Missing,
    /// 400: among others, that a marker is none.
    Rejected(Failure),
}

/// Reads from services.
#[derive(Clone)]
pub(crate) struct Fetch {
    pub(crate) cloud: Arc<dyn CloudRequests>,
    pub(crate) retry: RetryOptions,
}

impl Fetch {
    /// Reads one document; `None` for 404.
    pub(crate) async fn get<T: DeserializeOwned + Send + 'static>(
        &self,
        service: &str,
        microversion: Option<&str>,
        path: &str,
        query: Vec<(String, String)>,
    ) -> Result<Option<T>, Failure> {
        match self.read(service, microversion, path, query).await? {
            Read::Found(document) => Ok(Some(document)),
            Read::Missing => Ok(None),
            Read::Rejected(failure) => Err(failure),
        }
    }

    /// Reads one document that must be there.
    pub(crate) async fn require<T: DeserializeOwned + Send + 'static>(
        &self,
        service: &str,
        microversion: Option<&str>,
        path: &str,
        query: Vec<(String, String)>,
    ) -> Result<T, Failure> {
        self.get(service, microversion, path, query).await?.ok_or_else(|| missing(service, path))
    }

    async fn read<T: DeserializeOwned + Send + 'static>(
        &self,
        service: &str,
        microversion: Option<&str>,
        path: &str,
        query: Vec<(String, String)>,
    ) -> Result<Read<T>, Failure> {
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
                Ok(read) => return Ok(read),
                Err(failure) => failure,
            };
            if !failure.retryable || attempt >= self.retry.attempts {
                return Err(failure);
            }
            tracing::debug!(attempt, %request, reason = failure.message, "reading from the cloud is tried again");
            tokio::time::sleep(wait).await;
            attempt += 1;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn once<T: DeserializeOwned + Send + 'static>(&self, request: &CloudRequest) -> Result<Read<T>, Failure> {
        let response = self.cloud.send(request).await.map_err(|failure| {
            // A read can be repeated whatever came of it.
            let is_late = matches!(failure.code.as_str(), "timed-out" | "outcome-unknown");
            let retryable = if is_late { self.retry.timeouts } else { failure.retryable };
            Failure { retryable, ..failure }
        })?;
        let refused = |status: u16| {
            let excerpt: String = response.body.chars().take(200).collect();
            Failure::new(Blame::Cloud, "refused", format!("{request} was answered {status}: {}", excerpt.trim()))
        };
        match response.status {
            200..300 => parse(response.body).await.map(Read::Found).map_err(|reason| {
                let message = format!("{request} was answered with something unexpected: {reason}");
                Failure::new(Blame::Cloud, "unexpected-answer", message)
            }),
            400 => Ok(Read::Rejected(refused(400))),
            404 => Ok(Read::Missing),
            status @ (429 | 500..) => Err(refused(status).retryable()),
            status => Err(refused(status)),
        }
    }

    /// Reads all pages of a list of Nova.
    ///
    /// The list may change while it is read. A row that comes twice is kept once, as it came first. When the row that marks a page is
    /// gone, the rows before it are tried, so that nothing is left out.
    pub(crate) async fn pages<P: Page>(
        &self,
        path: &str,
        microversion: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<P::Row>, Failure> {
        let mut all: Vec<P::Row> = Vec::new();
        let mut seen = HashSet::new();
        let mut marker: Option<String> = None;
        let mut steps_back = 0;
        for _ in 0..MAX_PAGES {
            let mut query: Vec<(String, String)> =
                query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            query.extend(marker.clone().map(|marker| ("marker".to_owned(), marker)));
            let page: P = match self.read("compute", Some(microversion), path, query).await? {
                Read::Found(page) => page,
                Read::Missing | Read::Rejected(_) if marker.is_some() => {
                    steps_back += 1;
                    marker = earlier(&all, steps_back);
                    continue;
                }
                Read::Missing => return Err(missing("compute", path)),
                Read::Rejected(failure) => return Err(failure),
            };
            let (rows, links) = page.into_parts();
            let next = next_marker(&links, rows.last().map(Row::id));
            let before = all.len();
            all.extend(rows.into_iter().filter(|row| seen.insert(row.id().to_owned())));
            if all.len() > before {
                steps_back = 0;
            }
            // Without a step back, a page that brings nothing new is the end of a list that links to itself.
            if next.is_none() || (all.len() == before && steps_back == 0) {
                return Ok(all);
            }
            marker = next;
        }
        Err(Failure::new(Blame::Cloud, "unexpected-answer", format!("the list {path} does not end")))
    }
}

/// A row further and further back from the last one; none, the beginning, after a few.
fn earlier<R: Row>(rows: &[R], steps: u32) -> Option<String> {
    if steps > MAX_STEPS_BACK {
        return None;
    }
    let distance = 1_usize << steps;
    rows.len().checked_sub(distance).and_then(|row| rows.get(row)).map(|row| row.id().to_owned())
}

fn missing(service: &str, path: &str) -> Failure {
    let message = format!("service {service} has nothing at {path}: its endpoint in the catalogue may be wrong");
    Failure::new(Blame::Cloud, "unexpected-answer", message)
}

async fn parse<T: DeserializeOwned + Send + 'static>(body: String) -> Result<T, String> {
    let is_large = body.len() > LARGE;
    let parse = move || serde_json::from_str(&body).map_err(|error| error.to_string());
    if is_large { tokio::task::spawn_blocking(parse).await.map_err(|error| error.to_string())? } else { parse() }
}
