//! Links: where a resource is, and where the next page of a list is.

use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::ApiOptions;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
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
        let proxy = if options.proxy_headers { Proxy::of(headers) } else { Proxy::default() };
        let host = proxy.host.or_else(|| usable(first(headers, &HOST)?));
        let host = host.or_else(|| parts.uri.authority().map(axum::http::uri::Authority::as_str));
        let Some(host) = host else { return Self(options.host_url.clone()) };
        let scheme = proxy.scheme.unwrap_or("http");
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let host = host.strip_suffix(default_port).unwrap_or(host);
        Self(format!("{scheme}://{host}{}", proxy.prefix.unwrap_or_default().trim_end_matches('/')))
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

/// What a proxy says about how the client reached it.
#[derive(Debug, Default)]
struct Proxy<'a> {
    scheme: Option<&'a str>,
    host: Option<&'a str>,
    prefix: Option<&'a str>,
}

impl<'a> Proxy<'a> {
    /// From `Forwarded` (RFC 7239), or else from the headers that came before it.
    fn of(headers: &'a HeaderMap) -> Self {
        let prefix = first(headers, &FORWARDED_PREFIX).and_then(usable);
        let Some(forwarded) = first(headers, &FORWARDED).filter(|value| !value.is_empty()) else {
            let scheme = first(headers, &FORWARDED_PROTO).and_then(usable_scheme);
            return Self { scheme, host: first(headers, &FORWARDED_HOST).and_then(usable), prefix };
        };
        let part = |wanted: &str| {
            let mut parts = forwarded.split(';').filter_map(|part| part.split_once('='));
            let (_, value) = parts.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
            Some(value.trim().trim_matches('"'))
        };
        Self { scheme: part("proto").and_then(usable_scheme), host: part("host").and_then(usable), prefix }
    }
}

/// First value of a header.
fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.split(',').next()?.trim())
}

/// The value, if it can stand in a URL.
fn usable(value: &str) -> Option<&str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]%/~".contains(&byte);
    (!value.is_empty() && value.len() <= 255 && value.bytes().all(allowed)).then_some(value)
}

fn usable_scheme(value: &str) -> Option<&str> {
    ["http", "https"].into_iter().find(|scheme| scheme.eq_ignore_ascii_case(value))
}
