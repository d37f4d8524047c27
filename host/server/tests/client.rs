//! The commands that ask the service, against a stand-in that answers as the API of plugins does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use sha2::Digest as _;
use watcher_signature::{PublicKey, SigningKey};

const UUID: &str = "0190f000-0000-7000-8000-000000000001";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 not really a component";

/// A request as it came: method with path and query, content type, body.
type Seen = Arc<Mutex<Vec<(String, String, Vec<u8>)>>>;

fn digest() -> String {
    let digest = sha2::Sha256::digest(COMPONENT);
    digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// A key of a signing policy, as the service shows it.
fn key() -> Value {
    let key: PublicKey = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".parse().unwrap();
    json!({"name": "old", "key": key.id().as_str(), "public_key": key.to_string(), "state": "active"})
}

async fn answer(seen: State<Seen>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    let content_type = headers.get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
    let request = format!("{method} {uri}");
    seen.lock().unwrap().push((request.clone(), content_type, body.to_vec()));
    let plugin = json!({
        "uuid": UUID, "kind": "action", "name": "cordon", "project_id": "blue", "visibility": "private", "description": null,
        "running": {"version": "0.1.0", "digest": digest()},
    });
    let version = json!({
        "kind": "action", "name": "cordon", "version": "0.1.0", "digest": digest(), "state": "active", "size_bytes": 31,
        "notes": "evil \u{1b}[2J", "created_at": "2026-01-01T00:00:00+00:00",
        "report": {"verdict": "accepted", "requests": [{"service": "compute", "method": "GET", "path": "/os-services"}]},
    });
    let answer = match request.split('?').next().unwrap().replace(UUID, "U").replace(&digest(), "0.1.0").as_str() {
        "POST /v1/plugins" if body.len() < 20 => {
            let report = json!({"problems": [
                {"code": "import", "at": "wasi:sockets/tcp", "message": "sockets are never offered", "expected": "watcher:*"},
            ]});
            let fault = json!({"faultcode": "Client", "faultstring": "The component is refused", "debuginfo": report.to_string()});
            let body = json!({"error_message": fault.to_string()});
            return (StatusCode::UNPROCESSABLE_ENTITY, body.to_string().into());
        }
        "POST /v1/plugins" | "GET /v1/plugins/U/versions/0.1.0" | "POST /v1/plugins/U/versions/0.1.0/deactivate" => {
            version
        }
        "GET /v1/plugins" if uri.query().unwrap_or_default().contains("member_status") => json!({"plugins": []}),
        "GET /v1/plugins" if uri.query().unwrap_or_default().contains("marker") => json!({"plugins": []}),
        "GET /v1/plugins" => json!({"plugins": [plugin], "next": "http://next"}),
        "GET /v1/plugins/U" | "PATCH /v1/plugins/U" => plugin,
        "GET /v1/plugins/U/versions" => json!({"versions": [version]}),
        "GET /v1/plugins/U/versions/0.1.0/file" => return (StatusCode::OK, COMPONENT.to_vec()),
        "POST /v1/plugins/U/members" | "PUT /v1/plugins/U/members/red" => {
            json!({"project_id": "red", "status": "pending"})
        }
        "PUT /v1/plugins/U/grants" | "PUT /v1/signing_policies/all" => serde_json::from_slice(&body).unwrap(),
        "GET /v1/plugins/U/versions/0.1.0/signatures" => json!({"signatures": []}),
        "POST /v1/plugins/U/versions/0.1.0/signatures" => {
            json!({"signatures": [serde_json::from_slice::<Value>(&body).unwrap()]})
        }
        "GET /v1/signing_policies/all" => {
            json!({"project_id": "all", "keys": [key()], "require": ["upload"], "updated_at": null})
        }
        "GET /v1/plugin_quotas/blue" => json!({"limits": {"plugins": 20}, "usage": {"plugins": 3}}),
        _ => return (StatusCode::NOT_FOUND, b"{}".to_vec()),
    };
    (StatusCode::OK, answer.to_string().into())
}

/// A stand-in, and what it has seen.
async fn service() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let app = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&seen));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, seen)
}

async fn plugin(address: SocketAddr, words: &[&str]) -> Output {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let run = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watcher-host"));
        command.arg("plugin").args(&words).args(["--url", &format!("http://{address}/")]).output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn said(address: SocketAddr, words: &[&str]) -> String {
    let output = plugin(address, words).await;
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn complaint(address: SocketAddr, words: &[&str]) -> String {
    let output = plugin(address, words).await;
    assert_eq!(output.status.code(), Some(1), "{words:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_component_is_uploaded_as_it_is_or_with_its_notes() {
    let (address, seen) = service().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cordon.wasm");
    std::fs::write(&file, COMPONENT).unwrap();
    let file = file.to_str().unwrap();
    let uploaded = said(address, &["push", file]).await;
    assert_eq!(uploaded.trim(), format!("action cordon 0.1.0 is uploaded: {}", digest()));
    said(address, &["push", file, "--notes", "faster"]).await;
    let seen = seen.lock().unwrap();
    assert_eq!((seen[0].1.as_str(), seen[0].2.as_slice()), ("application/wasm", COMPONENT));
    assert!(seen[1].1.starts_with("multipart/form-data; boundary=") && seen[1].2.len() > COMPONENT.len());
}

#[tokio::test]
async fn a_refused_component_is_told_with_everything_that_is_wrong() {
    let (address, _) = service().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.wasm");
    std::fs::write(&file, b"\0asm").unwrap();
    let text = complaint(address, &["push", file.to_str().unwrap()]).await;
    assert!(text.contains("the service said 422: The component is refused"), "{text}");
    assert!(text.contains("import: wasi:sockets/tcp: sockets are never offered; watcher:*"), "{text}");
}

#[tokio::test]
async fn lists_are_read_to_their_end_and_cannot_command_the_terminal() {
    let (address, seen) = service().await;
    let list = said(address, &["list"]).await;
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(seen.lock().unwrap()[1].0.ends_with(&format!("marker={UUID}")));
    let versions = said(address, &["versions", "cordon"]).await;
    assert!(versions.contains("evil  [2J") && !versions.contains('\u{1b}'), "{versions}");
    let json: Value = serde_json::from_str(&said(address, &["versions", UUID, "--json"]).await).unwrap();
    assert_eq!(json[0]["version"], "0.1.0");
}

#[tokio::test]
async fn a_download_is_the_version_that_runs_and_its_digest_is_checked() {
    let (address, _) = service().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("got.wasm");
    let text = said(address, &["download", "cordon", "-o", file.to_str().unwrap()]).await;
    assert!(text.trim().ends_with(&digest()), "{text}");
    assert_eq!(std::fs::read(file).unwrap(), COMPONENT);
}

#[tokio::test]
async fn sharing_granting_and_switching_off_are_said_as_the_api_takes_them() {
    let (address, seen) = service().await;
    said(address, &["share", "cordon", "red"]).await;
    said(address, &["accept", UUID, "--project", "red"]).await;
    let granted = said(address, &["grant", UUID, "--all"]).await;
    assert!(granted.contains("compute  GET     /os-services"), "{granted}");
    said(address, &["deactivate", UUID, "0.1.0", "--reason", "broken"]).await;
    said(address, &["deactivate", UUID, "0.1.0", "--stop"]).await;
    let quota = said(address, &["quota", "blue"]).await;
    assert!(quota.contains("plugins     3     20"), "{quota}");
    let look = json!({"service": "compute", "method": "GET", "path": "/os-services"});
    let grant = json!({"requests": [look], "versions": [digest()]});
    let shared = json!([{"op": "replace", "path": "/visibility", "value": "shared"}]);
    let expected = [
        ("PATCH /v1/plugins/U", shared),
        ("POST /v1/plugins/U/members", json!({"member": "red"})),
        ("PUT /v1/plugins/U/members/red", json!({"status": "accepted"})),
        ("PUT /v1/plugins/U/grants", grant),
        ("POST /v1/plugins/U/versions/0.1.0/deactivate", json!({"reason": "broken"})),
        ("POST /v1/plugins/U/versions/0.1.0/deactivate", json!({"running": "stop"})),
    ];
    assert_eq!(written(&seen), expected.map(|(request, body)| (request.to_owned(), body)));
}

/// What was written, with paths for one plugin and bodies as JSON.
fn written(seen: &Seen) -> Vec<(String, Value)> {
    let seen = seen.lock().unwrap();
    let written = seen.iter().filter(|(request, ..)| !request.starts_with("GET"));
    written.map(|(request, _, body)| (request.replace(UUID, "U"), serde_json::from_slice(body).unwrap())).collect()
}

#[tokio::test]
async fn a_grant_can_be_narrower_than_a_path() {
    let (address, seen) = service().await;
    let narrow = "compute PUT /os-services/{service} query=binary microversions=2.53- action=status";
    let granted =
        said(address, &["grant", UUID, "--request", narrow, "--version", "0.1.0", "--version", "0.2.0"]).await;
    assert!(granted.starts_with("granted for 0.1.0, 0.2.0\n"), "{granted}");
    assert!(granted.contains("2.53-") && granted.contains("status") && granted.contains("binary"), "{granted}");
    let request = json!({"service": "compute", "method": "PUT", "path": "/os-services/{service}",
        "query": ["binary"], "microversions": "2.53-", "actions": ["status"]});
    let granted = said(address, &["grant", UUID, "--request", "compute GET /os-services", "--any-version"]).await;
    assert!(granted.starts_with("granted for any version\n"), "{granted}");
    said(address, &["grant", UUID, "--nothing"]).await;
    let any = json!({"service": "compute", "method": "GET", "path": "/os-services"});
    let expected = [
        json!({"requests": [request], "versions": ["0.1.0", "0.2.0"]}),
        json!({"requests": [any], "versions": "any"}),
        json!({"requests": []}),
    ];
    assert_eq!(written(&seen), expected.map(|body| ("PUT /v1/plugins/U/grants".to_owned(), body)));
}

#[tokio::test]
async fn signatures_are_listed_and_added() {
    let (address, seen) = service().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signature.json");
    let key = SigningKey::generate().unwrap();
    let signature = json!(key.sign(digest().parse().unwrap()));
    std::fs::write(&file, signature.to_string()).unwrap();
    assert_eq!(said(address, &["signatures", UUID]).await.trim(), "there are none");
    let added = said(address, &["signatures", "cordon", "0.1.0", "--add", file.to_str().unwrap()]).await;
    assert!(added.contains(key.public().id().as_str()), "{added}");
    assert_eq!(written(&seen), [("POST /v1/plugins/U/versions/0.1.0/signatures".to_owned(), signature)]);
}

#[tokio::test]
async fn a_signing_policy_is_shown_and_changed_key_by_key() {
    let (address, seen) = service().await;
    let shown = said(address, &["signing-policy", "all"]).await;
    assert!(shown.starts_with("a signature is required for upload\n") && shown.contains("old   active"), "{shown}");
    let folder = tempfile::tempdir().unwrap();
    let (file, next) = (folder.path().join("next.pem"), SigningKey::generate().unwrap());
    std::fs::write(&file, next.to_pem().unwrap()).unwrap();
    let add = format!("new={}", file.display());
    let changed = said(address, &["signing-policy", "all", "--add", &add, "--retire", "old"]).await;
    assert!(changed.contains("old   retired") && changed.contains("new   active"), "{changed}");
    said(address, &["signing-policy", "all", "--clear"]).await;
    let unknown = complaint(address, &["signing-policy", "all", "--revoke", "older"]).await;
    assert!(unknown.contains("the policy has no key called older"), "{unknown}");
    let key =
        |name: &str, key: &PublicKey, state: &str| json!({"name": name, "public_key": key.to_string(), "state": state});
    let old: PublicKey = self::key()["public_key"].as_str().unwrap().parse().unwrap();
    let keys = [key("old", &old, "retired"), key("new", &next.public(), "active")];
    let expected = [json!({"keys": keys, "require": ["upload"]}), json!({"keys": [], "require": []})];
    assert_eq!(written(&seen), expected.map(|body| ("PUT /v1/signing_policies/all".to_owned(), body)));
}

#[tokio::test]
async fn what_is_not_there_or_not_said_is_told() {
    let (address, _) = service().await;
    let gone = complaint(address, &["show", "0190f000-0000-7000-8000-00000000000f"]).await;
    assert!(gone.contains("the service said 404"), "{gone}");
    let whose = complaint(address, &["quota"]).await;
    assert!(whose.contains("nobody says for which project: give its id"), "{whose}");
}
