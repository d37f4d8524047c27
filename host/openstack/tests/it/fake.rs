//! A Keystone and a service in one small server, whose behaviour a test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Mutex;
use tokio::net::TcpListener;
use watcher_domain::clock::{CountingIds, MockClock};
use watcher_domain::cloud::{CloudRequest, Method};
use watcher_openstack::{
    Credentials, DomainName, HttpLimits, ProjectName, Scope, Secret, Session, SessionOptions, UserName,
};

/// What the fake does. Tests change it while it runs.
#[derive(Debug)]
pub(crate) struct Behaviour {
    /// Status of logins.
    pub(crate) login_status: u16,
    /// Life of a token in seconds.
    pub(crate) life_s: i64,
    /// What validation of somebody's token answers.
    pub(crate) subject: Result<Value, u16>,
    /// This many requests are answered with 401.
    pub(crate) rejections: usize,
    /// What the service answers.
    pub(crate) service: fn() -> Response,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) url: String,
    pub(crate) behaviour: Mutex<Behaviour>,
    pub(crate) logins: AtomicUsize,
    pub(crate) validations: AtomicUsize,
    pub(crate) seen: Mutex<Vec<Seen>>,
    tokens: AtomicU64,
}

impl Fake {
    pub(crate) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            behaviour: Mutex::new(Behaviour {
                login_status: 201,
                life_s: 3600,
                subject: Err(404),
                rejections: 0,
                service: || Json(json!({"servers": []})).into_response(),
            }),
            logins: AtomicUsize::new(0),
            validations: AtomicUsize::new(0),
            seen: Mutex::default(),
            tokens: AtomicU64::new(0),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        fake
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().expect("something was asked")
    }

    pub(crate) fn logins(&self) -> usize {
        self.logins.load(Ordering::SeqCst)
    }

    pub(crate) fn validations(&self) -> usize {
        self.validations.load(Ordering::SeqCst)
    }

    pub(crate) fn options(&self) -> SessionOptions {
        options(&self.url)
    }

    pub(crate) fn session(&self) -> (Arc<Session>, Arc<MockClock>) {
        session(self.options())
    }

    fn log_in(&self) -> Response {
        self.logins.fetch_add(1, Ordering::SeqCst);
        let behaviour = self.behaviour.lock().unwrap();
        if behaviour.login_status != 201 {
            let status = StatusCode::from_u16(behaviour.login_status).unwrap();
            return (status, Json(json!({"error": {"message": "no", "code": behaviour.login_status}}))).into_response();
        }
        let token = format!("token-{}", self.tokens.fetch_add(1, Ordering::SeqCst) + 1);
        let endpoint = |interface: &str| {
            json!({"interface": interface, "region": "RegionOne", "region_id": "RegionOne",
                "url": format!("{}/compute/v2.1", self.url)})
        };
        let mut body = token_body(behaviour.life_s, "watcher", "service");
        body["token"]["catalog"] =
            json!([{"type": "compute", "name": "nova", "id": "c", "endpoints": [endpoint("public")]}]);
        (StatusCode::CREATED, [("x-subject-token", token)], Json(body)).into_response()
    }

    fn validate(&self) -> Response {
        self.validations.fetch_add(1, Ordering::SeqCst);
        match &self.behaviour.lock().unwrap().subject {
            Ok(body) => Json(body.clone()).into_response(),
            Err(status) => (StatusCode::from_u16(*status).unwrap(), "no such token").into_response(),
        }
    }

    fn is_rejected(&self) -> bool {
        let mut behaviour = self.behaviour.lock().unwrap();
        behaviour.rejections = behaviour.rejections.saturating_sub(1);
        behaviour.rejections > 0
    }
}

async fn answer(State(fake): State<Arc<Fake>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let seen = Seen {
        line: format!("{} {}", parts.method, parts.uri),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let line = seen.line.clone();
    fake.seen.lock().unwrap().push(seen);
    if line.starts_with("POST /v3/auth/tokens") {
        return fake.log_in();
    }
    if fake.is_rejected() {
        return (StatusCode::UNAUTHORIZED, Body::empty()).into_response();
    }
    if line.starts_with("GET /v3/auth/tokens") {
        return fake.validate();
    }
    let service = fake.behaviour.lock().unwrap().service;
    service()
}

/// A token as Keystone shows it, issued at the time at which a mock clock begins.
pub(crate) fn token_body(life_s: i64, user: &str, role: &str) -> Value {
    let issued = chrono::DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    json!({"token": {
        "methods": ["password"],
        "user": {"id": format!("id-of-{user}"), "name": user, "domain": {"id": "default", "name": "Default"}},
        "project": {"id": "p1", "name": "service", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "r1", "name": role}],
        "issued_at": issued,
        "expires_at": issued + chrono::TimeDelta::seconds(life_s),
    }})
}

pub(crate) fn credentials(password: &str) -> Credentials {
    let domain = DomainName::Name("Default".to_owned());
    Credentials::Password {
        user: UserName::Name { name: "watcher".to_owned(), domain: domain.clone() },
        password: Secret::new(password),
        scope: Scope::Project(ProjectName::Name { name: "service".to_owned(), domain }),
    }
}

pub(crate) fn options(url: &str) -> SessionOptions {
    let mut options = SessionOptions::new(url, credentials("hunter2"));
    options.limits = HttpLimits { timeout: Duration::from_secs(20), max_response_bytes: 4096, ..HttpLimits::default() };
    options
}

pub(crate) fn session(options: SessionOptions) -> (Arc<Session>, Arc<MockClock>) {
    let clock = Arc::new(MockClock::default());
    let session = Session::new(options, clock.clone(), Arc::new(CountingIds::default())).unwrap();
    (Arc::new(session), clock)
}

pub(crate) fn get(path: &str) -> CloudRequest {
    CloudRequest {
        service_type: "compute".to_owned(),
        method: Method::Get,
        path: path.to_owned(),
        query: Vec::new(),
        body: None,
        microversion: Some("2.56".to_owned()),
    }
}

pub(crate) fn post(path: &str, body: &Value) -> CloudRequest {
    CloudRequest { method: Method::Post, body: Some(body.to_string()), ..get(path) }
}
