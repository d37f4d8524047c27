//! Paths as clients write them: with or without `/v1`, a slash at the end, doubled slashes, or `.json`.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// Paths that are not resources of version 1.
const OUTSIDE: &[&str] = &["openapi.json", "docs"];

/// Rewrites the path of a request to the one way in which it is routed.
pub(crate) fn normalise(mut request: Request) -> Request {
    let path = canonical(request.uri().path());
    if path != request.uri().path() {
        let target = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        if let Ok(target) = PathAndQuery::try_from(target) {
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(target);
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
    }
    request
}

/// The one way to write a path.
pub(crate) fn canonical(path: &str) -> String {
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if let [outside] = segments[..]
        && OUTSIDE.contains(&outside)
    {
        return format!("/{outside}");
    }
    if let Some(last) = segments.last_mut()
        && let Some(bare) = last.strip_suffix(".json").filter(|bare| !bare.is_empty())
    {
        *last = bare;
    }
    match segments.first() {
        None => "/".to_owned(),
        Some(&"v1") => format!("/{}", segments.join("/")),
        Some(_) => format!("/v1/{}", segments.join("/")),
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn every_way_to_write_a_path_is_routed_the_same() {
        for path in ["/v1/goals", "/v1/goals/", "/goals", "//v1//goals//", "/v1/goals.json", "/goals.json/"] {
            assert_eq!(canonical(path), "/v1/goals", "{path}");
        }
        assert_eq!(canonical(""), "/");
        assert_eq!(canonical("//"), "/");
        assert_eq!(canonical("/v1/"), "/v1");
        assert_eq!(canonical("/v2/goals"), "/v1/v2/goals");
        assert_eq!(canonical("/openapi.json"), "/openapi.json");
        assert_eq!(canonical("/v1/goals/a%2Fb"), "/v1/goals/a%2Fb");
    }
}
