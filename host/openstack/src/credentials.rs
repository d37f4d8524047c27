//! Who the service is in the cloud.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for where it has to be sent.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A domain, by id or by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DomainName {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// A project, by id, or by name in a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectName {
    /// By id.
    Id(String),
    /// By name.
    Name {
        /// Its name.
        name: String,
        /// Its domain.
        domain: DomainName,
    },
}

/// How the service user logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// With a password.
    Password {
        /// Name of the user.
        username: String,
        /// Domain of the user.
        user_domain: DomainName,
        /// Password.
        password: Secret,
        /// Project to work in.
        project: ProjectName,
    },
    /// With the id of a user and a password.
    UserId {
        /// Id of the user.
        user_id: String,
        /// Password.
        password: Secret,
        /// Project to work in.
        project: ProjectName,
    },
    /// With an application credential, which knows its user and project.
    ApplicationCredential {
        /// Its id.
        id: String,
        /// Its secret.
        secret: Secret,
    },
}

impl Credentials {
    /// Who logs in, in words: `user watcher`.
    pub fn who(&self) -> String {
        match self {
            Self::Password { username, .. } => format!("user {username}"),
            Self::UserId { user_id, .. } => format!("user {user_id}"),
            Self::ApplicationCredential { id, .. } => format!("application credential {id}"),
        }
    }

    /// The body of `POST /auth/tokens`.
    pub(crate) fn body(&self) -> Value {
        let (identity, project) = match self {
            Self::Password { username, user_domain, password, project } => {
                let user = json!({"name": username, "domain": user_domain, "password": password.reveal()});
                (json!({"methods": ["password"], "password": {"user": user}}), Some(project))
            }
            Self::UserId { user_id, password, project } => {
                let user = json!({"id": user_id, "password": password.reveal()});
                (json!({"methods": ["password"], "password": {"user": user}}), Some(project))
            }
            Self::ApplicationCredential { id, secret } => {
                let credential = json!({"id": id, "secret": secret.reveal()});
                (json!({"methods": ["application_credential"], "application_credential": credential}), None)
            }
        };
        let mut auth = json!({"identity": identity});
        if let Some(project) = project {
            auth["scope"] = match project {
                ProjectName::Id(id) => json!({"project": {"id": id}}),
                ProjectName::Name { name, domain } => json!({"project": {"name": name, "domain": domain}}),
            };
        }
        json!({"auth": auth})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Credentials {
        Credentials::Password {
            username: "watcher".to_owned(),
            user_domain: DomainName::Name("Default".to_owned()),
            password: Secret::new("hunter2"),
            project: ProjectName::Name { name: "service".to_owned(), domain: DomainName::Id("default".to_owned()) },
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let application = Credentials::ApplicationCredential { id: "a1".to_owned(), secret: Secret::new("hunter2") };
        for credentials in [password(), application] {
            assert!(!format!("{credentials:?} {}", credentials.who()).contains("hunter2"));
        }
    }

    #[test]
    fn bodies_are_what_keystone_takes() {
        assert_eq!(
            password().body(),
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user": {
                    "name": "watcher", "domain": {"name": "Default"}, "password": "hunter2"}}},
                "scope": {"project": {"name": "service", "domain": {"id": "default"}}},
            }})
        );
        let by_id = Credentials::UserId {
            user_id: "u1".to_owned(),
            password: Secret::new("x"),
            project: ProjectName::Id("p1".to_owned()),
        };
        assert_eq!(by_id.body()["auth"]["scope"], json!({"project": {"id": "p1"}}));
        let application = Credentials::ApplicationCredential { id: "a1".to_owned(), secret: Secret::new("x") };
        assert_eq!(
            application.body(),
            json!({"auth": {"identity": {
                "methods": ["application_credential"], "application_credential": {"id": "a1", "secret": "x"}}}})
        );
    }
}
