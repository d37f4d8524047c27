//! Prometheus: a small PromQL over the metrics of a cluster file.
//!
//! Read [`series`] for what is served, [`parse`] and [`eval`] for the language, [`http`] for the API.

mod ast;
mod encode;
mod eval;
mod functions;
mod http;
mod lex;
mod matching;
mod parse;
mod series;
mod signal;
#[cfg(test)]
mod tests;

pub(crate) use http::router;
pub(crate) use series::Store;

use watcher_cluster::ClusterFile;

use crate::error::SimulatorError;
use crate::options::SimulatorOptions;

/// Whether the options can be served from the file.
pub(crate) fn check(file: &ClusterFile, options: &SimulatorOptions) -> Result<(), SimulatorError> {
    if options.traces && file.traces.is_none() { Err(SimulatorError::NoTraces) } else { Ok(()) }
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    /// It is wrong, or uses what is not supported: status 400.
    #[error("{0}")]
    BadData(String),
    /// It is right, but cannot be computed on this data: status 422.
    #[error("{0}")]
    Execution(String),
}

impl QueryError {
    fn bad(message: impl Into<String>) -> Self {
        Self::BadData(message.into())
    }

    fn execution(message: impl Into<String>) -> Self {
        Self::Execution(message.into())
    }
}
