//! Whose token an API caller has.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use watcher_domain::ports::Clock;

use crate::credentials::Secret;
use crate::error::Error;
use crate::keystone::{TokenBody, TokenView};
use crate::session::Session;

/// Somebody whose token is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidToken {
    /// Keystone user id.
    pub user_id: String,
    /// Name of the user.
    pub user_name: String,
    /// Domain of the user.
    pub user_domain_id: Option<String>,
    /// The project that the token is scoped to; none for a token of a domain, of the system, or of nothing.
    pub project_id: Option<String>,
    /// Its name.
    pub project_name: Option<String>,
    /// Domain of that project.
    pub project_domain_id: Option<String>,
    /// The domain that the token is scoped to.
    pub domain_id: Option<String>,
    /// Whether the token is scoped to the whole system.
    pub is_system: bool,
    /// Roles in that scope.
    pub roles: Vec<String>,
    /// Whether Keystone says that the project is not the one for administration.
    pub outside_admin_project: bool,
    /// When it ends, by Keystone's clock.
    pub expires_at: DateTime<Utc>,
}

impl ValidToken {
    /// Whether they have a role. Names are compared without regard to case, as Keystone does.
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.eq_ignore_ascii_case(name))
    }
}

impl From<TokenView> for ValidToken {
    fn from(view: TokenView) -> Self {
        let (project_id, project_name, project_domain_id) = match view.project {
            None => (None, None, None),
            Some(project) => (Some(project.id), Some(project.name), project.domain.map(|domain| domain.id)),
        };
        Self {
            user_id: view.user.id,
            user_name: view.user.name,
            user_domain_id: view.user.domain.map(|domain| domain.id),
            project_id,
            project_name,
            project_domain_id,
            domain_id: view.domain.map(|domain| domain.id),
            is_system: view.system.is_some_and(|system| system.all),
            roles: view.roles.into_iter().map(|role| role.name).collect(),
            outside_admin_project: view.is_admin_project == Some(false),
            expires_at: view.expires_at,
        }
    }
}

/// Why a token does not say who calls.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// It is unknown, expired or revoked.
    #[error("token is not valid")]
    Rejected,
    /// Keystone cannot be asked, or does not let this service ask.
    #[error("tokens cannot be validated")]
    Unavailable(#[source] Error),
}

/// How long answers are kept, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidatorOptions {
    /// How long a valid token is taken for valid, never past its end.
    pub ttl: Duration,
    /// How long an invalid one is taken for invalid.
    pub negative_ttl: Duration,
    /// Tokens remembered; beyond it the oldest is forgotten.
    pub max_entries: usize,
}

impl Default for ValidatorOptions {
    fn default() -> Self {
        Self { ttl: Duration::from_mins(1), negative_ttl: Duration::from_secs(5), max_entries: 10_000 }
    }
}

/// The key of a token: it cannot be turned back into the token.
type Fingerprint = [u8; 32];

#[derive(Debug)]
struct Entry {
    /// `None`: the token is not valid.
    token: Option<Arc<ValidToken>>,
    until: DateTime<Utc>,
    /// Tells this entry from an older one with the same key.
    number: u64,
}

#[derive(Debug, Default)]
struct Cache {
    entries: HashMap<Fingerprint, Entry>,
    order: VecDeque<(Fingerprint, u64)>,
    inserted: u64,
}

impl Cache {
    fn insert(&mut self, key: Fingerprint, token: Option<Arc<ValidToken>>, until: DateTime<Utc>, max_entries: usize) {
        self.inserted += 1;
        let number = self.inserted;
        self.entries.insert(key, Entry { token, until, number });
        self.order.push_back((key, number));
        while self.order.len() > max_entries.max(1) {
            let Some((oldest, number)) = self.order.pop_front() else { break };
            if self.entries.get(&oldest).is_some_and(|entry| entry.number == number) {
                self.entries.remove(&oldest);
            }
        }
    }
}

/// Validates tokens of callers with the token of the service user.
pub struct TokenValidator {
    session: Arc<Session>,
    clock: Arc<dyn Clock>,
    options: ValidatorOptions,
    cache: Mutex<Cache>,
}

impl fmt::Debug for TokenValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenValidator").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Longer tokens are not tokens.
const LONGEST_TOKEN: usize = 16 << 10;

impl TokenValidator {
    /// A validator with an empty cache.
    pub fn new(session: Arc<Session>, clock: Arc<dyn Clock>, options: ValidatorOptions) -> Self {
        Self { session, clock, options, cache: Mutex::default() }
    }

    /// Whose token it is.
    pub async fn validate(&self, token: &str) -> Result<Arc<ValidToken>, TokenError> {
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Err(TokenError::Rejected);
        }
        let key: Fingerprint = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.known(&key) {
            return known;
        }
        let answer = self.session.show_token(&Secret::new(token)).await.map_err(TokenError::Unavailable)?;
        let now = self.clock.now();
        let found = if answer.status == 404 {
            None
        } else {
            let body: TokenBody = serde_json::from_slice(&answer.body).map_err(|error| {
                let reason = format!("its answer is not a token ({error})");
                TokenError::Unavailable(Error::NotKeystone { url: self.session.auth_url().to_owned(), reason })
            })?;
            Some(ValidToken::from(body.token)).filter(|token| token.expires_at > now)
        };
        let found = found.map(Arc::new);
        let until = match &found {
            Some(token) => (now + self.options.ttl).min(token.expires_at),
            None => now + self.options.negative_ttl,
        };
        self.lock().insert(key, found.clone(), until, self.options.max_entries);
        found.ok_or(TokenError::Rejected)
    }

    /// What is remembered of a token.
    fn known(&self, key: &Fingerprint) -> Option<Result<Arc<ValidToken>, TokenError>> {
        let now = self.clock.now();
        let cache = self.lock();
        let entry = cache.entries.get(key).filter(|entry| now < entry.until)?;
        Some(entry.token.clone().ok_or(TokenError::Rejected))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_never_grows_beyond_its_bound() {
        let mut cache = Cache::default();
        let until = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        for number in 0..100_u8 {
            cache.insert([number; 32], None, until, 10);
            cache.insert([7; 32], None, until, 10);
        }
        assert!(cache.entries.len() <= 10 && cache.order.len() <= 10);
        assert!(cache.entries.contains_key(&[99; 32]));
    }
}
