//! Two projects and an administrator over real parts: a compiled plugin is uploaded, run, shared, switched off and withdrawn.
//!
//! The story itself is `e2e::tenants`, which is also played on a real cloud.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::tenants::{Cast, ENDED, User, play};
use e2e::{Stage, StageOptions, cluster, members_policy};
use serde_json::{Value, json};
use watcher_server::cli::DbCommand;
use watcher_server::config::Config;
use watcher_server::db;
use watcher_signature::SigningKey;

/// Somebody of the simulated cloud.
async fn login(stage: &Stage, name: &str, password: &str, project: &str) -> User {
    let (identity, address) = (&stage.simulator.endpoints().identity, stage.service.address.to_string());
    User::login(identity, &address, (name, password), project).await.unwrap()
}

async fn admin(stage: &Stage) -> User {
    login(stage, "admin", "scenario", "admin").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_uploaded_run_shared_limited_switched_off_and_withdrawn_without_a_restart() {
    for backend in watcher_store::testing::backends().await {
        let (database, settings) = (Some(backend.url.clone()), vec![members_policy()]);
        let options = StageOptions { database, settings, ..StageOptions::default() };
        let stage = Stage::start(cluster(), options).await.unwrap();
        let cast = Cast {
            alice: login(&stage, "alice", "alice-password", "alpha").await,
            bob: login(&stage, "bob", "bob-password", "beta").await,
            admin: admin(&stage).await,
        };
        let mut steps = 0;
        play(&cast, |_| steps += 1).await.unwrap();
        assert_eq!(steps, 7);
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_without_the_signature_that_is_required_is_not_run() {
    let settings = Vec::new();
    let stage = Stage::start(cluster(), StageOptions { settings, ..StageOptions::default() }).await.unwrap();
    let admin = admin(&stage).await;
    let strategy = admin.upload("tenant-strategy").await.unwrap();
    admin.upload("tenant-action").await.unwrap();
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let policy = |state: &str| {
        json!({
            "keys": [
                {"name": "release", "public_key": key.public().to_string(), "state": state},
                {"name": "next", "public_key": other.public().to_pem().unwrap()},
            ],
            "require": ["execution"],
        })
    };
    let own = format!("/v1/signing_policies/{}", admin.project);
    admin.ok("PUT", &own, &policy("active")).await.unwrap();
    let message = admin.audit(&json!({})).await.unwrap()["status_message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("strategy tenant_strategy may not be run: execution needs a signature over sha256:")
            && message.ends_with("by one of these keys: release, next"),
        "{message}"
    );
    let sign = async |plugin: &str, key: &SigningKey| {
        let version = admin.get(&format!("{plugin}/versions/1.0.0")).await.unwrap();
        let signature = json!(key.sign(version["digest"].as_str().unwrap().parse().unwrap()));
        admin.ok("POST", &format!("{plugin}/versions/1.0.0/signatures"), &signature).await.unwrap()
    };
    let listed = sign(&strategy, &key).await;
    assert_eq!(listed["signatures"][0]["key"], key.public().id().as_str());
    let message = admin.audit(&json!({})).await.unwrap()["status_message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("action handler tenant_action may not be run"), "{message}");
    let plugins = admin.get("/v1/plugins?name=tenant_action").await.unwrap();
    let action = format!("/v1/plugins/{}", plugins["plugins"][0]["uuid"].as_str().unwrap());
    sign(&action, &other).await;
    let plan = admin.plan(&json!({})).await.unwrap();
    admin.ok("PUT", &own, &policy("retired")).await.unwrap();
    assert_eq!(admin.audit(&json!({})).await.unwrap()["state"], "SUCCEEDED", "what a retired key signed still runs");
    admin.ok("PUT", &own, &policy("revoked")).await.unwrap();
    let message = admin.audit(&json!({})).await.unwrap()["status_message"].as_str().unwrap().to_owned();
    assert!(message.contains("(key release is revoked)"), "{message}");
    // The handler's signature is by the other key: the plan from before goes on.
    admin.start(&plan).await.unwrap();
    assert_eq!(admin.wait(&plan, &ENDED).await.unwrap()["state"], "SUCCEEDED");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_is_given_another_one_runs() {
    let backend = watcher_store::testing::backends().await.pop().unwrap();
    let options = StageOptions { database: Some(backend.url.clone()), ..StageOptions::default() };
    let stage = Stage::start(cluster(), options).await.unwrap();
    let other = stage.another().await.unwrap();
    let admin = admin(&stage).await;
    let there = User { address: other.address.to_string(), token: admin.token.clone(), project: admin.project.clone() };
    assert!(!there.sees("tenant_strategy").await.unwrap());
    let strategy = admin.upload("tenant-strategy").await.unwrap();
    admin.upload("tenant-action").await.unwrap();
    let begin = tokio::time::Instant::now();
    while !there.sees("tenant_strategy").await.unwrap() {
        assert!(
            begin.elapsed() < Duration::from_secs(1),
            "the list that it answered a moment ago does not hold any more"
        );
    }
    let plan = there.plan(&json!({})).await.unwrap();
    there.start(&plan).await.unwrap();
    assert_eq!(there.wait(&plan, &ENDED).await.unwrap()["state"], "SUCCEEDED");
    let off = format!("{strategy}/versions/1.0.0/deactivate");
    there.ok("POST", &off, &Value::Null).await.unwrap();
    let body = json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "tenant_strategy"});
    assert_eq!(admin.status("POST", "/v1/audits", &body).await.unwrap(), 404);
    other.shutdown().await;
    stage.end().await;
}

/// All files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    // What is removed meanwhile is no file any more.
    let entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A cache of compiled components, as that of another machine: it has not got the ones with these digests.
fn another_cache(without: &[String]) -> tempfile::TempDir {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("components");
    std::fs::create_dir(&folder).unwrap();
    for path in files(&e2e::plugins().join("compiled/components")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if !without.iter().any(|digest| name.starts_with(digest)) {
            // Others may replace it meanwhile: it is compiled again then.
            drop(std::fs::copy(&path, folder.join(name)));
        }
    }
    cache
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_in_a_folder_every_process_runs_at_once_and_goes_with_its_version() {
    for backend in watcher_store::testing::backends().await {
        let shared = tempfile::tempdir().unwrap();
        let (blobs, gone) = (shared.path().join("blobs"), shared.path().join("gone"));
        std::fs::create_dir(&blobs).unwrap();
        let settings = vec![format!("blobs.store=file://{}", blobs.display())];
        let options = StageOptions { database: Some(backend.url.clone()), settings, ..StageOptions::default() };
        let stage = Stage::start(cluster(), options).await.unwrap();
        let admin = admin(&stage).await;
        assert!(files(&blobs).is_empty(), "what comes with the program is in the database");
        let (strategy, action) =
            (admin.upload("tenant-strategy").await.unwrap(), admin.upload("tenant-action").await.unwrap());
        let kept = files(&blobs);
        assert_eq!(kept.len(), 2, "{kept:?}");
        let digests: Vec<String> =
            kept.iter().map(|path| path.file_name().unwrap().to_str().unwrap()[..64].to_owned()).collect();
        let cache = another_cache(&digests);
        let elsewhere = cache.path().display().to_string();
        let other = stage.another_with(|config| config.sandbox.cache_dir = elsewhere).await.unwrap();
        let there =
            User { address: other.address.to_string(), token: admin.token.clone(), project: admin.project.clone() };

        // Without the folder, what is in it cannot be had, and nothing else is hurt.
        std::fs::rename(&blobs, &gone).unwrap();
        let audit = there.audit(&json!({})).await.unwrap();
        let told = audit["status_message"].as_str().unwrap();
        assert!(told.contains("the object store of plugins cannot be reached"), "{told}");
        assert!(!told.contains("blobs") && audit["state"] == "FAILED", "{told}");
        let file = format!("{strategy}/versions/1.0.0/file");
        let (status, answer) = there.call("GET", &file, &Value::Null).await.unwrap();
        assert_eq!(status, 503, "{answer}");
        assert!(answer.to_string().contains("The object store of plugins cannot be reached"), "{answer}");
        let (status, answer) = there.try_upload("strategies/dummy").await.unwrap();
        assert_eq!(status, 503, "{answer}");
        assert!(!blobs.exists(), "a folder that is gone is not made anew");
        let body = json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy"});
        let dummy = there.ok("POST", "/v1/audits", &body).await.unwrap();
        let dummy = format!("/v1/audits/{}", dummy["uuid"].as_str().unwrap());
        assert_eq!(there.wait(&dummy, &["SUCCEEDED", "FAILED"]).await.unwrap()["state"], "SUCCEEDED");

        std::fs::rename(&gone, &blobs).unwrap();
        assert_eq!(there.status("GET", &file, &Value::Null).await.unwrap(), 200);
        let plan = there.plan(&json!({})).await.unwrap();
        there.start(&plan).await.unwrap();
        assert_eq!(there.wait(&plan, &ENDED).await.unwrap()["state"], "SUCCEEDED");

        // Moved away and back while both processes run.
        let mut config = Config::load(None, [], &[format!("blobs.store=file://{}", blobs.display())]).unwrap().config;
        config.database.url.clone_from(&backend.url);
        for (to, count) in [(Some("database".to_owned()), 0), (None, 2)] {
            db::run(&config, DbCommand::MoveBlobs { to }).await.unwrap();
            assert_eq!(files(&blobs).len(), count);
            assert_eq!(there.status("GET", &file, &Value::Null).await.unwrap(), 200);
        }

        for plugin in [&strategy, &action] {
            admin.ok("DELETE", plugin, &Value::Null).await.unwrap();
        }
        let begin = tokio::time::Instant::now();
        while !files(&blobs).is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(10), "{:?} are still there", files(&blobs));
            // A task of the service removes them; there is nothing to be notified by.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        other.shutdown().await;
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_has_limits_of_its_own_and_what_its_runs_used_is_counted() {
    let backend = watcher_store::testing::backends().await.pop().unwrap();
    let options = StageOptions { database: Some(backend.url.clone()), ..StageOptions::default() };
    let stage = Stage::start(cluster(), options).await.unwrap();
    let admin = admin(&stage).await;
    admin.upload("tenant-strategy").await.unwrap();
    admin.upload("tenant-action").await.unwrap();
    let quota = format!("/v1/plugin_quotas/{}", admin.project);
    let limit = async |limits: Value| admin.ok("PUT", &quota, &json!({"limits": limits})).await.unwrap();
    assert_eq!(admin.audit(&json!({})).await.unwrap()["state"], "SUCCEEDED");

    limit(json!({"decision": {"fuel": 1000}})).await;
    let told = admin.audit(&json!({})).await.unwrap()["status_message"].as_str().unwrap().to_owned();
    assert!(told.contains("tenant_strategy: the fuel limit of 1000 units was reached"), "{told}");
    limit(json!({"decision": {"fuel": null}, "concurrent_calls": 0})).await;
    let told = admin.audit(&json!({})).await.unwrap()["status_message"].as_str().unwrap().to_owned();
    assert!(told.contains("its limit of concurrent calls is 0"), "{told}");
    limit(json!({"concurrent_calls": null, "action": {"memory_bytes": 1}})).await;
    let plan = admin.plan(&json!({})).await.unwrap();
    admin.start(&plan).await.unwrap();
    assert_eq!(admin.wait(&plan, &ENDED).await.unwrap()["state"], "FAILED");
    let actions = admin.actions(&plan).await.unwrap();
    let told: Vec<_> = actions.iter().map(|row| row["status_message"].to_string()).collect();
    assert!(told.iter().any(|told| told.contains("the memory limit of 1 bytes was reached")), "{told:?}");

    // What was counted is written at the latest when the service ends.
    let stage = stage.restart().await.unwrap();
    let used = admin.get(&format!("{quota}/usage")).await.unwrap();
    let of = |name: &str| {
        let rows = used["usage"].as_array().unwrap().iter();
        rows.filter(|row| row["name"] == name).map(|row| row["calls"].as_u64().unwrap()).sum::<u64>()
    };
    assert!(of("tenant_strategy") >= 3 && of("weight") >= 2 && of("tenant_action") + of("nop") >= 1, "{used}");
    let strategy = used["usage"].as_array().unwrap().iter().find(|row| row["name"] == "tenant_strategy").unwrap();
    assert_eq!(
        (&strategy["limited"], &strategy["kind"], &strategy["version"]),
        (&json!(1), &json!("strategy"), &json!("1.0.0"))
    );
    stage.end().await;
}
