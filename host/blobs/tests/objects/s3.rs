//! As much of an S3 service as blobs need, with buckets in memory: it checks the signature of every request (AWS Signature Version 4) and the digest of
//! every body.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

pub(crate) const KEY_ID: &str = "AKIDTEST";
pub(crate) const KEY: &str = "the/secret+key";
pub(crate) const REGION: &str = "eu-test-1";

/// How the service behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it should.
    Well,
    /// It takes nothing more.
    Full,
    /// It takes connections and never answers.
    Silent,
    /// It answers errors that are as long as anything.
    Wordy,
    /// It says a length, and sends something else.
    Lying,
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Method and path of all that was answered.
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) mood: Mutex<Mood>,
    pub(crate) endpoint: String,
}

impl Service {
    pub(crate) async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Arc::new(Self {
            objects: Mutex::default(),
            asked: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
        });
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&service));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        service
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

async fn answer(State(service): State<Arc<Service>>, request: Request) -> Response {
    let mood = *service.mood.lock().unwrap();
    if mood == Mood::Silent {
        std::future::pending::<()>().await;
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 24).await.unwrap();
    let path = parts.uri.path().to_owned();
    service.asked.lock().unwrap().push(format!("{} {path}", parts.method));
    let fault = |status: StatusCode, code: &str| {
        let length = if mood == Mood::Wordy { 1 << 22 } else { 1 };
        (status, format!("<Error><Code>{code}</Code><Message>{}</Message></Error>", "x".repeat(length))).into_response()
    };
    if mood == Mood::Wordy {
        return fault(StatusCode::BAD_REQUEST, "InvalidRequest");
    }
    if !is_signed(&parts.method, &path, parts.uri.query().unwrap_or_default(), &parts.headers, &body) {
        return fault(StatusCode::FORBIDDEN, "SignatureDoesNotMatch");
    }
    if !path.starts_with("/bucket/") {
        return fault(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    let mut objects = service.objects.lock().unwrap();
    match parts.method {
        Method::PUT if mood == Mood::Full => fault(StatusCode::INSUFFICIENT_STORAGE, "QuotaExceeded"),
        Method::PUT => {
            objects.insert(path, body.to_vec());
            ([("etag", "\"1\"")], "").into_response()
        }
        Method::GET => match objects.get(&path) {
            Some(bytes) => {
                let headers = [("etag", "\"1\""), ("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")];
                let sent = if mood == Mood::Lying { bytes[1..].to_vec() } else { bytes.clone() };
                (headers, Body::from(sent)).into_response()
            }
            None => fault(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        Method::DELETE => {
            objects.remove(&path);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => fault(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
    }
}

fn is_signed(method: &Method, path: &str, query: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let payload = hex::encode(Sha256::digest(body));
    let authorization = text("authorization");
    let part = |name: &str| {
        let rest = authorization.split_once(&format!("{name}=")).map(|(_, rest)| rest).unwrap_or_default();
        rest.split(',').next().unwrap_or_default().trim()
    };
    let scope = format!("{}/{REGION}/s3/aws4_request", text("x-amz-date").split('T').next().unwrap_or_default());
    if text("x-amz-content-sha256") != payload || part("Credential") != format!("{KEY_ID}/{scope}") {
        return false;
    }
    let names = part("SignedHeaders");
    let signed: Vec<String> = names.split(';').map(|name| format!("{name}:{}", text(name).trim())).collect();
    let request = format!("{method}\n{path}\n{query}\n{}\n\n{names}\n{payload}", signed.join("\n"));
    let digest = hex::encode(Sha256::digest(request));
    let told = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{digest}", text("x-amz-date"));
    let mut key = format!("AWS4{KEY}").into_bytes();
    for part in scope.split('/') {
        key = hmac(&key, part.as_bytes());
    }
    part("Signature") == hex::encode(hmac(&key, told.as_bytes()))
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}
