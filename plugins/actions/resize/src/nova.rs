//! What this handler asks of Nova, and what it reads out of the answers.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use watcher_sdk::patience::{read, write};
use watcher_sdk::{ActionHost, Failure, Poll, Request, Response, Retries, Sent};

use crate::Configuration;

/// The last one in which an instance tells its flavor by id; later ones show only the flavor's name, which can change.
const MICROVERSION: &str = "2.46";

/// How many pages of flavors are looked through: more flavors than any cloud has.
const MAX_PAGES: u32 = 1000;

/// An instance.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Server {
    /// `ACTIVE`, `SHUTOFF`, `VERIFY_RESIZE`, `ERROR`, …
    pub(crate) status: String,
    /// What Nova is doing with it; none when it is left alone.
    #[serde(rename = "OS-EXT-STS:task_state", default)]
    pub(crate) task_state: Option<String>,
    pub(crate) flavor: FlavorRef,
    #[serde(default)]
    fault: Option<Fault>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FlavorRef {
    pub(crate) id: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Fault {
    #[serde(default)]
    message: String,
}

impl Server {
    /// Whether Nova is doing nothing with it.
    pub(crate) fn is_idle(&self) -> bool {
        self.task_state.is_none()
    }

    /// Whether it waits for the confirmation of a resize, or for its end.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_idle() && self.status == "VERIFY_RESIZE"
    }

    /// What went wrong with it, if Nova says.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_ref().map(|fault| fault.message.as_str()).filter(|message| !message.is_empty())
    }
}

/// A migration that Nova remembers; a resize is one.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Migration {
    /// Unique within a cell only.
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) status: String,
    /// Tells migrations of two cells with the same id apart.
    #[serde(default)]
    pub(crate) created_at: Option<String>,
}

impl Migration {
    /// Whether it ended without success.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.status.as_str(), "error" | "failed" | "cancelled" | "reverted")
    }

    /// Whether it is the same migration.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.id == other.id && self.created_at == other.created_at
    }
}

#[derive(Deserialize)]
struct Flavor {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct ServerAnswer {
    server: Server,
}

#[derive(Deserialize)]
struct MigrationsAnswer {
    migrations: Vec<Migration>,
}

#[derive(Deserialize)]
struct FlavorAnswer {
    flavor: Flavor,
}

#[derive(Deserialize)]
struct FlavorsAnswer {
    flavors: Vec<Flavor>,
}

/// The failure of an action whose instance has disappeared.
pub(crate) fn gone(instance: &str) -> Failure {
    Failure::cloud("instance-not-found", format!("Instance {instance} not found"))
}

/// The failure of a request that Nova refused.
pub(crate) fn refused(what: &str, response: &Response) -> Failure {
    Failure::cloud("refused", format!("Nova refused {what} ({}): {}", response.status, response.error_message()))
}

/// A flavor id as one segment of a path; none for a text that cannot be one.
fn segment(id: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let is_id = id.chars().all(is_plain) && id.chars().any(|c| c != '.') && id.trim() == id;
    is_id.then(|| id.replace(' ', "%20"))
}

/// Nova, asked with the patience that the operator configured.
pub(crate) struct Nova<'a> {
    pub(crate) host: &'a dyn ActionHost,
    retries: Retries,
    interval_ms: u64,
    budget_ms: u64,
}

impl<'a> Nova<'a> {
    pub(crate) fn new(host: &'a dyn ActionHost, configuration: &Configuration) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the schema bounds it")]
        let ms = |seconds: f64| (seconds * 1000.0) as u64;
        let interval_ms = ms(configuration.resize_interval_s);
        Self {
            host,
            retries: Retries {
                count: configuration.http_retries,
                interval_ms: ms(configuration.http_retry_interval_s),
            },
            interval_ms,
            budget_ms: interval_ms.saturating_mul(configuration.resize_max_retries.into()),
        }
    }

    /// Waiting for a resize.
    pub(crate) fn poll(&self) -> Poll {
        Poll::new(self.interval_ms, self.budget_ms)
    }

    /// Waiting for the first sign of something that Nova was just asked to do.
    pub(crate) fn short_poll(&self) -> Poll {
        Poll::new(self.interval_ms, 3000)
    }

    fn get<T: DeserializeOwned>(&self, request: &Request, what: &str) -> Result<Option<T>, Failure> {
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

    /// The instance; none if there is no such instance.
    pub(crate) fn server(&self, instance: &str) -> Result<Option<Server>, Failure> {
        let request = Request::new("compute", "GET", format!("/servers/{instance}")).microversion(MICROVERSION);
        Ok(self.get::<ServerAnswer>(&request, "instance")?.map(|answer| answer.server))
    }

    /// The instance, while something is waited for: a resize goes on when Nova is away for a while, so no answer is no news until the time of
    /// `poll` is used up.
    pub(crate) fn watch(&self, instance: &str, poll: &mut Poll) -> Result<Option<Server>, Failure> {
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
    pub(crate) fn migrations(&self, instance: &str) -> Result<Vec<Migration>, Failure> {
        let request = Request::new("compute", "GET", "/os-migrations")
            .query("instance_uuid", instance)
            .microversion(MICROVERSION);
        let answer = self.get::<MigrationsAnswer>(&request, "list of migrations")?;
        Ok(answer.map(|answer| answer.migrations).unwrap_or_default())
    }

    /// Id of the flavor with this id, or else with this name.
    ///
    /// # Errors
    /// `flavor-not-found`.
    pub(crate) fn known_flavor(&self, id_or_name: &str) -> Result<String, Failure> {
        if let Some(segment) = segment(id_or_name) {
            let request = Request::new("compute", "GET", format!("/flavors/{segment}")).microversion(MICROVERSION);
            if let Some(answer) = self.get::<FlavorAnswer>(&request, "flavor")? {
                return Ok(answer.flavor.id);
            }
        }
        let mut marker: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut request = Request::new("compute", "GET", "/flavors").microversion(MICROVERSION);
            if let Some(marker) = &marker {
                request = request.query("marker", marker);
            }
            let answer = self.get::<FlavorsAnswer>(&request, "list of flavors")?;
            let flavors = answer.map(|answer| answer.flavors).unwrap_or_default();
            if let Some(found) = flavors.iter().find(|flavor| flavor.name == id_or_name) {
                return Ok(found.id.clone());
            }
            let Some(last) = flavors.into_iter().next_back() else { break };
            marker = Some(last.id);
        }
        Err(Failure::cloud("flavor-not-found", format!("Flavor {id_or_name} not found")))
    }

    /// Asks for an action on an instance.
    pub(crate) fn act(&self, instance: &str, action: Value) -> Result<Sent, Failure> {
        let path = format!("/servers/{instance}/action");
        let request = Request::new("compute", "POST", path).json(action).microversion(MICROVERSION);
        write(self.host, &request, self.retries)
    }
}
