//! `POST /v3/auth/tokens`: who somebody is, and what for they want a token.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::directory::{DOMAIN_ID, DOMAIN_NAME};
use super::token::{Scope, Token};
use super::{Keystone, KeystoneError};
use crate::ids;

#[derive(Debug, Deserialize)]
pub(super) struct Body {
    auth: Auth,
}

#[derive(Debug, Deserialize)]
struct Auth {
    identity: Identity,
    scope: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Identity {
    methods: Vec<String>,
    password: Option<PasswordMethod>,
    token: Option<TokenMethod>,
    application_credential: Option<CredentialMethod>,
}

#[derive(Debug, Deserialize)]
struct PasswordMethod {
    user: UserReference,
}

#[derive(Debug, Deserialize)]
struct UserReference {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Reference>,
    password: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Reference {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct TokenMethod {
    id: String,
}

#[derive(Debug, Deserialize)]
struct CredentialMethod {
    id: Option<String>,
    name: Option<String>,
    user: Option<UserReference>,
    secret: String,
}

#[derive(Debug, Deserialize)]
struct ProjectReference {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Reference>,
}

/// Who logs in, before the scope is known.
struct Identified {
    user: usize,
    methods: Vec<String>,
    /// Of the token that it was done with.
    parent: Option<(DateTime<Utc>, Option<String>)>,
    credential: Option<(String, String, usize)>,
}

impl Reference {
    fn is_default(&self) -> bool {
        self.id.as_deref() == Some(DOMAIN_ID) || self.name.as_deref() == Some(DOMAIN_NAME)
    }
}

impl Keystone {
    /// Makes a token.
    pub(super) fn log_in(&mut self, body: &Body, now: DateTime<Utc>) -> Result<Token, KeystoneError> {
        let who = self.identify(&body.auth.identity, now)?;
        let scope = match (&who.credential, &body.auth.scope) {
            (Some((_, _, project)), _) => Scope::Project(*project),
            (None, None) => Scope::Unscoped,
            (None, Some(scope)) => self.scope(scope)?,
        };
        let roles = self.roles(who.user, scope).ok_or(KeystoneError::Unauthorized)?;
        let (expires_at, parent) = match who.parent {
            Some((expires_at, audit_id)) => (expires_at, audit_id),
            None => (now + self.token_lifetime, None),
        };
        self.issued += 1;
        let audit_id = ids::derived_hex("audit", &self.issued.to_string())[..22].to_owned();
        let token = Token {
            id: format!("gAAAAA{}", hex_token(self.issued, now)),
            user: who.user,
            scope,
            roles: roles.to_vec(),
            methods: who.methods,
            audit_ids: std::iter::once(audit_id).chain(parent).collect(),
            issued_at: now,
            expires_at,
            credential: who.credential.map(|(id, name, _)| (id, name)),
        };
        self.tokens.insert(token.clone());
        Ok(token)
    }

    /// Roles of a user in a scope, `None` if there are none and the scope needs some.
    fn roles(&self, user: usize, scope: Scope) -> Option<&'static [&'static str]> {
        let user = &self.directory.users[user];
        match scope {
            Scope::Unscoped => Some(&[]),
            Scope::Project(project) => user.roles_in(project),
            Scope::Domain | Scope::System => Some(user.system_roles).filter(|roles| !roles.is_empty()),
        }
    }

    fn identify(&self, identity: &Identity, now: DateTime<Utc>) -> Result<Identified, KeystoneError> {
        let missing = |name: &str| KeystoneError::BadRequest(format!("Expecting to find {name} in identity."));
        let Some(method) = identity.methods.first() else { return Err(missing("methods")) };
        match method.as_str() {
            "password" => {
                let given = &identity.password.as_ref().ok_or_else(|| missing("password"))?.user;
                let user = self.user(given)?;
                if given.password.as_deref() != Some(self.directory.users[user].password.as_str()) {
                    return Err(KeystoneError::Unauthorized);
                }
                Ok(Identified { user, methods: vec!["password".into()], parent: None, credential: None })
            }
            "token" => {
                let given = identity.token.as_ref().ok_or_else(|| missing("token"))?;
                let token = self.tokens.valid(&given.id, now).ok_or(KeystoneError::Unauthorized)?;
                let mut methods = token.methods.clone();
                if !methods.iter().any(|method| method == "token") {
                    methods.push("token".into());
                }
                let parent = Some((token.expires_at, token.audit_ids.last().cloned()));
                Ok(Identified { user: token.user, methods, parent, credential: None })
            }
            "application_credential" => {
                let given =
                    identity.application_credential.as_ref().ok_or_else(|| missing("application_credential"))?;
                let owner = given.user.as_ref().map(|user| self.user(user)).transpose()?;
                let found = self.credentials.iter().find(|credential| {
                    given.id.as_ref().is_some_and(|id| *id == credential.id)
                        || owner == Some(credential.user) && given.name.as_ref() == Some(&credential.name)
                });
                let credential = found
                    .filter(|credential| credential.secret == given.secret)
                    .filter(|credential| credential.expires_at.is_none_or(|expires_at| expires_at > now))
                    .ok_or(KeystoneError::Unauthorized)?;
                Ok(Identified {
                    user: credential.user,
                    methods: vec!["application_credential".into()],
                    parent: None,
                    credential: Some((credential.id.clone(), credential.name.clone(), credential.project)),
                })
            }
            other => Err(KeystoneError::Method(other.to_owned())),
        }
    }

    fn user(&self, given: &UserReference) -> Result<usize, KeystoneError> {
        let found = match (&given.id, &given.name, &given.domain) {
            (Some(id), _, _) => self.directory.user_with_id(id),
            (None, Some(name), Some(domain)) if domain.is_default() => self.directory.user_named(name),
            (None, Some(_), Some(_)) => None,
            (None, Some(_), None) => {
                return Err(KeystoneError::BadRequest("Expecting to find domain in user.".to_owned()));
            }
            (None, None, _) => {
                return Err(KeystoneError::BadRequest("Expecting to find id or name in user.".to_owned()));
            }
        };
        found.ok_or(KeystoneError::Unauthorized)
    }

    fn scope(&self, scope: &Value) -> Result<Scope, KeystoneError> {
        let wrong = || KeystoneError::BadRequest("Expecting to find a valid scope.".to_owned());
        if scope.as_str() == Some("unscoped") || scope.get("unscoped").is_some() {
            return Ok(Scope::Unscoped);
        }
        if let Some(project) = scope.get("project") {
            let given = ProjectReference::deserialize(project).map_err(|_| wrong())?;
            let found = match (&given.id, &given.name, &given.domain) {
                (Some(id), _, _) => self.directory.project_with_id(id),
                (None, Some(name), Some(domain)) if domain.is_default() => self.directory.project_named(name),
                (None, Some(_), Some(_)) => None,
                (None, Some(_), None) => {
                    return Err(KeystoneError::BadRequest("Expecting to find domain in project.".to_owned()));
                }
                (None, None, _) => return Err(wrong()),
            };
            return found.map(Scope::Project).ok_or(KeystoneError::Unauthorized);
        }
        if let Some(domain) = scope.get("domain") {
            let given = Reference::deserialize(domain).map_err(|_| wrong())?;
            return if given.is_default() { Ok(Scope::Domain) } else { Err(KeystoneError::Unauthorized) };
        }
        match scope.get("system").and_then(|system| system.get("all")) {
            Some(Value::Bool(true)) => Ok(Scope::System),
            _ => Err(wrong()),
        }
    }
}

/// Opaque, unique, and long as real tokens are. Not secret: everything here is a simulation.
fn hex_token(number: u64, now: DateTime<Utc>) -> String {
    let seed = format!("{number} {}", now.timestamp_micros());
    (0..5).map(|part| ids::derived_hex("token", &format!("{part} {seed}"))).collect()
}

pub(super) fn lifetime(seconds: u64) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::from(i32::MAX)))
}
