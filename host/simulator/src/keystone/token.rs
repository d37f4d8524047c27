//! Tokens: what they say, and the store of those that are out.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::catalog::Catalog;
use super::directory::{DOMAIN_ID, DOMAIN_NAME, Directory, role_id};

/// What a token gives access to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Unscoped,
    /// Index of a project.
    Project(usize),
    Domain,
    System,
}

/// A token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) id: String,
    /// Index of a user.
    pub(super) user: usize,
    pub(super) scope: Scope,
    pub(super) roles: Vec<&'static str>,
    pub(super) methods: Vec<String>,
    pub(super) audit_ids: Vec<String>,
    pub(super) issued_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    /// Id and name of the application credential it was made with.
    pub(super) credential: Option<(String, String)>,
}

impl Token {
    /// The body of an answer; `with_catalog` as the client asked.
    pub(super) fn view(&self, directory: &Directory, catalog: &Catalog, with_catalog: bool) -> Value {
        let domain = json!({"id": DOMAIN_ID, "name": DOMAIN_NAME});
        let user = &directory.users[self.user];
        let mut token = Map::new();
        token.insert("methods".into(), json!(self.methods));
        token.insert(
            "user".into(),
            json!({"domain": domain, "id": user.id, "name": user.name, "password_expires_at": null}),
        );
        token.insert("audit_ids".into(), json!(self.audit_ids));
        token.insert("expires_at".into(), time(self.expires_at).into());
        token.insert("issued_at".into(), time(self.issued_at).into());
        match self.scope {
            Scope::Unscoped => {}
            Scope::Project(project) => {
                let project = &directory.projects[project];
                token.insert("project".into(), json!({"domain": domain, "id": project.id, "name": project.name}));
                token.insert("is_domain".into(), false.into());
            }
            Scope::Domain => {
                token.insert("domain".into(), domain);
            }
            Scope::System => {
                token.insert("system".into(), json!({"all": true}));
            }
        }
        if self.scope != Scope::Unscoped {
            let roles: Value = self.roles.iter().map(|name| json!({"id": role_id(name), "name": name})).collect();
            token.insert("roles".into(), roles);
            if with_catalog {
                token.insert("catalog".into(), catalog.view());
            }
        }
        if let Some((id, name)) = &self.credential {
            let credential = json!({"id": id, "name": name, "restricted": true});
            token.insert("application_credential".into(), credential);
        }
        json!({"token": token})
    }
}

/// A time as Keystone writes it.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Tokens that are out. When there are too many the oldest is forgotten; its holder logs in again.
#[derive(Debug, Default)]
pub(super) struct TokenStore {
    by_id: HashMap<String, Token>,
    order: VecDeque<String>,
}

const MAX_TOKENS: usize = 20_000;

impl TokenStore {
    pub(super) fn insert(&mut self, token: Token) {
        while self.order.len() >= MAX_TOKENS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        self.order.push_back(token.id.clone());
        self.by_id.insert(token.id.clone(), token);
    }

    /// A token that was not revoked, expired or not.
    pub(super) fn find(&self, id: &str) -> Option<&Token> {
        self.by_id.get(id)
    }

    /// A token that may be used now.
    pub(super) fn valid(&self, id: &str, now: DateTime<Utc>) -> Option<&Token> {
        self.find(id).filter(|token| token.expires_at > now)
    }

    pub(super) fn revoke(&mut self, id: &str) {
        self.by_id.remove(id);
    }
}
