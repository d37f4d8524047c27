//! What a plugin can ask of its host. Implemented by the sandbox's imports and by [`crate::testing`].

use std::fmt;

use serde_json::Value;

use crate::{Blame, Cluster, Failure, Samples, ScoringEngineEntry, Statistic};

/// How important a log message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the usual levels")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// What every kind of plugin can ask.
pub trait Host {
    /// Writes to the log of the audit or action.
    fn log(&self, level: LogLevel, message: &str, fields: &[(&str, &str)]);
    /// Microseconds since 1970-01-01T00:00:00Z; stands still in strategies and planners.
    fn now_us(&self) -> u64;
    /// A random number from the recorded seed.
    fn random_number(&self) -> u64;
}

/// What a planner can ask.
pub trait PlannerHost: Host {
    /// The snapshot that the strategy saw.
    fn cluster(&self) -> Result<Cluster, Failure>;
}

/// What a strategy can ask.
pub trait StrategyHost: Host {
    /// The compute nodes and instances in scope. Builds it anew at every call: call once.
    fn cluster(&self) -> Result<Cluster, Failure>;
    /// One statistic of one metric for all resources in scope: one query, whatever the size of the cluster.
    fn statistic(&self, statistic: &Statistic<'_>) -> Result<Samples, Failure>;
    /// For each metric name whether a datasource can answer it.
    fn available(&self, metrics: &[&str]) -> Vec<bool>;
    /// A column of JSON objects of the instance table: `metadata` or `flavor-extra-specs`.
    fn instance_texts(&self, column: &str) -> Result<Vec<String>, Failure>;
    /// The scoring engines that may be asked, sorted by name. None by default.
    fn scoring_engines(&self) -> Result<Vec<ScoringEngineEntry>, Failure> {
        Ok(Vec::new())
    }
    /// One score for each of `features`, in one call of the engine.
    ///
    /// # Errors
    /// `unknown-scoring-engine`, `invalid-features`, `scoring-engine-failed`, `scoring-engine-unavailable`, and what the engine declares; see the
    /// WIT package `watcher:scoring`.
    fn calculate_scores(&self, engine: &str, _features: &[Value]) -> Result<Vec<Value>, Failure> {
        let message = format!("there is no scoring engine {engine}");
        Err(Failure::new(Blame::Service, "unknown-scoring-engine", message))
    }
}

/// A request to a service of the cloud. The host adds endpoint and credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Service type, e.g. `compute`.
    pub service_type: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// Path below the endpoint, beginning with `/`.
    pub path: String,
    /// Query parameters, decoded.
    pub query: Vec<(String, String)>,
    /// JSON body.
    pub body: Option<serde_json::Value>,
    /// API microversion of the service.
    pub microversion: Option<String>,
}

impl Request {
    /// A request without a body.
    pub fn new(service_type: &str, method: &str, path: impl Into<String>) -> Self {
        Self {
            service_type: service_type.to_owned(),
            method: method.to_owned(),
            path: path.into(),
            query: Vec::new(),
            body: None,
            microversion: None,
        }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn json(mut self, body: serde_json::Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Sets the microversion.
    #[must_use]
    pub fn microversion(mut self, version: &str) -> Self {
        self.microversion = Some(version.to_owned());
        self
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, self.service_type, self.path)
    }
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body text.
    pub body: String,
}

impl Response {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; `null` for an empty body.
    ///
    /// # Errors
    /// `unexpected-answer` when the body is not JSON.
    pub fn json(&self) -> Result<serde_json::Value, Failure> {
        if self.body.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_str(&self.body).map_err(|error| {
            Failure::cloud("unexpected-answer", format!("the cloud answered something that is not JSON: {error}"))
        })
    }

    /// The message that an OpenStack service put into an error body, or the body itself, shortened.
    pub fn error_message(&self) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        let inner = value.as_object().and_then(|object| object.values().next());
        let message = inner
            .and_then(|inner| inner.get("message"))
            .or_else(|| inner.and_then(|inner| inner.get(0)).and_then(|error| error.get("detail")))
            .and_then(serde_json::Value::as_str);
        match message {
            Some(message) => message.to_owned(),
            None => self.body.chars().take(200).collect(),
        }
    }
}

/// What an action handler can ask.
pub trait ActionHost: Host {
    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// `not-granted`, `invalid-request`, `unknown-service`, `unreachable`, `timed-out`, `outcome-unknown`, `response-too-large`,
    /// `response-not-text`, `too-many-requests`; see the WIT package `watcher:openstack`.
    fn send(&self, request: &Request) -> Result<Response, Failure>;
    /// Waits. The wait is journaled.
    ///
    /// # Errors
    /// `deadline-exceeded` when the wait cannot end before the call's deadline.
    fn sleep_ms(&self, duration_ms: u64) -> Result<(), Failure>;
}
