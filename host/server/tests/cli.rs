//! The command line as a user meets it: bad input gets one clear sentence, exit code 1, and no panic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use watcher_cluster::AuditScope;
use watcher_domain::{
    AuditTemplate, AuditTemplateId, Clock as _, Goal, GoalId, Ids as _, Stamps, SystemClock, SystemIds,
};
use watcher_store::{Store, audit_template, goal};

fn watcher_host(arguments: &[&str]) -> Output {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    Command::new(env!("CARGO_BIN_EXE_watcher-host"))
        .args(arguments)
        .env("WATCHER_PLUGINS_DIR", plugins)
        .output()
        .unwrap()
}

/// Runs a command that must fail, and gives its one sentence.
fn complaint(arguments: &[&str]) -> String {
    let output = watcher_host(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?} said: {text}");
    assert!(!text.contains("panicked"), "{text}");
    let last = text.trim().lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("watcher-host: "), "{text}");
    last
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn cluster() -> Value {
    json!({
        "compute": {
            "nodes": [
                {"uuid": "n0", "hostname": "host0", "vcpus": 16, "memory": 65536, "disk": 1000},
                {"uuid": "n1", "hostname": "host1", "vcpus": 16, "memory": 65536, "disk": 1000},
            ],
            "instances": [
                {"uuid": "i0", "node": "host0", "vcpus": 2, "memory": 2048, "disk": 20},
                {"uuid": "i1", "node": "host1", "vcpus": 2, "memory": 2048, "disk": 20},
            ],
        },
        "metrics": {
            "host": {"host0": {"host_cpu_usage": 10.0, "host_ram_usage": 1000}, "host1": {"host_cpu_usage": 5.0, "host_ram_usage": 1000}},
            "instance": {
                "i0": {"instance_cpu_usage": 20.0, "instance_ram_usage": 500},
                "i1": {"instance_cpu_usage": 10.0, "instance_ram_usage": 500},
            },
        },
    })
}

#[test]
fn a_cluster_file_that_is_missing_broken_or_contradicts_itself_is_named() {
    let folder = Folder::new();
    let decide = |path: &str| complaint(&["decide", "--cluster", path, "--strategy", "dummy"]);
    assert!(decide("/nowhere.json").contains("cannot read cluster file /nowhere.json"));
    let broken = decide(&folder.file("broken.json", "{\"compute\": ["));
    assert!(broken.contains("not a cluster file") && broken.contains("line 1"), "{broken}");
    let mut lost = cluster();
    lost["compute"]["instances"][1]["node"] = json!("host7");
    let lost = decide(&folder.file("lost.json", &lost.to_string()));
    assert!(lost.contains("instance i1 is on node host7, which is not in the cluster"), "{lost}");
    let mut twice = cluster();
    twice["compute"]["nodes"][1]["uuid"] = json!("n0");
    assert!(decide(&folder.file("twice.json", &twice.to_string())).contains("compute node n0 is listed twice"));
    let mut ratio = cluster();
    ratio["compute"]["nodes"][1]["vcpu_ratio"] = json!(0);
    assert!(
        decide(&folder.file("ratio.json", &ratio.to_string())).contains("compute node host1, vcpu_ratio: 0 is not")
    );
}

#[test]
fn an_unknown_strategy_is_named_with_those_there_are() {
    let folder = Folder::new();
    let file = folder.file("cluster.json", &cluster().to_string());
    let text = complaint(&["decide", "--cluster", &file, "--strategy", "nope"]);
    assert!(text.contains("there is no strategy nope; there are actuator, basic, dummy, "), "{text}");
    assert!(complaint(&["decide", "--cluster", &file]).contains("--strategy NAME is missing"));
}

#[test]
fn parameters_outside_the_schema_are_refused_by_name_and_place() {
    let folder = Folder::new();
    let file = folder.file("cluster.json", &cluster().to_string());
    let decide = |params: &str| complaint(&["decide", "--cluster", &file, "--strategy", "dummy", "--params", params]);
    assert!(decide(r#"{"para3": 1}"#).contains("parameter para3 not allowed; allowed are para1, para2"));
    assert!(decide(r#"{"para1": 99}"#).contains("at /para1: "));
    assert!(decide("[").contains("--params is not a JSON object"));
    let text = complaint(&[
        "decide",
        "--cluster",
        &file,
        "--strategy",
        "dummy",
        "--scope",
        r#"[{"compute": [{"nonsense": 1}]}]"#,
    ]);
    assert!(text.contains("audit scope is invalid"), "{text}");
}

#[test]
fn a_report_has_the_plan_and_the_predicted_placement() {
    let folder = Folder::new();
    let file = folder.file("cluster.json", &cluster().to_string());
    let report = folder.path("report.json");
    let arguments = ["decide", "--cluster", &file, "--strategy", "vm_workload_consolidation", "--report"];
    let output = watcher_host(&[&arguments[..], &[report.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["audit_state"], "SUCCEEDED");
    assert_eq!(report["plan_state"], "RECOMMENDED");
    let types: Vec<_> = report["actions"].as_array().unwrap().iter().map(|action| &action["action_type"]).collect();
    assert_eq!(types, ["change_nova_service_state", "migrate"]);
    assert_eq!(report["actions"][1]["parents"], json!([0]));
    let hosts: std::collections::BTreeSet<_> =
        report["placement_after"].as_object().unwrap().values().map(|host| host.as_str().unwrap()).collect();
    assert_eq!(hosts.len(), 1);
}

#[test]
fn every_case_gets_a_report_and_a_bad_one_does_not_stop_the_others() {
    let folder = Folder::new();
    let mut good = cluster();
    good["strategy"] = json!("dummy");
    let mut bad = good.clone();
    bad["parameters"] = json!({"nope": 1});
    let (good, bad) = (folder.file("good.json", &good.to_string()), folder.file("bad.json", &bad.to_string()));
    let reports = folder.path("reports");
    let output = watcher_host(&["decide", "--case", &bad, &good, "--report-dir", reports.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| -> Value { serde_json::from_slice(&std::fs::read(reports.join(name)).unwrap()).unwrap() };
    assert_eq!(read("good.json")["audit_state"], "SUCCEEDED");
    assert_eq!(read("bad.json")["audit_state"], "FAILED");
    assert!(read("bad.json")["error"].as_str().unwrap().contains("parameter nope not allowed"));
}

/// Any port, whatever listens on the usual one.
const FREE: &str = "api.listen=127.0.0.1:0";

#[test]
fn a_keystone_that_is_not_there_or_refuses_is_named_and_nothing_is_left_behind() {
    let folder = Folder::new();
    let database = format!("database.url=sqlite://{}", folder.path("watcher.db").display());
    let unset = complaint(&["--set", &database, "--set", FREE, "serve"]);
    assert!(unset.contains("keystone.auth_url is not set"), "{unset}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("keystone.auth_url=http://{free}/v3");
    let away = complaint(&["--set", &database, "--set", FREE, "--set", &url, "--set", "keystone.password=x", "serve"]);
    assert!(away.contains(&free.to_string()) && !away.contains("keystone.password"), "{away}");
}

#[test]
fn a_port_in_use_is_named() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let database = format!("database.url=sqlite://{}", folder.path("watcher.db").display());
    let listen = format!("api.listen={address}");
    let text = complaint(&["--set", &database, "--set", &listen, "--set", "api.auth=none", "serve"]);
    assert!(text.contains(&address) && text.contains("in use"), "{text}");
    let file = folder.file("cluster.json", &cluster().to_string());
    let text = complaint(&["simulator", "--cluster", &file, "--listen", &address]);
    assert!(text.contains(&address) && text.contains("in use"), "{text}");
}

#[test]
fn a_database_that_cannot_be_opened_is_named() {
    let serve = |url: &str| {
        complaint(&["--set", &format!("database.url={url}"), "--set", FREE, "--set", "api.auth=none", "serve"])
    };
    assert!(serve("sqlite:///nowhere/watcher.db").contains("/nowhere/watcher.db"));
    assert!(serve("mysql://x").contains("mysql"));
    let folder = Folder::new();
    let file = folder.file("text.db", &"this is not a database, it is a text. ".repeat(200));
    let text = serve(&format!("sqlite://{file}"));
    assert!(text.contains("not a database"), "{text}");
}

/// A goal, and so many templates for it that were deleted so long ago.
async fn deleted_templates(url: &str, count: usize, ago: Duration) {
    let (clock, ids) = (SystemClock, SystemIds);
    let stamps = Stamps::new(clock.now());
    let goal = Goal {
        id: GoalId(ids.uuid()),
        name: "tidiness".to_owned(),
        display_name: "Tidiness".to_owned(),
        efficacy_specification: Vec::new(),
        stamps,
    };
    let store = Store::connect(url).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    goal::insert(&mut tx, &goal).await.unwrap();
    for number in 0..count {
        let template = AuditTemplate {
            id: AuditTemplateId(ids.uuid()),
            project_id: None,
            name: format!("template {number}"),
            description: None,
            goal_id: goal.id,
            strategy_id: None,
            scope: AuditScope::default(),
            default_parameters: serde_json::Map::new(),
            stamps,
        };
        audit_template::insert(&mut tx, &template).await.unwrap();
        assert!(audit_template::soft_delete(&mut tx, template.id, clock.now() - ago).await.unwrap());
    }
    tx.commit().await.unwrap();
    store.close().await;
}

fn purge<'a>(database: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["db", "purge", "--set", database], more].concat()
}

#[test]
fn what_was_deleted_goes_for_good_with_a_table_of_how_much() {
    let folder = Folder::new();
    let url = format!("sqlite://{}", folder.path("watcher.db").display());
    let database = format!("database.url={url}");
    assert!(complaint(&purge(&database, &[])).contains("watcher-host db upgrade"));
    assert!(watcher_host(&["db", "upgrade", "--set", &database]).status.success());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(deleted_templates(&url, 3, Duration::from_hours(3 * 24)));
    assert!(complaint(&purge(&database, &["--goal", "nothing"])).contains("there is no goal nothing"));

    let told = |more: &[&str]| {
        let output = watcher_host(&purge(&database, more));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let line = |text: &str| text.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let text = told(&["--dry-run"]);
    assert_eq!(line(&text), "audit templates 3 would be removed");
    assert_eq!(text.lines().count(), 6, "{text}");
    assert_eq!(line(&told(&["--age-in-days", "4"])), "audit templates 0 removed");
    assert_eq!(line(&told(&["-d", "2", "-n", "1", "-t", "tidiness", "-e"])), "audit templates 1 removed");
    assert_eq!(line(&told(&[])), "audit templates 2 removed");
    assert_eq!(line(&told(&[])), "audit templates 0 removed");
}

#[test]
fn a_place_for_blobs_that_makes_no_sense_is_named_and_no_key_is_shown() {
    let folder = Folder::new();
    let database = format!("database.url=sqlite://{}", folder.path("watcher.db").display());
    assert!(watcher_host(&["db", "upgrade", "--set", &database]).status.success());
    let key = folder.file("key", "hunter2\n");
    let key = format!("blobs.secret_access_key_file={key}");
    let told = |settings: &[&str]| {
        let mut arguments = vec!["db", "move-blobs", "--set", &database];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", *setting]));
        let text = complaint(&arguments);
        assert!(!text.contains("hunter2"), "{text}");
        text
    };
    let bucket = "blobs.store=s3://bucket/plugins";
    for (settings, want) in [
        (vec!["blobs.store=nowhere"], "blobs.store makes no sense: \"nowhere\" is no place for blobs"),
        (vec!["blobs.store=s3://me:hunter2@bucket"], "credentials do not belong into it"),
        (vec!["blobs.others=file:///no/such/folder"], "cannot use file:///no/such/folder for plugins"),
        (vec![bucket], "a bucket needs blobs.access_key_id"),
        (vec![bucket, &key, "blobs.secret_access_key=hunter2"], "are both set"),
        (vec![bucket, &key, "blobs.access_key_id=me", "blobs.endpoint=http://s3"], "allow_http is off"),
    ] {
        let text = told(&settings);
        assert!(text.contains(want), "{text}");
    }
    let mut arguments = vec!["db", "move-blobs", "--set", &database, "--to", "s3://bucket"];
    assert!(complaint(&arguments).contains("neither blobs.store nor blobs.others names s3://bucket"));
    arguments.truncate(4);
    let output = watcher_host(&arguments);
    assert!(output.status.success() && output.stdout.ends_with(b"0 components moved to the database\n"));
    let shown = watcher_host(&["config", "show", "--set", "blobs.secret_access_key=hunter2"]);
    assert!(!String::from_utf8(shown.stdout).unwrap().contains("hunter2"));
}

#[test]
fn an_option_that_does_not_exist_is_refused_with_the_nearest() {
    let text = complaint(&["--set", "api.lisen=127.0.0.1:1", "serve"]);
    assert!(text.contains("did you mean api.listen?"), "{text}");
}

#[test]
fn a_generated_cluster_is_a_cluster_file_and_the_same_for_the_same_seed() {
    let generate = |seed: &str| {
        watcher_host(&["simulator", "generate", "--hosts", "10", "--instances", "50", "--seed", seed]).stdout
    };
    let one = generate("7");
    assert_eq!(one, generate("7"));
    assert_ne!(one, generate("8"));
    let file = watcher_cluster::ClusterFile::parse(&one).unwrap();
    assert_eq!((file.compute.nodes.len(), file.compute.instances.len()), (10, 50));
}
