//! Two projects and an administrator over real parts: a compiled plugin is uploaded, run, shared, switched off and withdrawn.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use e2e::{Stage, StageOptions, cluster, plugins};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use watcher_signature::SigningKey;

/// What members of projects need to run what they upload.
const POLICY: &str = r#"
"goal:get_all": "rule:admin_api or role:member"
"strategy:get": "rule:admin_api or role:member"
"strategy:get_all": "rule:admin_api or role:member"
"audit:create": "rule:admin_api or role:member"
"audit:get": "rule:admin_api or role:member"
"action_plan:detail": "rule:admin_api or role:member"
"action_plan:get": "rule:admin_api or role:member"
"action_plan:start": "rule:admin_api or role:member"
"action:detail": "rule:admin_api or role:member"
"#;
/// How long anything may take before a scenario fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// Somebody with a token.
struct User {
    address: String,
    token: String,
    project: String,
}

/// Sends one request over a connection of its own: status, head and body.
async fn exchange(address: &str, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{head}Host: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}

impl User {
    async fn login(stage: &Stage, address: &str, name: &str, password: &str, project: &str) -> Self {
        let identity = stage.simulator.endpoints().identity.strip_prefix("http://").unwrap().to_owned();
        let (host, path) = identity.split_once('/').unwrap();
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"],
                         "password": {"user": {"name": name, "domain": domain, "password": password}}},
            "scope": {"project": {"name": project, "domain": domain}},
        }});
        let head = format!("POST /{path}/auth/tokens HTTP/1.1\r\nContent-Type: application/json\r\n");
        let (status, head, body) = exchange(host, &head, body.to_string().as_bytes()).await;
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
        let token = head.lines().find_map(|line| line.to_lowercase().strip_prefix("x-subject-token:").map(str::len));
        let line = head.lines().find(|line| line.to_lowercase().starts_with("x-subject-token:")).unwrap();
        let token = line[line.len() - token.unwrap()..].trim().to_owned();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let project = body["token"]["project"]["id"].as_str().unwrap().to_owned();
        Self { address: address.to_owned(), token, project }
    }

    async fn send(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> (u16, Value) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nX-Auth-Token: {}\r\nOpenStack-API-Version: infra-optim latest\r\n\
             Content-Type: {media_type}\r\n",
            self.token
        );
        let (status, _, body) = exchange(&self.address, &head, body).await;
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, "application/json", body.as_bytes()).await
    }

    async fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    async fn get(&self, path: &str) -> Value {
        self.ok("GET", path, &Value::Null).await
    }

    /// Uploads a compiled guest, and gives the plugin's path.
    async fn upload(&self, guest: &str) -> String {
        let component = std::fs::read(plugins().join(format!("guests/{guest}.wasm"))).unwrap();
        let (status, version) = self.send("POST", "/v1/plugins", "application/wasm", &component).await;
        assert_eq!(status, 201, "{version}");
        format!("/v1/plugins/{}", version["plugin_uuid"].as_str().unwrap())
    }

    async fn sees(&self, strategy: &str) -> bool {
        let page = self.get("/v1/strategies").await;
        page["strategies"].as_array().unwrap().iter().any(|row| row["name"] == strategy)
    }

    async fn wait(&self, path: &str, states: &[&str]) -> Value {
        let begin = tokio::time::Instant::now();
        loop {
            let row = self.get(path).await;
            if states.iter().any(|state| row["state"] == *state) {
                return row;
            }
            assert!(begin.elapsed() < PATIENCE, "{path} did not reach {states:?}: {row}");
            // Real processes are watched here; there is nothing to be notified by.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs an audit of a project's strategy to its end.
    async fn audit(&self, seconds: f64) -> Value {
        self.audit_with(&json!({"seconds": seconds})).await
    }

    async fn audit_with(&self, parameters: &Value) -> Value {
        let body = json!({"audit_type": "ONESHOT", "goal": "tenant_goal", "strategy": "tenant_strategy",
            "parameters": parameters});
        let audit = self.ok("POST", "/v1/audits", &body).await;
        self.wait(&format!("/v1/audits/{}", audit["uuid"].as_str().unwrap()), &["SUCCEEDED", "FAILED"]).await
    }

    /// The plan that an audit recommends.
    async fn plan(&self, seconds: f64) -> String {
        self.plan_with(&json!({"seconds": seconds})).await
    }

    async fn plan_with(&self, parameters: &Value) -> String {
        let audit = self.audit_with(parameters).await;
        assert_eq!(audit["state"], "SUCCEEDED", "{audit}");
        let plans = self.get(&format!("/v1/action_plans/detail?audit_uuid={}", audit["uuid"].as_str().unwrap())).await;
        format!("/v1/action_plans/{}", plans["action_plans"][0]["uuid"].as_str().unwrap())
    }

    async fn start(&self, plan: &str) {
        self.ok("POST", &format!("{plan}/start"), &json!({})).await;
    }
}

const ENDED: [&str; 3] = ["SUCCEEDED", "FAILED", "CANCELLED"];

async fn the_life_of_a_shared_plugin(database: Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.yaml");
    std::fs::write(&policy, POLICY).unwrap();
    let settings = vec![format!("policy.file={}", policy.display())];
    let stage = Stage::start(cluster(), StageOptions { database, settings, ..StageOptions::default() }).await.unwrap();
    let address = stage.service.address.to_string();
    let alice = User::login(&stage, &address, "alice", "alice-password", "alpha").await;
    let bob = User::login(&stage, &address, "bob", "bob-password", "beta").await;
    let admin = User::login(&stage, &address, "admin", "scenario", "admin").await;

    let strategy = alice.upload("tenant-strategy").await;
    assert!(alice.sees("tenant_strategy").await && admin.sees("tenant_strategy").await);
    assert!(!bob.sees("tenant_strategy").await);
    assert_eq!(bob.call("GET", &strategy, &Value::Null).await.0, 404);

    let missing = alice.audit(0.0).await;
    let told = "strategy tenant_strategy proposes actions of type tenant_action, for which no handler is installed";
    assert_eq!((&missing["state"], &missing["status_message"]), (&json!("FAILED"), &json!(told)));
    let action = alice.upload("tenant-action").await;
    let plan = alice.plan(0.0).await;
    alice.start(&plan).await;
    assert_eq!(alice.wait(&plan, &ENDED).await["state"], "SUCCEEDED");
    let uuid = plan.rsplit('/').next().unwrap();
    let actions = alice.get(&format!("/v1/actions/detail?action_plan_uuid={uuid}")).await;
    let descriptions: Vec<_> = actions["actions"].as_array().unwrap().iter().map(|row| &row["description"]).collect();
    assert_eq!(descriptions, ["Logging a NOP message", "Waits for its project."]);
    assert_eq!(bob.call("GET", &plan, &Value::Null).await.0, 404);

    for plugin in [&strategy, &action] {
        let shared = json!([{"op": "replace", "path": "/visibility", "value": "shared"}]);
        alice.ok("PATCH", plugin, &shared).await;
        alice.ok("POST", &format!("{plugin}/members"), &json!({"member": bob.project})).await;
    }
    let accept = async |plugin: &str| {
        let accepted = json!({"status": "accepted"});
        bob.ok("PUT", &format!("{plugin}/members/{}", bob.project), &accepted).await;
    };
    accept(&strategy).await;
    assert!(bob.sees("tenant_strategy").await);
    assert_eq!(bob.audit(0.0).await["status_message"], told, "its handler is a plugin of its own");
    accept(&action).await;
    let (recommended, running) = (bob.plan(0.0).await, bob.plan(1.0).await);
    bob.start(&running).await;
    bob.wait(&running, &["ONGOING"]).await;

    alice.ok("POST", &format!("{action}/versions/1.0.0/deactivate"), &json!({"reason": "it loops"})).await;
    bob.start(&recommended).await;
    let refused = bob.wait(&recommended, &ENDED).await;
    assert_eq!(refused["state"], "FAILED");
    let message = refused["status_message"].as_str().unwrap();
    assert!(message.starts_with("the handler of tenant_action may not be run: it was deactivated"), "{message}");
    assert_eq!(bob.wait(&running, &ENDED).await["state"], "SUCCEEDED", "what runs goes on");
    assert_eq!(bob.audit(0.0).await["status_message"], told);
    alice.ok("POST", &format!("{action}/versions/1.0.0/reactivate"), &Value::Null).await;
    assert_eq!(bob.audit(0.0).await["state"], "SUCCEEDED");

    alice.ok("DELETE", &format!("{strategy}/members/{}", bob.project), &Value::Null).await;
    assert!(!bob.sees("tenant_strategy").await && alice.sees("tenant_strategy").await);
    let body = json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "tenant_strategy"});
    assert_eq!(bob.call("POST", "/v1/audits", &body).await.0, 404);
    assert_eq!(alice.audit(0.0).await["state"], "SUCCEEDED");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_uploaded_run_shared_switched_off_and_withdrawn_without_a_restart() {
    for backend in watcher_store::testing::backends().await {
        the_life_of_a_shared_plugin(Some(backend.url.clone())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_asks_the_cloud_for_what_was_granted_and_for_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.yaml");
    std::fs::write(&policy, POLICY).unwrap();
    let settings = vec![format!("policy.file={}", policy.display())];
    let stage = Stage::start(cluster(), StageOptions { settings, ..StageOptions::default() }).await.unwrap();
    let address = stage.service.address.to_string();
    let alice = User::login(&stage, &address, "alice", "alice-password", "alpha").await;
    let admin = User::login(&stage, &address, "admin", "scenario", "admin").await;
    alice.upload("tenant-strategy").await;
    let grants = format!("{}/grants", alice.upload("tenant-action").await);
    let run = async || {
        let plan = alice.plan_with(&json!({"looks": true})).await;
        alice.start(&plan).await;
        let ended = alice.wait(&plan, &ENDED).await["state"].clone();
        let uuid = plan.rsplit('/').next().unwrap();
        let actions = alice.get(&format!("/v1/actions/detail?action_plan_uuid={uuid}")).await;
        (ended, actions["actions"][1]["status_message"].as_str().unwrap_or_default().to_owned())
    };
    let refused = "GET compute /os-services is not granted to this plugin";
    let (ended, told) = run().await;
    assert!(ended == "FAILED" && told.contains(refused), "nothing is granted unless somebody says so: {ended} {told}");

    let look = json!({"service": "compute", "method": "GET", "path": "/os-services"});
    let (status, _) = alice.call("PUT", &grants, &json!({"requests": [look]})).await;
    assert_eq!(status, 403, "only who administers the cloud grants requests on it");
    let narrower = json!({"service": "compute", "method": "GET", "path": "/servers/{server}"});
    let of_alice = format!("{grants}?project_id={}", alice.project);
    admin.ok("PUT", &of_alice, &json!({"requests": [narrower]})).await;
    let (ended, told) = run().await;
    assert!(ended == "FAILED" && told.contains(refused), "{ended} {told}");
    let old = json!({"service": "compute", "method": "GET", "path": "/os-services", "microversions": "2.1-2.10"});
    admin.ok("PUT", &of_alice, &json!({"requests": [old]})).await;
    assert_eq!(run().await.0, "FAILED", "a request without a microversion is in no range of them");
    admin.ok("PUT", &of_alice, &json!({"requests": [narrower, look]})).await;
    assert_eq!(run().await, (json!("SUCCEEDED"), String::new()));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_without_the_signature_that_is_required_is_not_run() {
    let settings = Vec::new();
    let stage = Stage::start(cluster(), StageOptions { settings, ..StageOptions::default() }).await.unwrap();
    let address = stage.service.address.to_string();
    let admin = User::login(&stage, &address, "admin", "scenario", "admin").await;
    let strategy = admin.upload("tenant-strategy").await;
    admin.upload("tenant-action").await;
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let policy = |state: &str| {
        json!({
            "keys": [
                {"name": "release", "public_key": key.public().to_string(), "state": state},
                {"name": "next", "public_key": other.public().to_pem().unwrap()},
            ],
            "require": ["execution"],
        })
    };
    let own = format!("/v1/signing_policies/{}", admin.project);
    admin.ok("PUT", &own, &policy("active")).await;
    let message = admin.audit(0.0).await["status_message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("strategy tenant_strategy may not be run: execution needs a signature over sha256:")
            && message.ends_with("by one of these keys: release, next"),
        "{message}"
    );
    let sign = async |plugin: &str, key: &SigningKey| {
        let version = admin.get(&format!("{plugin}/versions/1.0.0")).await;
        let signature = json!(key.sign(version["digest"].as_str().unwrap().parse().unwrap()));
        admin.ok("POST", &format!("{plugin}/versions/1.0.0/signatures"), &signature).await
    };
    let listed = sign(&strategy, &key).await;
    assert_eq!(listed["signatures"][0]["key"], key.public().id().as_str());
    let message = admin.audit(0.0).await["status_message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("action handler tenant_action may not be run"), "{message}");
    let plugins = admin.get("/v1/plugins?name=tenant_action").await;
    let action = format!("/v1/plugins/{}", plugins["plugins"][0]["uuid"].as_str().unwrap());
    sign(&action, &other).await;
    let plan = admin.plan(0.0).await;
    admin.ok("PUT", &own, &policy("retired")).await;
    assert_eq!(admin.audit(0.0).await["state"], "SUCCEEDED", "what a retired key signed still runs");
    admin.ok("PUT", &own, &policy("revoked")).await;
    let message = admin.audit(0.0).await["status_message"].as_str().unwrap().to_owned();
    assert!(message.contains("(key release is revoked)"), "{message}");
    // The handler's signature is by the other key: the plan from before goes on.
    admin.start(&plan).await;
    assert_eq!(admin.wait(&plan, &ENDED).await["state"], "SUCCEEDED");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_is_given_another_one_runs() {
    let backend = watcher_store::testing::backends().await.pop().unwrap();
    let options = StageOptions { database: Some(backend.url.clone()), ..StageOptions::default() };
    let stage = Stage::start(cluster(), options).await.unwrap();
    let other = stage.another().await.unwrap();
    let admin = User::login(&stage, &stage.service.address.to_string(), "admin", "scenario", "admin").await;
    let there = User { address: other.address.to_string(), token: admin.token.clone(), project: admin.project.clone() };
    assert!(!there.sees("tenant_strategy").await);
    let strategy = admin.upload("tenant-strategy").await;
    admin.upload("tenant-action").await;
    let begin = tokio::time::Instant::now();
    while !there.sees("tenant_strategy").await {
        assert!(
            begin.elapsed() < Duration::from_secs(1),
            "the list that it answered a moment ago does not hold any more"
        );
    }
    let plan = there.plan(0.0).await;
    there.start(&plan).await;
    assert_eq!(there.wait(&plan, &ENDED).await["state"], "SUCCEEDED");
    let off = format!("{strategy}/versions/1.0.0/deactivate");
    there.ok("POST", &off, &Value::Null).await;
    let body = json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "tenant_strategy"});
    assert_eq!(admin.call("POST", "/v1/audits", &body).await.0, 404);
    other.shutdown().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_has_limits_of_its_own_and_what_its_runs_used_is_counted() {
    let backend = watcher_store::testing::backends().await.pop().unwrap();
    let options = StageOptions { database: Some(backend.url.clone()), ..StageOptions::default() };
    let stage = Stage::start(cluster(), options).await.unwrap();
    let admin = User::login(&stage, &stage.service.address.to_string(), "admin", "scenario", "admin").await;
    admin.upload("tenant-strategy").await;
    admin.upload("tenant-action").await;
    let quota = format!("/v1/plugin_quotas/{}", admin.project);
    let limit = async |limits: Value| admin.ok("PUT", &quota, &json!({"limits": limits})).await;
    assert_eq!(admin.audit(0.0).await["state"], "SUCCEEDED");

    limit(json!({"decision": {"fuel": 1000}})).await;
    let told = admin.audit(0.0).await["status_message"].as_str().unwrap().to_owned();
    assert!(told.contains("tenant_strategy: the fuel limit of 1000 units was reached"), "{told}");
    limit(json!({"decision": {"fuel": null}, "concurrent_calls": 0})).await;
    let told = admin.audit(0.0).await["status_message"].as_str().unwrap().to_owned();
    assert!(told.contains("its limit of concurrent calls is 0"), "{told}");
    limit(json!({"concurrent_calls": null, "action": {"memory_bytes": 1}})).await;
    let plan = admin.plan(0.0).await;
    admin.start(&plan).await;
    assert_eq!(admin.wait(&plan, &ENDED).await["state"], "FAILED");
    let actions = admin.get(&format!("/v1/actions/detail?action_plan_uuid={}", plan.rsplit('/').next().unwrap())).await;
    let told: Vec<_> =
        actions["actions"].as_array().unwrap().iter().map(|row| row["status_message"].to_string()).collect();
    assert!(told.iter().any(|told| told.contains("the memory limit of 1 bytes was reached")), "{told:?}");

    // What was counted is written at the latest when the service ends.
    let stage = stage.restart().await.unwrap();
    let used = admin.get(&format!("{quota}/usage")).await;
    let of = |name: &str| {
        let rows = used["usage"].as_array().unwrap().iter();
        rows.filter(|row| row["name"] == name).map(|row| row["calls"].as_u64().unwrap()).sum::<u64>()
    };
    assert!(of("tenant_strategy") >= 3 && of("weight") >= 2 && of("tenant_action") + of("nop") >= 1, "{used}");
    let strategy = used["usage"].as_array().unwrap().iter().find(|row| row["name"] == "tenant_strategy").unwrap();
    assert_eq!(
        (&strategy["limited"], &strategy["kind"], &strategy["version"]),
        (&json!(1), &json!("strategy"), &json!("1.0.0"))
    );
    stage.end().await;
}
