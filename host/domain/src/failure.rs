//! Failures that a plugin, the cloud or the service reports as a value.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest wait before something is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long to wait before something is tried again that failed for the `tries`th time, and says that it may work later: `first`, twice that, and so on up to half
/// a minute.
pub fn wait_before_retry(first: Duration, tries: u32) -> Duration {
    first.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST_WAIT)
}

/// Most characters that are kept of what a panic says.
const LONGEST_PANIC: usize = 1000;

/// What a task said when it panicked. For the log: users are told that it happened, and no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {0}")]
pub struct Panic(String);

impl Panic {
    /// From what a panic leaves behind.
    pub fn new(payload: &(dyn Any + Send)) -> Self {
        let words = payload.downcast_ref::<&str>().copied();
        let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self(words.unwrap_or("without words").chars().take(LONGEST_PANIC).collect())
    }
}

/// Who has to act on a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// Whoever wrote the parameters, the configuration or the scope.
    Input,
    /// The author of the plugin.
    Plugin,
    /// Whoever runs the cloud.
    Cloud,
    /// Whoever runs this service.
    Service,
}

/// Why something did not work, in words for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Short kebab-case name that programs can compare.
    pub code: String,
    /// One clause, without a trailing full stop.
    pub message: String,
    /// Whether the same may work later without anybody changing anything.
    pub retryable: bool,
    /// Who has to act.
    pub blame: Blame,
}

impl Failure {
    /// A failure that repeats until somebody acts.
    pub fn new(blame: Blame, code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: false, blame }
    }

    /// The same, worth another try.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
