//! What the demo asks of the service and of the cloud, as administrator and through the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use watcher_domain::cloud::{CloudRequest, Method};
use watcher_domain::ports::CloudRequests;
use watcher_domain::{Clock, Ids, SystemClock, SystemIds};

use super::{succeed, text};
use crate::config::{Config, KeystoneConfig};
use crate::keystone;

/// A client of one cloud.
pub struct Client(Arc<dyn CloudRequests>);

impl Client {
    /// A client with the password of user `admin`, in the cloud that the configuration names.
    pub fn new(config: &Config, password: &str) -> anyhow::Result<Self> {
        let mut user = config.keystone.clone();
        "admin".clone_into(&mut user.username);
        "admin".clone_into(&mut user.project_name);
        user.password = password.into();
        Self::of(&user)
    }

    /// A client of whoever the section names.
    pub fn of(user: &KeystoneConfig) -> anyhow::Result<Self> {
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(SystemIds));
        Ok(Self(keystone::session(user, &clock, &ids)?))
    }

    async fn send(
        &self,
        service: &str,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let version = if service == "compute" { "2.56" } else { "1.7" };
        let request = CloudRequest {
            service_type: service.to_owned(),
            method,
            path: path.to_owned(),
            query: query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: body.map(ToString::to_string),
            microversion: Some(version.to_owned()),
        };
        let answer = self.0.send(&request).await?;
        succeed(&format!("{method} {path}"), answer.status, &answer.body)
    }

    /// Reads from the service.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.send("infra-optim", Method::Get, path, query, None).await
    }

    /// Writes to the service.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send("infra-optim", Method::Post, path, &[], Some(body)).await
    }

    /// Changes something at the service, by JSON patch.
    pub async fn patch(&self, path: &str, operations: &Value) -> anyhow::Result<Value> {
        self.send("infra-optim", Method::Patch, path, &[], Some(operations)).await
    }

    /// All actions of a plan, in its order.
    pub async fn actions(&self, plan: &str) -> anyhow::Result<Vec<Value>> {
        let mut actions: Vec<Value> = Vec::new();
        loop {
            let marker = actions.last().map(|action| text(&action["uuid"]).to_owned());
            let mut query = vec![("action_plan_uuid", plan), ("limit", "1000")];
            query.extend(marker.as_deref().map(|marker| ("marker", marker)));
            let mut page = self.get("/v1/actions/detail", &query).await?;
            let Some(Value::Array(rows)) = page.get_mut("actions").map(Value::take) else { return Ok(actions) };
            let last = rows.len() < 1000;
            actions.extend(rows);
            if last {
                return Ok(actions);
            }
        }
    }

    /// Host name of every instance that is on a host, by UUID, as Nova says.
    pub async fn placement(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut placement = BTreeMap::new();
        let mut marker: Option<String> = None;
        loop {
            let mut query = vec![("all_tenants", "1"), ("limit", "1000")];
            query.extend(marker.as_deref().map(|marker| ("marker", marker)));
            let page = self.send("compute", Method::Get, "/servers/detail", &query, None).await?;
            let servers = page["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
            for server in servers {
                if let Some(host) = server["OS-EXT-SRV-ATTR:host"].as_str() {
                    placement.insert(text(&server["id"]).to_owned(), host.to_owned());
                }
            }
            match servers.last() {
                None => return Ok(placement),
                Some(last) => marker = Some(text(&last["id"]).to_owned()),
            }
        }
    }

    /// Host names of the compute services that the scheduler may use.
    pub async fn enabled_hosts(&self) -> anyhow::Result<BTreeSet<String>> {
        let answer = self.send("compute", Method::Get, "/os-services", &[("binary", "nova-compute")], None).await?;
        let services = answer["services"].as_array().map(Vec::as_slice).unwrap_or_default();
        let enabled = services.iter().filter(|service| service["status"] == "enabled");
        Ok(enabled.map(|service| text(&service["host"]).to_owned()).collect())
    }
}
