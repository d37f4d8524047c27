//! `plugin key`, `sign`, `publish` and `fetch`: a component goes to a registry on loopback and comes back with its signature.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../artifact/tests/it/registry.rs"]
#[expect(dead_code, reason = "other tests ask it for more")]
mod registry;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use watcher_signature::{PublicKey, Signature};

use registry::Registry;

fn watcher_host(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_watcher-host"))
        .arg("plugin")
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder)
        .output()
        .unwrap()
}

fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A built-in component, as `cargo xtask guests` made it.
fn component() -> PathBuf {
    let folder = std::env::var_os("WATCHER_PLUGINS_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"), PathBuf::from);
    folder.join("strategies/dummy.wasm").canonicalize().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_component_is_published_and_fetched_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(None).await;
    let reference = registry.reference("team/dummy:1").to_string();
    let component = component();
    let shown = component.display().to_string();
    let folder = folder.path().to_owned();
    let run = async |arguments: &[&str]| {
        let (folder, arguments): (PathBuf, Vec<String>) =
            (folder.clone(), arguments.iter().map(|&argument| argument.to_owned()).collect());
        tokio::task::spawn_blocking(move || {
            watcher_host(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .await
        .unwrap()
    };
    let said = succeed(&run(&["key", "release.pem"]).await);
    let public: PublicKey = said.split_once('\n').unwrap().1.parse().unwrap();
    assert!(!run(&["key", "release.pem"]).await.status.success(), "a key is not written over");
    let signature = succeed(&run(&["sign", &shown, "--key", "release.pem"]).await);
    std::fs::write(folder.join("signature.json"), &signature).unwrap();
    let publish = ["publish", &shown, &reference, "--signature", "signature.json", "--plain-http"];
    assert!(succeed(&run(&publish).await).contains("(1 signatures)"));
    let manifest = registry.manifest("team/dummy", "1");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.title"], "dummy");
    let config = registry.blob(manifest["config"]["digest"].as_str().unwrap());
    assert_eq!(config["watcher"]["report"]["verdict"], "accepted");

    let fetch = ["fetch", &reference, "--out", "back.wasm", "--signature", "back.json", "--plain-http"];
    let said = succeed(&run(&fetch).await);
    let digest = manifest["layers"][0]["digest"].as_str().unwrap();
    assert!(said.contains(digest), "{said}");
    assert_eq!(std::fs::read(folder.join("back.wasm")).unwrap(), std::fs::read(&component).unwrap());
    let back: Vec<Signature> = serde_json::from_slice(&std::fs::read(folder.join("back.json")).unwrap()).unwrap();
    public.verify(digest.parse().unwrap(), &back[0]).unwrap();

    std::fs::write(folder.join("broken.wasm"), b"\0asm").unwrap();
    let refused = run(&["publish", "broken.wasm", &reference, "--plain-http"]).await;
    assert!(!refused.status.success() && !refused.stdout.is_empty(), "what would be refused is not published");
}
