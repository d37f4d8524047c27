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

/// A user, by id, or by name in a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserName {
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

impl UserName {
    fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Name { name, .. } => name,
        }
    }

    fn body(&self) -> Value {
        match self {
            Self::Id(id) => json!({"id": id}),
            Self::Name { name, domain } => json!({"name": name, "domain": domain}),
        }
    }
}

/// What a user wants to work in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A project.
    Project(ProjectName),
    /// A domain.
    Domain(DomainName),
    /// The whole system.
    System,
}

impl Scope {
    fn body(&self) -> Value {
        match self {
            Self::Project(ProjectName::Id(id)) => json!({"project": {"id": id}}),
            Self::Project(ProjectName::Name { name, domain }) => json!({"project": {"name": name, "domain": domain}}),
            Self::Domain(domain) => json!({"domain": domain}),
            Self::System => json!({"system": {"all": true}}),
        }
    }
}

/// How the service user logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// With a password.
    Password {
        /// Who.
        user: UserName,
        /// Password.
        password: Secret,
        /// What to work in.
        scope: Scope,
    },
    /// With an application credential, which knows its user and project.
    ApplicationCredential {
        /// Its id.
        id: String,
        /// Its secret.
        secret: Secret,
    },
    /// With an application credential by name.
    NamedApplicationCredential {
        /// Whose it is.
        user: UserName,
        /// Its name.
        name: String,
        /// Its secret.
        secret: Secret,
    },
}

impl Credentials {
    /// Who logs in, in words: `user watcher`.
    pub fn who(&self) -> String {
        match self {
            Self::Password { user, .. } => format!("user {}", user.as_str()),
            Self::ApplicationCredential { id, .. } => format!("application credential {id}"),
            Self::NamedApplicationCredential { user, name, .. } => {
                format!("application credential {name} of user {}", user.as_str())
            }
        }
    }

    /// What is wrong where Keystone does not accept it, in words.
    pub(crate) fn suspects(&self) -> &'static str {
        match self {
            Self::Password { .. } => "wrong name, domain, project or password",
            Self::ApplicationCredential { .. } | Self::NamedApplicationCredential { .. } => {
                "wrong id, name or secret, or it has expired"
            }
        }
    }

    /// The body of `POST /auth/tokens`.
    pub(crate) fn body(&self) -> Value {
        match self {
            Self::Password { user, password, scope } => {
                let mut user = user.body();
                user["password"] = password.reveal().into();
                let identity = json!({"methods": ["password"], "password": {"user": user}});
                json!({"auth": {"identity": identity, "scope": scope.body()}})
            }
            Self::ApplicationCredential { id, secret } => {
                application_credential(&json!({"id": id, "secret": secret.reveal()}))
            }
            Self::NamedApplicationCredential { user, name, secret } => {
                application_credential(&json!({"name": name, "user": user.body(), "secret": secret.reveal()}))
            }
        }
    }
}

fn application_credential(credential: &Value) -> Value {
    json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential": credential}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Credentials {
        let domain = DomainName::Id("default".to_owned());
        Credentials::Password {
            user: UserName::Name { name: "watcher".to_owned(), domain: DomainName::Name("Default".to_owned()) },
            password: Secret::new("hunter2"),
            scope: Scope::Project(ProjectName::Name { name: "service".to_owned(), domain }),
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
        for (scope, want) in [
            (Scope::Project(ProjectName::Id("p1".to_owned())), json!({"project": {"id": "p1"}})),
            (Scope::Domain(DomainName::Id("d1".to_owned())), json!({"domain": {"id": "d1"}})),
            (Scope::System, json!({"system": {"all": true}})),
        ] {
            let user = UserName::Id("u1".to_owned());
            let by_id = Credentials::Password { user, password: Secret::new("x"), scope };
            let body = &by_id.body()["auth"];
            assert_eq!(body["identity"]["password"]["user"], json!({"id": "u1", "password": "x"}));
            assert_eq!(body["scope"], want);
        }
        let application = Credentials::ApplicationCredential { id: "a1".to_owned(), secret: Secret::new("x") };
        assert_eq!(
            application.body(),
            json!({"auth": {"identity": {
                "methods": ["application_credential"], "application_credential": {"id": "a1", "secret": "x"}}}})
        );
        let named = Credentials::NamedApplicationCredential {
            user: UserName::Name { name: "anna".to_owned(), domain: DomainName::Id("d1".to_owned()) },
            name: "robot".to_owned(),
            secret: Secret::new("x"),
        };
        assert_eq!(
            named.body()["auth"]["identity"]["application_credential"],
            json!({"name": "robot", "secret": "x", "user": {"name": "anna", "domain": {"id": "d1"}}})
        );
        assert_eq!(named.who(), "application credential robot of user anna");
    }
}
