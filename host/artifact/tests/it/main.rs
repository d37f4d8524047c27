//! Artifacts go to a registry on loopback and come back as they were; what a registry must not do is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod registry;

use serde_json::json;
use watcher_artifact::{Access, Artifact, Error, OciRegistry, Reference};
use watcher_domain::PluginKind;
use watcher_signature::SigningKey;

use registry::Registry;

fn client(login: Option<(&str, &str)>) -> OciRegistry {
    let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
    OciRegistry::new(Access { login, plain_http: true }).unwrap()
}

fn artifact() -> Artifact {
    let plain = Artifact::of(b"\0asm\x0d\0\x01\0 a component".to_vec());
    let key = SigningKey::generate().unwrap();
    Artifact {
        name: Some("basic".to_owned()),
        version: Some("1.2.3".to_owned()),
        kind: Some(PluginKind::Strategy),
        description: Some("Packs.".to_owned()),
        imports: vec!["watcher:log/log@0.1.0".to_owned()],
        report: Some(json!({"verdict": "accepted", "fuel": 12})),
        signatures: vec![key.sign(plain.digest())],
        ..plain
    }
}

#[tokio::test]
async fn what_is_pushed_is_pulled_with_its_digest_report_and_signatures() {
    let registry = Registry::start(None).await;
    let (to, artifact) = (registry.reference("team/basic:1.2.3"), artifact());
    let pushed = client(None).push(&to, &artifact).await.unwrap();
    assert_eq!(pushed.digest, artifact.digest());
    assert_eq!(client(None).pull(&to, 1 << 20).await.unwrap(), artifact);
    // By the digest of its manifest too, and under a second tag.
    let by_digest = registry.reference(&format!("team/basic@{}", registry.manifest_digest("team/basic", "1.2.3")));
    assert_eq!(client(None).pull(&by_digest, 1 << 20).await.unwrap(), artifact);
    client(None).push(&registry.reference("team/basic:latest"), &artifact).await.unwrap();
}

#[tokio::test]
async fn the_layout_is_the_one_that_other_tools_read() {
    let registry = Registry::start(None).await;
    let artifact = artifact();
    client(None).push(&registry.reference("a/b:1"), &artifact).await.unwrap();
    let manifest = registry.manifest("a/b", "1");
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"][0]["digest"], artifact.digest().to_string());
    let config = registry.blob(manifest["config"]["digest"].as_str().unwrap());
    assert_eq!(config["architecture"], "wasm");
    assert_eq!(config["layerDigests"], json!([artifact.digest().to_string()]));
    assert_eq!(config["component"]["imports"], json!(["watcher:log/log@0.1.0"]));
}

#[tokio::test]
async fn a_component_of_another_tool_is_pulled_without_what_is_ours() {
    let registry = Registry::start(None).await;
    let plain = Artifact::of(b"\0asm plain".to_vec());
    client(None).push(&registry.reference("a/b:1"), &plain).await.unwrap();
    registry
        .edit("a/b", "1", |manifest| manifest["annotations"] = json!({"io.openstack.watcher.signatures": "[{}, 7]"}));
    assert_eq!(client(None).pull(&registry.reference("a/b:1"), 1 << 20).await.unwrap(), plain);
}

#[tokio::test]
async fn user_and_password_are_asked_for() {
    let registry = Registry::start(Some(("me", "secret"))).await;
    let (to, artifact) = (registry.reference("a/b:1"), artifact());
    client(Some(("me", "secret"))).push(&to, &artifact).await.unwrap();
    for login in [None, Some(("me", "wrong"))] {
        let error = client(login).pull(&to, 1 << 20).await.unwrap_err();
        assert!(matches!(error, Error::Registry { .. }), "{error}");
        assert!(!format!("{error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn other_bytes_than_promised_and_too_many_are_refused() {
    let registry = Registry::start(None).await;
    let (to, artifact) = (registry.reference("a/b:1"), artifact());
    client(None).push(&to, &artifact).await.unwrap();
    let error = client(None).pull(&to, 4).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 4, .. }), "{error}");
    // A manifest that says less than comes.
    registry.edit("a/b", "1", |manifest| manifest["layers"][0]["size"] = json!(1));
    let error = client(None).pull(&to, 4).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 4, .. }), "{error}");
    registry.replace_blob(&artifact.digest().to_string(), b"something else");
    let error = client(None).pull(&to, 1 << 20).await.unwrap_err();
    assert!(matches!(error, Error::Transfer { .. } | Error::Digest { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_component_is_told_what_it_is() {
    let registry = Registry::start(None).await;
    let to = registry.reference("a/b:1");
    client(None).push(&to, &artifact()).await.unwrap();
    registry.edit("a/b", "1", |manifest| manifest["layers"][0]["mediaType"] = json!("application/x-tar"));
    let error = client(None).pull(&to, 1 << 20).await.unwrap_err();
    assert!(error.to_string().contains("its layer is \"application/x-tar\""), "{error}");
    registry.edit("a/b", "1", |manifest| manifest["layers"] = json!([]));
    let error = client(None).pull(&to, 1 << 20).await.unwrap_err();
    assert!(error.to_string().contains("it has 0 layers"), "{error}");
}

#[tokio::test]
async fn a_registry_that_has_nothing_or_is_away_is_named() {
    let registry = Registry::start(None).await;
    let nothing = registry.reference("a/nothing:1");
    let error = client(None).pull(&nothing, 1).await.unwrap_err();
    assert!(error.to_string().contains("a/nothing:1"), "{error}");
    let away: Reference = "127.0.0.1:1/a/b:1".parse().unwrap();
    let error = client(None).push(&away, &artifact()).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[test]
fn references_are_read_and_refused() {
    assert_eq!("oci://host:5000/a/b:1".parse::<Reference>().unwrap().to_string(), "host:5000/a/b:1");
    for text in ["", "oci://", "host:5000/UPPER:1", "host/a:b:c d"] {
        let error = text.parse::<Reference>().unwrap_err();
        assert!(error.to_string().contains("REGISTRY/REPOSITORY:TAG"), "{text}: {error}");
    }
}
