//! A service with a simulated cloud, as processes and users of their own.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use watcher_simulator::{RunningSimulator, Simulator, SimulatorOptions};

use crate::decide::cluster;
use crate::http::{Connection, request};

/// How often the client looks at an audit or a plan.
const POLL: Duration = Duration::from_millis(1);
/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_mins(10);
/// The administrator and the service in the simulated cloud, which is gone after the run.
pub(crate) const PASSWORD: &str = "bench";
const ENDED: [&str; 3] = ["SUCCEEDED", "FAILED", "CANCELLED"];

/// The database that `cargo xtask bench` starts.
pub(crate) fn database() -> anyhow::Result<String> {
    let database = env::var_os("WATCHER_TEST_POSTGRES_URL").and_then(|url| url.into_string().ok());
    database
        .context("these rows need PostgreSQL (WATCHER_TEST_POSTGRES_URL): run `cargo xtask bench`, which starts one")
}

pub(crate) async fn simulator() -> anyhow::Result<RunningSimulator> {
    let options = SimulatorOptions {
        admin_password: PASSWORD.to_owned(),
        service_password: PASSWORD.to_owned(),
        ..SimulatorOptions::default()
    };
    Ok(Simulator::new(cluster(4, 20), options).start().await?)
}

/// The service as a process of its own.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: String,
}

impl Service {
    pub(crate) fn start(simulator: &RunningSimulator, database: &str, settings: &[String]) -> anyhow::Result<Self> {
        let program = env::current_exe()?.with_file_name("watcher-host");
        let configured = |what: &str| {
            let mut command = Command::new(&program);
            command
                .env("WATCHER_DATABASE__URL", database)
                .env("WATCHER_KEYSTONE__AUTH_URL", &simulator.endpoints().identity)
                .env("WATCHER_KEYSTONE__PASSWORD", PASSWORD)
                .env("WATCHER_PROMETHEUS__URL", &simulator.endpoints().prometheus)
                .args(["--set", "api.listen=127.0.0.1:0", "--set", "log.level=warn"])
                .args(settings.iter().flat_map(|setting| ["--set", setting]))
                .args(what.split(' '))
                .stderr(Stdio::inherit());
            command
        };
        let upgraded = configured("db upgrade").stdout(Stdio::null()).status();
        ensure!(upgraded.context("cannot run watcher-host")?.success(), "the database could not be prepared");
        let mut child = configured("serve").stdout(Stdio::piped()).spawn().context("cannot start the service")?;
        let output = child.stdout.take().context("the service has no output")?;
        let mut service = Self { child, address: String::new() };
        for line in BufReader::new(output).lines() {
            if let Some(address) = line?.strip_prefix("listening on http://") {
                address.clone_into(&mut service.address);
                break;
            }
        }
        ensure!(!service.address.is_empty(), "the service did not start");
        Ok(service)
    }

    pub(crate) fn stop(&mut self) {
        // Gone already is as good as stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Somebody with a valid token.
pub(crate) struct Client {
    connection: Connection,
    pub(crate) address: String,
    pub(crate) token: String,
}

impl Client {
    /// With a token that there is already.
    pub(crate) async fn with_token(service: &str, token: &str) -> anyhow::Result<Self> {
        let connection = Connection::open(service).await?;
        Ok(Self { connection, address: service.to_owned(), token: token.to_owned() })
    }

    /// Logs in with name, password and project.
    pub(crate) async fn log_in(
        simulator: &RunningSimulator,
        service: &str,
        (name, password, project): (&str, &str, &str),
    ) -> anyhow::Result<Self> {
        let identity = &simulator.endpoints().identity;
        let (host, path) = identity
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .with_context(|| format!("identity at {identity}"))?;
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": name, "domain": domain, "password": password,
            }}},
            "scope": {"project": {"name": project, "domain": domain}},
        }});
        let mut keystone = Connection::open(host).await?;
        let answer = keystone.send(&request("POST", host, &format!("/{path}/auth/tokens"), None, Some(&body))).await?;
        answer.json().context("cannot log in")?;
        let token = answer.header("x-subject-token").context("a login without a token")?.to_owned();
        Self::with_token(service, &token).await
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
        request(method, &self.address, path, Some(&self.token), body)
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let request = self.request("GET", path, None);
        self.connection.send(&request).await?.json().with_context(|| format!("GET {path}"))
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.request("POST", path, Some(body));
        self.connection.send(&request).await?.json().with_context(|| format!("POST {path}"))
    }

    pub(crate) async fn audit(&mut self, goal: &str, strategy: &str, parameters: &Value) -> anyhow::Result<String> {
        let body = json!({"audit_type": "ONESHOT", "goal": goal, "strategy": strategy, "parameters": parameters});
        text(&self.post("/v1/audits", &body).await?["uuid"])
    }

    pub(crate) async fn until_ended(&mut self, path: &str) -> anyhow::Result<()> {
        let row = self.ended(path).await?;
        ensure!(row["state"] == "SUCCEEDED", "{path} did not succeed: {row}");
        Ok(())
    }

    /// Waits until an audit or a plan has come to its end.
    pub(crate) async fn ended(&mut self, path: &str) -> anyhow::Result<Value> {
        let begin = Instant::now();
        loop {
            let row = self.get(path).await?;
            if ENDED.iter().any(|state| row["state"] == *state) {
                return Ok(row);
            }
            ensure!(begin.elapsed() < PATIENCE, "{path} does not end: {row}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether an audit has come to its end.
    pub(crate) async fn has_ended(&mut self, path: &str) -> anyhow::Result<bool> {
        let row = self.get(path).await?;
        Ok(ENDED.iter().any(|state| row["state"] == *state))
    }

    pub(crate) async fn delete(&mut self, path: &str) -> anyhow::Result<()> {
        let request = self.request("DELETE", path, None);
        self.connection.send(&request).await?.json().with_context(|| format!("DELETE {path}")).map(drop)
    }

    /// Cancels an audit, unless it has just ended.
    pub(crate) async fn cancel(&mut self, path: &str) -> anyhow::Result<()> {
        let body = json!([{"op": "replace", "path": "/state", "value": "CANCELLED"}]);
        let request = self.request("PATCH", path, Some(&body));
        self.connection.send(&request).await.map(drop)
    }

    /// Makes audits until there are so many, and waits for them.
    pub(crate) async fn fill(&mut self, wanted: usize) -> anyhow::Result<()> {
        let stored = self.get(&format!("/v1/audits?limit={wanted}")).await?;
        let stored = stored["audits"].as_array().map_or(0, Vec::len);
        let mut made = Vec::new();
        for _ in stored..wanted {
            made.push(self.audit("dummy", "dummy", &json!({})).await?);
        }
        for audit in made {
            self.until_ended(&format!("/v1/audits/{audit}")).await?;
        }
        Ok(())
    }

    /// Requests per second over so many connections that stay open.
    pub(crate) async fn rate(&self, path: &str, connections: usize, time: Duration) -> anyhow::Result<f64> {
        let request = self.request("GET", path, None);
        let mut open = Vec::new();
        for _ in 0..connections {
            let mut connection = Connection::open(&self.address).await?;
            connection.send(&request).await?.json()?;
            open.push(connection);
        }
        let begin = Instant::now();
        let tasks: Vec<_> = open
            .into_iter()
            .map(|mut connection| {
                let request = request.clone();
                tokio::spawn(async move {
                    let mut answered = 0_u32;
                    while begin.elapsed() < time {
                        let status = connection.send(&request).await?.status;
                        ensure!(status == 200, "answered {status}");
                        answered += 1;
                    }
                    anyhow::Ok(answered)
                })
            })
            .collect();
        let mut answered = 0.0;
        for task in tasks {
            answered += f64::from(task.await??);
        }
        Ok(answered / begin.elapsed().as_secs_f64())
    }
}

/// A text of an answer.
pub(crate) fn text(value: &Value) -> anyhow::Result<String> {
    Ok(value.as_str().with_context(|| format!("a text was expected, not {value}"))?.to_owned())
}
