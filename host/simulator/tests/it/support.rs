//! A running simulator with a clock that stands still, and a client that is logged in.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use watcher_cluster::ClusterFile;
use watcher_simulator::{ManualClock, RunningSimulator, Simulator, SimulatorOptions};

/// A simulator and an admin.
pub(crate) struct Cloud {
    pub(crate) running: RunningSimulator,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

pub(crate) fn noon() -> DateTime<Utc> {
    "2026-01-02T12:00:00Z".parse().unwrap()
}

/// Three hosts of 8 vCPU and 16 GiB; `a` is full by half, `b` has little, `c` is empty.
pub(crate) fn small_file() -> ClusterFile {
    let host = |name: &str, number: u32| {
        json!({"uuid": host_uuid(number), "hostname": name, "vcpus": 8, "memory": 16384, "disk": 200,
               "memory_mb_reserved": 512, "vcpu_ratio": 1.0})
    };
    let instance = |number: u32, node: &str, vcpus: u32, state: &str| {
        json!({"uuid": server_uuid(number), "name": format!("vm-{number}"), "node": node, "vcpus": vcpus,
               "memory": 2048, "disk": 10, "state": state, "project_id": "p1", "flavor": format!("f{vcpus}")})
    };
    let file = json!({
        "compute": {
            "nodes": [host("a", 1), host("b", 2), host("c", 3)],
            "instances": [
                instance(1, "a", 2, "active"),
                instance(2, "a", 2, "stopped"),
                instance(3, "b", 4, "active"),
                instance(4, "b", 1, "paused"),
            ],
        },
        "metrics": {
            "host": {"a": {"host_cpu_usage": 33.3, "host_ram_usage": 1_234_567.8},
                     host_uuid(2): {"host_cpu_usage": 0.0, "host_ram_usage": null},
                     "c": {}},
            "instance": {server_uuid(1): {"instance_cpu_usage": 47.1, "instance_ram_usage": 1000.5},
                         server_uuid(2): {"instance_cpu_usage": 0.0},
                         server_uuid(3): {"instance_ram_usage": 12.0}},
        },
        "aggregates": [{"id": 1, "name": "fast", "hosts": ["a", "b"]}],
        "services": [{"host": "a", "zone": "east"}, {"host": "b", "zone": "east"}, {"host": "c", "zone": "west"}],
    });
    ClusterFile::parse(file.to_string().as_bytes()).unwrap()
}

pub(crate) fn host_uuid(number: u32) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02}")
}

pub(crate) fn server_uuid(number: u32) -> String {
    format!("10000000-0000-4000-8000-0000000000{number:02}")
}

/// The body of a password login.
pub(crate) fn password(user: &str, password: &str, project: &str) -> Value {
    json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": user, "domain": {"id": "default"}, "password": password}}},
        "scope": {"project": {"name": project, "domain": {"name": "Default"}}},
    }})
}

impl Cloud {
    pub(crate) async fn small() -> Self {
        Self::start(small_file(), SimulatorOptions::default()).await
    }

    pub(crate) async fn start(file: ClusterFile, options: SimulatorOptions) -> Self {
        let clock = Arc::new(ManualClock::new(noon()));
        let running = Simulator::new(file, options).with_clock(clock.clone()).start().await.unwrap();
        let mut cloud = Self { running, clock, http: reqwest::Client::new(), token: String::new() };
        cloud.token = cloud.log_in("admin", "admin-password", "admin").await;
        cloud
    }

    pub(crate) async fn log_in(&self, user: &str, secret: &str, project: &str) -> String {
        let url = format!("{}/auth/tokens", self.running.endpoints().identity);
        let response = self.http.post(url).json(&password(user, secret, project)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        response.headers()["x-subject-token"].to_str().unwrap().to_owned()
    }

    pub(crate) fn advance(&self, milliseconds: u64) {
        self.clock.advance(Duration::from_millis(milliseconds));
    }

    /// A request with our token.
    pub(crate) fn request(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        let base = &self.running.endpoints().base;
        let url = if url.starts_with("http") { url.to_owned() } else { format!("{base}{url}") };
        self.http.request(method, url).header("x-auth-token", &self.token)
    }

    /// Nova in a microversion.
    pub(crate) async fn nova(&self, minor: u32, method: Method, path: &str, body: Option<Value>) -> Answer {
        let path = if path.starts_with("http") { path.to_owned() } else { format!("/compute/v2.1{path}") };
        let mut request = self.request(method, &path).header("openstack-api-version", format!("compute 2.{minor}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        read(self.request(Method::GET, path)).await
    }

    /// A server in 2.90.
    pub(crate) async fn server(&self, number: u32) -> Value {
        let path = format!("/servers/{}", server_uuid(number));
        self.nova(90, Method::GET, &path, None).await.body["server"].clone()
    }

    pub(crate) async fn act(&self, minor: u32, number: u32, action: Value) -> Answer {
        let path = format!("/servers/{}/action", server_uuid(number));
        self.nova(minor, Method::POST, &path, Some(action)).await
    }

    /// The newest migration.
    pub(crate) async fn migration(&self) -> Value {
        self.nova(90, Method::GET, "/os-migrations", None).await.body["migrations"][0].clone()
    }

    /// Instant query: the value of each element by the value of one label.
    pub(crate) async fn query(&self, query: &str) -> Answer {
        let url = format!("{}/api/v1/query", self.running.endpoints().prometheus);
        read(self.http.post(url).form(&[("query", query)])).await
    }

    pub(crate) async fn host_of(&self, number: u32) -> Value {
        self.server(number).await["OS-EXT-SRV-ATTR:host"].clone()
    }
}

pub(crate) async fn read(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, headers, body }
}

/// Name and message of a Nova error.
pub(crate) fn fault(answer: &Answer) -> (String, String) {
    let (name, fault) = answer.body.as_object().unwrap().iter().next().unwrap();
    assert_eq!(fault["code"], answer.status.as_u16());
    (name.clone(), fault["message"].as_str().unwrap().to_owned())
}
