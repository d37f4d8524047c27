//! What Keystone says about tokens.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::catalog::CatalogEntry;

/// `{"token": …}`.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenBody {
    pub(crate) token: TokenView,
}

/// A token, as Keystone shows it.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenView {
    pub(crate) expires_at: DateTime<Utc>,
    #[serde(default)]
    pub(crate) issued_at: Option<DateTime<Utc>>,
    pub(crate) user: UserView,
    #[serde(default)]
    pub(crate) project: Option<ProjectView>,
    #[serde(default)]
    pub(crate) domain: Option<DomainView>,
    #[serde(default)]
    pub(crate) system: Option<SystemView>,
    #[serde(default)]
    pub(crate) is_admin_project: Option<bool>,
    #[serde(default)]
    pub(crate) roles: Vec<RoleView>,
    #[serde(default)]
    pub(crate) catalog: Vec<CatalogEntry>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct UserView {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) domain: Option<DomainView>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ProjectView {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) domain: Option<DomainView>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DomainView {
    pub(crate) id: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SystemView {
    #[serde(default)]
    pub(crate) all: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RoleView {
    pub(crate) name: String,
}
