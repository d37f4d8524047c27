//! What several action handlers ask of Nova: one instance, its migrations, and actions on it.
//!
//! Reading is patient, and writing says when nobody knows what came of it; what a handler makes of that is its own. [`testing`] is a Nova
//! with one instance for the tests of handlers.

pub mod testing;

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use watcher_sdk::patience::{read, write};
use watcher_sdk::{ActionHost, Failure, Poll, Request, Response, Retries, Sent};

/// For how long the first sign of something is waited for that Nova was just asked to do, in milliseconds.
const FIRST_SIGN_MS: u64 = 3000;

/// An instance. `T` is what else a handler reads of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Server<T> {
    /// `ACTIVE`, `SHUTOFF`, `VERIFY_RESIZE`, `ERROR`, …
    pub status: String,
    /// What Nova is doing with it; none when it is left alone.
    #[serde(rename = "OS-EXT-STS:task_state", default)]
    pub task_state: Option<String>,
    #[serde(default)]
    fault: Option<Fault>,
    /// What else the handler reads.
    #[serde(flatten)]
    pub more: T,
}

#[derive(Debug, Clone, Deserialize)]
struct Fault {
    #[serde(default)]
    message: String,
}

impl<T> Server<T> {
    /// Whether Nova is doing nothing with it.
    pub fn is_idle(&self) -> bool {
        self.task_state.is_none()
    }

    /// Whether it waits for the confirmation of a resize or cold migration, or for its end.
    pub fn is_waiting(&self) -> bool {
        self.is_idle() && self.status == "VERIFY_RESIZE"
    }

    /// What went wrong with it, if Nova says.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_ref().map(|fault| fault.message.as_str()).filter(|message| !message.is_empty())
    }
}

/// A migration that Nova remembers; a resize is one.
#[derive(Debug, Clone, Deserialize)]
pub struct Migration {
    /// Unique within a cell only.
    pub id: u64,
    /// `running`, `completed`, `finished`, `error`, …
    #[serde(default)]
    pub status: String,
    /// Tells migrations of two cells with the same id apart.
    #[serde(default)]
    pub created_at: Option<String>,
}

impl Migration {
    /// Whether it ended without success.
    pub fn has_failed(&self) -> bool {
        matches!(self.status.as_str(), "error" | "failed" | "cancelled" | "reverted")
    }

    /// Whether it is the same migration.
    pub fn is(&self, other: &Self) -> bool {
        self.id == other.id && self.created_at == other.created_at
    }
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct ServerAnswer<T> {
    server: Server<T>,
}

/// A list of migrations, as Nova answers it.
#[derive(Debug, Deserialize)]
pub struct Migrations {
    /// In no order that can be relied on.
    pub migrations: Vec<Migration>,
}

/// The failure of an action whose instance has disappeared.
pub fn gone(instance: &str) -> Failure {
    Failure::cloud("instance-not-found", format!("Instance {instance} not found"))
}

/// The failure of a request that Nova refused.
pub fn refused(what: &str, response: &Response) -> Failure {
    Failure::cloud("refused", format!("Nova refused {what} ({}): {}", response.status, response.error_message()))
}

/// How patient an operator wants a handler to be.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Longest time between two looks at an instance, in seconds.
    pub interval_s: f64,
    /// After this many intervals it is given up.
    pub max_retries: u32,
    /// Repetitions of a request that got no answer.
    pub http_retries: u32,
    /// Seconds between two tries.
    pub http_retry_interval_s: f64,
}

/// Nova, asked with patience. `T` is what a handler reads of an instance besides.
pub struct Nova<'a, T> {
    /// What the handler reaches the cloud by.
    pub host: &'a dyn ActionHost,
    microversion: &'static str,
    retries: Retries,
    interval_ms: u64,
    budget_ms: u64,
    reads: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Nova<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nova").field("microversion", &self.microversion).finish_non_exhaustive()
    }
}

impl<'a, T: DeserializeOwned> Nova<'a, T> {
    /// Nova in one microversion.
    pub fn new(host: &'a dyn ActionHost, microversion: &'static str, patience: &Patience) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the handler's schema bounds it")]
        let ms = |seconds: f64| (seconds * 1000.0) as u64;
        let interval_ms = ms(patience.interval_s);
        Self {
            host,
            microversion,
            retries: Retries { count: patience.http_retries, interval_ms: ms(patience.http_retry_interval_s) },
            interval_ms,
            budget_ms: interval_ms.saturating_mul(patience.max_retries.into()),
            reads: PhantomData,
        }
    }

    /// Waiting for the end of what was asked for.
    pub fn poll(&self) -> Poll {
        Poll::new(self.interval_ms, self.budget_ms)
    }

    /// Waiting for the first sign of something that Nova was just asked to do.
    pub fn short_poll(&self) -> Poll {
        Poll::new(self.interval_ms, FIRST_SIGN_MS)
    }

    /// A request in its microversion.
    pub fn request(&self, method: &str, path: impl Into<String>) -> Request {
        Request::new("compute", method, path).microversion(self.microversion)
    }

    /// Reads something; none if there is no such thing. `what` is what failures call it.
    ///
    /// # Errors
    /// `refused` and `unexpected-answer`, or what the host says of a request without an answer.
    pub fn get<A: DeserializeOwned>(&self, request: &Request, what: &str) -> Result<Option<A>, Failure> {
        let response = read(self.host, request, self.retries)?;
        match response.status {
            200..300 => serde_json::from_str(&response.body).map(Some).map_err(|error| {
                Failure::cloud("unexpected-answer", format!("Nova answered something that is no {what}: {error}"))
            }),
            404 => Ok(None),
            429 | 500.. => Err(refused(&format!("to show the {what}"), &response).retryable()),
            _ => Err(refused(&format!("to show the {what}"), &response)),
        }
    }

    /// Sends a request that changes something.
    ///
    /// # Errors
    /// What the host says of a request that certainly did not arrive; [`Sent::InDoubt`] is none.
    pub fn send(&self, request: &Request) -> Result<Sent, Failure> {
        write(self.host, request, self.retries)
    }

    /// The instance; none if there is no such instance.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn server(&self, instance: &str) -> Result<Option<Server<T>>, Failure> {
        let request = self.request("GET", format!("/servers/{instance}"));
        Ok(self.get::<ServerAnswer<T>>(&request, "instance")?.map(|answer| answer.server))
    }

    /// The instance, while something is waited for: what Nova does goes on when its API is away for a while, so no answer is no news until the
    /// time of `poll` is used up.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn watch(&self, instance: &str, poll: &mut Poll) -> Result<Option<Server<T>>, Failure> {
        loop {
            match self.server(instance) {
                Err(failure) if failure.retryable => {
                    if !poll.wait(self.host)? {
                        return Err(failure);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// All migrations of an instance, past ones too.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn migrations(&self, instance: &str) -> Result<Vec<Migration>, Failure> {
        let request = self.request("GET", "/os-migrations").query("instance_uuid", instance);
        let answer = self.get::<Migrations>(&request, "list of migrations")?;
        Ok(answer.map(|answer| answer.migrations).unwrap_or_default())
    }

    /// Asks for an action on an instance.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn act(&self, instance: &str, action: Value) -> Result<Sent, Failure> {
        self.send(&self.request("POST", format!("/servers/{instance}/action")).json(action))
    }
}
