//! House rules that no compiler checks: which room may import which, module docs, lints, migrations in pairs, sizes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which rooms each room may import, test code aside.
const ROOMS: &[(&str, &[&str])] = &[
    ("cluster", &[]),
    ("domain", &["cluster"]),
    ("store", &["domain", "cluster", "fair"]),
    ("blobs", &["domain"]),
    ("bus", &["domain"]),
    ("fair", &["domain"]),
    ("runtime", &["domain", "cluster", "fair"]),
    ("openstack", &["domain"]),
    ("collect", &["domain", "cluster", "openstack"]),
    ("registry", &["domain", "fair", "signature", "store"]),
    ("signature", &["domain"]),
    ("artifact", &["domain", "signature"]),
    ("simulator", &["cluster"]),
    ("engine", &["domain", "cluster", "store", "bus", "fair"]),
    ("applier", &["domain", "cluster", "store", "bus", "fair"]),
    ("api", &["domain", "cluster", "store", "bus", "fair", "registry", "openstack"]),
    (
        "server",
        &[
            "api",
            "applier",
            "artifact",
            "blobs",
            "bus",
            "cluster",
            "collect",
            "domain",
            "engine",
            "fair",
            "guest-build",
            "openstack",
            "registry",
            "runtime",
            "signature",
            "simulator",
            "store",
        ],
    ),
    ("sdk", &[]),
    ("guest-build", &[]),
];

/// Crates that only one room may know.
const OWNED: &[(&str, &[&str])] = &[
    ("wasmtime", &["runtime"]),
    ("sqlx", &["store"]),
    ("axum", &["api", "simulator", "server"]),
    ("reqwest", &["openstack", "blobs"]),
    ("object_store", &["blobs"]),
    ("ed25519-dalek", &["signature"]),
    ("oci-client", &["artifact"]),
    ("anyhow", &["server", "guest-build"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn dependencies(package: &serde_json::Value) -> BTreeSet<String> {
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
        .collect()
}

/// All tracked-looking files below a folder, build output aside.
fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "target" || name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root(), "rs", &mut found);
    found
}

#[test]
fn a_room_imports_only_the_rooms_below_it() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let Some(room) = name.strip_prefix("watcher-") else { continue };
        let allowed = rooms.get(room).unwrap_or_else(|| panic!("room {room} is not in the table"));
        for dependency in dependencies(&package) {
            if let Some(other) = dependency.strip_prefix("watcher-")
                && !allowed.contains(&other)
            {
                wrong.push(format!("{room} imports {other}"));
            }
            if let Some((_, owners)) = OWNED.iter().find(|(owned, _)| *owned == dependency)
                && !owners.contains(&room)
            {
                wrong.push(format!("{room} imports {dependency}, which belongs to {}", owners.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_plugin_compiles_without_the_hosts_source() {
    let mut wrong = Vec::new();
    for package in packages() {
        let manifest = package["manifest_path"].as_str().unwrap();
        if manifest.contains("/plugins/") || manifest.contains("/sdk/") {
            wrong.extend(
                dependencies(&package)
                    .into_iter()
                    .filter(|dependency| dependency.starts_with("watcher-") && dependency != "watcher-sdk")
                    .map(|dependency| format!("{} imports {dependency}", package["name"])),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_package_takes_lints_and_versions_from_the_workspace() {
    let mut wrong = Vec::new();
    for package in packages() {
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        if !manifest.contains("[lints]\nworkspace = true") {
            wrong.push(format!("{} does not take its lints from the workspace", package["name"]));
        }
        let own_version = manifest
            .lines()
            .skip_while(|line| !line.contains("dependencies]"))
            .take_while(|line| !line.starts_with("[lib]") && !line.starts_with("[[") && !line.starts_with("[features]"))
            // A package may take itself with other features for its tests.
            .filter(|line| !line.contains("path = \".\""))
            .find(|line| line.contains(" = \"") || line.contains("version ="));
        if let Some(line) = own_version {
            wrong.push(format!("{} has a version of its own: {line}", package["name"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_lives_in_it() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|path| !std::fs::read_to_string(path).unwrap().trim_start().starts_with("//!"))
        .map(|path| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no //! at the top of:\n{}", silent.join("\n"));
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    // Put together here, so that this file does not find itself.
    let marks = [["#[ig", "nore"].concat(), ["to", "do!("].concat(), ["unimple", "mented!("].concat()];
    let mut found = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        found
            .extend(marks.iter().filter(|mark| text.contains(*mark)).map(|mark| format!("{}: {mark}", path.display())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn migrations_come_in_pairs() {
    let names = |backend: &str| -> BTreeSet<String> {
        std::fs::read_dir(root().join("migrations").join(backend))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(names("postgres"), names("sqlite"));
}

#[test]
fn wit_packages_live_in_folders_named_after_them() {
    let mut wits = Vec::new();
    files(&root().join("wit/deps"), "wit", &mut wits);
    for path in wits {
        let text = std::fs::read_to_string(&path).unwrap();
        let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        assert!(text.contains(&format!("package watcher:{folder};")), "{} is not package {folder}", path.display());
    }
}
