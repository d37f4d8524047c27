//! Which requests a plugin asks for, and which a project lets it send.

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

fn is_placeholder(segment: &str) -> bool {
    segment.len() > 2 && segment.starts_with('{') && segment.ends_with('}')
}

impl RequestPattern {
    /// A kind of request with any microversion and any body.
    pub fn new(service: impl Into<String>, method: Method, path: impl Into<String>) -> Self {
        Self { service: service.into(), method, path: path.into(), microversions: None, actions: Vec::new() }
    }

    /// Checks that the pattern can mean something.
    pub fn check(&self) -> Result<(), InvalidRequest> {
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
        match &self.microversions {
            Some(text) if microversions(text).is_none() => {
                Err(InvalidRequest::Text { what: "range of microversions", text: shorten(text) })
            }
            _ => Ok(()),
        }
    }

    /// What both patterns stand for; none if there is no request of both kinds.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        if self.service != other.service || self.method != other.method {
            return None;
        }
        let (own, others): (Vec<&str>, Vec<&str>) = (self.path.split('/').collect(), other.path.split('/').collect());
        if own.len() != others.len() {
            return None;
        }
        let both = |(a, b): (&&str, &&str)| match (is_placeholder(a), is_placeholder(b)) {
            (true, _) => Some((*b).to_owned()),
            (false, true) => Some((*a).to_owned()),
            (false, false) => (a == b).then(|| (*a).to_owned()),
        };
        let path: Vec<String> = own.iter().zip(&others).map(both).collect::<Option<_>>()?;
        let microversions = match (&self.microversions, &other.microversions) {
            (None, range) | (range, None) => range.clone(),
            (Some(a), Some(b)) => {
                let (a, b) = (microversions(a)?, microversions(b)?);
                let ((low_major, low_minor), high) = (a.0.max(b.0), a.1.min(b.1));
                if (low_major, low_minor) > high {
                    return None;
                }
                let high = if high.0 == u32::MAX { String::new() } else { format!("{}.{}", high.0, high.1) };
                Some(format!("{low_major}.{low_minor}-{high}"))
            }
        };
        let actions: Vec<String> = match (self.actions.is_empty(), other.actions.is_empty()) {
            (true, _) => other.actions.clone(),
            (false, true) => self.actions.clone(),
            (false, false) => self.actions.iter().filter(|action| other.actions.contains(action)).cloned().collect(),
        };
        if actions.is_empty() && !(self.actions.is_empty() && other.actions.is_empty()) {
            return None;
        }
        Some(Self { service: self.service.clone(), method: self.method, path: path.join("/"), microversions, actions })
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

    /// Whether a well-formed request is of this kind.
    pub fn matches(&self, request: &CloudRequest) -> bool {
        if self.service != request.service_type
            || self.method != request.method
            || !self.allows_microversion(request.microversion.as_deref())
            || !self.allows_body(request.body.as_deref())
        {
            return false;
        }
        let (mut pattern, mut path) = (self.path.split('/'), request.path.split('/'));
        loop {
            match (pattern.next(), path.next()) {
                (None, None) => return true,
                (Some(want), Some(have)) if want == have || (is_placeholder(want) && !have.is_empty()) => {}
                _ => return false,
            }
        }
    }
}

/// What a project lets a plugin do in its cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grant(pub Vec<RequestPattern>);

impl Grant {
    /// What this grant and another have in common.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both: Vec<RequestPattern> = Vec::new();
        for own in &self.0 {
            for theirs in &other.0 {
                if let Some(pattern) = own.intersection(theirs)
                    && !both.contains(&pattern)
                {
                    both.push(pattern);
                }
            }
        }
        Self(both)
    }

    /// Whether the request may be sent.
    pub fn allows(&self, request: &CloudRequest) -> bool {
        self.0.iter().any(|pattern| pattern.matches(request))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn patterns_that_can_mean_nothing_are_refused() {
        pattern("/servers/{server}/action", Some("2.1-2.56"), &[]).check().unwrap();
        for path in ["servers", "/servers/../flavors", "/a//b", "/a/%2f", "/a b", "http://elsewhere/", "/{}/x"] {
            assert!(pattern(path, None, &[]).check().is_err(), "{path}");
        }
        for range in ["", "-", "2", "2.56-2.1", "latest", "2.1-2.2-2.3"] {
            assert!(pattern("/a", Some(range), &[]).check().is_err(), "{range}");
        }
    }

    fn any_pattern() -> impl Strategy<Value = RequestPattern> {
        let segment = prop::sample::select(vec!["a", "b", "{x}", "{y}"]);
        let range = prop::sample::select(vec![None, Some("2.1-2.5"), Some("2.4-"), Some("-2.3"), Some("2.4")]);
        let actions = prop::sample::subsequence(vec!["go", "stop", "wait"], 0..3);
        (prop::collection::vec(segment, 1..4), range, actions)
            .prop_map(|(path, range, actions)| pattern(&format!("/{}", path.join("/")), range, &actions))
    }

    proptest! {
        #[test]
        fn an_intersection_allows_what_both_allow(
            one in prop::collection::vec(any_pattern(), 0..4),
            two in prop::collection::vec(any_pattern(), 0..4),
            path in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4),
            minor in prop::option::of(0_u8..8),
            action in prop::option::of(prop::sample::select(vec!["go", "stop", "leave"])),
        ) {
            let version = minor.map(|minor| format!("2.{minor}"));
            let body = action.map(|action| format!("{{\"{action}\": null}}"));
            let request = request(&format!("/{}", path.join("/")), version.as_deref(), body.as_deref());
            let (one, two) = (Grant(one), Grant(two));
            prop_assert_eq!(one.intersection(&two).allows(&request), one.allows(&request) && two.allows(&request));
        }
    }
}
