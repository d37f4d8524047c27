//! The built-in users, projects and roles.

use serde_json::{Value, json};

use crate::ids::derived_hex;
use crate::options::SimulatorOptions;

/// The only domain.
pub(super) const DOMAIN_ID: &str = "default";
pub(super) const DOMAIN_NAME: &str = "Default";

/// All roles; each implies those after it up to `reader`.
pub(super) const ROLES: [&str; 5] = ["admin", "manager", "member", "reader", "service"];

const ADMIN: &[&str] = &["admin", "manager", "member", "reader"];
const SERVICE: &[&str] = &["admin", "manager", "member", "reader", "service"];
const MEMBER: &[&str] = &["member", "reader"];
const READER: &[&str] = &["reader"];

/// A user without administrative roles, the same in every simulated cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Name of the user, in domain `Default`.
    pub user: &'static str,
    /// The user's password.
    pub password: &'static str,
    /// Name of the project, in domain `Default`, that the user is a member of.
    pub project: &'static str,
}

/// A member of project `alpha`.
pub const ALICE: Member = Member { user: "alice", password: "alice-password", project: "alpha" };
/// A member of project `beta`.
pub const BOB: Member = Member { user: "bob", password: "bob-password", project: "beta" };

impl Member {
    /// Id of the project: 32 hexadecimal digits.
    pub fn project_id(&self) -> String {
        derived_hex("project", self.project)
    }
}

/// A project.
#[derive(Debug, Clone)]
pub(super) struct Project {
    pub(super) id: String,
    pub(super) name: &'static str,
}

/// A user, with the roles it has in projects.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) name: &'static str,
    pub(super) password: String,
    /// Index of a project, and the roles there with all they imply.
    pub(super) grants: Vec<(usize, &'static [&'static str])>,
    /// Roles on the system and on the domain.
    pub(super) system_roles: &'static [&'static str],
}

/// Users and projects; they do not change while a simulator runs.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    pub(super) projects: Vec<Project>,
    pub(super) users: Vec<User>,
}

impl Directory {
    pub(super) fn new(options: &SimulatorOptions) -> Self {
        let projects = ["admin", "service", ALICE.project, BOB.project]
            .into_iter()
            .map(|name| Project { id: derived_hex("project", name), name })
            .collect();
        let user = |name: &'static str, password: &str, project, roles, system_roles| User {
            id: derived_hex("user", name),
            name,
            password: password.to_owned(),
            grants: vec![(project, roles)],
            system_roles,
        };
        let users = vec![
            user("admin", &options.admin_password, 0, ADMIN, ADMIN),
            user("watcher", &options.service_password, 1, SERVICE, ADMIN),
            user(ALICE.user, ALICE.password, 2, MEMBER, &[]),
            user(BOB.user, BOB.password, 3, MEMBER, &[]),
            user("rita", "rita-password", 2, READER, &[]),
        ];
        Self { projects, users }
    }

    pub(super) fn project_with_id(&self, id: &str) -> Option<usize> {
        self.projects.iter().position(|project| project.id == id)
    }

    pub(super) fn project_named(&self, name: &str) -> Option<usize> {
        self.projects.iter().position(|project| project.name == name)
    }

    pub(super) fn user_with_id(&self, id: &str) -> Option<usize> {
        self.users.iter().position(|user| user.id == id)
    }

    pub(super) fn user_named(&self, name: &str) -> Option<usize> {
        self.users.iter().position(|user| user.name == name)
    }
}

impl User {
    pub(super) fn roles_in(&self, project: usize) -> Option<&'static [&'static str]> {
        self.grants.iter().find(|(granted, _)| *granted == project).map(|(_, roles)| *roles)
    }

    pub(super) fn view(&self, identity: &str) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "domain_id": DOMAIN_ID,
            "enabled": true,
            "default_project_id": null,
            "password_expires_at": null,
            "options": {},
            "links": {"self": format!("{identity}/users/{}", self.id)},
        })
    }
}

impl Project {
    pub(super) fn view(&self, identity: &str) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "domain_id": DOMAIN_ID,
            "parent_id": DOMAIN_ID,
            "is_domain": false,
            "enabled": true,
            "description": "",
            "tags": [],
            "options": {},
            "links": {"self": format!("{identity}/projects/{}", self.id)},
        })
    }
}

/// Id of a role.
pub(super) fn role_id(name: &str) -> String {
    derived_hex("role", name)
}

/// A role as a resource.
pub(super) fn role_view(name: &str, identity: &str) -> Value {
    let id = role_id(name);
    json!({
        "links": {"self": format!("{identity}/roles/{id}")},
        "id": id,
        "name": name,
        "domain_id": null,
        "description": null,
        "options": {},
    })
}
