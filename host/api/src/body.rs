//! Request bodies: read within limits, then taken apart field by field as the original does, so that its sentences come out.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use tokio::time::Instant;
use uuid::Uuid;
use watcher_domain::Timestamp;

use crate::arguments::{self, refuse_nul};
use crate::error::{ApiError, Invalid};
use crate::state::ApiState;
use crate::text;
use crate::time;

/// Content types that are read as JSON.
const JSON: &[&str] = &["application/json", "text/javascript", "application/javascript"];
const FORM: &str = "application/x-www-form-urlencoded";

/// A JSON body; none if it is empty.
#[derive(Debug)]
pub(crate) struct Body(pub(crate) Option<Value>);

impl Body {
    /// The value, or that the argument is missing.
    pub(crate) fn required(self, argument: &'static str) -> Result<Value, Invalid> {
        self.0.ok_or(Invalid::MissingArgument(argument))
    }
}

impl FromRequest<ApiState> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &ApiState) -> Result<Self, ApiError> {
        let media_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_ascii_lowercase())
            .unwrap_or_default();
        let read = read(request, api.options.body_limit, Pace::FREE);
        let bytes = tokio::time::timeout(api.options.body_timeout, read).await.unwrap_or(Err(ApiError::TooSlow))?;
        if bytes.is_empty() || media_type == FORM {
            return Ok(Self(None));
        }
        if !JSON.contains(&media_type.as_str()) {
            return Err(ApiError::MediaType(media_type.chars().take(100).collect()));
        }
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| Invalid::NotJson)?;
        refuse_nul(&value)?;
        Ok(Self(Some(value)))
    }
}

/// How fast a body is taken, so that whoever sends megabytes as fast as they can leaves the network, the memory and the processors to others, too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Bytes that are taken as they come.
    pub(crate) at_once: usize,
    /// Bytes per second from then on.
    pub(crate) per_second: u32,
}

impl Pace {
    /// As it comes: for bodies that have a small bound.
    pub(crate) const FREE: Self = Self { at_once: usize::MAX, per_second: u32::MAX };

    /// Waits until so many bytes may have arrived.
    async fn keep(self, begin: Instant, arrived: usize) {
        let Some(paced) = arrived.checked_sub(self.at_once) else { return };
        let due = Duration::from_micros(paced as u64 * 1_000_000 / u64::from(self.per_second));
        tokio::time::sleep_until(begin + due).await;
    }
}

/// Reads a body of at most so many bytes, piece by piece into one buffer: no thread is kept for long, whatever its size.
pub(crate) async fn read(request: Request, limit: usize, pace: Pace) -> Result<Bytes, ApiError> {
    let mut body = request.into_body();
    // What a client announces takes no memory before it arrives: large buffers are given room page by page.
    let announced = usize::try_from(http_body::Body::size_hint(&body).lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(ApiError::TooLarge { limit });
    }
    let begin = Instant::now();
    let mut bytes = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| ApiError::Interrupted)?.into_data() else { continue };
        if data.len() > limit - bytes.len() {
            return Err(ApiError::TooLarge { limit });
        }
        bytes.extend_from_slice(&data);
        pace.keep(begin, bytes.len()).await;
    }
    Ok(bytes.into())
}

/// Reads a body of at most so many bytes and keeps nothing of it.
pub(crate) async fn forget(request: Request, limit: usize, pace: Pace) {
    let mut body = request.into_body();
    let begin = Instant::now();
    let mut arrived = 0_usize;
    while let Some(Ok(frame)) = body.frame().await {
        arrived = arrived.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if arrived > limit {
            return;
        }
        pace.keep(begin, arrived).await;
    }
}

/// The members of a body, taken one by one.
pub(crate) struct Fields<'a> {
    argument: &'static str,
    whole: &'a Value,
    members: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// Refuses anything but an object with only the members of `known`.
    pub(crate) fn of(argument: &'static str, whole: &'a Value, known: &[&str]) -> Result<Self, Invalid> {
        let Some(members) = whole.as_object() else {
            return Err(Invalid::input(argument, whole, "Value not a valid dict"));
        };
        let names: Vec<String> = members.keys().filter(|name| !known.contains(&name.as_str())).cloned().collect();
        if names.is_empty() {
            Ok(Self { argument, whole, members })
        } else {
            Err(Invalid::UnknownAttribute { argument, names })
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A sentence about the whole body.
    pub(crate) fn refuse(&self, reason: impl Into<String>) -> Invalid {
        Invalid::Input { field: self.argument.to_owned(), value: text::shown(self.whole), reason: reason.into() }
    }

    /// Refuses a body without a member.
    pub(crate) fn mandatory(&self, name: &'static str) -> Result<(), Invalid> {
        if self.members.contains_key(name) {
            Ok(())
        } else {
            Err(Invalid::Input {
                field: name.to_owned(),
                value: "None".to_owned(),
                reason: "Mandatory field missing.".to_owned(),
            })
        }
    }

    /// Refuses a body with a member.
    pub(crate) fn read_only(&self, name: &str) -> Result<(), Invalid> {
        match self.members.get(name) {
            None => Ok(()),
            Some(value) => Err(Invalid::input(name, value, "Cannot set read only field.")),
        }
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Invalid> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => Err(Invalid::wrong_type(name, value, "<class 'str'>")),
        }
    }

    /// A UUID.
    pub(crate) fn uuid(&self, name: &str) -> Result<Option<Uuid>, Invalid> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value
            .as_str()
            .and_then(arguments::uuid)
            .map(Some)
            .ok_or_else(|| self.refuse(format!("Expected a uuid but received {}", text::plain(value))))
    }

    /// An object.
    pub(crate) fn object(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, Invalid> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => {
                Invalid::refuse_heavy(name, members)?;
                Ok(Some(members))
            }
            Some(value) => Err(self.refuse(format!("Value not a valid dict: {}", text::plain(value)))),
        }
    }

    /// Anything.
    pub(crate) fn any(&self, name: &str) -> Option<&'a Value> {
        self.get(name)
    }

    /// A boolean, a number, or one of the texts that mean one.
    pub(crate) fn boolean(&self, name: &str) -> Result<bool, Invalid> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::Number(number)) if !number.is_f64() => Ok(number.as_u64() != Some(0)),
            Some(Value::String(text)) if ["true", "t", "yes", "y", "on", "1"].contains(&text.as_str()) => Ok(true),
            Some(Value::String(text)) if ["false", "f", "no", "n", "off", "0"].contains(&text.as_str()) => Ok(false),
            Some(value) => Err(self.refuse(format!("Value not an unambiguous boolean: {}", text::plain(value)))),
        }
    }

    /// A point in time.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Invalid> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value
            .as_str()
            .and_then(time::parse)
            .map(Some)
            .ok_or_else(|| self.refuse(format!("Unknown time format: {}", text::plain(value))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_more_than_may_come_at_once_is_taken_at_its_pace() {
        let pace = Pace { at_once: 1_000, per_second: 500 };
        for (size, duration) in [(900, 0), (1_000, 0), (1_500, 1), (3_000, 4)] {
            let begin = Instant::now();
            let body = vec![7; size];
            assert_eq!(read(Request::new(body.clone().into()), 3_000, pace).await.unwrap(), body);
            forget(Request::new(body.into()), 3_000, Pace { at_once: 0, per_second: u32::MAX }).await;
            assert_eq!(begin.elapsed().as_secs(), duration, "{size} bytes");
        }
        assert!(matches!(read(Request::new(vec![7; 3_001].into()), 3_000, pace).await, Err(ApiError::TooLarge { .. })));
    }
}
