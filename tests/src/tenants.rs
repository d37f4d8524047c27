//! Two projects and an administrator who upload, share, limit, switch off and withdraw plugins: the steps, over HTTP with tokens.
//!
//! They need a service whose policy lets members run audits (`docs/plugins/members.yaml`), and no more of the cloud than that its compute API answers
//! `GET /os-services`. So the same steps are played on the simulated cloud and on a real one.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::plugins;

/// How long anything may take before a step fails.
const PATIENCE: Duration = Duration::from_mins(1);
/// Largest answer that is read, in bytes.
const MOST_READ: u64 = 64 << 20;
/// How long the action takes that goes on while its handler is switched off, in seconds.
const LONG_S: f64 = 3.0;

/// States in which a plan stays.
pub const ENDED: [&str; 3] = ["SUCCEEDED", "FAILED", "CANCELLED"];
/// What the service says where no handler for the uploaded strategy's action is to be had.
pub const NO_HANDLER: &str =
    "strategy tenant_strategy proposes actions of type tenant_action, for which no handler is installed";

/// Somebody with a token.
#[derive(Debug, Clone)]
pub struct User {
    /// `host:port` of the service.
    pub address: String,
    /// The token, scoped to the project.
    pub token: String,
    /// Id of the project.
    pub project: String,
}

/// Everybody.
#[derive(Debug, Clone)]
pub struct Cast {
    /// A member of a project that has no plugins yet.
    pub alice: User,
    /// A member of another one.
    pub bob: User,
    /// An administrator.
    pub admin: User,
}

/// Sends one request over a connection of its own: status, head and body.
async fn exchange(address: &str, head: &str, body: &[u8]) -> anyhow::Result<(u16, String, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
    let head = format!("{head}Host: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.take(MOST_READ).read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("an answer without a head")?;
    let head = String::from_utf8(answer[..end].to_vec())?;
    let status = head.split(' ').nth(1).context("an answer without a status")?.parse()?;
    Ok((status, head, answer[end + 4..].to_vec()))
}

/// Reads a compiled plugin, as `guests/tenant-action`.
fn component(name: &str) -> anyhow::Result<Vec<u8>> {
    let path = plugins().join(Path::new(name).with_extension("wasm"));
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

impl User {
    /// Somebody of a Keystone without TLS at `identity`, who uses the service at `address`.
    pub async fn login(
        identity: &str,
        address: &str,
        (name, password): (&str, &str),
        project: &str,
    ) -> anyhow::Result<Self> {
        let (host, path) = identity
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .with_context(|| format!("{identity} is no URL of a Keystone"))?;
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"],
                         "password": {"user": {"name": name, "domain": domain, "password": password}}},
            "scope": {"project": {"name": project, "domain": domain}},
        }});
        let head = format!("POST /{path}/auth/tokens HTTP/1.1\r\nContent-Type: application/json\r\n");
        let (status, head, body) = exchange(host, &head, body.to_string().as_bytes()).await?;
        ensure!(status == 201, "login of {name}: {status} {}", String::from_utf8_lossy(&body));
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        let token = lines.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("x-subject-token"));
        let body: Value = serde_json::from_slice(&body)?;
        Ok(Self {
            address: address.to_owned(),
            token: token.context("a login without a token")?.1.trim().to_owned(),
            project: body["token"]["project"]["id"].as_str().context("a token without a project")?.to_owned(),
        })
    }

    async fn send(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> anyhow::Result<(u16, Value)> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nX-Auth-Token: {}\r\nOpenStack-API-Version: infra-optim latest\r\n\
             Content-Type: {media_type}\r\n",
            self.token
        );
        let (status, _, body) = exchange(&self.address, &head, body).await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// Sends a request, and gives status and answer.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(method, path, "application/json", &bytes).await
    }

    /// Sends a request that must be answered 2xx.
    pub async fn ok(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.call(method, path, body).await?;
        ensure!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        Ok(answer)
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ok("GET", path, &Value::Null).await
    }

    /// The status with which a request is answered.
    pub async fn status(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<u16> {
        Ok(self.call(method, path, body).await?.0)
    }

    /// Uploads a compiled plugin, as `guests/tenant-action`: status and answer.
    pub async fn try_upload(&self, name: &str) -> anyhow::Result<(u16, Value)> {
        self.send("POST", "/v1/plugins", "application/wasm", &component(name)?).await
    }

    /// Uploads the bytes of a component.
    async fn upload_bytes(&self, component: &[u8]) -> anyhow::Result<()> {
        let (status, version) = self.send("POST", "/v1/plugins", "application/wasm", component).await?;
        ensure!(status == 201, "the upload of another version: {status} {version}");
        Ok(())
    }

    /// Uploads a compiled guest, and gives the plugin's path.
    pub async fn upload(&self, guest: &str) -> anyhow::Result<String> {
        let (status, version) = self.try_upload(&format!("guests/{guest}")).await?;
        ensure!(status == 201, "the upload of {guest}: {status} {version}");
        Ok(format!("/v1/plugins/{}", version["plugin_uuid"].as_str().context("a version without a plugin")?))
    }

    /// Whether a strategy is listed.
    pub async fn sees(&self, strategy: &str) -> anyhow::Result<bool> {
        let page = self.get("/v1/strategies").await?;
        let rows = page["strategies"].as_array().context("no list of strategies")?;
        Ok(rows.iter().any(|row| row["name"] == strategy))
    }

    /// Waits until a row is in one of the states.
    pub async fn wait(&self, path: &str, states: &[&str]) -> anyhow::Result<Value> {
        let begin = tokio::time::Instant::now();
        loop {
            let row = self.get(path).await?;
            if states.iter().any(|state| row["state"] == *state) {
                return Ok(row);
            }
            ensure!(begin.elapsed() < PATIENCE, "{path} did not reach {states:?}: {row}");
            // Real processes are watched here; there is nothing to be notified by.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs an audit of the uploaded strategy to its end.
    pub async fn audit(&self, parameters: &Value) -> anyhow::Result<Value> {
        let body = json!({"audit_type": "ONESHOT", "goal": "tenant_goal", "strategy": "tenant_strategy",
            "parameters": parameters});
        let audit = self.ok("POST", "/v1/audits", &body).await?;
        let path = format!("/v1/audits/{}", audit["uuid"].as_str().context("an audit without uuid")?);
        self.wait(&path, &["SUCCEEDED", "FAILED"]).await
    }

    /// Path of the plan that an audit recommends.
    pub async fn plan(&self, parameters: &Value) -> anyhow::Result<String> {
        let audit = self.audit(parameters).await?;
        ensure!(audit["state"] == "SUCCEEDED", "the audit ended: {audit}");
        let uuid = audit["uuid"].as_str().context("an audit without uuid")?;
        let plans = self.get(&format!("/v1/action_plans/detail?audit_uuid={uuid}")).await?;
        let plan = plans["action_plans"][0]["uuid"].as_str().context("the audit recommends no plan")?;
        Ok(format!("/v1/action_plans/{plan}"))
    }

    /// Starts a plan.
    pub async fn start(&self, plan: &str) -> anyhow::Result<()> {
        self.ok("POST", &format!("{plan}/start"), &json!({})).await.map(drop)
    }

    /// Starts a plan, and gives it as it ended.
    pub async fn run(&self, plan: &str) -> anyhow::Result<Value> {
        self.start(plan).await?;
        self.wait(plan, &ENDED).await
    }

    /// The actions of a plan.
    pub async fn actions(&self, plan: &str) -> anyhow::Result<Vec<Value>> {
        let uuid = plan.rsplit('/').next().unwrap_or_default();
        let page = self.get(&format!("/v1/actions/detail?action_plan_uuid={uuid}")).await?;
        page["actions"].as_array().cloned().context("no list of actions")
    }
}

/// Paths of what was uploaded.
struct Uploaded {
    strategy: String,
    action: String,
}

impl Uploaded {
    fn all(&self) -> [&str; 2] {
        [&self.strategy, &self.action]
    }
}

/// What somebody asks for who runs the uploaded strategy.
fn request() -> Value {
    json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "tenant_strategy"})
}

/// Plays all steps; `shown` is told of each what it has shown.
///
/// # Errors
/// The first thing that is not as it should be, in the context of its step.
pub async fn play(cast: &Cast, mut shown: impl FnMut(&str)) -> anyhow::Result<()> {
    let step = "a private plugin is there for its project and for nobody else";
    let uploaded = private(cast).await.context(step)?;
    shown(step);
    let step = "a shared plugin is used by who accepted it, and not before";
    shared(cast, &uploaded).await.context(step)?;
    shown(step);
    let step = "a handler asks the cloud for what was granted, and for nothing else";
    granted(cast, &uploaded).await.context(step)?;
    shown(step);
    let step = "a version that is switched off starts no more, and what runs goes on";
    switched_off(cast, &uploaded).await.context(step)?;
    shown(step);
    let step = "a version that is switched off with what runs stops it";
    stopped(cast, &uploaded).await.context(step)?;
    shown(step);
    let step = "a quota that is reached is told";
    quota(cast).await.context(step)?;
    shown(step);
    let step = "whose offer is taken back runs nothing more";
    withdrawn(cast, &uploaded).await.context(step)?;
    shown(step);
    Ok(())
}

async fn private(Cast { alice, bob, admin }: &Cast) -> anyhow::Result<Uploaded> {
    let strategy = alice.upload("tenant-strategy").await?;
    ensure!(alice.sees("tenant_strategy").await? && admin.sees("tenant_strategy").await?, "its own project sees it");
    ensure!(!bob.sees("tenant_strategy").await?, "another project sees it in the list");
    for path in [&strategy, &format!("{strategy}/versions/1.0.0/file"), "/v1/strategies/tenant_strategy"] {
        let status = bob.status("GET", path, &Value::Null).await?;
        ensure!(status == 404, "another project is answered {status} for {path}");
    }
    let listed = bob.get("/v1/plugins?name=tenant_strategy").await?;
    ensure!(listed["plugins"] == json!([]), "another project lists {listed}");
    let status = bob.status("POST", "/v1/audits", &request()).await?;
    ensure!(status == 404, "another project's audit is answered {status}");

    let missing = alice.audit(&json!({})).await?;
    ensure!(missing["state"] == "FAILED" && missing["status_message"] == NO_HANDLER, "without its handler: {missing}");
    let action = alice.upload("tenant-action").await?;
    let plan = alice.plan(&json!({})).await?;
    let ended = alice.run(&plan).await?;
    ensure!(ended["state"] == "SUCCEEDED", "{ended}");
    let actions = alice.actions(&plan).await?;
    let descriptions: Vec<_> = actions.iter().filter_map(|action| action["description"].as_str()).collect();
    ensure!(descriptions == ["Logging a NOP message", "Waits for its project."], "{descriptions:?}");
    let status = bob.status("GET", &plan, &Value::Null).await?;
    ensure!(status == 404, "another project is answered {status} for the plan");
    Ok(Uploaded { strategy, action })
}

async fn accept(bob: &User, plugin: &str) -> anyhow::Result<()> {
    bob.ok("PUT", &format!("{plugin}/members/{}", bob.project), &json!({"status": "accepted"})).await.map(drop)
}

async fn shared(Cast { alice, bob, .. }: &Cast, uploaded: &Uploaded) -> anyhow::Result<()> {
    for plugin in uploaded.all() {
        let shared = json!([{"op": "replace", "path": "/visibility", "value": "shared"}]);
        alice.ok("PATCH", plugin, &shared).await?;
        alice.ok("POST", &format!("{plugin}/members"), &json!({"member": bob.project})).await?;
    }
    ensure!(!bob.sees("tenant_strategy").await?, "an offer is no acceptance");
    let status = bob.status("POST", "/v1/audits", &request()).await?;
    ensure!(status == 404, "before acceptance an audit is answered {status}");
    accept(bob, &uploaded.strategy).await?;
    ensure!(bob.sees("tenant_strategy").await?, "what was accepted is not seen");
    let alone = bob.audit(&json!({})).await?;
    ensure!(alone["status_message"] == NO_HANDLER, "its handler is a plugin of its own: {alone}");
    accept(bob, &uploaded.action).await?;
    let ended = bob.run(&bob.plan(&json!({})).await?).await?;
    ensure!(ended["state"] == "SUCCEEDED", "{ended}");
    Ok(())
}

/// The component as its author would build it with another version number of the same length.
fn renumbered(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut bytes = component.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
        at += found;
        // Numbers of WIT packages, as in `@1.0.0`, are names of imports.
        if at == 0 || bytes[at - 1] != b'@' {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        at += from.len();
    }
    bytes
}

async fn granted(Cast { alice, admin, .. }: &Cast, uploaded: &Uploaded) -> anyhow::Result<()> {
    let grants = format!("{}/grants", uploaded.action);
    let of_alice = format!("{grants}?project_id={}", alice.project);
    let run = async || {
        let plan = alice.plan(&json!({"looks": true})).await?;
        let ended = alice.run(&plan).await?["state"].clone();
        let told = alice.actions(&plan).await?[1]["status_message"].as_str().unwrap_or_default().to_owned();
        Ok::<_, anyhow::Error>((ended, told))
    };
    let refused = "GET compute /os-services is not granted to this plugin";
    let (ended, told) = run().await?;
    ensure!(ended == "FAILED" && told.contains(refused), "nothing is granted at first: {ended} {told}");
    let look = json!({"service": "compute", "method": "GET", "path": "/os-services"});
    let status = alice.status("PUT", &grants, &json!({"requests": [look]})).await?;
    ensure!(status == 403, "only who administers the cloud grants requests on it, and not {status}");
    let narrower = json!({"service": "compute", "method": "GET", "path": "/servers/{server}"});
    admin.ok("PUT", &of_alice, &json!({"requests": [narrower]})).await?;
    let (ended, told) = run().await?;
    ensure!(ended == "FAILED" && told.contains(refused), "less is granted than asked for: {ended} {told}");
    let old = json!({"service": "compute", "method": "GET", "path": "/os-services", "microversions": "2.1-2.10"});
    admin.ok("PUT", &of_alice, &json!({"requests": [old]})).await?;
    let (ended, told) = run().await?;
    ensure!(ended == "FAILED", "a request without a microversion is in no range of them: {told}");
    admin.ok("PUT", &of_alice, &json!({"requests": [narrower, look]})).await?;
    let (ended, told) = run().await?;
    ensure!(ended == "SUCCEEDED" && told.is_empty(), "what is granted: {ended} {told}");

    alice.upload_bytes(&renumbered(&component("guests/tenant-action")?, "1.0.0", "1.1.0")).await?;
    let (ended, told) = run().await?;
    let refused = "granted for 1.0.0, this is 1.1.0";
    ensure!(ended == "FAILED" && told.contains(refused), "a grant is for the version it was given for: {ended} {told}");
    admin.ok("PUT", &of_alice, &json!({"requests": [look], "versions": "any"})).await?;
    let (ended, told) = run().await?;
    ensure!(ended == "SUCCEEDED" && told.is_empty(), "what is granted for any version: {ended} {told}");
    alice.ok("DELETE", &format!("{}/versions/1.1.0", uploaded.action), &Value::Null).await?;
    Ok(())
}

async fn switched_off(Cast { alice, bob, .. }: &Cast, uploaded: &Uploaded) -> anyhow::Result<()> {
    let action = &uploaded.action;
    let (recommended, running) = (bob.plan(&json!({})).await?, bob.plan(&json!({"seconds": LONG_S})).await?);
    bob.start(&running).await?;
    bob.wait(&running, &["ONGOING"]).await?;
    alice.ok("POST", &format!("{action}/versions/1.0.0/deactivate"), &json!({"reason": "it loops"})).await?;
    let still = bob.get(&running).await?;
    ensure!(still["state"] == "ONGOING", "this plan was to outlast the deactivation: {still}");
    let refused = bob.run(&recommended).await?;
    let message = refused["status_message"].as_str().unwrap_or_default();
    let expected = "the handler of tenant_action may not be run: it was deactivated";
    ensure!(refused["state"] == "FAILED" && message.starts_with(expected), "{refused}");
    let ended = bob.wait(&running, &ENDED).await?;
    ensure!(ended["state"] == "SUCCEEDED", "what runs goes on: {ended}");
    for user in [alice, bob] {
        let audit = user.audit(&json!({})).await?;
        ensure!(audit["status_message"] == NO_HANDLER, "{audit}");
    }
    alice.ok("POST", &format!("{action}/versions/1.0.0/reactivate"), &Value::Null).await?;
    let audit = bob.audit(&json!({})).await?;
    ensure!(audit["state"] == "SUCCEEDED", "{audit}");
    Ok(())
}

async fn stopped(Cast { alice, bob, .. }: &Cast, uploaded: &Uploaded) -> anyhow::Result<()> {
    let action = &uploaded.action;
    let running = bob.plan(&json!({"seconds": LONG_S})).await?;
    bob.start(&running).await?;
    let waits = async |count: usize, state: &str| {
        let actions = bob.actions(&running).await?;
        let waits = actions.iter().filter(|row| row["action_type"] == "tenant_action" && row["state"] == state);
        Ok::<_, anyhow::Error>(waits.count() == count)
    };
    let begin = tokio::time::Instant::now();
    while !waits(1, "ONGOING").await? {
        ensure!(begin.elapsed() < PATIENCE, "no action begins: {:?}", bob.actions(&running).await?);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let off = format!("{action}/versions/1.0.0/deactivate");
    let status = bob.status("POST", &off, &json!({"running": "stop"})).await?;
    ensure!(status == 403, "only its owner switches it off: {status}");
    alice.ok("POST", &off, &json!({"reason": "it loops", "running": "stop"})).await?;
    let ended = bob.wait(&running, &ENDED).await?;
    let told = "action tenant_action 1.0.0 was deactivated, and what used it was stopped: it loops";
    ensure!(ended["state"] == "CANCELLED" && ended["status_message"] == told, "{ended}");
    let actions = bob.actions(&running).await?;
    // It cannot be aborted.
    ensure!(waits(1, "SUCCEEDED").await?, "what ran comes to its end: {actions:?}");
    let events = alice.get(&format!("{action}/events")).await?;
    let event = events["events"].as_array().and_then(|events| events.iter().find(|row| row["event"] == "stopped"));
    ensure!(event.is_none(), "what others ran is told: {events}");
    alice.ok("POST", &format!("{action}/versions/1.0.0/reactivate"), &Value::Null).await.map(drop)
}

async fn quota(Cast { alice, admin, .. }: &Cast) -> anyhow::Result<()> {
    let quotas = format!("/v1/plugin_quotas/{}", alice.project);
    let limit = |value: Value| json!({"limits": {"plugins": value}});
    let status = alice.status("PUT", &quotas, &limit(json!(100))).await?;
    ensure!(status == 403, "a project raises its own quota: {status}");
    admin.ok("PUT", &quotas, &limit(json!(2))).await?;
    let (status, answer) = alice.try_upload("strategies/dummy").await?;
    let told = "quota exceeded: the project may have 2 plugins, has 2 and asks for 1 more";
    ensure!(status == 403 && answer.to_string().contains(told), "{status} {answer}");
    admin.ok("PUT", &quotas, &limit(Value::Null)).await?;
    let (status, version) = alice.try_upload("strategies/dummy").await?;
    ensure!(status == 201, "with room for it: {status} {version}");
    let plugin = version["plugin_uuid"].as_str().context("a version without a plugin")?;
    alice.ok("DELETE", &format!("/v1/plugins/{plugin}"), &Value::Null).await.map(drop)
}

async fn withdrawn(Cast { alice, bob, .. }: &Cast, uploaded: &Uploaded) -> anyhow::Result<()> {
    let recommended = bob.plan(&json!({})).await?;
    for plugin in uploaded.all() {
        alice.ok("DELETE", &format!("{plugin}/members/{}", bob.project), &Value::Null).await?;
    }
    ensure!(!bob.sees("tenant_strategy").await? && alice.sees("tenant_strategy").await?, "who sees it");
    let status = bob.status("POST", "/v1/audits", &request()).await?;
    ensure!(status == 404, "a new audit is answered {status}");
    let refused = bob.run(&recommended).await?;
    let message = refused["status_message"].as_str().unwrap_or_default();
    let expected = "is not shared with this project any more";
    ensure!(refused["state"] == "FAILED" && message.ends_with(expected), "a plan from before: {refused}");
    let audit = alice.audit(&json!({})).await?;
    ensure!(audit["state"] == "SUCCEEDED", "{audit}");
    Ok(())
}
