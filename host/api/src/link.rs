//! Links: where a resource is, and where the next page of a list is.

use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::ApiOptions;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Link {
    /// Where it leads.
    pub(crate) href: String,
    /// `self`, `bookmark` or `describedby`.
    pub(crate) rel: &'static str,
    /// Media type of what is there.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<&'static str>,
}

impl Link {
    /// A link without a media type.
    pub(crate) fn new(rel: &'static str, href: String) -> Self {
        Self { href, rel, media_type: None }
    }
}

/// Start of every link in an answer: the service as the client reached it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base(String);

impl Base {
    /// From the `Host` header, or, behind a trusted proxy, from what the proxy says.
    pub(crate) fn of(parts: &Parts, options: &ApiOptions) -> Self {
        let headers = &parts.headers;
        let forwarded = |name: &HeaderName| if options.proxy_headers { usable(headers, name) } else { None };
        let host = forwarded(&FORWARDED_HOST).or_else(|| usable(headers, &HOST));
        let host = host.or_else(|| parts.uri.authority().map(|authority| authority.as_str().to_owned()));
        let Some(host) = host else { return Self(options.host_url.clone()) };
        let scheme = forwarded(&FORWARDED_PROTO).unwrap_or_else(|| "http".to_owned());
        let prefix = forwarded(&FORWARDED_PREFIX).unwrap_or_default();
        Self(format!("{scheme}://{host}{}", prefix.trim_end_matches('/')))
    }

    /// `…/v1/{path}`.
    pub(crate) fn v1(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.0)
    }

    /// `…/{path}`.
    pub(crate) fn bare(&self, path: &str) -> String {
        format!("{}/{path}", self.0)
    }

    /// The two links that every item has.
    pub(crate) fn item(&self, collection: &str, id: impl std::fmt::Display) -> [Link; 2] {
        let path = format!("{collection}/{id}");
        [Link::new("self", self.v1(&path)), Link::new("bookmark", self.bare(&path))]
    }
}

/// First value of a header that can stand in a URL.
fn usable(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]%/~".contains(&byte);
    (!value.is_empty() && value.len() <= 255 && value.bytes().all(allowed)).then(|| value.to_owned())
}
