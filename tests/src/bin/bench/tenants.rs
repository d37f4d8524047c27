//! How long audits of one project take while another does its worst, beside what they take when nothing else happens.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use serde_json::{Value, json};
use watcher_server::library::{plugins_dir, read_component};

use crate::client::{Client, Service, database, simulator};
use crate::http::Connection;
use crate::measure::Table;
use crate::plugins::{enlarged, mark, slow_to_compile};

/// What members need to run what they upload.
pub(crate) const POLICY: &str = r#"
"strategy:get": "rule:admin_api or role:member"
"audit:create": "rule:admin_api or role:member"
"audit:get": "rule:admin_api or role:member"
"audit:update": "rule:admin_api or role:member"
"audit:delete": "rule:admin_api or role:member"
"action_plan:get_all": "rule:admin_api or role:member"
"action_plan:delete": "rule:admin_api or role:member"
"#;
/// Audits that the hostile project has under way at a time: more than it may run.
const AT_ONCE: usize = 6;
/// Uploads that it has under way at a time: as many as it may.
const UPLOADS: usize = 2;
/// Size of what it uploads to be refused: it has more memories than it may.
const LARGE: usize = 16 << 20;
/// Functions of what it uploads to be compiled: 15 MB, for which a processor takes 25 s.
const FUNCTIONS: usize = 4000;
/// How long the other project disturbs before anything is measured.
const HEAD_START: Duration = Duration::from_secs(1);

/// What the hostile project does all the time.
enum Deed {
    /// Audits with these parameters.
    Audits(Value),
    /// Uploads of this component, each time under another digest.
    Uploads(Arc<[u8]>),
}

/// What the hostile project does, by name.
fn disturbances(component: &[u8]) -> Vec<(&'static str, Deed)> {
    let audit = |behaviour: &str, amount: u32| Deed::Audits(json!({"behaviour": behaviour, "amount": amount}));
    vec![
        ("computes for ever", audit("loop", 0)),
        ("takes all memory, again and again", audit("allocate", 0)),
        ("takes all memory at once, again and again", audit("allocate-at-once", 0)),
        ("grows page by page", audit("grow-page-by-page", 0)),
        ("recurses", audit("recurse", 0)),
        ("floods the log", audit("flood-log", 1_000_000)),
        ("calls the host for ever", audit("flood-calls", 0)),
        ("asks for metrics for ever", audit("flood-metrics", 0)),
        ("recommends 200 000 actions, again and again", audit("flood-actions", 200_000)),
        ("uploads what takes long to compile", Deed::Uploads(slow_to_compile(component, FUNCTIONS).into())),
        ("uploads 16 MiB that are refused at sight", Deed::Uploads(enlarged(component, LARGE).into())),
    ]
}

pub(crate) async fn run(table: &mut Table, quick: bool) -> anyhow::Result<()> {
    let database = database()?;
    let folder = tempfile::tempdir()?;
    let policy = folder.path().join("policy.yaml");
    std::fs::write(&policy, POLICY)?;
    let simulator = simulator().await?;
    let settings = [
        format!("policy.file={}", policy.display()),
        "sandbox.limits.host_calls=1000000000".to_owned(),
        format!("sandbox.cache_dir={}", folder.path().join("cache").display()),
    ];
    let mut service = Service::start(&simulator, &database, &settings)?;
    let mut good = Client::log_in(&simulator, &service.address, ("bob", "bob-password", "beta")).await?;
    let hostile = Client::log_in(&simulator, &service.address, ("alice", "alice-password", "alpha")).await?;
    let plugins = plugins_dir(&watcher_server::config::Config::default().plugins)?;
    let component = read_component(&plugins.join("guests/hostile-strategy.wasm"))?;
    let status = upload(&hostile, &[&component]).await?;
    ensure!(status == 201, "the hostile strategy was answered {status}");

    let audits = if quick { 20 } else { 300 };
    measure(&mut good, audits / 4).await?;
    for (what, deed) in disturbances(&component) {
        let undisturbed = measure(&mut good, audits).await?;
        let disturbance = Disturbance::start(&hostile, deed)?;
        tokio::time::sleep(HEAD_START).await;
        let disturbed = measure(&mut good, audits).await?;
        let done = disturbance.end()?;
        eprintln!("  ({done} audits or uploads of the other project ended)");
        let row = |share: &str| format!("tenants: B's audit of `dummy`, {share}, while A {what} : undisturbed");
        table.ratio(&row("median"), at(&disturbed, 50), at(&undisturbed, 50), "");
        table.ratio(&row("p99"), at(&disturbed, 99), at(&undisturbed, 99), "≤ 2");
    }
    service.stop();
    simulator.shutdown().await;
    Ok(())
}

/// The hostile project's clients, on a thread of their own as they would be on a machine of their own: nothing of B's waits within the benchmark for what they
/// send.
struct Disturbance {
    stop: Arc<AtomicBool>,
    clients: JoinHandle<anyhow::Result<u64>>,
}

impl Disturbance {
    fn start(hostile: &Client, deed: Deed) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (address, token) = (hostile.address.clone(), hostile.token.clone());
        let stopped = Arc::clone(&stop);
        let work = move || runtime.block_on(clients(&address, &token, &deed, &stopped));
        Ok(Self { stop, clients: std::thread::spawn(work) })
    }

    /// Ends it; how many audits or uploads had ended.
    fn end(self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join().map_err(|_| anyhow!("the clients of the hostile project panicked"))?
    }
}

/// Does it until it is told to stop; how many audits or uploads ended.
async fn clients(address: &str, token: &str, deed: &Deed, stopped: &AtomicBool) -> anyhow::Result<u64> {
    let done = Cell::new(0);
    let count = match deed {
        Deed::Audits(_) => AT_ONCE,
        Deed::Uploads(_) => UPLOADS,
    };
    let clients = (0..count).map(async |number| {
        let mut client = Client::with_token(address, token).await?;
        let mut round = number;
        while !stopped.load(Ordering::Relaxed) {
            match deed {
                Deed::Audits(parameters) => disturb(&mut client, parameters, stopped).await?,
                Deed::Uploads(component) => {
                    let mark = mark(round);
                    let parts = [component.as_ref(), &mark];
                    tokio::select! {
                        sent = upload(&client, &parts) => drop(sent?),
                        // To hang up ends the check.
                        () = told(stopped) => break,
                    }
                }
            }
            done.set(done.get() + 1);
            round += UPLOADS;
        }
        anyhow::Ok(())
    });
    futures::future::try_join_all(clients).await?;
    Ok(done.get())
}

async fn told(stopped: &AtomicBool) {
    while !stopped.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Times of so many audits, one after the other, in order.
async fn measure(client: &mut Client, audits: usize) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(audits);
    for _ in 0..audits {
        let begin = Instant::now();
        let audit = client.audit("dummy", "dummy", &json!({})).await?;
        client.until_ended(&format!("/v1/audits/{audit}")).await?;
        times.push(begin.elapsed());
    }
    times.sort();
    Ok(times)
}

/// The time that so many of a hundred do not exceed.
fn at(times: &[Duration], percent: usize) -> Duration {
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// One audit of the hostile project, to its end; it is cancelled when there is enough.
async fn disturb(client: &mut Client, parameters: &Value, stop: &AtomicBool) -> anyhow::Result<()> {
    let audit = client.audit("dummy", "hostile", parameters).await?;
    let path = format!("/v1/audits/{audit}");
    while !client.has_ended(&path).await? {
        if stop.load(Ordering::Relaxed) {
            client.cancel(&path).await?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Uploads a component that stands in several places; the status of the answer.
pub(crate) async fn upload(client: &Client, component: &[&[u8]]) -> anyhow::Result<u16> {
    let mut connection = Connection::open(&client.address).await?;
    let head = format!(
        "POST /v1/plugins HTTP/1.1\r\nHost: {}\r\nX-Auth-Token: {}\r\nOpenStack-API-Version: infra-optim 1.5\r\n\
         Content-Type: application/wasm\r\nContent-Length: {}\r\n\r\n",
        client.address,
        client.token,
        component.iter().map(|part| part.len()).sum::<usize>()
    );
    let parts: Vec<&[u8]> = std::iter::once(head.as_bytes()).chain(component.iter().copied()).collect();
    Ok(connection.send_parts(&parts).await.context("upload")?.status)
}
