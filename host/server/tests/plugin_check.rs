//! `watcher-host plugin check`, and checks in processes of their own: what a component does to its checker, nobody else feels.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../runtime/tests/support/text.rs"]
mod text;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use text::{Plugin, sums, with_module};
use watcher_domain::report::{CheckError, CheckOptions, PluginChecker as _, ProblemCode, Report};
use watcher_domain::{PluginKind, ProjectId};
use watcher_runtime::check::worker::{Worker, WorkerOptions};
use watcher_runtime::{Runtime, RuntimeOptions};
use watcher_server::library::Library;
use watcher_server::plugin::CHECK_WORKER;

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_watcher-host"))
}

fn component(name: &str) -> PathBuf {
    let folder = std::env::var_os("WATCHER_PLUGINS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"), PathBuf::from);
    folder.join(name).with_extension("wasm")
}

fn sandbox(folder: &Path) -> RuntimeOptions {
    RuntimeOptions { cache_dir: folder.to_path_buf(), max_instances: 2, ..RuntimeOptions::default() }
}

fn options(folder: &Path) -> WorkerOptions {
    WorkerOptions::new(program(), vec![CHECK_WORKER.into()], &sandbox(folder))
}

/// A worker whose other process is a shell with these commands.
fn shell(folder: &Path, commands: &str) -> WorkerOptions {
    let arguments: Vec<OsString> = vec!["-c".into(), commands.into()];
    WorkerOptions::new("/bin/sh".into(), arguments, &sandbox(folder))
}

async fn check(options: WorkerOptions, bytes: Arc<[u8]>) -> Result<Report, CheckError> {
    Worker::new(options).check(bytes, CheckOptions::default()).await
}

fn command(file: &Path, extra: &[&str]) -> Output {
    let cache = tempfile::tempdir().unwrap();
    Command::new(program())
        .args(["--set", &format!("sandbox.cache_dir={}", cache.path().display()), "plugin", "check"])
        .arg(file)
        .args(extra)
        .output()
        .unwrap()
}

#[test]
fn a_good_plugin_is_accepted_with_a_report_that_reads_well() {
    let output = command(&component("strategies/vm-workload-consolidation"), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "  strategy            vm_workload_consolidation ",
        "  built against       version 0.1.0 (served) of watcher:clock, watcher:cluster, ",
        "  imports             watcher:cluster/compute@0.1.0: reads the compute nodes and instances in scope\n",
        " actions, with a generated cluster of 20 hosts and 120 instances; ",
        "  deterministic       execute gave the same bytes twice\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    assert!(text.ends_with("\naccepted\n"), "{text}");
}

#[test]
fn a_bad_plugin_is_refused_as_text_and_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.wasm");
    std::fs::write(&file, wat::parse_str("(component (import \"wasi:sockets/tcp@0.2.0\" (instance)))").unwrap())
        .unwrap();
    let output = command(&file, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("problem import at wasi:sockets/tcp@0.2.0\n"), "{text}");
    assert!(text.ends_with("refused: 2 problems\n"), "{text}");
    let output = command(&file, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["verdict"], report["problems"].as_array().unwrap().len()), (&Value::from("refused"), 2));
    let output = command(&folder.path().join("missing.wasm"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read"));
}

#[tokio::test]
async fn what_the_other_process_compiled_runs_in_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Arc<[u8]> = std::fs::read(component("planners/weight")).unwrap().into();
    let report = check(options(folder.path()), Arc::clone(&bytes)).await.unwrap();
    assert!(report.accepted(), "{:#?}", report.problems);
    assert!(report.compilation.is_some());
    let library = Arc::new(Library::default());
    let runtime = Runtime::new(sandbox(folder.path()), library).unwrap();
    runtime.warm(report.digest).await.unwrap();
    let counters = runtime.counters();
    assert_eq!((counters.compiled, counters.from_disk), (0, 1));
}

fn bomb() -> Arc<[u8]> {
    let planner = Plugin::new(PluginKind::Planner).build();
    with_module(&planner, &sums(30, 100_000))
}

#[tokio::test]
async fn a_component_that_takes_long_to_compile_costs_what_it_may_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    // However busy the machine is with others, it is computing time that ends it.
    let options = |folder: &Path| WorkerOptions { deadline: Duration::from_mins(10), ..options(folder) };
    let report = check(WorkerOptions { cpu_s: 2, ..options(folder.path()) }, bomb()).await.unwrap();
    assert_eq!(report.problems[0].code, ProblemCode::CompileLimit, "{report:#?}");
    assert_eq!(report.problems[0].message, "compiling it took more than 2 s of computing");
    let small = WorkerOptions { memory_bytes: 160 << 20, ..options(folder.path()) };
    let report = check(small, bomb()).await.unwrap();
    assert_eq!(report.problems[0].code, ProblemCode::CompileLimit, "{report:#?}");
    assert_eq!(report.problems[0].message, "compiling it took more than 167772160 bytes of memory");
    // What follows is checked as if nothing had been.
    let bytes: Arc<[u8]> = std::fs::read(component("planners/weight")).unwrap().into();
    assert!(check(options(folder.path()), bytes).await.unwrap().accepted());
}

#[tokio::test]
async fn a_check_ends_at_its_deadline_and_names_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let commands = "echo '{\"step\":\"describe\"}'; exec /bin/sleep 1000";
    let options = WorkerOptions { deadline: Duration::from_secs(1), ..shell(folder.path(), commands) };
    let report = check(options, (*b"\0asm").into()).await.unwrap();
    assert_eq!(report.problems[0].code, ProblemCode::CheckLimit);
    assert_eq!(report.problems[0].message, "its description took longer than 1 s");
}

#[tokio::test]
async fn a_process_that_cannot_check_is_the_hosts_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let missing = WorkerOptions::new("/nonexistent/program".into(), Vec::new(), &sandbox(folder.path()));
    let error = check(missing, (*b"\0asm").into()).await.unwrap_err();
    assert!(matches!(error, CheckError::Host(_)), "{error:?}");
    let error = check(shell(folder.path(), "echo no; exit 7"), (*b"\0asm").into()).await.unwrap_err();
    assert!(matches!(error, CheckError::Host(_)), "{error:?}");
    // An answer that is not read in whole, as large as the component: nobody waits for the other.
    let large: Arc<[u8]> = vec![0; 8 << 20].into();
    let error = check(shell(folder.path(), "exit 0"), large).await.unwrap_err();
    assert!(matches!(error, CheckError::Host(_)), "{error:?}");
}

#[tokio::test]
async fn the_other_process_has_no_environment_and_ends_with_its_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seen");
    let commands = format!("/usr/bin/env > {0}.env; echo $$ > {0}; exec /bin/sleep 1000", file.display());
    let worker = Worker::new(shell(folder.path(), &commands));
    let mut call = Box::pin(worker.check((*b"\0asm").into(), CheckOptions::default()));
    let pid = loop {
        if let Ok(text) = std::fs::read_to_string(&file)
            && let Ok(pid) = text.trim().parse::<u32>()
        {
            break pid;
        }
        tokio::select! {
            ended = &mut call => panic!("{ended:?}"),
            () = tokio::task::yield_now() => {}
        }
    };
    let environment = std::fs::read_to_string(file.with_extension("env")).unwrap();
    assert!(!environment.contains("CARGO") && !environment.contains("HOME="), "{environment}");
    drop(call);
    // It has been killed; its entry may stay until it is looked at.
    let ended = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        status.map_or(true, |text| text.contains(") Z ") || !text.contains("(sleep)"))
    };
    let begin = Instant::now();
    while !ended() {
        assert!(begin.elapsed() < Duration::from_secs(10), "process {pid} lives on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_check_that_somebody_else_ended_says_nothing_about_the_component() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["KILL", "TERM"] {
        let commands = format!(r#"echo '{{"step":"try"}}'; kill -{signal} $$; exec /bin/sleep 1000"#);
        let error = check(shell(folder.path(), &commands), (*b"\0asm").into()).await.unwrap_err();
        let CheckError::Host(source) = &error else { panic!("{error:?}") };
        assert!(source.to_string().starts_with("the checking process was ended by somebody else"), "{source}");
    }
}

#[tokio::test]
async fn a_project_leaves_others_half_of_the_checks() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(100);
    let worker = Worker::new(WorkerOptions { patience, ..shell(folder.path(), "exec /bin/sleep 1000") });
    let check = |project: &str| {
        let options = CheckOptions { project: Some(ProjectId(project.to_owned())), ..CheckOptions::default() };
        Box::pin(worker.check((*b"\0asm").into(), options))
    };
    let (mut first, second, mut other) = (check("busy"), check("busy"), check("other"));
    assert!(futures::poll!(&mut first).is_pending());
    tokio::select! {
        ended = &mut other => panic!("{ended:?}"),
        second = second => assert!(matches!(second, Err(CheckError::Busy { .. })), "{second:?}"),
    }
    // It has its place: nobody's patience ends.
    tokio::select! {
        ended = &mut other => panic!("{ended:?}"),
        third = check("third") => assert!(matches!(third, Err(CheckError::Busy { .. })), "{third:?}"),
    }
    assert!(futures::poll!(&mut first).is_pending());
}

#[tokio::test]
async fn only_so_many_wait() {
    let folder = tempfile::tempdir().unwrap();
    let options = WorkerOptions { at_once: 1, waiting: 1, ..shell(folder.path(), "exec /bin/sleep 1000") };
    let worker = Worker::new(options);
    let check = || Box::pin(worker.check((*b"\0asm").into(), CheckOptions::default()));
    let (mut first, mut second, third) = (check(), check(), check());
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    assert!(matches!(third.await, Err(CheckError::Busy { .. })));
}

#[tokio::test]
async fn the_report_of_an_upload_does_not_tell_that_somebody_had_the_component_before() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Arc<[u8]> = std::fs::read(component("planners/weight")).unwrap().into();
    let mut reports = Vec::new();
    for _ in 0..2 {
        let report = check(options(folder.path()), Arc::clone(&bytes)).await.unwrap();
        let took = report.compilation.unwrap().duration_us;
        assert!(took > 1_000, "compiled in {took} µs");
        let mut report = serde_json::to_value(report).unwrap();
        // Times differ from run to run, whoever came first.
        for place in ["/compilation", "/describe", "/trials"] {
            *report.pointer_mut(place).unwrap() = Value::Null;
        }
        reports.push(report);
    }
    assert_eq!(reports[0], reports[1]);
}
