//! The REST API over PostgreSQL with tokens of a Keystone: requests per second, and how long audits and plans take. Beside them stand the
//! figures of the original, release 17, which its benchmark took on a machine of two cores.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use watcher_simulator::{RunningSimulator, Simulator, SimulatorOptions};

use crate::decide::cluster;
use crate::http::{Connection, request};
use crate::measure::{Table, median};

/// A list: path, and how many per second the original answers over one connection and over eight.
const LISTS: &[(&str, f64, f64)] = &[
    ("/", 426.0, 401.0),
    ("/v1/goals", 110.0, 117.0),
    ("/v1/strategies", 14.5, 14.0),
    ("/v1/audits?limit=50", 1.5, 2.5),
    ("/v1/audits/detail?limit=50", 2.2, 2.7),
];
/// How many audits are there when lists are measured, as there were with the original.
const STORED_AUDITS: usize = 140;
const AUDIT_OF_ORIGINAL: Duration = Duration::from_millis(241);
const BURST: usize = 30;
const BURST_OF_ORIGINAL: Duration = Duration::from_secs(4);
/// Plans: how many actions, the original's time, the goal.
const PLANS: &[(usize, Duration, &str)] =
    &[(1, Duration::from_millis(1250), ""), (20, Duration::from_millis(2730), "≤ 60 ms")];
/// How often the client looks at an audit or a plan.
const POLL: Duration = Duration::from_millis(1);
/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// Both users of the simulated cloud, which is gone after the run.
const PASSWORD: &str = "bench";
const ENDED: [&str; 3] = ["SUCCEEDED", "FAILED", "CANCELLED"];

pub(crate) async fn run(table: &mut Table, quick: bool) -> anyhow::Result<()> {
    let database = env::var_os("WATCHER_TEST_POSTGRES_URL").and_then(|url| url.into_string().ok());
    let database = database.context(
        "the API rows need PostgreSQL (WATCHER_TEST_POSTGRES_URL): run `cargo xtask bench`, which starts one",
    )?;
    let simulator = simulator().await?;
    let mut service = Service::start(&simulator, &database)?;
    let mut client = Client::log_in(&simulator, &service.address).await?;
    let (audits, plans, seconds) = if quick { (10, 5, 1) } else { (40, 20, 4) };

    let mut times = Vec::new();
    for _ in 0..audits {
        let begin = Instant::now();
        let audit = client.audit("dummy", "dummy", &json!({})).await?;
        client.until_ended(&format!("/v1/audits/{audit}")).await?;
        times.push(begin.elapsed());
    }
    table.ratio("api: audit of `dummy`, POST to SUCCEEDED : the original", median(times), AUDIT_OF_ORIGINAL, "≤ 20 ms");

    let begin = Instant::now();
    let mut posted = Vec::new();
    for _ in 0..BURST {
        posted.push(client.audit("dummy", "dummy", &json!({})).await?);
    }
    for audit in posted {
        client.until_ended(&format!("/v1/audits/{audit}")).await?;
    }
    let what = format!("api: {BURST} audits of `dummy` posted at once, all SUCCEEDED : the original");
    table.ratio(&what, begin.elapsed(), BURST_OF_ORIGINAL, "");

    for &(actions, original, goal) in PLANS {
        let nop = |n| json!({"action_type": "nop", "input_parameters": {"message": format!("n{n}")}});
        let parameters = json!({"actions": (0..actions).map(nop).collect::<Vec<_>>()});
        let mut times = Vec::new();
        for _ in 0..plans {
            let audit = client.audit("unclassified", "actuator", &parameters).await?;
            client.until_ended(&format!("/v1/audits/{audit}")).await?;
            let found = client.get(&format!("/v1/action_plans?audit_uuid={audit}")).await?;
            let plan = text(&found["action_plans"][0]["uuid"])?;
            let begin = Instant::now();
            client.post(&format!("/v1/action_plans/{plan}/start"), &json!({})).await?;
            client.until_ended(&format!("/v1/action_plans/{plan}")).await?;
            times.push(begin.elapsed());
        }
        let what = format!("api: plan of {actions} `nop`, start to SUCCEEDED : the original");
        table.ratio(&what, median(times), original, goal);
    }

    client.fill(STORED_AUDITS).await?;
    for &(path, one, eight) in LISTS {
        for (connections, original) in [(1, one), (8, eight)] {
            let rate = client.rate(path, connections, Duration::from_secs(seconds)).await?;
            let what = format!("api: GET {path}, connections: {connections}");
            table.rate(&what, rate, original, if path == "/" { "" } else { "≥ 100" });
        }
    }
    service.stop();
    simulator.shutdown().await;
    Ok(())
}

async fn simulator() -> anyhow::Result<RunningSimulator> {
    let options = SimulatorOptions {
        admin_password: PASSWORD.to_owned(),
        service_password: PASSWORD.to_owned(),
        ..SimulatorOptions::default()
    };
    Ok(Simulator::new(cluster(4, 20), options).start().await?)
}

/// The service as a process of its own.
struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn start(simulator: &RunningSimulator, database: &str) -> anyhow::Result<Self> {
        let program = env::current_exe()?.with_file_name("watcher-host");
        let configured = |what: &str| {
            let mut command = Command::new(&program);
            command
                .env("WATCHER_DATABASE__URL", database)
                .env("WATCHER_KEYSTONE__AUTH_URL", &simulator.endpoints().identity)
                .env("WATCHER_KEYSTONE__PASSWORD", PASSWORD)
                .env("WATCHER_PROMETHEUS__URL", &simulator.endpoints().prometheus)
                .args(["--set", "api.listen=127.0.0.1:0", "--set", "log.level=warn"])
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

    fn stop(&mut self) {
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

/// An administrator with a valid token.
struct Client {
    connection: Connection,
    address: String,
    token: String,
}

impl Client {
    async fn log_in(simulator: &RunningSimulator, service: &str) -> anyhow::Result<Self> {
        let identity = &simulator.endpoints().identity;
        let (host, path) = identity
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .with_context(|| format!("identity at {identity}"))?;
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": "admin", "domain": domain, "password": PASSWORD,
            }}},
            "scope": {"project": {"name": "admin", "domain": domain}},
        }});
        let mut keystone = Connection::open(host).await?;
        let answer = keystone.send(&request("POST", host, &format!("/{path}/auth/tokens"), None, Some(&body))).await?;
        answer.json().context("cannot log in")?;
        let token = answer.header("x-subject-token").context("a login without a token")?.to_owned();
        Ok(Self { connection: Connection::open(service).await?, address: service.to_owned(), token })
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
        request(method, &self.address, path, Some(&self.token), body)
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let request = self.request("GET", path, None);
        self.connection.send(&request).await?.json().with_context(|| format!("GET {path}"))
    }

    async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.request("POST", path, Some(body));
        self.connection.send(&request).await?.json().with_context(|| format!("POST {path}"))
    }

    async fn audit(&mut self, goal: &str, strategy: &str, parameters: &Value) -> anyhow::Result<String> {
        let body = json!({"audit_type": "ONESHOT", "goal": goal, "strategy": strategy, "parameters": parameters});
        text(&self.post("/v1/audits", &body).await?["uuid"])
    }

    async fn until_ended(&mut self, path: &str) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            let row = self.get(path).await?;
            if row["state"] == "SUCCEEDED" {
                return Ok(());
            }
            ensure!(!ENDED.iter().any(|state| row["state"] == *state), "{path} did not succeed: {row}");
            ensure!(begin.elapsed() < PATIENCE, "{path} does not end: {row}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Makes audits until there are so many, and waits for them.
    async fn fill(&mut self, wanted: usize) -> anyhow::Result<()> {
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
    async fn rate(&self, path: &str, connections: usize, time: Duration) -> anyhow::Result<f64> {
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

fn text(value: &Value) -> anyhow::Result<String> {
    Ok(value.as_str().with_context(|| format!("a text was expected, not {value}"))?.to_owned())
}
