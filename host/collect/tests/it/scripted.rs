//! Services whose answers a test writes down.

use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};
use watcher_domain::Failure;
use watcher_domain::cloud::{CloudRequest, CloudResponse};
use watcher_domain::ports::CloudRequests;

pub(crate) type Answer = Result<CloudResponse, Failure>;

/// Answers with a function, and remembers what was asked.
pub(crate) struct Scripted<F> {
    answer: Mutex<F>,
    asked: Mutex<Vec<CloudRequest>>,
}

impl<F: FnMut(&CloudRequest) -> Answer + Send> Scripted<F> {
    pub(crate) fn new(answer: F) -> Self {
        Self { answer: Mutex::new(answer), asked: Mutex::default() }
    }

    pub(crate) fn asked(&self) -> Vec<CloudRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// How often something at this path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.asked().iter().filter(|request| request.path == path).count()
    }
}

#[async_trait]
impl<F: FnMut(&CloudRequest) -> Answer + Send> CloudRequests for Scripted<F> {
    async fn send(&self, request: &CloudRequest) -> Answer {
        request.check().unwrap();
        self.asked.lock().unwrap().push(request.clone());
        (self.answer.lock().unwrap())(request)
    }
}

pub(crate) fn ok(body: &Value) -> Answer {
    status(200, body)
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where failures stand too")]
pub(crate) fn status(status: u16, body: &Value) -> Answer {
    Ok(CloudResponse { status, headers: Vec::new(), body: body.to_string() })
}

/// A parameter of the query.
pub(crate) fn parameter<'a>(request: &'a CloudRequest, name: &str) -> Option<&'a str> {
    request.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}

pub(crate) fn hypervisor(name: &str, kind: &str) -> Value {
    json!({"id": format!("id-{name}"), "hypervisor_hostname": name, "hypervisor_type": kind, "status": "enabled",
        "state": "up", "vcpus": 8, "memory_mb": 1024, "local_gb": 10, "service": {"id": "s", "host": name}})
}

pub(crate) fn server(id: &str, host: Option<&str>, vm_state: &str) -> Value {
    json!({"id": id, "name": id, "tenant_id": "p", "image": {"id": "i"}, "OS-EXT-STS:vm_state": vm_state,
        "OS-EXT-SRV-ATTR:host": host,
        "flavor": {"vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0}})
}

/// Answers for everything but hypervisors and servers: nothing special.
pub(crate) fn rest(request: &CloudRequest) -> Answer {
    match request.path.as_str() {
        "/os-services" => ok(&json!({"services": [{"host": "a", "zone": "nova", "binary": "nova-compute"}]})),
        "/os-aggregates" => ok(&json!({"aggregates": [{"id": 1, "name": "fast", "hosts": ["a"], "metadata": {}}]})),
        path if path.ends_with("/inventories") => ok(&json!({"inventories": {}})),
        path => panic!("{path} was not expected"),
    }
}
