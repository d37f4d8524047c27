//! Who calls: the token of a request, checked by a port, becomes a [`Caller`].

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use watcher_domain::ProjectId;

use crate::error::ApiError;
use crate::state::ApiState;

const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-service-token");
/// The project of those who are not asked for a token.
const LOCAL: &str = "local";
/// Longer tokens are refused unread.
const LONGEST_TOKEN: usize = 16 << 10;

/// Somebody whose token is valid.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// Keystone user id.
    pub user_id: Option<String>,
    /// The project that the token is scoped to. None for a token of a domain or of the system.
    pub project_id: Option<ProjectId>,
    /// Domain of that project.
    pub project_domain_id: Option<String>,
    /// Domain of the user.
    pub user_domain_id: Option<String>,
    /// The domain that the token is scoped to.
    pub domain_id: Option<String>,
    /// Whether the token is scoped to the whole system.
    pub is_system: bool,
    /// Roles in that scope, with those that they imply.
    pub roles: Vec<String>,
    /// Whether Keystone says that the project is not the one for administration.
    pub outside_admin_project: bool,
    /// Whoever calls where nobody is asked for a token.
    pub is_anybody: bool,
    /// The service that passes the call on, if it showed a token of its own.
    pub service: Option<Box<ServiceCaller>>,
}

/// A service that passes a call on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceCaller {
    /// Keystone user id.
    pub user_id: Option<String>,
    /// Domain of the user.
    pub user_domain_id: Option<String>,
    /// The project that its token is scoped to.
    pub project_id: Option<ProjectId>,
    /// Domain of that project.
    pub project_domain_id: Option<String>,
    /// Its roles.
    pub roles: Vec<String>,
}

impl Caller {
    /// Whoever calls where nobody is asked for a token: administrator, in a project that owns what they make.
    pub fn anybody() -> Self {
        let project_id = Some(ProjectId(LOCAL.to_owned()));
        Self { project_id, roles: vec!["admin".to_owned()], is_anybody: true, ..Self::default() }
    }

    fn into_service(self) -> ServiceCaller {
        ServiceCaller {
            user_id: self.user_id,
            user_domain_id: self.user_domain_id,
            project_id: self.project_id,
            project_domain_id: self.project_domain_id,
            roles: self.roles,
        }
    }
}

/// A token that does not say who calls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// It is unknown, expired or revoked.
    #[error("token is not valid")]
    Rejected,
    /// Keystone cannot be asked.
    #[error("Keystone cannot be asked: {0}")]
    Unavailable(String),
}

/// Checks tokens.
#[async_trait]
pub trait TokenCheck: Send + Sync {
    /// Whose token it is.
    async fn check(&self, token: &str) -> Result<Caller, AuthError>;
}

/// How callers show who they are.
#[derive(Clone)]
pub enum Authentication {
    /// By a token of Keystone in `X-Auth-Token`.
    Keystone {
        /// Checks it.
        tokens: Arc<dyn TokenCheck>,
        /// Where callers get one, told to those who come without.
        uri: String,
    },
    /// Not at all: for one person's own machine.
    None,
}

/// Paths that need no token: the version document and the description of the API.
const PUBLIC: &[&str] = &["/", "/openapi.json", "/docs"];

/// Start of the paths that need no token where webhooks are open.
const WEBHOOKS: &str = "/v1/webhooks/";

/// Finds out who calls.
pub(crate) async fn authenticate(State(api): State<ApiState>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let caller = if PUBLIC.contains(&path) {
        Ok(Caller::default())
    } else if !api.options.webhooks_auth && path.starts_with(WEBHOOKS) {
        Ok(Caller::anybody())
    } else {
        caller(&api, request.headers()).await
    };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

async fn caller(api: &ApiState, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let Authentication::Keystone { tokens, uri } = &api.authentication else { return Ok(Caller::anybody()) };
    let token = |name: &HeaderName| headers.get(name).map(|token| token.to_str().unwrap_or_default());
    let mut caller = check(tokens.as_ref(), uri, token(&TOKEN).unwrap_or_default()).await?;
    let service = token(&SERVICE_TOKEN);
    if let Some(service) = service {
        caller.service = Some(Box::new(check(tokens.as_ref(), uri, service).await?.into_service()));
    }
    Ok(caller)
}

async fn check(tokens: &dyn TokenCheck, uri: &str, token: &str) -> Result<Caller, ApiError> {
    let unauthenticated = || ApiError::Unauthenticated { keystone: uri.to_owned() };
    if token.is_empty() || token.len() > LONGEST_TOKEN {
        return Err(unauthenticated());
    }
    tokens.check(token).await.map_err(|error| match error {
        AuthError::Rejected => unauthenticated(),
        AuthError::Unavailable(reason) => ApiError::KeystoneAway { reason },
    })
}
