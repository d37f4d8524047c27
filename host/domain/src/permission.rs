//! What a plugin may ask of a cloud: what it declares, as far as a project granted it, for the versions that were looked at.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cloud::CloudRequest;
use crate::failure::Blame;
use crate::grant::{Fit, RequestPattern};
use crate::plugin::Digest;

/// Most versions that a refusal lists.
const MOST_LISTED: usize = 5;

/// A version that a grant is for. Its number is kept, too: a grant outlives the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedVersion {
    /// Its number.
    pub version: String,
    /// What it is known by.
    pub digest: Digest,
}

/// Which versions of a plugin a grant is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantedVersions {
    /// All, also those that its owner uploads later.
    Any,
    /// These.
    These(Vec<GrantedVersion>),
}

/// What a project lets a plugin do in its cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What it may ask.
    pub requests: Vec<RequestPattern>,
    /// In which versions.
    pub versions: GrantedVersions,
}

/// What one version of a plugin may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    declared: Vec<RequestPattern>,
    granted: Granted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Granted {
    All,
    Requests(Vec<RequestPattern>),
    OtherVersions { granted: Vec<GrantedVersion>, this: GrantedVersion },
}

/// Why a request is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPermitted {
    /// The plugin never said that it would ask this.
    #[error("is not declared by this plugin")]
    Declared,
    /// The plugin said that it would ask this, but not with this in the query.
    #[error("has the query key {0:?}, which this plugin does not declare for it")]
    DeclaredQuery(String),
    /// Nobody let it.
    #[error("is not granted to this plugin")]
    Granted,
    /// It was let ask this, but not with this in the query.
    #[error("has the query key {0:?}, which is not granted to this plugin")]
    GrantedQuery(String),
    /// Other versions were let ask something.
    #[error("is not granted to this version of the plugin: granted for {granted}, this is {this}")]
    OtherVersion {
        /// Their numbers.
        granted: String,
        /// The number of this one.
        this: String,
    },
}

impl NotPermitted {
    /// Who has to act.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Declared | Self::DeclaredQuery(_) => Blame::Plugin,
            Self::Granted | Self::GrantedQuery(_) | Self::OtherVersion { .. } => Blame::Service,
        }
    }
}

/// How far a request is of one of these kinds.
fn fit<'r>(patterns: &[RequestPattern], request: &'r CloudRequest) -> Fit<'r> {
    let mut nearest = Fit::Other;
    for pattern in patterns {
        match pattern.fit(request) {
            Fit::Whole => return Fit::Whole,
            Fit::BesidesQuery(key) => nearest = Fit::BesidesQuery(key),
            Fit::Other => {}
        }
    }
    nearest
}

impl Permission {
    /// Of a plugin that comes with the service: all that it declares.
    pub const fn built_in(declared: Vec<RequestPattern>) -> Self {
        Self { declared, granted: Granted::All }
    }

    /// Of the version of an uploaded plugin, by what was granted to the plugin.
    pub fn granted(declared: Vec<RequestPattern>, grant: Option<Grant>, this: GrantedVersion) -> Self {
        let granted = match grant {
            None => Granted::Requests(Vec::new()),
            Some(Grant { requests, versions: GrantedVersions::Any }) => Granted::Requests(requests),
            Some(Grant { requests, versions: GrantedVersions::These(versions) }) => {
                // Where nothing is granted, no version matters.
                if requests.is_empty() || versions.iter().any(|version| version.digest == this.digest) {
                    Granted::Requests(requests)
                } else {
                    Granted::OtherVersions { granted: versions, this }
                }
            }
        };
        Self { declared, granted }
    }

    /// Whether a well-formed request may be sent.
    ///
    /// # Errors
    /// Why not, in words that follow the request.
    pub fn check(&self, request: &CloudRequest) -> Result<(), NotPermitted> {
        match fit(&self.declared, request) {
            Fit::Other => return Err(NotPermitted::Declared),
            Fit::BesidesQuery(key) => return Err(NotPermitted::DeclaredQuery(key.chars().take(80).collect())),
            Fit::Whole => {}
        }
        match &self.granted {
            Granted::All => Ok(()),
            Granted::Requests(granted) => match fit(granted, request) {
                Fit::Other => Err(NotPermitted::Granted),
                Fit::BesidesQuery(key) => Err(NotPermitted::GrantedQuery(key.chars().take(80).collect())),
                Fit::Whole => Ok(()),
            },
            Granted::OtherVersions { granted, this } => {
                // An owner who deletes a version can upload another one of its number.
                let is_twice = granted.iter().any(|version| version.version == this.version);
                let name = |version: &GrantedVersion| Name { version, with_digest: is_twice }.to_string();
                let mut names: Vec<String> = granted.iter().take(MOST_LISTED).map(name).collect();
                match granted.len() {
                    0 => names.push("no version".to_owned()),
                    count if count > MOST_LISTED => names.push(format!("{} more", count - MOST_LISTED)),
                    _ => {}
                }
                Err(NotPermitted::OtherVersion { granted: names.join(", "), this: name(this) })
            }
        }
    }
}

struct Name<'a> {
    version: &'a GrantedVersion,
    with_digest: bool,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version.version)?;
        if self.with_digest { write!(f, " ({})", self.version.digest) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cloud::Method;

    fn request(path: &str, query: &[&str], body: Option<&str>) -> CloudRequest {
        CloudRequest {
            service_type: "compute".to_owned(),
            method: Method::Get,
            path: path.to_owned(),
            query: query.iter().map(|&key| (key.to_owned(), String::new())).collect(),
            body: body.map(str::to_owned),
            microversion: None,
        }
    }

    fn version(number: &str, digest: u8) -> GrantedVersion {
        GrantedVersion { version: number.to_owned(), digest: Digest([digest; 32]) }
    }

    fn pattern(path: &str, query: &[&str]) -> RequestPattern {
        RequestPattern::new("compute", Method::Get, path).with_query(query)
    }

    fn refusal(permission: &Permission, request: &CloudRequest) -> String {
        permission.check(request).unwrap_err().to_string()
    }

    #[test]
    fn a_key_of_the_query_is_declared_and_granted_or_refused_by_name() {
        let declared = vec![pattern("/servers/detail", &["host", "all_tenants"]), pattern("/flavors", &[])];
        let grant = |keys: &[&str]| {
            let requests = vec![pattern("/servers/detail", keys), pattern("/flavors", &["is_public"])];
            Some(Grant { requests, versions: GrantedVersions::Any })
        };
        let permission = Permission::granted(declared.clone(), grant(&["host"]), version("1.0.0", 1));
        permission.check(&request("/servers/detail", &["host"], None)).unwrap();
        let told = refusal(&permission, &request("/servers/detail", &["host", "all_tenants"], None));
        assert_eq!(told, "has the query key \"all_tenants\", which is not granted to this plugin");
        let told = refusal(&permission, &request("/servers/detail", &["deleted"], None));
        assert_eq!(told, "has the query key \"deleted\", which this plugin does not declare for it");
        let told = refusal(&permission, &request("/flavors", &["is_public"], None));
        assert_eq!(told, "has the query key \"is_public\", which this plugin does not declare for it");
        assert_eq!(refusal(&permission, &request("/images", &[], None)), "is not declared by this plugin");
        let none = Permission::granted(declared.clone(), None, version("1.0.0", 1));
        assert_eq!(refusal(&none, &request("/flavors", &[], None)), "is not granted to this plugin");
        let built_in = Permission::built_in(declared);
        built_in.check(&request("/servers/detail", &["all_tenants"], None)).unwrap();
        assert!(built_in.check(&request("/servers/detail", &["deleted"], None)).is_err());
    }

    #[test]
    fn a_grant_for_versions_says_for_which_and_which_this_is() {
        let permission = |versions: GrantedVersions, this: GrantedVersion| {
            let requests = vec![pattern("/flavors", &[])];
            Permission::granted(requests.clone(), Some(Grant { requests, versions }), this)
        };
        let asked = request("/flavors", &[], None);
        let these = |list: &[GrantedVersion]| GrantedVersions::These(list.to_vec());
        permission(these(&[version("1.0.0", 1)]), version("1.0.0", 1)).check(&asked).unwrap();
        permission(GrantedVersions::Any, version("1.1.0", 2)).check(&asked).unwrap();
        let told = refusal(&permission(these(&[version("1.0.0", 1)]), version("1.1.0", 2)), &asked);
        assert_eq!(told, "is not granted to this version of the plugin: granted for 1.0.0, this is 1.1.0");
        let told = refusal(&permission(these(&[version("1.0.0", 1)]), version("1.0.0", 2)), &asked);
        assert!(
            told.contains("granted for 1.0.0 (sha256:0101") && told.contains("this is 1.0.0 (sha256:0202"),
            "{told}"
        );
        let many: Vec<_> = (3..13).map(|minor| version(&format!("1.{minor}.0"), minor)).collect();
        let told = refusal(&permission(these(&many), version("1.1.0", 2)), &asked);
        assert!(told.contains("1.7.0, 5 more, this is 1.1.0"), "{told}");
    }

    fn any_patterns() -> impl Strategy<Value = Vec<RequestPattern>> {
        let segment = prop::sample::select(vec!["a", "b", "{x}", "{y}"]);
        let actions = prop::sample::subsequence(vec!["go", "stop", "wait"], 0..3);
        let keys = prop::sample::subsequence(vec!["p", "q", "r"], 0..3);
        let one =
            (prop::collection::vec(segment, 1..4), actions, keys).prop_map(|(path, actions, keys)| RequestPattern {
                actions: actions.into_iter().map(str::to_owned).collect(),
                ..pattern(&format!("/{}", path.join("/")), &keys)
            });
        prop::collection::vec(one, 0..4)
    }

    proptest! {
        #[test]
        fn what_is_sent_is_both_declared_and_granted(
            declared in any_patterns(),
            granted in any_patterns(),
            path in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4),
            keys in prop::sample::subsequence(vec!["p", "q", "s"], 0..3),
            action in prop::option::of(prop::sample::select(vec!["go", "stop", "leave"])),
        ) {
            let body = action.map(|action| format!("{{\"{action}\": null}}"));
            let request = request(&format!("/{}", path.join("/")), &keys, body.as_deref());
            let among = |patterns: &[RequestPattern]| patterns.iter().any(|pattern| pattern.matches(&request));
            let both = among(&declared) && among(&granted);
            let grant = Grant { requests: granted, versions: GrantedVersions::Any };
            let permission = Permission::granted(declared, Some(grant), version("1.0.0", 1));
            prop_assert_eq!(permission.check(&request).is_ok(), both);
        }
    }
}
