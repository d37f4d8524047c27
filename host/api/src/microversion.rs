//! Microversions: which fields and operations a client asked for with `OpenStack-API-Version`.

use std::fmt;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header::VARY};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::{ApiError, RoutingError};

/// Name of the request header and of the answer's.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("openstack-api-version");
const MINIMUM: HeaderName = HeaderName::from_static("openstack-api-minimum-version");
const MAXIMUM: HeaderName = HeaderName::from_static("openstack-api-maximum-version");
/// Service type in the header.
const SERVICE: &str = "infra-optim";
const HIGHEST: u32 = 7;

/// Lowest and highest version, as the version documents write them.
pub(crate) const RANGE: (&str, &str) = ("1.0", "1.7");

/// A version 1.x that is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Microversion(u32);

impl Microversion {
    /// The lowest.
    pub(crate) const LOWEST: Self = Self(0);
    /// Start and end time of audits.
    pub(crate) const START_END_TIME: Self = Self(1);
    /// `force` of audits.
    pub(crate) const FORCE: Self = Self(2);
    /// The data model.
    pub(crate) const DATA_MODEL: Self = Self(3);
    /// Webhooks.
    pub(crate) const WEBHOOKS: Self = Self(4);
    /// Skipping actions, and status messages.
    pub(crate) const SKIPPED: Self = Self(5);
    /// Flavor extra specs and the pinned availability zone of servers in the data model.
    pub(crate) const EXTENDED_MODEL: Self = Self(6);
    /// Default parameters of audit templates.
    pub(crate) const DEFAULT_PARAMETERS: Self = Self(7);

    /// Reads the request header. A missing or unreadable one, or one for another service, means 1.0.
    fn from_headers(headers: &HeaderMap) -> Result<Self, VersionError> {
        let values: Vec<&str> = headers.get_all(VERSION).iter().filter_map(|value| value.to_str().ok()).collect();
        let asked = values.join(",");
        let asked = asked.rsplit(',').find_map(|part| {
            let (service, version) = part.trim().split_once(char::is_whitespace)?;
            service.eq_ignore_ascii_case(SERVICE).then(|| version.trim())
        });
        let Some(asked) = asked.filter(|asked| !asked.is_empty()) else { return Ok(Self(0)) };
        if asked.eq_ignore_ascii_case("latest") {
            return Ok(Self(HIGHEST));
        }
        let Ok(parts) = asked.split('.').map(|part| part.trim().parse::<i64>()).collect::<Result<Vec<_>, _>>() else {
            return Ok(Self(0));
        };
        match parts[..] {
            [1] => Ok(Self(0)),
            [1, minor] => u32::try_from(minor)
                .ok()
                .filter(|minor| *minor <= HIGHEST)
                .map(Self)
                .ok_or(VersionError::Minor { minor }),
            [major, minor] => Err(VersionError::Major { major, minor }),
            _ => Err(VersionError::Malformed),
        }
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// A version that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VersionError {
    /// Neither one nor two numbers.
    #[error("Invalid value for OpenStack-API-Version header")]
    Malformed,
    /// Not 1.x.
    #[error(
        "Mutually exclusive versions requested. Version {major}.{minor} requested but not supported by this service. \
         The supported version range is: [1.0, 1.7]."
    )]
    Major {
        /// First number.
        major: i64,
        /// Second number.
        minor: i64,
    },
    /// 1.x, but no such x.
    #[error(
        "Version 1.{minor} was requested but the minor version is not supported by this service. \
         The supported version range is: [1.0, 1.7]."
    )]
    Minor {
        /// Second number.
        minor: i64,
    },
}

/// Settles the version of a request below `/v1`, and says in the answer which it was.
pub(crate) async fn negotiate(mut request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/v1") {
        return next.run(request).await;
    }
    let (version, mut response) = match Microversion::from_headers(request.headers()) {
        Err(error @ VersionError::Malformed) => return ApiError::Version(error).into_response(),
        Err(error) => (None, ApiError::Version(error).into_response()),
        Ok(version) => {
            request.extensions_mut().insert(version);
            let response = next.run(request).await;
            if response.extensions().get::<RoutingError>().is_some() {
                return response;
            }
            (Some(version), response)
        }
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("OpenStack-API-Version"));
    headers.insert(MINIMUM, HeaderValue::from_static(RANGE.0));
    headers.insert(MAXIMUM, HeaderValue::from_static(RANGE.1));
    if let Some(version) = version
        && let Ok(value) = HeaderValue::try_from(format!("{SERVICE} {version}"))
    {
        headers.insert(VERSION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(value: &str) -> Result<Microversion, VersionError> {
        let mut headers = HeaderMap::new();
        headers.insert(VERSION, HeaderValue::try_from(value).unwrap());
        Microversion::from_headers(&headers)
    }

    #[test]
    fn an_unreadable_version_is_the_lowest() {
        for value in ["", "infra-optim", "compute 2.1", "infra-optim abc", "infra-optim 1", "infra-optim 1.x"] {
            assert_eq!(version(value), Ok(Microversion(0)), "{value}");
        }
    }

    #[test]
    fn the_last_mention_of_our_service_counts() {
        assert_eq!(version("infra-optim 1.2, compute 2.9, INFRA-OPTIM latest"), Ok(Microversion(7)));
        assert_eq!(version("infra-optim latest,infra-optim 1.3, compute 2.9"), Ok(Microversion(3)));
    }

    #[test]
    fn versions_out_of_range_are_refused() {
        assert_eq!(version("infra-optim 1.8"), Err(VersionError::Minor { minor: 8 }));
        assert_eq!(version("infra-optim 2.0"), Err(VersionError::Major { major: 2, minor: 0 }));
        assert_eq!(version("infra-optim 1.-1"), Err(VersionError::Minor { minor: -1 }));
        assert_eq!(version("infra-optim 1.2.3"), Err(VersionError::Malformed));
        assert_eq!(version("infra-optim 2"), Err(VersionError::Malformed));
    }
}
