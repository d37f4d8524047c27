//! Version documents and microversions.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::NovaError;
use crate::app::{App, reply};

/// The newest minor version.
const NEWEST: u32 = 96;
const HEADER: &str = "openstack-api-version";
const LEGACY_HEADER: &str = "x-openstack-nova-api-version";

/// The microversion of a request: 2.`0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32);

impl Version {
    /// Whether the request is of this minor version or a newer one.
    pub(super) fn since(self, minor: u32) -> bool {
        self.0 >= minor
    }
}

/// Reads the headers of a request; none means 2.1.
fn parse(headers: &HeaderMap) -> Result<Version, NovaError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let new = text(HEADER).and_then(|value| {
        value.split(',').find_map(|part| {
            let (service, version) = part.trim().split_once(' ')?;
            service.eq_ignore_ascii_case("compute").then(|| version.trim())
        })
    });
    let Some(wanted) = new.or_else(|| text(LEGACY_HEADER)) else { return Ok(Version(1)) };
    if wanted.eq_ignore_ascii_case("latest") {
        return Ok(Version(NEWEST));
    }
    let numbers = wanted.split_once('.').and_then(|(major, minor)| {
        let digits = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if plain && (text == "0" || !text.starts_with('0')) { text.parse::<u32>().ok() } else { None }
        };
        Some((digits(major)?, digits(minor)?))
    });
    match numbers {
        Some((2, minor @ 1..=NEWEST)) => Ok(Version(minor)),
        Some((major, minor)) => Err(NovaError {
            status: StatusCode::NOT_ACCEPTABLE,
            message: format!(
                "Version {major}.{minor} is not supported by the API. Minimum is 2.1 and maximum is 2.{NEWEST}."
            ),
        }),
        None => Err(NovaError::bad_request(format!(
            "API Version String {wanted} is of invalid format. Must be of format MajorNum.MinorNum."
        ))),
    }
}

/// Gives the version to the service and writes it into the answer.
pub(super) async fn negotiate(State(_): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let version = match parse(request.headers()) {
        Ok(version) => version,
        Err(error) => return error.into_response(),
    };
    request.extensions_mut().insert(version);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let number = format!("2.{}", version.0);
    if let (Ok(new), Ok(legacy)) = (HeaderValue::from_str(&format!("compute {number}")), HeaderValue::from_str(&number))
    {
        headers.insert(HEADER, new);
        headers.insert(LEGACY_HEADER, legacy);
    }
    headers.append(header::VARY, HeaderValue::from_static("OpenStack-API-Version"));
    headers.append(header::VARY, HeaderValue::from_static("X-OpenStack-Nova-API-Version"));
    response
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/compute", get(versions))
        .route("/compute/", get(versions))
        .route("/compute/v2.1", get(version))
        .route("/compute/v2.1/", get(version))
}

fn view(app: &App) -> Value {
    json!({
        "id": "v2.1",
        "status": "CURRENT",
        "version": format!("2.{NEWEST}"),
        "min_version": "2.1",
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": format!("{}/", app.endpoints.compute)}],
    })
}

async fn versions(State(app): State<Arc<App>>) -> Response {
    reply(StatusCode::OK, &json!({"versions": [view(&app)]}))
}

async fn version(State(app): State<Arc<App>>) -> Response {
    let mut view = view(&app);
    view["media-types"] =
        json!([{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}]);
    reply(StatusCode::OK, &json!({"version": view}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> Result<Version, NovaError> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        parse(&headers)
    }

    #[test]
    fn a_request_without_a_version_is_2_1() {
        assert_eq!(parse(&HeaderMap::new()), Ok(Version(1)));
        assert_eq!(with(HEADER, "placement 1.39"), Ok(Version(1)));
    }

    #[test]
    fn both_headers_and_latest_are_understood() {
        assert_eq!(with(HEADER, "compute 2.56"), Ok(Version(56)));
        assert_eq!(with(HEADER, "placement 1.2, compute 2.90"), Ok(Version(90)));
        assert_eq!(with(LEGACY_HEADER, "2.53"), Ok(Version(53)));
        assert_eq!(with(LEGACY_HEADER, "latest"), Ok(Version(NEWEST)));
    }

    #[test]
    fn a_version_out_of_range_is_406_and_nonsense_is_400() {
        for text in ["2.97", "2.0", "3.1"] {
            assert_eq!(with(LEGACY_HEADER, text).unwrap_err().status, StatusCode::NOT_ACCEPTABLE);
        }
        for text in ["2", "two", "2.01", "2.", "99999999999999999999.1"] {
            assert_eq!(with(LEGACY_HEADER, text).unwrap_err().status, StatusCode::BAD_REQUEST);
        }
    }
}
