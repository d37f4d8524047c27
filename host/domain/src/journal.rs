//! The journal of an action: every outside call its handler made, written before it leaves and when its answer came.
//!
//! A handler that is started again is fed its journal; at the journal's end it goes on live.

use serde::{Deserialize, Serialize};

use crate::cloud::{CloudRequest, CloudResponse};
use crate::failure::Failure;
use crate::state::named_enum;

/// What an entry takes up besides texts.
const ENTRY_BYTES: u64 = 64;

named_enum! {
    /// Which export of the handler is running.
    ActionPhase {
        /// `validate-parameters`.
        Validate = "validate_parameters",
        /// `pre-condition`.
        PreCondition = "pre_condition",
        /// `execute`.
        Execute = "execute",
        /// `post-condition`.
        PostCondition = "post_condition",
        /// `revert`.
        Revert = "revert",
        /// `abort`.
        Abort = "abort",
    }
}

/// An outside call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum JournalCall {
    /// A request to the cloud. It carries no credential.
    Request {
        /// The request.
        request: CloudRequest,
    },
    /// A look at the clock.
    Now,
    /// A wait.
    Sleep {
        /// How long, in milliseconds.
        duration_ms: u64,
    },
    /// A random number.
    Random {
        /// How many bytes.
        count: u32,
    },
}

impl JournalCall {
    /// Bytes that it takes up at most, about.
    pub fn size_bytes(&self) -> u64 {
        let size = match self {
            Self::Request { request } => {
                let query: usize = request.query.iter().map(|(key, value)| key.len() + value.len()).sum();
                request.path.len() + query + request.body.as_ref().map_or(0, String::len)
            }
            Self::Now | Self::Sleep { .. } | Self::Random { .. } => 0,
        };
        size as u64 + ENTRY_BYTES
    }

    /// Whether making the call again can do no harm.
    pub const fn is_repeatable(&self) -> bool {
        match self {
            Self::Request { request } => request.method.is_safe(),
            Self::Now | Self::Sleep { .. } | Self::Random { .. } => true,
        }
    }
}

/// What came of an outside call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum JournalAnswer {
    /// Answer to a request.
    Response {
        /// The answer.
        response: CloudResponse,
    },
    /// Answer to a look at the clock: microseconds since 1970.
    Now {
        /// The time.
        time_us: u64,
    },
    /// A wait is over.
    Slept,
    /// Random bytes.
    Random {
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// It did not work.
    Failed {
        /// Why.
        failure: Failure,
    },
}

impl JournalAnswer {
    /// Whether the call certainly reached nobody.
    pub fn never_left(&self) -> bool {
        let Self::Failed { failure } = self else { return false };
        matches!(failure.code.as_str(), "unreachable" | "too-many-requests" | "not-granted")
    }

    /// Bytes that it takes up at most, about.
    pub fn size_bytes(&self) -> u64 {
        let size = match self {
            Self::Response { response } => {
                let headers: usize = response.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
                response.body.len() + headers
            }
            Self::Random { bytes } => 4 * bytes.len(),
            Self::Failed { failure } => failure.message.len(),
            Self::Now { .. } | Self::Slept => 0,
        };
        size as u64 + ENTRY_BYTES
    }
}

/// What the journal says to a call that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is new, and is written down now: make it.
    New,
    /// It was made before, with this answer: do not make it again.
    Answered(JournalAnswer),
    /// It left before, and nobody knows what came of it.
    InDoubt,
}

/// Why a journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The handler asked for something else than the last time at this place.
    #[error("handler is not deterministic: call {sequence} was {recorded}, and is now {called}")]
    NotDeterministic {
        /// Number of the call, from 0.
        sequence: u32,
        /// What was written down.
        recorded: String,
        /// What was asked now.
        called: String,
    },
    /// Another applier has the action now: its term is newer than ours.
    #[error("the action was taken over by another applier")]
    Fenced,
    /// The database did not take it.
    #[error("the journal could not be written")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
