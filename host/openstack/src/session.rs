//! A session of the service user: its token, and requests that carry it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::sync::Mutex;
use url::Url;
use watcher_domain::Failure;
use watcher_domain::cloud::{CloudRequest, CloudResponse};
use watcher_domain::ports::{Clock, CloudRequests, Ids};

use crate::catalog::{Catalog, Interface, Selection, base, join};
use crate::credentials::{Credentials, Secret};
use crate::error::{Error, UnknownService};
use crate::http::{Answer, Http, HttpLimits, Outgoing, Trouble};
use crate::keystone::TokenBody;
use crate::transfer::{Body, File};

/// What a session needs to know.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Address of Keystone, with or without `/v3`.
    pub auth_url: String,
    /// Who logs in.
    pub credentials: Credentials,
    /// Region of the endpoints; none takes the first of the catalogue.
    pub region: Option<String>,
    /// Which endpoints.
    pub interface: Interface,
    /// Endpoints that take precedence over the catalogue, by service type.
    pub endpoint_overrides: BTreeMap<String, String>,
    /// Certificates in PEM that are trusted besides those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// Do not check certificates.
    pub insecure: bool,
    /// Times and sizes.
    pub limits: HttpLimits,
}

impl SessionOptions {
    /// Public endpoints of any region, default limits.
    pub fn new(auth_url: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            auth_url: auth_url.into(),
            credentials,
            region: None,
            interface: Interface::default(),
            endpoint_overrides: BTreeMap::new(),
            ca_pem: None,
            insecure: false,
            limits: HttpLimits::default(),
        }
    }
}

/// A token of the service user, and what it opens.
#[derive(Debug)]
pub(crate) struct ServiceToken {
    value: HeaderValue,
    catalog: Catalog,
    /// Log in again from here on.
    renew_at: DateTime<Utc>,
    /// Which login it came from.
    login: u64,
    /// What it is for, if that is a project.
    project_id: Option<String>,
}

/// How long no answer asks for another login after one did.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::seconds(30);

#[derive(Debug, Default)]
struct LoginState {
    token: Option<Arc<ServiceToken>>,
    failure: Option<Error>,
}

/// The service user in the cloud. Cheap to share; safe to use from many tasks at once.
pub struct Session {
    http: Http,
    auth_url: Url,
    credentials: Credentials,
    selection: Selection,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    state: Mutex<LoginState>,
    /// When an answer last asked for another login.
    login_asked_at: std::sync::Mutex<Option<DateTime<Utc>>>,
    /// Logins tried so far.
    logins: AtomicU64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("auth_url", &self.auth_url.as_str())
            .field("who", &self.credentials.who())
            .finish_non_exhaustive()
    }
}

/// A token is not used in the last minute of its life: a request on its way must not outlive it.
const RENEW_BEFORE: TimeDelta = TimeDelta::seconds(60);
/// Answers of Keystone: a catalogue of a large cloud, with room.
const MAX_KEYSTONE_BYTES: usize = 4 << 20;
const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
impl Session {
    /// A session that has not logged in yet.
    ///
    /// # Errors
    /// [`Error::Option`] says which option cannot be.
    pub fn new(options: SessionOptions, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Result<Self, Error> {
        let address = |option, text: &str, service: &str| {
            base(text, service).ok_or_else(|| Error::Option {
                option,
                reason: format!("{text:?} is not an address of the form http://HOST:PORT/PATH"),
            })
        };
        let auth_url = address("auth_url", &options.auth_url, "identity")?;
        let mut overrides = BTreeMap::new();
        for (service, text) in &options.endpoint_overrides {
            overrides.insert(service.clone(), address("endpoint_override", text, service)?);
        }
        Ok(Self {
            http: Http::new(options.limits, options.ca_pem.as_deref(), options.insecure)?,
            auth_url,
            credentials: options.credentials,
            selection: Selection { interface: options.interface, region: options.region, overrides },
            clock,
            ids,
            state: Mutex::default(),
            login_asked_at: std::sync::Mutex::default(),
            logins: AtomicU64::new(0),
        })
    }

    /// Logs in, unless it has a token. To find out at start whether Keystone and the credentials are right.
    pub async fn authenticate(&self) -> Result<(), Error> {
        self.token(None).await.map(drop)
    }

    /// Whether the catalogue has an endpoint for a service.
    pub async fn has_service(&self, service_type: &str) -> Result<bool, Error> {
        Ok(self.token(None).await?.catalog.endpoint(service_type).is_some())
    }

    /// Address of Keystone with its version, for those who come without a token.
    pub fn auth_url(&self) -> &str {
        self.auth_url.as_str()
    }

    /// Sends a request. The answer may have any status.
    ///
    /// A token that the service rejects is replaced once. Answers up to [`HttpLimits::max_response_bytes`].
    pub async fn request(&self, request: &CloudRequest) -> Result<Answer, Error> {
        self.request_up_to(request, self.http.limits.max_response_bytes).await
    }

    /// As [`Self::request`], with another limit for the answer.
    pub async fn request_up_to(&self, request: &CloudRequest, max_bytes: usize) -> Result<Answer, Error> {
        request.check()?;
        self.exchange(request, None, max_bytes).await
    }

    /// Sends a request, with a file in place of its body if one is given. The answer may have any status and any content, up to
    /// `max_bytes`.
    pub async fn transfer(
        &self,
        request: &CloudRequest,
        file: Option<File>,
        max_bytes: usize,
    ) -> Result<Answer, Error> {
        request.check()?;
        self.exchange(request, file, max_bytes).await
    }

    /// Id of the project that the token is for; none for one that is for a domain or the whole system.
    pub async fn project_id(&self) -> Result<Option<String>, Error> {
        Ok(self.token(None).await?.project_id.clone())
    }

    async fn exchange(&self, request: &CloudRequest, file: Option<File>, max_bytes: usize) -> Result<Answer, Error> {
        let mut token = self.token(None).await?;
        let mut answer = self.send_with(&token, request, file.clone(), max_bytes).await?;
        if answer.status == 401 && self.may_ask_for_login() {
            token = self.token(Some(token.login)).await?;
            answer = self.send_with(&token, request, file, max_bytes).await?;
        }
        Ok(answer)
    }

    /// Whether an answer may ask for another login. Services answer 401 to other things than a bad token, too, and everybody waits for a login.
    fn may_ask_for_login(&self) -> bool {
        let now = self.clock.now();
        let mut asked = self.login_asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_some_and(|at| now - at < ASK_AGAIN_AFTER) {
            return false;
        }
        *asked = Some(now);
        true
    }

    async fn send_with(
        &self,
        token: &ServiceToken,
        request: &CloudRequest,
        file: Option<File>,
        max_bytes: usize,
    ) -> Result<Answer, Error> {
        let endpoint = token.catalog.endpoint(&request.service_type).ok_or_else(|| {
            Error::UnknownService(Box::new(UnknownService {
                service: request.service_type.clone(),
                interface: self.selection.interface,
                region: self.selection.region.clone(),
                who: self.credentials.who(),
                url: self.auth_url.to_string(),
                available: token.catalog.available(),
            }))
        })?;
        let mut headers = self.headers(&token.value);
        if let Some(version) = &request.microversion {
            add_microversion(&mut headers, &request.service_type, version);
        }
        let body = body(&mut headers, request, file);
        let outgoing = Outgoing {
            method: Method::from_bytes(request.method.as_str().as_bytes()).unwrap_or(Method::GET),
            url: join(endpoint, &request.path, &request.query),
            headers,
            body,
        };
        let timeout = self.http.limits.timeout;
        let outcome = self.http.send(outgoing, max_bytes).await;
        outcome.map_err(|trouble| trouble.of(&request.service_type, endpoint, timeout))
    }

    fn headers(&self, token: &HeaderValue) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(AUTH_TOKEN, token.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(&format!("req-{}", self.ids.uuid())) {
            headers.insert(HeaderName::from_static("x-openstack-request-id"), id);
        }
        headers
    }

    /// A token that is good for a while, or a new one if it is that of the `rejected` login.
    ///
    /// Callers that meet here share one login, whether it works or not.
    pub(crate) async fn token(&self, rejected: Option<u64>) -> Result<Arc<ServiceToken>, Error> {
        let seen = self.logins.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token
            && rejected != Some(token.login)
            && self.clock.now() < token.renew_at
        {
            return Ok(Arc::clone(token));
        }
        if let Some(failure) = &state.failure
            && self.logins.load(Ordering::Acquire) != seen
        {
            return Err(failure.clone());
        }
        let outcome = self.log_in(self.logins.load(Ordering::Acquire) + 1).await;
        self.logins.fetch_add(1, Ordering::AcqRel);
        match outcome {
            Ok(token) => {
                let token = Arc::new(token);
                *state = LoginState { token: Some(Arc::clone(&token)), failure: None };
                Ok(token)
            }
            Err(error) => {
                *state = LoginState { token: None, failure: Some(error.clone()) };
                Err(error)
            }
        }
    }

    async fn log_in(&self, login: u64) -> Result<ServiceToken, Error> {
        let began = self.clock.now();
        let body = Bytes::from(self.credentials.body().to_string());
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let url = join(&self.auth_url, "/auth/tokens", &[]);
        let outgoing = Outgoing { method: Method::POST, url, headers, body: Some(Body::Json(body)) };
        let answer =
            self.http.send(outgoing, MAX_KEYSTONE_BYTES).await.map_err(|trouble| self.keystone_trouble(trouble))?;
        match answer.status {
            200 | 201 => {}
            401 => {
                let (who, suspects) = (self.credentials.who(), self.credentials.suspects());
                return Err(Error::Credentials { url: self.auth_url.to_string(), who, suspects });
            }
            403 => return Err(self.forbidden("log in")),
            _ => return Err(self.unexpected(&answer)),
        }
        let not_keystone = |reason: String| Error::NotKeystone { url: self.auth_url.to_string(), reason };
        let mut value = answer
            .headers
            .get(SUBJECT_TOKEN)
            .cloned()
            .ok_or_else(|| not_keystone("its answer has no X-Subject-Token".to_owned()))?;
        value.set_sensitive(true);
        let token = serde_json::from_slice::<TokenBody>(&answer.body)
            .map_err(|error| not_keystone(format!("its answer is not a token ({error})")))?
            .token;
        // Counted from here, so that it does not matter whether the clocks agree.
        let life = token.expires_at - token.issued_at.unwrap_or(began);
        let renew_at = began + (life - RENEW_BEFORE.min(life / 5)).max(TimeDelta::zero());
        tracing::debug!(keystone = %self.auth_url, who = self.credentials.who(), "logged in");
        let project_id = token.project.as_ref().map(|project| project.id.clone());
        Ok(ServiceToken { value, catalog: Catalog::new(&token.catalog, &self.selection), renew_at, login, project_id })
    }

    /// Asks Keystone about somebody's token.
    pub(crate) async fn show_token(&self, subject: &Secret) -> Result<Answer, Error> {
        let Ok(mut subject) = HeaderValue::from_str(subject.reveal()) else {
            return Ok(Answer { status: 404, headers: HeaderMap::new(), body: Bytes::new() });
        };
        subject.set_sensitive(true);
        let ask = |token: Arc<ServiceToken>| {
            let mut headers = self.headers(&token.value);
            headers.insert(SUBJECT_TOKEN, subject.clone());
            let url = join(&self.auth_url, "/auth/tokens", &[("nocatalog".to_owned(), String::new())]);
            self.http.send(Outgoing { method: Method::GET, url, headers, body: None }, MAX_KEYSTONE_BYTES)
        };
        let token = self.token(None).await?;
        let login = token.login;
        let mut answer = ask(token).await.map_err(|trouble| self.keystone_trouble(trouble))?;
        if answer.status == 401 {
            let token = self.token(Some(login)).await?;
            answer = ask(token).await.map_err(|trouble| self.keystone_trouble(trouble))?;
        }
        match answer.status {
            200 | 404 => Ok(answer),
            401 | 403 => Err(self.forbidden("validate tokens")),
            _ => Err(self.unexpected(&answer)),
        }
    }

    fn keystone_trouble(&self, trouble: Trouble) -> Error {
        let url = self.auth_url.to_string();
        match trouble {
            Trouble::Unreachable(source) | Trouble::Broken(source) => {
                Error::KeystoneAway { url, source: Some(Arc::new(source)) }
            }
            Trouble::TimedOut => Error::KeystoneAway { url, source: None },
            Trouble::TooLarge(limit) => {
                Error::NotKeystone { url, reason: format!("its answer is larger than {limit} bytes") }
            }
        }
    }

    fn forbidden(&self, what: &'static str) -> Error {
        Error::Forbidden { url: self.auth_url.to_string(), who: self.credentials.who(), what }
    }

    /// A broken Keystone may be whole again soon; what answers something else entirely will not.
    fn unexpected(&self, answer: &Answer) -> Error {
        let url = self.auth_url.to_string();
        match answer.status {
            429 | 500..600 => Error::KeystoneAway { url, source: None },
            status => Error::NotKeystone { url, reason: format!("status {status}, {}", answer.error_message()) },
        }
    }
}

/// What a request carries: the file, or else its own body. Says in the headers what it is.
pub(crate) fn body(headers: &mut HeaderMap, request: &CloudRequest, file: Option<File>) -> Option<Body> {
    let body = match file {
        Some(file) => Body::File(file),
        None => Body::Json(Bytes::from(request.body.clone()?)),
    };
    let content_type = match &body {
        Body::Json(_) => Ok(HeaderValue::from_static("application/json")),
        Body::File(file) => HeaderValue::from_str(&file.content_type),
    };
    if let Ok(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    Some(body)
}

pub(crate) fn add_microversion(headers: &mut HeaderMap, service_type: &str, version: &str) {
    let service = match service_type {
        "volumev3" | "block-storage" | "block-store" => "volume",
        other => other,
    };
    if let Ok(value) = HeaderValue::from_str(&format!("{service} {version}")) {
        headers.insert(HeaderName::from_static("openstack-api-version"), value);
    }
    let legacy = match service {
        "compute" => "x-openstack-nova-api-version",
        "baremetal" => "x-openstack-ironic-api-version",
        _ => return,
    };
    if let Ok(value) = HeaderValue::from_str(version) {
        headers.insert(HeaderName::from_static(legacy), value);
    }
}

#[async_trait]
impl CloudRequests for Session {
    async fn send(&self, request: &CloudRequest) -> Result<CloudResponse, Failure> {
        let answer = self.request(request).await.map_err(|error| {
            error.log(request);
            error.to_failure()
        })?;
        answer.into_response(&request.service_type)
    }
}
