//! Everything an operation can answer instead of its result: the one place that knows status codes.
//!
//! Bodies are `{"error_message": "<JSON as a text>"}`, as clients of the original parse them. The text within has one of two shapes:
//! a fault (`faultcode`, `faultstring`, `debuginfo`) for what an operation refuses, or `code`, `title`, `description` for a request that
//! reached no operation. Requests without a valid token get the shape of Keystone's own middleware.

use std::fmt::Write as _;

use axum::http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use watcher_domain::text::middle_cut;

pub(crate) use crate::invalid::Invalid;
use crate::microversion::VersionError;
use crate::policy::Rule;
use crate::text;

/// Longest sentence of an answer, in bytes. Those of the original that clients read are shorter, but for what they repeat of a request.
const LONGEST_SENTENCE: usize = 16 << 10;

/// Why a request is not answered with a result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// There is no such path.
    #[error("")]
    NoSuchPath,
    /// The path has other methods.
    #[error("")]
    MethodNotAllowed {
        /// Those methods.
        allow: &'static str,
    },
    /// The microversion cannot be served.
    #[error(transparent)]
    Version(VersionError),
    /// There is no valid token.
    #[error("The request you have made requires authentication.")]
    Unauthenticated {
        /// Where to get a token.
        keystone: String,
    },
    /// Tokens cannot be checked now.
    #[error("The Keystone service is temporarily unavailable.")]
    KeystoneAway {
        /// Why; for the log.
        reason: String,
    },
    /// The policy refuses.
    #[error("Policy doesn't allow {} to be performed.", .0.name())]
    Forbidden(Rule),
    /// The microversion does not have what was asked for.
    #[error("Request not acceptable.")]
    NotInThisVersion,
    /// The content type of the body is none that is read.
    #[error("Unknown mimetype: {0}")]
    MediaType(String),
    /// The body is too large.
    #[error("Request body is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The body took too long.
    #[error("Request body did not arrive in time")]
    TooSlow,
    /// The body did not arrive.
    #[error("Request body could not be read")]
    Interrupted,
    /// The component that was uploaded cannot be a plugin.
    #[error("{0}")]
    Refused(watcher_registry::Refusal),
    /// The project has as much as it may have.
    #[error("{0}")]
    Quota(String),
    /// The project asks too often.
    #[error("{0}")]
    TooMany(String),
    /// The service does as much as it can now: the same request may do later.
    #[error("{0}")]
    Busy(String),
    /// The service could not do what was asked.
    #[error("registry failed")]
    Registry(#[source] watcher_registry::RegistryError),
    /// The request makes no sense.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// What it names does not exist, or is not visible.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// What it asks for collides with what is there.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The database failed.
    #[error("store failed")]
    Store(#[source] watcher_store::Error),
    /// The database cannot be reached, or is too busy: the same request may do later.
    #[error("The database is temporarily unavailable.")]
    StoreAway(#[source] watcher_store::Error),
    /// The database takes nothing more until an operator has helped; reading goes on.
    #[error("The service cannot store anything now: {0}.")]
    StoreFull(#[source] watcher_store::Error),
    /// The decision engine, whose answer is needed, gave none: the same request may do later.
    #[error("The decision engine cannot answer now.")]
    EngineAway(#[source] crate::state::ProbeError),
    /// A row refers to a row that is not there.
    #[error("{0} refers to a row that is missing")]
    Dangling(&'static str),
}

/// Something that does not exist, in the words of each resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotFound {
    #[error("Goal {0} could not be found")]
    Goal(String),
    #[error("Strategy {0} could not be found")]
    Strategy(String),
    #[error("AuditTemplate {0} could not be found")]
    AuditTemplate(String),
    #[error("Audit {0} could not be found")]
    Audit(String),
    #[error("ActionPlan {0} could not be found")]
    ActionPlan(String),
    #[error("Action {0} could not be found")]
    Action(String),
    #[error("ScoringEngine {0} could not be found")]
    ScoringEngine(String),
    #[error("The service {0} cannot be found.")]
    Service(String),
    #[error("The {0} data model could not be found")]
    DataModel(String),
    #[error("Plugin {0} could not be found")]
    Plugin(String),
    #[error("Version {0} of the plugin could not be found")]
    PluginVersion(String),
    #[error("Project {0} is no member of the plugin")]
    PluginMember(String),
    /// The unfilled message is the original's.
    #[error("The %(name)s resource %(id)s could not be found")]
    Detail,
}

/// Something that collides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Conflict {
    #[error("An audit_template with UUID or name {0} already exists")]
    AuditTemplateName(String),
    #[error("An audit with UUID or name {0} already exists")]
    AuditName(String),
    #[error(
        "Updating goal or strategy on a template that has default_parameters requires providing updated \
         default_parameters in the same request"
    )]
    DefaultParameters,
    #[error("State transition not allowed: ({from} -> {to})")]
    ActionTransition { from: &'static str, to: String },
    #[error("State update not allowed for actionplan state: {0}")]
    ActionPlanState(&'static str),
    #[error("status_message update only allowed when action state is SKIPPED")]
    StatusMessage,
    /// What the registry refuses because of what is there.
    #[error("{0}")]
    Registry(String),
    /// Somebody else changed the row between reading and writing it.
    #[error("The {0} was changed by another request; read it again")]
    Changed(&'static str),
}

impl Conflict {
    /// Of an insertion or update: a taken name, or that the store failed.
    pub(crate) fn or_store(error: watcher_store::Error, taken: fn(String) -> Self) -> ApiError {
        match error {
            watcher_store::Error::Conflict { name, .. } => taken(name).into(),
            other => other.into(),
        }
    }
}

/// Marks an answer that no operation made, so that the microversion layer leaves it alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoutingError;

/// Which shape the body has.
enum Shape {
    Fault,
    Routing,
    Keystone,
}

impl ApiError {
    fn status(&self) -> (StatusCode, Shape) {
        match self {
            Self::NoSuchPath => (StatusCode::NOT_FOUND, Shape::Routing),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, Shape::Routing),
            Self::Version(_) => (StatusCode::NOT_ACCEPTABLE, Shape::Routing),
            Self::Unauthenticated { .. } => (StatusCode::UNAUTHORIZED, Shape::Keystone),
            Self::KeystoneAway { .. }
            | Self::StoreAway(_)
            | Self::StoreFull(_)
            | Self::EngineAway(_)
            | Self::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, Shape::Fault),
            Self::Forbidden(_) | Self::Quota(_) => (StatusCode::FORBIDDEN, Shape::Fault),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, Shape::Fault),
            Self::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, Shape::Fault),
            Self::NotInThisVersion => (StatusCode::NOT_ACCEPTABLE, Shape::Fault),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, Shape::Fault),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, Shape::Fault),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, Shape::Fault),
            Self::Invalid(_) | Self::Interrupted => (StatusCode::BAD_REQUEST, Shape::Fault),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, Shape::Fault),
            Self::Conflict(_) => (StatusCode::CONFLICT, Shape::Fault),
            Self::Store(_) | Self::Registry(_) | Self::Dangling(_) => (StatusCode::INTERNAL_SERVER_ERROR, Shape::Fault),
        }
    }

    /// The sentence for the client: the error itself, or, where that is the service's own affair, a fixed one.
    fn outside(&self, status: StatusCode) -> String {
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            "The service failed to answer this request. Its log says why under the request id of this answer."
                .to_owned()
        } else {
            // Sentences repeat what was sent.
            middle_cut(self.to_string(), LONGEST_SENTENCE)
        }
    }
}

impl From<watcher_store::Error> for ApiError {
    fn from(error: watcher_store::Error) -> Self {
        match error {
            watcher_store::Error::Busy(_) | watcher_store::Error::Unreachable(_) => Self::StoreAway(error),
            watcher_store::Error::Full(_) | watcher_store::Error::ReadOnly(_) => Self::StoreFull(error),
            other => Self::Store(other),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, shape) = self.status();
        if status.is_server_error() {
            let reason = if let Self::KeystoneAway { reason } = &self { reason.as_str() } else { "" };
            tracing::error!(%status, reason, "request failed: {}", chain(&self));
        }
        let sentence = self.outside(status);
        let title = status.canonical_reason().unwrap_or_default();
        let mut response = match shape {
            Shape::Fault => match &self {
                Self::Refused(refusal) => fault_with(status, &sentence, refusal.report.as_ref()),
                _ => fault(status, &sentence),
            },
            Shape::Routing => {
                wrapped(status, &json!({"code": status.as_u16(), "title": title, "description": sentence}))
            }
            Shape::Keystone => {
                body(status, &json!({"error": {"code": status.as_u16(), "title": title, "message": sentence}}))
            }
        };
        match self {
            Self::MethodNotAllowed { allow } => {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
                response.extensions_mut().insert(RoutingError);
            }
            Self::NoSuchPath => {
                response.extensions_mut().insert(RoutingError);
            }
            Self::Unauthenticated { keystone } => {
                if let Ok(value) = HeaderValue::try_from(format!("Keystone uri=\"{keystone}\"")) {
                    response.headers_mut().insert(WWW_AUTHENTICATE, value);
                }
            }
            _ => {}
        }
        response
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

/// A fault with a sentence.
pub(crate) fn fault(status: StatusCode, sentence: &str) -> Response {
    fault_with(status, sentence, None)
}

/// A fault with something for programs to read, as a JSON text.
fn fault_with(status: StatusCode, sentence: &str, debuginfo: Option<&Value>) -> Response {
    let code = if status.is_server_error() { "Server" } else { "Client" };
    let debuginfo = debuginfo.map(text::json);
    wrapped(status, &json!({"faultcode": code, "faultstring": sentence, "debuginfo": debuginfo}))
}

fn wrapped(status: StatusCode, inner: &Value) -> Response {
    body(status, &json!({"error_message": text::json(inner)}))
}

fn body(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text::json(value)).into_response()
}
