//! The service catalogue: where services are.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use url::Url;

/// Which of a service's endpoints to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interface {
    /// For everybody.
    #[default]
    Public,
    /// Within the cloud.
    Internal,
    /// For administrators.
    Admin,
}

impl Interface {
    /// The word of the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an interface: public, internal or admin")]
pub struct InvalidInterface(String);

impl FromStr for Interface {
    type Err = InvalidInterface;

    /// Takes the older names too: `publicURL`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_suffix("URL").unwrap_or(text) {
            "public" => Ok(Self::Public),
            "internal" => Ok(Self::Internal),
            "admin" => Ok(Self::Admin),
            _ => Err(InvalidInterface(text.chars().take(40).collect())),
        }
    }
}

/// One service of a token's catalogue.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CatalogEntry {
    #[serde(rename = "type")]
    service_type: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Deserialize)]
struct Endpoint {
    interface: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    region_id: Option<String>,
    url: String,
}

/// Which endpoints of the catalogue count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    pub(crate) interface: Interface,
    pub(crate) region: Option<String>,
    /// Addresses that take precedence, by service type.
    pub(crate) overrides: BTreeMap<String, Url>,
}

/// Base addresses by service type, with the version and without a slash at the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog(BTreeMap<String, Url>);

/// Names that the same service had at other times.
const ALIASES: &[&[&str]] =
    &[&["block-storage", "volumev3", "volume"], &["block-store", "volumev3"], &["metric-storage", "aetos"]];

/// Versions that a path must begin with, where an endpoint may leave it out.
const VERSIONS: &[(&str, &str)] =
    &[("compute", "v2.1"), ("identity", "v3"), ("baremetal", "v1"), ("volumev3", "v3"), ("block-storage", "v3")];

impl Catalog {
    pub(crate) fn new(entries: &[CatalogEntry], selection: &Selection) -> Self {
        let mut urls = BTreeMap::new();
        for entry in entries {
            let chosen = entry.endpoints.iter().find(|endpoint| {
                let regions = [&endpoint.region_id, &endpoint.region];
                endpoint.interface.parse() == Ok(selection.interface)
                    && selection
                        .region
                        .as_deref()
                        .is_none_or(|wanted| regions.iter().any(|region| region.as_deref() == Some(wanted)))
            });
            if let Some(url) = chosen.and_then(|endpoint| base(&endpoint.url, &entry.service_type)) {
                urls.entry(entry.service_type.clone()).or_insert(url);
            }
        }
        urls.extend(selection.overrides.iter().map(|(service, url)| (service.clone(), url.clone())));
        Self(urls)
    }

    /// Base address of a service.
    pub(crate) fn endpoint(&self, service_type: &str) -> Option<&Url> {
        self.0.get(service_type).or_else(|| {
            ALIASES
                .iter()
                .filter(|names| names.contains(&service_type))
                .flat_map(|names| names.iter())
                .find_map(|name| self.0.get(*name))
        })
    }

    /// Service types that have an endpoint, in words.
    pub(crate) fn available(&self) -> String {
        let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// An absolute HTTP address with the service's version, and without query, fragment and slash at the end.
pub(crate) fn base(text: &str, service_type: &str) -> Option<Url> {
    let mut url = Url::parse(text.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    let has_version = path.split('/').any(|segment| {
        segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    });
    match VERSIONS.iter().find(|(service, _)| *service == service_type) {
        Some((_, version)) if !has_version => url.set_path(&format!("{path}/{version}")),
        _ => url.set_path(&path),
    }
    Some(url)
}

/// The address of a path below a base. The path was checked: it cannot leave the base.
pub(crate) fn join(base: &Url, path: &str, query: &[(String, String)]) -> Url {
    let mut url = base.clone();
    let whole = format!("{}{path}", base.path().trim_end_matches('/'));
    url.set_path(&whole);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn catalog(selection: &Selection) -> Catalog {
        let endpoint = |interface: &str, region: &str, url: &str| json!({"interface": interface, "region": region, "region_id": region, "url": url, "id": "x"});
        let entries: Vec<CatalogEntry> = serde_json::from_value(json!([
            {"type": "compute", "name": "nova", "id": "n", "endpoints": [
                endpoint("admin", "one", "http://admin:8774/v2.1"),
                endpoint("public", "two", "http://two:8774/"),
                endpoint("public", "one", "http://one:8774/v2.1/"),
            ]},
            {"type": "volumev3", "name": "cinder", "id": "c", "endpoints": [
                endpoint("public", "one", "http://one:8776/v3/0123?x=1#y")]},
            {"type": "placement", "endpoints": [endpoint("publicURL", "one", "http://one/placement")]},
            {"type": "broken", "endpoints": [endpoint("public", "one", "ftp://one/")]},
            {"type": "identity", "endpoints": []},
        ]))
        .unwrap();
        Catalog::new(&entries, selection)
    }

    fn url(catalog: &Catalog, service: &str) -> Option<String> {
        catalog.endpoint(service).map(ToString::to_string)
    }

    #[test]
    fn region_and_interface_choose_the_endpoint() {
        let in_one = Selection { region: Some("one".to_owned()), ..Selection::default() };
        assert_eq!(url(&catalog(&in_one), "compute").unwrap(), "http://one:8774/v2.1");
        assert_eq!(url(&catalog(&Selection::default()), "compute").unwrap(), "http://two:8774/v2.1");
        let admin = Selection { interface: Interface::Admin, ..Selection::default() };
        assert_eq!(url(&catalog(&admin), "compute").unwrap(), "http://admin:8774/v2.1");
        assert_eq!(url(&catalog(&admin), "placement"), None);
        assert_eq!(catalog(&admin).available(), "compute");
    }

    #[test]
    fn a_service_is_found_by_its_other_names_and_an_override_wins() {
        let mut selection = Selection::default();
        assert_eq!(url(&catalog(&selection), "block-storage").unwrap(), "http://one:8776/v3/0123");
        assert_eq!(url(&catalog(&selection), "broken"), None);
        selection.overrides.insert("compute".to_owned(), Url::parse("http://here/v2.1").unwrap());
        assert_eq!(url(&catalog(&selection), "compute").unwrap(), "http://here/v2.1");
    }

    #[test]
    fn a_path_is_put_below_the_base() {
        let base = base("http://h/compute", "compute").unwrap();
        let query = [("limit".to_owned(), "1 000&x".to_owned())];
        assert_eq!(join(&base, "/servers/%20a", &query).as_str(), "http://h/compute/v2.1/servers/%20a?limit=1+000%26x");
        assert_eq!(join(&base, "/", &[]).as_str(), "http://h/compute/v2.1/");
    }

    #[test]
    fn old_names_of_interfaces_are_taken() {
        assert_eq!("internalURL".parse(), Ok(Interface::Internal));
        assert!("secret".parse::<Interface>().unwrap_err().to_string().contains("public, internal or admin"));
    }
}
