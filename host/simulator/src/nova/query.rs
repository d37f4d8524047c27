//! Query strings and pages.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::extract::Query;
use http::request::Parts;
use serde_json::{Value, json};

use super::NovaError;
use crate::app::App;

/// The query of a request, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl FromRequestParts<Arc<App>> for Params {
    type Rejection = NovaError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Self::Rejection> {
        let Query(pairs) =
            Query::try_from_uri(&parts.uri).map_err(|rejection| NovaError::bad_request(rejection.body_text()))?;
        Ok(Self(pairs))
    }
}

impl Params {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The last value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A yes or no; given without a value is a yes.
    pub(super) fn flag(&self, name: &str) -> Result<bool, NovaError> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("0" | "f" | "false" | "off" | "n" | "no") => Ok(false),
            Some("" | "1" | "t" | "true" | "on" | "y" | "yes") => Ok(true),
            Some(other) => Err(NovaError::bad_request(format!(
                "Invalid input for query parameters {name}. Value: {other}. Unrecognized value '{other}'"
            ))),
        }
    }

    /// Size of the page asked for, at most `largest`.
    pub(super) fn limit(&self, largest: usize) -> Result<usize, NovaError> {
        match self.get("limit") {
            None => Ok(largest),
            Some(text) => text.parse::<usize>().map(|limit| limit.min(largest)).map_err(|_| {
                NovaError::bad_request(format!(
                    "Invalid input for query parameters limit. Value: {text}. '{text}' does not match '^[0-9]*$'"
                ))
            }),
        }
    }

    /// The link to the page after `marker`: the same query with another marker.
    pub(super) fn next_link(&self, url: &str, marker: &str) -> Value {
        let mut pairs: Vec<(&str, &str)> = self
            .0
            .iter()
            .filter(|(name, _)| name != "marker")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        pairs.push(("marker", marker));
        let query: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        json!([{"rel": "next", "href": format!("{url}?{}", query.join("&"))}])
    }
}

/// Percent-encodes all but the unreserved characters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// The links to the next page, when the page is full. Like Nova, it does not look whether more follows. `page` is the
/// limit and what was given.
pub(super) fn next_link(params: &Params, url: &str, page: (usize, usize), last: Option<&str>) -> Option<Value> {
    let (limit, given) = page;
    last.filter(|_| limit > 0 && given == limit).map(|last| params.next_link(url, last))
}

/// Adds the links to the next page to a body, if there are any.
pub(super) fn add_next_link(
    body: &mut Value,
    name: &str,
    params: &Params,
    url: &str,
    page: (usize, usize),
    last: Option<&str>,
) {
    if let Some(links) = next_link(params, url, page, last) {
        body[name] = links;
    }
}
