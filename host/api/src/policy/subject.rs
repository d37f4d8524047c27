//! What checks are about: the caller, by the attributes of a token, and the target of an operation.

use std::collections::BTreeMap;
use std::fmt;

use crate::auth::Caller;

macro_rules! attributes {
    ($($name:ident = $text:literal $(| $other:literal)*,)*) => {
        /// Something that a check can ask about a caller.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Attribute { $(#[doc = concat!("`", $text, "`.")] $name,)* }

        impl Attribute {
            /// Every attribute.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in a policy file.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The attribute of this name, or of an older name for the same.
            pub fn named(text: &str) -> Option<Self> {
                match text { $($text $(| $other)* => Some(Self::$name),)* _ => None }
            }
        }
    };
}

attributes! {
    UserId = "user_id" | "user",
    UserDomainId = "user_domain_id" | "user_domain",
    ProjectId = "project_id" | "project" | "tenant_id" | "tenant",
    ProjectDomainId = "project_domain_id" | "project_domain",
    DomainId = "domain_id" | "domain",
    SystemScope = "system_scope" | "system",
    Roles = "roles",
    IsAdmin = "is_admin",
    IsAdminProject = "is_admin_project",
    ServiceUserId = "service_user_id",
    ServiceUserDomainId = "service_user_domain_id",
    ServiceProjectId = "service_project_id",
    ServiceProjectDomainId = "service_project_domain_id",
    ServiceRoles = "service_roles",
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A caller as checks see it. What a token does not have is the text `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a>(pub(super) &'a Caller);

impl<'a> Subject<'a> {
    /// Whether the caller has a role. Role names are compared without regard to case, as Keystone does.
    pub(super) fn has_role(self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.0.roles.iter().any(|role| role.to_lowercase() == name)
    }

    pub(super) fn is(self, attribute: Attribute, value: &str) -> bool {
        self.values(attribute).contains(&value)
    }

    /// What the caller has of it.
    pub(super) fn values(self, attribute: Attribute) -> Vec<&'a str> {
        let one = |value: Option<&'a str>| vec![value.unwrap_or("None")];
        let many = |values: &'a [String]| values.iter().map(String::as_str).collect::<Vec<_>>();
        let caller = self.0;
        let service = caller.service.as_deref();
        match attribute {
            Attribute::UserId => one(caller.user_id.as_deref()),
            Attribute::UserDomainId => one(caller.user_domain_id.as_deref()),
            Attribute::ProjectId => one(caller.project_id.as_ref().map(|project| project.0.as_str())),
            Attribute::ProjectDomainId => one(caller.project_domain_id.as_deref()),
            Attribute::DomainId => one(caller.domain_id.as_deref()),
            Attribute::SystemScope => one(caller.is_system.then_some("all")),
            Attribute::Roles => many(&caller.roles),
            Attribute::IsAdmin => one(caller.is_anybody.then_some("True")),
            Attribute::IsAdminProject => one(Some(if caller.outside_admin_project { "False" } else { "True" })),
            Attribute::ServiceUserId => one(service.and_then(|service| service.user_id.as_deref())),
            Attribute::ServiceUserDomainId => one(service.and_then(|service| service.user_domain_id.as_deref())),
            Attribute::ServiceProjectId => {
                one(service.and_then(|service| service.project_id.as_ref()).map(|project| project.0.as_str()))
            }
            Attribute::ServiceProjectDomainId => one(service.and_then(|service| service.project_domain_id.as_deref())),
            Attribute::ServiceRoles => many(service.map(|service| service.roles.as_slice()).unwrap_or_default()),
        }
    }
}

/// What an operation is about, as checks see it by `%(name)s`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target(BTreeMap<&'static str, String>);

impl Target {
    /// Names of everything that a target can have.
    pub const ATTRIBUTES: &'static [&'static str] = &["project_id", "user_id", "uuid", "name", "state"];

    /// What is not there yet, or a whole list: it counts as the caller's own.
    pub fn own(caller: &Caller) -> Self {
        Self::default()
            .with("project_id", caller.project_id.as_ref().map(|project| project.0.as_str()))
            .with("user_id", caller.user_id.as_deref())
    }

    /// The same with one attribute more, if there is a value. Names that no target has are passed over.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let (Some(name), Some(value)) = (Self::ATTRIBUTES.iter().find(|known| **known == name), value) {
            self.0.insert(name, value.to_owned());
        }
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}
