//! What an author of plugins does, from nothing: make a project, test it, build it, try it.
//!
//! The projects are no members of this workspace. Cargo builds them as it would an author's, always in the same folders, so that a second run finds
//! the results of the first.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod author;

use std::path::{Path, PathBuf};
use std::process::Output;

use author::{folder, program, root, shell, text, tutorial};

fn watcher_host(folder: &Path, arguments: &[&str]) -> Output {
    program(env!("CARGO_BIN_EXE_watcher-host"), folder).args(arguments).output().unwrap()
}

/// Runs a command that must work, and gives what it printed.
fn result(folder: &Path, arguments: &[&str]) -> String {
    let output = watcher_host(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail, and gives its one sentence.
fn complaint(folder: &Path, arguments: &[&str]) -> String {
    let output = watcher_host(folder, arguments);
    let text = text(&output);
    assert!(output.status.code() == Some(1) && !text.contains("panicked"), "{arguments:?}: {text}");
    text.trim().lines().last().unwrap_or_default().to_owned()
}

/// A project of a kind, whose own tests pass, and its folder.
fn project(folder: &Path, kind: &str, name: &str) -> PathBuf {
    result(folder, &["plugin", "new", name, "--kind", kind]);
    let project = folder.join(name);
    let tests = program(env!("CARGO"), &project).args(["test", "--quiet"]).output().unwrap();
    assert!(tests.status.success(), "{}", text(&tests));
    project
}

#[test]
fn every_kind_of_project_builds_and_passes_its_tests() {
    let folder = folder("kinds");
    for (kind, name) in
        [("strategy", "calm-down"), ("action", "cordon"), ("planner", "side-by-side"), ("scoring-engine", "mean")]
    {
        let project = project(&folder, kind, name);
        let built = result(&project, &["plugin", "build"]);
        let file = format!("{}.wasm", name.replace('-', "_"));
        let [path, bytes, "bytes", digest] = built.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{built}")
        };
        assert_eq!(
            (path, bytes.parse().unwrap()),
            (&*format!("./{file}"), std::fs::metadata(project.join(&file)).unwrap().len())
        );
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{built}");
        let component = std::fs::read(project.join(file)).unwrap();
        let carries = |path: &Path| {
            let path = path.to_str().unwrap().as_bytes();
            component.windows(path.len()).any(|window| window == path)
        };
        assert!(!carries(&root()) && !carries(&folder), "{name} carries paths of this machine");
        try_out(kind, &project);
    }
}

/// Runs what was built, as the project's README says.
fn try_out(kind: &str, project: &Path) {
    let test = |arguments: &[&str]| result(project, &[&["plugin", "test"], arguments].concat());
    match kind {
        "strategy" => {
            let said = test(&["calm_down.wasm"]);
            assert!(said.contains("calm_down on 4 hosts with 11 instances"), "{said}");
            let plan = "\n0  migrate  vm-1";
            assert!(said.contains(plan) && said.contains("2 actions: 2 migrate"), "{said}");
            assert!(said.contains("host-1  enabled      5 → 3       86.9%      43.1%"), "{said}");
            assert!(said.contains("instances moved") && said.contains("instance_migrations_count = 2"), "{said}");
            let calm = test(&["calm_down.wasm", "--params", r#"{"threshold": 90}"#]);
            assert!(calm.contains("the plan has no actions") && calm.contains("the cluster stays as it is"), "{calm}");
            let generated = test(&["calm_down.wasm", "--hosts", "30", "--rows", "1"]);
            assert!(generated.contains("on 30 hosts with 180 instances"), "{generated}");
            let wrong = complaint(project, &["plugin", "test", "calm_down.wasm", "--params", r#"{"threshold": 101}"#]);
            assert!(wrong.contains("at /threshold: "), "{wrong}");
            let measured = result(project, &["plugin", "bench", "calm_down.wasm", "--max-hosts", "20", "--runs", "1"]);
            let rows: Vec<_> = measured.lines().filter_map(|line| line.split_whitespace().next()).collect();
            assert_eq!(rows, ["hosts", "10", "20", "one"], "{measured}");
            let foreign = complaint(project, &["plugin", "test", "calm_down.wasm", "--revert"]);
            assert!(
                foreign.ends_with("--revert is for plugins of kind action; this one is of kind strategy"),
                "{foreign}"
            );
        }
        "action" => {
            let here = ["cordon.wasm", "--params", r#"{"resource_id": "host-1"}"#];
            let said = test(&here);
            let phases: Vec<_> = said.lines().take(5).filter_map(|line| line.split_whitespace().next()).collect();
            assert_eq!(
                phases,
                ["phase", "validate_parameters", "pre_condition", "execute", "post_condition"],
                "{said}"
            );
            assert!(said.contains("PUT compute /os-services/") && said.contains(" → 200"), "{said}");
            assert!(said.contains("the cloud is as describe-effect predicts (1 effects)"), "{said}");
            let back = test(&[&here[..], &["--revert"]].concat());
            assert!(back.contains("\nrevert") && back.matches("PUT compute").count() == 2, "{back}");
            let gone = test(&["cordon.wasm", "--params", r#"{"resource_id": "host-9"}"#]);
            assert!(gone.contains("nothing to do: there is no compute service on host-9"), "{gone}");
        }
        "planner" => {
            let said = test(&["side_by_side.wasm"]);
            assert!(said.contains("basic on 4 hosts with 11 instances"), "{said}");
        }
        _ => {
            let said = test(&["mean.wasm", "--features", "[[1, 2], [4]]"]);
            assert!(said.contains("0  [1,2]     1.5") && said.contains("1  [4]       4.0"), "{said}");
            let nothing = complaint(project, &["plugin", "test", "mean.wasm"]);
            assert!(nothing.contains("--features JSON is missing: what is mean to be asked?"), "{nothing}");
        }
    }
}

#[test]
fn a_migration_that_runs_can_be_stopped() {
    let plugin = root().join("target/plugins/actions/migrate.wasm");
    let cluster = root().join("sdk/templates/rust/cluster.json");
    let parameters = r#"{"resource_id": "20000000-0000-4000-8000-000000000001", "migration_type": "live",
        "source_node": "host-1", "destination_node": "host-4"}"#;
    let test = |options: &[&str]| {
        let plugin = ["plugin", "test", plugin.to_str().unwrap(), "--cluster", cluster.to_str().unwrap()];
        result(&root(), &[&plugin[..], &["--params", parameters], options].concat())
    };
    let stopped = test(&["--migration-ms", "5000", "--abort-after", "500"]);
    let phases: Vec<Vec<&str>> = stopped.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    let came = |phase: &str| phases.iter().find(|words| words.first() == Some(&phase)).map(|words| words[1]);
    assert_eq!((came("execute"), came("abort")), (Some("stopped"), Some("done")), "{stopped}");
    let done = test(&[]);
    assert!(done.contains("the cloud is as describe-effect predicts (1 effects)"), "{done}");
}

#[test]
fn a_project_that_cannot_be_made_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let new =
        |arguments: &[&str]| complaint(folder.path(), &[&["plugin", "new", "--kind", "strategy"], arguments].concat());
    assert!(new(&["Calm"]).contains("is no name of a plugin"));
    assert!(new(&["calm", "--sdk", "/nowhere"]).contains("--sdk: /nowhere has no SDK"));
    std::fs::write(folder.path().join("notes"), "").unwrap();
    assert!(new(&["calm", "--dir", "."]).ends_with(". is there already, and not empty"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_project_cannot_be_built() {
    let folder = tempfile::tempdir().unwrap();
    let build = || complaint(folder.path(), &["plugin", "build"]);
    assert!(build().contains("is no folder of a Rust plugin: it has no Cargo.toml"));
    let manifest = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    std::fs::create_dir(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("src/lib.rs"), "").unwrap();
    std::fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    assert!(build().contains("x builds no module; add `crate-type"));
    std::fs::write(folder.path().join("Cargo.toml"), format!("{manifest}[lib]\ncrate-type = [\"cdylib\"]\n")).unwrap();
    assert!(build().contains("does the crate call the SDK's export macro?"));
}

#[test]
fn the_tutorial_can_be_followed_word_by_word_until_it_needs_a_service() {
    let folder = folder("tutorial");
    let followed = shell(&folder, &tutorial("## 1. ", "## 4. ").concat()).output().unwrap();
    let said = text(&followed);
    assert!(followed.status.success(), "{said}");
    for expected in
        ["test result: ok", "calm_down.wasm  ", "sha256:", "86.9%      43.1%", "on 100 hosts with 1000 instances"]
    {
        assert!(said.contains(expected), "{expected} is not in:\n{said}");
    }
    let decide = std::fs::read_to_string(folder.join("calm-down/src/decide.rs")).unwrap();
    assert_eq!(decide.matches("sort_by").count(), 1, "the tutorial names the one line with sort_by");
}
