//! A registry on loopback: the part of the OCI distribution specification 1.1 that pushing and pulling takes, kept in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use watcher_artifact::{Artifact, Reference};

#[derive(Default)]
struct Kept {
    blobs: HashMap<String, Bytes>,
    /// By repository and tag or digest.
    manifests: HashMap<(String, String), Bytes>,
    uploads: HashMap<String, Vec<u8>>,
}

#[derive(Clone)]
struct Shared {
    kept: Arc<Mutex<Kept>>,
    /// The value of `Authorization` that is asked for.
    login: Option<String>,
}

/// A registry that runs until its test is over.
pub(crate) struct Registry {
    address: std::net::SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

fn digest(bytes: &[u8]) -> String {
    Artifact::of(bytes.to_vec()).digest().to_string()
}

impl Registry {
    pub(crate) async fn start(login: Option<(&str, &str)>) -> Self {
        // "me:secret" in base64; there is one user.
        let login = login.map(|_| "Basic bWU6c2VjcmV0".to_owned());
        let kept = Arc::<Mutex<Kept>>::default();
        let shared = Shared { kept: Arc::clone(&kept), login };
        let router = Router::new()
            .fallback(answer)
            .layer(middleware::from_fn_with_state(shared.clone(), guard))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, kept }
    }

    pub(crate) fn reference(&self, path: &str) -> Reference {
        format!("{}/{path}", self.address).parse().unwrap()
    }

    fn raw(&self, repository: &str, tag: &str) -> Bytes {
        self.kept.lock().unwrap().manifests[&(repository.to_owned(), tag.to_owned())].clone()
    }

    pub(crate) fn manifest(&self, repository: &str, tag: &str) -> Value {
        serde_json::from_slice(&self.raw(repository, tag)).unwrap()
    }

    pub(crate) fn manifest_digest(&self, repository: &str, tag: &str) -> String {
        digest(&self.raw(repository, tag))
    }

    pub(crate) fn blob(&self, digest: &str) -> Value {
        serde_json::from_slice(&self.kept.lock().unwrap().blobs[digest]).unwrap()
    }

    pub(crate) fn edit(&self, repository: &str, tag: &str, change: impl FnOnce(&mut Value)) {
        let mut manifest = self.manifest(repository, tag);
        change(&mut manifest);
        let bytes = Bytes::from(manifest.to_string());
        self.kept.lock().unwrap().manifests.insert((repository.to_owned(), tag.to_owned()), bytes);
    }

    pub(crate) fn replace_blob(&self, digest: &str, bytes: &'static [u8]) {
        self.kept.lock().unwrap().blobs.insert(digest.to_owned(), Bytes::from_static(bytes));
    }
}

async fn guard(State(shared): State<Shared>, headers: HeaderMap, request: Request, next: Next) -> Response {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    if shared.login.is_some() && given != shared.login.as_deref() {
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"registry\"")], "{\"errors\":[]}")
            .into_response();
    }
    next.run(request).await
}

async fn answer(State(shared): State<Shared>, method: Method, uri: Uri, body: Bytes) -> Response {
    let mut kept = shared.kept.lock().unwrap();
    let path = uri.path().trim_start_matches("/v2").trim_matches('/').to_owned();
    let query = uri.query().unwrap_or_default().replace("%3A", ":");
    let nothing =
        || (StatusCode::NOT_FOUND, "{\"errors\":[{\"code\":\"NOT_FOUND\",\"message\":\"nothing\"}]}").into_response();
    if path.is_empty() {
        return StatusCode::OK.into_response();
    }
    if let Some((repository, reference)) = path.split_once("/manifests/") {
        let key = (repository.to_owned(), reference.to_owned());
        if method == Method::PUT {
            let found = digest(&body);
            kept.manifests.insert((repository.to_owned(), found.clone()), body.clone());
            kept.manifests.insert(key, body);
            let location = format!("/v2/{path}");
            return (StatusCode::CREATED, [("location", location), ("docker-content-digest", found)]).into_response();
        }
        let Some(bytes) = kept.manifests.get(&key) else { return nothing() };
        let headers = [
            ("content-type", "application/vnd.oci.image.manifest.v1+json".to_owned()),
            ("docker-content-digest", digest(bytes)),
        ];
        return (headers, bytes.clone()).into_response();
    }
    if let Some((repository, upload)) = path.split_once("/blobs/uploads") {
        let number = upload.trim_matches('/').to_owned();
        if method == Method::POST {
            let number = kept.uploads.len().to_string();
            kept.uploads.insert(number.clone(), Vec::new());
            return (StatusCode::ACCEPTED, [("location", format!("/v2/{repository}/blobs/uploads/{number}"))])
                .into_response();
        }
        let bytes = kept.uploads.entry(number).or_default();
        bytes.extend_from_slice(&body);
        let length = bytes.len();
        if method == Method::PATCH {
            let headers = [("location", format!("/v2/{path}")), ("range", format!("0-{}", length.saturating_sub(1)))];
            return (StatusCode::ACCEPTED, headers).into_response();
        }
        let whole = Bytes::from(std::mem::take(bytes));
        let found = digest(&whole);
        if !query.contains(&found) {
            return (StatusCode::BAD_REQUEST, "{\"errors\":[{\"code\":\"DIGEST_INVALID\"}]}").into_response();
        }
        kept.blobs.insert(found.clone(), whole);
        return (StatusCode::CREATED, [("location", format!("/v2/{repository}/blobs/{found}"))]).into_response();
    }
    match path.split_once("/blobs/").and_then(|(_, digest)| kept.blobs.get(digest)) {
        Some(bytes) => bytes.clone().into_response(),
        None => nothing(),
    }
}
