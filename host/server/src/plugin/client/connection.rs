//! The way to the service: as who, and where.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;
use watcher_domain::cloud::{CloudRequest, Method};
use watcher_domain::text::is_steering;
use watcher_domain::{Clock, Ids, SystemClock, SystemIds};
use watcher_openstack::{Answer, File, HttpLimits, PlainService, Session};

use crate::config::{Config, KeystoneConfig, Origin, environment};
use crate::keystone;

/// Largest answer that is read.
const MAX_ANSWER: usize = 64 << 20;
/// An upload is checked before it is answered.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Where the service is, and who asks.
#[derive(Debug, Args)]
pub struct ConnectionArgs {
    /// Address of a service that asks for no token (api.auth = none). Without it `OS_CLOUD` or the other `OS_*` variables say where Keystone is
    /// and who asks, as for the stock clients.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Cloud of clouds.yaml.
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    pub os_cloud: Option<String>,
    /// Print what the service answers, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A connection to one service.
pub(super) struct Connection {
    way: Way,
    /// Whether answers are printed as they are.
    pub(super) json: bool,
}

enum Way {
    Keystone(Arc<Session>),
    Plain(PlainService),
}

/// Variables of the stock clients, and the options of section `keystone` that they stand for. Of several for one option, the first counts.
const VARIABLES: &[(&str, &str)] = &[
    ("OS_CLOUD", "cloud"),
    ("OS_AUTH_URL", "auth_url"),
    ("OS_AUTH_TYPE", "auth_type"),
    ("OS_USERNAME", "username"),
    ("OS_USER_ID", "user_id"),
    ("OS_PASSWORD", "password"),
    ("OS_USER_DOMAIN_NAME", "user_domain_name"),
    ("OS_USER_DOMAIN_ID", "user_domain_id"),
    ("OS_PROJECT_NAME", "project_name"),
    ("OS_TENANT_NAME", "project_name"),
    ("OS_PROJECT_ID", "project_id"),
    ("OS_TENANT_ID", "project_id"),
    ("OS_PROJECT_DOMAIN_NAME", "project_domain_name"),
    ("OS_PROJECT_DOMAIN_ID", "project_domain_id"),
    ("OS_DOMAIN_NAME", "domain_name"),
    ("OS_DOMAIN_ID", "domain_id"),
    ("OS_SYSTEM_SCOPE", "system_scope"),
    ("OS_APPLICATION_CREDENTIAL_ID", "application_credential_id"),
    ("OS_APPLICATION_CREDENTIAL_NAME", "application_credential_name"),
    ("OS_APPLICATION_CREDENTIAL_SECRET", "application_credential_secret"),
    ("OS_REGION_NAME", "region_name"),
    ("OS_INTERFACE", "interface"),
    ("OS_ENDPOINT_TYPE", "interface"),
    ("OS_CACERT", "cacert"),
];

/// Section `keystone` as the environment of a stock client describes it. The service's own defaults and variables do not count.
fn keystone(cloud: Option<&str>, environment: &[(String, String)]) -> anyhow::Result<KeystoneConfig> {
    let mut settings: Vec<String> = Vec::new();
    let mut set = |option: &str, value: &str| {
        let name = format!("keystone.{option}=");
        if !settings.iter().any(|known| known.starts_with(&name)) {
            settings.push(format!("{name}{}", toml::Value::from(value)));
        }
    };
    if let Some(cloud) = cloud {
        set("cloud", cloud);
    }
    for (variable, option) in VARIABLES {
        // A cloud that is named on the command line is not mixed with another one of the environment.
        let value = environment.iter().find(|(name, value)| name == variable && !value.is_empty());
        if let Some((_, value)) = value.filter(|_| cloud.is_none()) {
            set(option, value);
        }
    }
    let others = environment.iter().filter(|(name, _)| !name.starts_with("WATCHER_")).cloned();
    let loaded = Config::load(None, others, &settings)?;
    let mut section = loaded.config.keystone;
    let is_default = |option: &str| {
        loaded.origins.get(&format!("keystone.{option}")).is_none_or(|(_, origin)| *origin == Origin::Default)
    };
    if is_default("username") {
        section.username.clear();
    }
    if is_default("project_name") {
        section.project_name.clear();
    }
    if section.auth_url.is_empty() {
        bail!(
            "nothing says where the service is: set OS_AUTH_URL and the other variables of the stock clients, name a cloud of clouds.yaml with \
             --os-cloud, or give --url for a service that asks for no token"
        );
    }
    Ok(section)
}

impl Connection {
    /// Prepares; nothing is sent yet.
    pub(super) fn new(arguments: &ConnectionArgs) -> anyhow::Result<Self> {
        let limits = HttpLimits { timeout: TIMEOUT, ..HttpLimits::default() };
        let way = if let Some(url) = &arguments.url {
            // The catalogue's endpoint stands before the version, as requests begin with it.
            let url = url.trim_end_matches('/').trim_end_matches("/v1");
            Way::Plain(PlainService::new(url, limits, None, false).context("--url")?)
        } else {
            let section = keystone(arguments.os_cloud.as_deref(), &environment())?;
            let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(SystemIds));
            Way::Keystone(keystone::session_within(&section, limits, &clock, &ids)?)
        };
        Ok(Self { way, json: arguments.json })
    }

    /// Id of the project that asks, if it asks for one.
    pub(super) async fn project(&self) -> anyhow::Result<Option<String>> {
        match &self.way {
            Way::Keystone(session) => Ok(session.project_id().await?),
            Way::Plain(_) => Ok(None),
        }
    }

    /// Sends a request, and gives the bytes of an answer that is 2xx.
    pub(super) async fn bytes(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
        file: Option<File>,
    ) -> anyhow::Result<Vec<u8>> {
        let request = CloudRequest {
            service_type: "infra-optim".to_owned(),
            method,
            path: path.to_owned(),
            query: query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            body: body.map(ToString::to_string),
            microversion: None,
        };
        let answer = match &self.way {
            Way::Keystone(session) => session.transfer(&request, file, MAX_ANSWER).await,
            Way::Plain(service) => service.transfer(&request, file, MAX_ANSWER).await,
        }?;
        if answer.is_success() {
            return Ok(answer.body.to_vec());
        }
        bail!("{}", refusal(&answer))
    }

    /// The same for an answer in JSON; null for an empty one.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        parse(&self.bytes(method, path, &[], body, None).await?)
    }

    /// Reads.
    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        parse(&self.bytes(Method::Get, path, query, None, None).await?)
    }

    /// All items of a list, page by page. The marker of the next page is the `key` of the last item.
    pub(super) async fn all(
        &self,
        path: &str,
        list: &str,
        key: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<Vec<Value>> {
        let mut items: Vec<Value> = Vec::new();
        loop {
            let mut query = query.to_vec();
            let marker =
                items.last().map(|item| item[key].as_str().map_or_else(|| item[key].to_string(), str::to_owned));
            query.extend(marker.map(|marker| ("marker", marker)));
            let mut page = self.get(path, &query).await?;
            let has_next = page["next"].is_string();
            let Some(Value::Array(rows)) = page.get_mut(list).map(Value::take) else {
                bail!("the service answered something that has no {list}");
            };
            let is_last = rows.is_empty() || !has_next;
            items.extend(rows);
            if is_last || items.len() >= MAX_ITEMS {
                return Ok(items);
            }
        }
    }
}

/// Most items of a list that are read.
const MAX_ITEMS: usize = 100_000;

/// An answer as JSON.
pub(super) fn parse(bytes: &[u8]) -> anyhow::Result<Value> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).context("the service answered something that is not JSON")
}

/// Why the service did not do it, in its own words; for a component that was refused, with everything that is wrong with it.
fn refusal(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let fault = match &body["error_message"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        other => other.clone(),
    };
    let said = fault["faultstring"].as_str().map_or_else(|| answer.error_message(), str::to_owned);
    let report: Value =
        fault["debuginfo"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let problems = report["problems"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines = problems.iter().map(|problem| {
        let text = |name: &str| problem[name].as_str().unwrap_or_default();
        let at = if text("at").is_empty() { String::new() } else { format!("{}: ", text("at")) };
        let expected = if text("expected").is_empty() { String::new() } else { format!("; {}", text("expected")) };
        format!("\n  {}: {at}{}{expected}", text("code"), text("message"))
    });
    let lines: String = lines.collect();
    let text = format!("the service said {}: {said}{lines}", answer.status);
    text.chars().filter(|c| *c == '\n' || !is_steering(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(cloud: Option<&str>, variables: &[(&str, &str)]) -> Result<KeystoneConfig, String> {
        let environment: Vec<_> = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        keystone(cloud, &environment).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn variables_of_the_stock_clients_say_who_asks() {
        let section = section(
            None,
            &[
                ("OS_AUTH_URL", "http://k:5000/v3"),
                ("OS_USERNAME", "alice"),
                ("OS_PASSWORD", "\"quoted\" #1"),
                ("OS_TENANT_NAME", "older"),
                ("OS_PROJECT_NAME", "blue"),
                ("WATCHER_KEYSTONE__USERNAME", "watcher"),
            ],
        )
        .unwrap();
        assert_eq!((section.username.as_str(), section.project_name.as_str()), ("alice", "blue"));
        assert_eq!(section.password.reveal(), "\"quoted\" #1");
    }

    #[test]
    fn nobody_asks_as_the_service_user_by_mistake() {
        let section = section(None, &[("OS_AUTH_URL", "http://k:5000/v3"), ("OS_PASSWORD", "x")]).unwrap();
        assert_eq!((section.username.as_str(), section.project_name.as_str()), ("", ""));
    }

    #[test]
    fn without_anything_the_ways_are_named() {
        assert!(section(None, &[]).unwrap_err().starts_with("nothing says where the service is: set OS_AUTH_URL"));
    }

    #[test]
    fn a_cloud_of_clouds_yaml_is_a_way_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clouds.yaml");
        let text = "clouds:\n  lab:\n    auth:\n      auth_url: http://lab:5000\n      username: bob\n      password: p\n      \
                    project_name: red\n";
        std::fs::write(&file, text).unwrap();
        let variables = [("OS_CLIENT_CONFIG_FILE", file.to_str().unwrap()), ("OS_USERNAME", "alice")];
        let section = section(Some("lab"), &variables).unwrap();
        assert_eq!((section.username.as_str(), section.project_name.as_str()), ("bob", "red"));
    }
}
