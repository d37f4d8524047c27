//! Who calls: the token of a request, checked by a port, becomes a [`Caller`].

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::http::HeaderName;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use watcher_domain::ProjectId;

use crate::error::ApiError;
use crate::state::ApiState;

const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
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
    /// Roles in that scope.
    pub roles: Vec<String>,
}

impl Caller {
    /// Whoever calls where nobody is asked for a token: may do everything, owns nothing.
    pub fn anybody() -> Self {
        Self { roles: vec!["admin".to_owned()], ..Self::default() }
    }

    /// Whether they have a role. Role names are compared without regard to case, as Keystone does.
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.eq_ignore_ascii_case(name))
    }

    /// Whether they administer the cloud, and so see what every project owns.
    pub fn is_admin(&self) -> bool {
        self.has_role("admin") || self.has_role("administrator")
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

/// Finds out who calls.
pub(crate) async fn authenticate(State(api): State<ApiState>, mut request: Request, next: Next) -> Response {
    let token = request.headers().get(TOKEN).and_then(|token| token.to_str().ok()).unwrap_or_default().to_owned();
    let caller =
        if PUBLIC.contains(&request.uri().path()) { Ok(Caller::default()) } else { caller(&api, &token).await };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

async fn caller(api: &ApiState, token: &str) -> Result<Caller, ApiError> {
    let (tokens, uri) = match &api.authentication {
        Authentication::None => return Ok(Caller::anybody()),
        Authentication::Keystone { tokens, uri } => (tokens, uri),
    };
    let unauthenticated = || ApiError::Unauthenticated { keystone: uri.clone() };
    if token.is_empty() || token.len() > LONGEST_TOKEN {
        return Err(unauthenticated());
    }
    tokens.check(token).await.map_err(|error| match error {
        AuthError::Rejected => unauthenticated(),
        AuthError::Unavailable(reason) => ApiError::KeystoneAway { reason },
    })
}
