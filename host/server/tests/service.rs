//! The second half of the tutorial: a strategy of one's own in a service that runs, from the upload to another project's audit.
//!
//! What the stock client does there is done over HTTP here; the tests of the stock clients follow that section word by word.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod author;

use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use author::{folder, program, shell, text, tutorial};
use serde_json::{Value, json};
use watcher_server::config::Config;
use watcher_server::demo::Client;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Who the demo says that somebody else is.
const BOB: &str = "export OS_USERNAME=bob OS_PASSWORD=bob-password OS_PROJECT_NAME=beta";

type Environment = Vec<(String, String)>;

/// Service and simulated cloud, as `demo --keep` starts them; gone when dropped.
struct Demo {
    child: Child,
    /// Of an administrator.
    environment: Environment,
    /// What it says from then on.
    rest: Lines<BufReader<ChildStdout>>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // SIGTERM lets it clean up.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Demo {
    fn start(folder: &Path) -> Self {
        let mut demo = program(env!("CARGO_BIN_EXE_watcher-host"), folder);
        let mut child = demo.args(["demo", "--keep"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut rest = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = rest.by_ref().map(Result::unwrap).take_while(|line| !line.starts_with("openstack optimize"));
        let environment = told
            .filter_map(|line| {
                let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect();
        Self { child, environment, rest }
    }

    /// Follows commands of the tutorial as this administrator, and gives what they printed.
    fn follow(&self, project: &Path, commands: &str) -> String {
        let followed = shell(project, commands).envs(self.environment.iter().cloned()).output().unwrap();
        assert!(followed.status.success(), "{commands}\n{}", text(&followed));
        String::from_utf8(followed.stdout).unwrap()
    }

    fn client(&self, user: &str, password: &str, project: &str) -> Client {
        let mut keystone = Config::default().keystone;
        let (_, url) = self.environment.iter().find(|(name, _)| name == "OS_AUTH_URL").unwrap();
        keystone.auth_url.clone_from(url);
        user.clone_into(&mut keystone.username);
        project.clone_into(&mut keystone.project_name);
        keystone.password = password.into();
        Client::of(&keystone).unwrap()
    }
}

async fn wait(client: &Client, path: &str) -> Value {
    let begin = Instant::now();
    loop {
        let row = client.get(path, &[]).await.unwrap();
        if matches!(row["state"].as_str(), Some("SUCCEEDED" | "FAILED" | "CANCELLED")) {
            return row;
        }
        assert!(begin.elapsed() < PATIENCE, "{row}");
        // Another process works on it: there is nothing to wait for but its answer.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs the audit of the tutorial, and gives the plan that it recommends.
async fn audit(client: &Client, name: &str) -> Value {
    let body = json!({"audit_type": "ONESHOT", "goal": "workload_balancing", "strategy": "calm_down", "name": name,
        "parameters": {"threshold": 40}});
    let audit = client.post("/v1/audits", &body).await.unwrap();
    let uuid = audit["uuid"].as_str().unwrap();
    let ended = wait(client, &format!("/v1/audits/{uuid}")).await;
    assert_eq!(ended["state"], "SUCCEEDED", "{ended}");
    let plans = client.get("/v1/action_plans/detail", &[("audit_uuid", uuid)]).await.unwrap();
    plans["action_plans"][0].clone()
}

/// Versions of the strategy that a list shows, with their states.
fn versions(list: &str) -> Vec<(&str, &str)> {
    let rows = list.lines().filter(|line| line.starts_with("0.")).map(str::split_whitespace);
    rows.map(|mut words| (words.next().unwrap(), words.next().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_can_be_followed_word_by_word_with_a_service_and_two_projects() {
    let folder = folder("service");
    let project = folder.join("calm-down");
    let commands = "watcher-host plugin new calm-down --kind strategy; cd calm-down; watcher-host plugin build";
    let made = shell(&folder, commands).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));

    let mut demo = Demo::start(&folder);
    assert_eq!(demo.environment.len(), 8, "the tutorial counts them: {:?}", demo.environment);
    let [start, push, second] = &tutorial("## 4. ", "## 5. ")[..] else { panic!("section 4 has other blocks") };
    assert_eq!(start, "cargo xtask demo --keep\n");
    let pushed = demo.follow(&project, push);
    assert!(pushed.starts_with("strategy calm_down 0.1.0 is uploaded: sha256:"), "{pushed}");
    assert!(pushed.contains("  private     "), "{pushed}");
    let listed = demo.follow(&project, second);
    assert_eq!(versions(&listed), [("0.1.0", "active"), ("0.2.0", "active")], "{listed}");
    assert!(listed.contains("the second one"), "{listed}");
    let copy =
        demo.follow(&project, "watcher-host plugin download calm_down -o copy.wasm && cmp copy.wasm calm_down.wasm");
    assert!(copy.starts_with("copy.wasm"), "{copy}");

    let admin = demo.client("admin", "demo", "admin");
    let plan = audit(&admin, "calm").await;
    assert_eq!(plan["state"], "RECOMMENDED", "an empty plan is nothing to see: {plan}");
    let plan = format!("/v1/action_plans/{}", plan["uuid"].as_str().unwrap());
    admin.post(&format!("{plan}/start"), &json!({})).await.unwrap();
    assert_eq!(wait(&admin, &plan).await["state"], "SUCCEEDED");

    let [share, accept, back] = &tutorial("## 6. ", "## Further")[..] else { panic!("section 6 has other blocks") };
    let told = demo.rest.by_ref().map(Result::unwrap).take_while(|line| line != BOB).collect::<Vec<_>>().concat();
    let id = told.split_once("with the id ").unwrap().1.split_once('.').unwrap().0;
    assert!(share.contains(id) && back.contains(id), "the tutorial names the project that the demo names: {id}");
    assert!(accept.starts_with(BOB) && back.contains("OS_PASSWORD=demo "));
    let bob = demo.client("bob", "bob-password", "beta");
    let sees = async |client: &Client| client.get("/v1/strategies/calm_down", &[]).await.is_ok();
    assert!(sees(&admin).await && !sees(&bob).await);
    assert!(demo.follow(&project, share).contains("pending"));
    assert!(!sees(&bob).await, "an offer is no acceptance");
    let accepted = demo.follow(&project, accept);
    assert!(accepted.contains("pending") && accepted.trim().ends_with("accepted"), "{accepted}");
    let plan = audit(&bob, "calm").await;
    assert_eq!(bob.get("/v1/action_plans", &[]).await.unwrap()["action_plans"].as_array().unwrap().len(), 1, "{plan}");

    let events = demo.follow(&project, back);
    for expected in ["uploaded", "member_accepted", "member_withdrawn", "deactivated", "too eager"] {
        assert!(events.contains(expected), "{expected} is not in:\n{events}");
    }
    assert!(!sees(&bob).await && sees(&admin).await);
    let listed = demo.follow(&project, "watcher-host plugin versions calm_down");
    assert_eq!(versions(&listed), [("0.1.0", "active"), ("0.2.0", "deactivated")], "{listed}");
    let shown = demo.follow(&project, "watcher-host plugin show calm_down");
    assert!(shown.contains("version 0.1.0"), "new audits run the version that is left: {shown}");
}
