//! What this handler asks of Nova besides, and what it reads out of the answers.

use serde::Deserialize;
use watcher_sdk::{ActionHost, Failure};

use shared_nova::Patience;
pub(crate) use shared_nova::{Migration, gone, refused};

use crate::Configuration;

/// The last one in which an instance tells its flavor by id; later ones show only the flavor's name, which can change.
const MICROVERSION: &str = "2.46";

/// How many pages of flavors are looked through: more flavors than any cloud has.
const MAX_PAGES: u32 = 1000;

/// Nova, as this handler asks it.
pub(crate) type Nova<'a> = shared_nova::Nova<'a, Flavored>;

/// An instance, and its flavor.
pub(crate) type Server = shared_nova::Server<Flavored>;

/// Which flavor an instance has.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Flavored {
    pub(crate) flavor: FlavorRef,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FlavorRef {
    pub(crate) id: String,
}

#[derive(Deserialize)]
struct Flavor {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct FlavorAnswer {
    flavor: Flavor,
}

#[derive(Deserialize)]
struct FlavorsAnswer {
    flavors: Vec<Flavor>,
}

/// Nova, asked with the patience that the operator configured.
pub(crate) fn reach<'a>(host: &'a dyn ActionHost, configuration: &Configuration) -> Nova<'a> {
    let patience = Patience {
        interval_s: configuration.resize_interval_s,
        max_retries: configuration.resize_max_retries,
        http_retries: configuration.http_retries,
        http_retry_interval_s: configuration.http_retry_interval_s,
    };
    Nova::new(host, MICROVERSION, &patience)
}

/// A flavor id as one segment of a path; none for a text that cannot be one.
fn segment(id: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let is_id = id.chars().all(is_plain) && id.chars().any(|c| c != '.') && id.trim() == id;
    is_id.then(|| id.replace(' ', "%20"))
}

/// Id of the flavor with this id, or else with this name.
///
/// # Errors
/// `flavor-not-found`.
pub(crate) fn known_flavor(nova: &Nova<'_>, id_or_name: &str) -> Result<String, Failure> {
    if let Some(segment) = segment(id_or_name) {
        let request = nova.request("GET", format!("/flavors/{segment}"));
        if let Some(answer) = nova.get::<FlavorAnswer>(&request, "flavor")? {
            return Ok(answer.flavor.id);
        }
    }
    let mut marker: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let mut request = nova.request("GET", "/flavors");
        if let Some(marker) = &marker {
            request = request.query("marker", marker);
        }
        let answer = nova.get::<FlavorsAnswer>(&request, "list of flavors")?;
        let flavors = answer.map(|answer| answer.flavors).unwrap_or_default();
        if let Some(found) = flavors.iter().find(|flavor| flavor.name == id_or_name) {
            return Ok(found.id.clone());
        }
        let Some(last) = flavors.into_iter().next_back() else { break };
        marker = Some(last.id);
    }
    Err(Failure::cloud("flavor-not-found", format!("Flavor {id_or_name} not found")))
}
