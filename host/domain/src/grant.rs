//! Kinds of requests, as a plugin declares and a project grants them. What follows from both: [`crate::permission`].

use serde::{Deserialize, Serialize};

use crate::cloud::{CloudRequest, InvalidRequest, Method, shorten};

/// A kind of request that a plugin asks for, or may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPattern {
    /// Service type.
    pub service: String,
    /// Method.
    pub method: Method,
    /// Path; a segment `{name}` stands for any one segment.
    pub path: String,
    /// Keys that its query may have: what an administrator is shown by `all_tenants` is not what the path says. Empty stands for no query.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<String>,
    /// API microversions, as `2.1-2.56`, `2.56` for one, or open at an end: `2.1-`, `-2.56`. None stands for any, and for requests without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub microversions: Option<String>,
    /// For requests that say by the only member of their body what is to be done, as Nova's server actions: which members there may be. Empty
    /// stands for any body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
}

/// A request's microversion, or an end of a range.
type Microversion = (u32, u32);

/// Lowest and highest microversion of a range that makes sense.
fn microversions(text: &str) -> Option<(Microversion, Microversion)> {
    let one = |text: &str| -> Option<Microversion> {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let low = if low.is_empty() { (0, 0) } else { one(low)? };
    let high = if high.is_empty() { (u32::MAX, u32::MAX) } else { one(high)? };
    let is_bounded = !matches!(text, "" | "-");
    (low <= high && is_bounded).then_some((low, high))
}

/// Most query keys or actions of a pattern.
const MOST_NAMES: usize = 64;
/// Longest query key or action, in bytes.
const LONGEST_NAME: usize = 64;

fn is_placeholder(segment: &str) -> bool {
    segment.len() > 2 && segment.starts_with('{') && segment.ends_with('}')
}

/// Whether what stands between the braces is a name, which is all that people who grant should have to read there.
fn is_named(placeholder: &str) -> bool {
    let name = &placeholder[1..placeholder.len() - 1];
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn is_word(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
}

/// How far a request is of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit<'r> {
    /// It is of another kind.
    Other,
    /// It is of the kind but for this key of its query.
    BesidesQuery(&'r str),
    /// It is of the kind.
    Whole,
}

impl RequestPattern {
    /// A kind of request without a query, with any microversion and any body.
    pub fn new(service: impl Into<String>, method: Method, path: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            method,
            path: path.into(),
            query: Vec::new(),
            microversions: None,
            actions: Vec::new(),
        }
    }

    /// The same kind of request with these keys in its query.
    #[must_use]
    pub fn with_query(mut self, keys: &[&str]) -> Self {
        self.query = keys.iter().map(|&key| key.to_owned()).collect();
        self
    }

    /// Checks that the pattern can mean something, and reads as what it means.
    ///
    /// # Errors
    /// A path that no request may have, a placeholder that is no name (`[a-z][a-z0-9_]*`), keys, actions or microversions that are none.
    pub fn check(&self) -> Result<(), InvalidRequest> {
        let mut placeholders = self.path.split('/').filter(|segment| is_placeholder(segment));
        if let Some(odd) = placeholders.find(|segment| !is_named(segment)) {
            return Err(InvalidRequest::Placeholder { path: shorten(&self.path), placeholder: shorten(odd) });
        }
        let plain: Vec<&str> =
            self.path.split('/').map(|segment| if is_placeholder(segment) { "x" } else { segment }).collect();
        let like = CloudRequest {
            service_type: self.service.clone(),
            method: self.method,
            path: plain.join("/"),
            query: Vec::new(),
            body: None,
            microversion: None,
        };
        like.check()?;
        for (what, words) in [("query key", &self.query), ("action", &self.actions)] {
            let odd = words.iter().find(|word| !is_word(word)).or_else(|| words.get(MOST_NAMES));
            if let Some(odd) = odd {
                return Err(InvalidRequest::Text { what, text: shorten(odd) });
            }
        }
        match &self.microversions {
            Some(text) if microversions(text).is_none() => {
                Err(InvalidRequest::Text { what: "range of microversions", text: shorten(text) })
            }
            _ => Ok(()),
        }
    }

    fn allows_microversion(&self, wanted: Option<&str>) -> bool {
        let Some(range) = &self.microversions else { return true };
        // A range that makes no sense, or a microversion that is none, allows nothing.
        let Some(((low, high), (wanted, _))) = microversions(range).zip(wanted.and_then(microversions)) else {
            return false;
        };
        low <= wanted && wanted <= high
    }

    fn allows_body(&self, body: Option<&str>) -> bool {
        if self.actions.is_empty() {
            return true;
        }
        let members: Option<serde_json::Map<String, serde_json::Value>> =
            body.and_then(|body| serde_json::from_str(body).ok());
        members.is_some_and(|members| members.len() == 1 && members.keys().all(|member| self.actions.contains(member)))
    }

    fn allows_path(&self, path: &str) -> bool {
        let (mut pattern, mut path) = (self.path.split('/'), path.split('/'));
        loop {
            match (pattern.next(), path.next()) {
                (None, None) => return true,
                (Some(want), Some(have)) if want == have || (is_placeholder(want) && !have.is_empty()) => {}
                _ => return false,
            }
        }
    }

    /// How far a well-formed request is of this kind.
    pub(crate) fn fit<'r>(&self, request: &'r CloudRequest) -> Fit<'r> {
        if self.service != request.service_type
            || self.method != request.method
            || !self.allows_microversion(request.microversion.as_deref())
            || !self.allows_path(&request.path)
            || !self.allows_body(request.body.as_deref())
        {
            return Fit::Other;
        }
        let mut keys = request.query.iter().map(|(key, _)| key);
        keys.find(|key| !self.query.contains(key)).map_or(Fit::Whole, |key| Fit::BesidesQuery(key))
    }

    /// Whether a well-formed request is of this kind.
    pub fn matches(&self, request: &CloudRequest) -> bool {
        self.fit(request) == Fit::Whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, microversion: Option<&str>, body: Option<&str>) -> CloudRequest {
        CloudRequest {
            service_type: "compute".to_owned(),
            method: Method::Post,
            path: path.to_owned(),
            query: Vec::new(),
            body: body.map(str::to_owned),
            microversion: microversion.map(str::to_owned),
        }
    }

    fn pattern(path: &str, microversions: Option<&str>, actions: &[&str]) -> RequestPattern {
        RequestPattern {
            microversions: microversions.map(str::to_owned),
            actions: actions.iter().map(|&action| action.to_owned()).collect(),
            ..RequestPattern::new("compute", Method::Post, path)
        }
    }

    #[test]
    fn a_range_of_microversions_takes_numbers_between_its_ends_only() {
        for (range, given, allowed) in [
            ("2.1-2.56", Some("2.9"), true),
            ("2.1-2.56", Some("2.56"), true),
            ("2.1-2.56", Some("2.57"), false),
            ("2.1-2.56", Some("3.1"), false),
            ("2.1-2.56", Some("latest"), false),
            ("2.1-2.56", None, false),
            ("2.30", Some("2.30"), true),
            ("2.30", Some("2.31"), false),
            ("2.30-", Some("9.0"), true),
            ("-2.30", Some("2.1"), true),
            ("x", Some("2.1"), false),
        ] {
            let pattern = pattern("/servers", Some(range), &[]);
            assert_eq!(pattern.matches(&request("/servers", given, None)), allowed, "{range} {given:?}");
        }
    }

    #[test]
    fn a_body_may_name_one_granted_action_and_nothing_besides() {
        let pattern = pattern("/servers/{server}/action", None, &["migrate", "os-migrateLive"]);
        for (body, allowed) in [
            (Some(r#"{"migrate": null}"#), true),
            (Some(r#"{"os-migrateLive": {"host": "a"}}"#), true),
            (Some(r#"{"rebuild": {}}"#), false),
            (Some(r#"{"migrate": null, "rebuild": {}}"#), false),
            (Some(r#"["migrate"]"#), false),
            (Some("{}"), false),
            (None, false),
        ] {
            assert_eq!(pattern.matches(&request("/servers/1/action", None, body)), allowed, "{body:?}");
        }
    }

    #[test]
    fn a_query_has_only_keys_that_the_pattern_names() {
        let with = |keys: &[&str]| CloudRequest {
            query: keys.iter().map(|&key| (key.to_owned(), "1".to_owned())).collect(),
            ..request("/servers/detail", None, None)
        };
        let (none, some) = (pattern("/servers/detail", None, &[]), pattern("/servers/detail", None, &[]));
        let some = some.with_query(&["host", "marker"]);
        assert!(none.matches(&with(&[])) && some.matches(&with(&[])));
        assert!(some.matches(&with(&["host"])) && some.matches(&with(&["marker", "host", "host"])));
        for (pattern, keys, key) in [
            (&none, &["all_tenants"][..], "all_tenants"),
            (&none, &["host"], "host"),
            (&some, &["host", "all_tenants"], "all_tenants"),
            (&some, &["Host"], "Host"),
            (&some, &["host[]"], "host[]"),
            (&some, &[""], ""),
        ] {
            assert_eq!(pattern.fit(&with(keys)), Fit::BesidesQuery(key));
        }
    }

    #[test]
    fn placeholders_keys_and_actions_are_names() {
        for path in ["/{server}", "/servers/{server_2}/os-interface/{port}"] {
            pattern(path, None, &[]).check().unwrap();
        }
        for odd in ["{x y<script>}", "{server-id}", "{Server}", "{_a}", "{2}", "{\u{202e}a}", "{a}b}", "{\u{1b}[2J}"] {
            let error = pattern(&format!("/servers/{odd}"), None, &[]).check().unwrap_err();
            assert!(matches!(&error, InvalidRequest::Placeholder { placeholder, .. } if placeholder == odd), "{error}");
        }
        let long = "k".repeat(LONGEST_NAME + 1);
        for odd in ["", "a b", "a&b", "a=b", "tags\u{202e}", &long] {
            let error = pattern("/servers", None, &[]).with_query(&[odd]).check().unwrap_err().to_string();
            assert!(error.starts_with("query key \""), "{error}");
            assert!(pattern("/servers", None, &[odd]).check().is_err(), "{odd:?}");
        }
        assert!(pattern("/servers", None, &[]).with_query(&["k"; MOST_NAMES + 1]).check().is_err());
        pattern("/ports", None, &[])
            .with_query(&["binding:host_id", "not-tags-any", "name__contains"])
            .check()
            .unwrap();
    }

    #[test]
    fn patterns_that_can_mean_nothing_are_refused() {
        pattern("/servers/{server}/action", Some("2.1-2.56"), &[]).check().unwrap();
        for path in ["servers", "/servers/../flavors", "/a//b", "/a/%2f", "/a b", "http://elsewhere/", "/{}/x"] {
            assert!(pattern(path, None, &[]).check().is_err(), "{path}");
        }
        for range in ["", "-", "2", "2.56-2.1", "latest", "2.1-2.2-2.3"] {
            assert!(pattern("/a", Some(range), &[]).check().is_err(), "{range}");
        }
    }
}
