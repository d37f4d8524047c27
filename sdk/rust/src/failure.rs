//! Failures as values.

use std::fmt;

/// Who has to act on a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Whoever wrote the parameters, the configuration or the audit scope.
    Input,
    /// The author of the plugin.
    Plugin,
    /// Whoever runs the cloud.
    Cloud,
    /// Whoever runs the service.
    Service,
}

/// Why something did not work; ends up in the `status_message` of the audit or action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Short kebab-case name that programs can compare.
    pub code: String,
    /// One sentence for the user, without a trailing full stop.
    pub message: String,
    /// Whether the same call may succeed later without anybody changing anything.
    pub retryable: bool,
    /// Who has to act.
    pub blame: Blame,
}

impl Failure {
    /// A failure that repeats until somebody changes something.
    pub fn new(blame: Blame, code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: false, blame }
    }

    /// Bad parameters, configuration or scope.
    pub fn input(code: &str, message: impl Into<String>) -> Self {
        Self::new(Blame::Input, code, message)
    }

    /// The plugin itself is wrong.
    pub fn plugin(code: &str, message: impl Into<String>) -> Self {
        Self::new(Blame::Plugin, code, message)
    }

    /// The cloud refused, or is in the wrong state.
    pub fn cloud(code: &str, message: impl Into<String>) -> Self {
        Self::new(Blame::Cloud, code, message)
    }

    /// The same failure, worth another try.
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
