//! What clients look up: projects, users, roles, domains, regions, services, endpoints, and their own view of these.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::INTERFACES;
use super::directory::{DOMAIN_ID, DOMAIN_NAME, ROLES, role_id, role_view};
use super::{Keystone, KeystoneError};
use crate::app::{App, reply};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/identity/v3/auth/catalog", get(catalog))
        .route("/identity/v3/auth/projects", get(own_projects))
        .route("/identity/v3/auth/domains", get(own_domains))
        .route("/identity/v3/auth/system", get(own_system))
        .route("/identity/v3/projects", get(projects))
        .route("/identity/v3/projects/{id}", get(project))
        .route("/identity/v3/users", get(users))
        .route("/identity/v3/users/{user}", get(user))
        .route("/identity/v3/users/{user}/projects", get(user_projects))
        .route("/identity/v3/roles", get(roles))
        .route("/identity/v3/roles/{id}", get(role))
        .route("/identity/v3/role_assignments", get(role_assignments))
        .route("/identity/v3/domains", get(domains))
        .route("/identity/v3/domains/{id}", get(domain))
        .route("/identity/v3/regions", get(regions))
        .route("/identity/v3/regions/{id}", get(region))
        .route("/identity/v3/services", get(services))
        .route("/identity/v3/services/{id}", get(service))
        .route("/identity/v3/endpoints", get(endpoints))
}

/// Filters of all lists; each list uses those that it has.
#[derive(Debug, Default, Deserialize)]
struct Filter {
    name: Option<String>,
    domain_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    service_id: Option<String>,
    interface: Option<String>,
    #[serde(rename = "user.id")]
    user_id: Option<String>,
    #[serde(rename = "scope.project.id")]
    project_id: Option<String>,
    include_names: Option<String>,
}

impl Filter {
    fn takes(&self, view: &Value) -> bool {
        self.name.as_ref().is_none_or(|name| view["name"] == name.as_str())
            && self.domain_id.as_ref().is_none_or(|id| view["domain_id"] == id.as_str())
    }
}

type Answer = Result<Response, KeystoneError>;

fn list(app: &App, path: &str, name: &str, items: impl IntoIterator<Item = Value>) -> Response {
    let links = json!({"next": null, "self": format!("{}/{path}", app.endpoints.identity), "previous": null});
    reply(StatusCode::OK, &json!({name: items.into_iter().collect::<Value>(), "links": links}))
}

fn domain_view(app: &App) -> Value {
    json!({
        "id": DOMAIN_ID,
        "name": DOMAIN_NAME,
        "description": "The default domain",
        "enabled": true,
        "options": {},
        "tags": [],
        "links": {"self": format!("{}/domains/{DOMAIN_ID}", app.endpoints.identity)},
    })
}

impl Keystone {
    fn require_admin(&self, headers: &HeaderMap, app: &App, action: &'static str) -> Result<(), KeystoneError> {
        let caller = self.caller(headers, app.now())?;
        if caller.roles.contains(&"admin") { Ok(()) } else { Err(KeystoneError::Forbidden(action)) }
    }

    fn projects_of(&self, user: usize, identity: &str) -> Vec<Value> {
        self.directory.users[user]
            .grants
            .iter()
            .map(|&(project, _)| self.directory.projects[project].view(identity))
            .collect()
    }
}

async fn catalog(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let keystone = app.keystone();
    keystone.caller(&headers, app.now())?;
    let links = json!({"self": format!("{}/auth/catalog", app.endpoints.identity), "next": null, "previous": null});
    Ok(reply(StatusCode::OK, &json!({"catalog": keystone.catalog.view(), "links": links})))
}

async fn own_projects(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let keystone = app.keystone();
    let user = keystone.caller(&headers, app.now())?.user;
    Ok(list(&app, "auth/projects", "projects", keystone.projects_of(user, &app.endpoints.identity)))
}

async fn own_domains(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let keystone = app.keystone();
    let user = keystone.caller(&headers, app.now())?.user;
    let admin = !keystone.directory.users[user].system_roles.is_empty();
    Ok(list(&app, "auth/domains", "domains", if admin { vec![domain_view(&app)] } else { Vec::new() }))
}

async fn own_system(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let keystone = app.keystone();
    let user = keystone.caller(&headers, app.now())?.user;
    let admin = !keystone.directory.users[user].system_roles.is_empty();
    Ok(list(&app, "auth/system", "system", if admin { vec![json!({"all": true})] } else { Vec::new() }))
}

async fn projects(State(app): State<Arc<App>>, headers: HeaderMap, Query(filter): Query<Filter>) -> Answer {
    let keystone = app.keystone();
    keystone.require_admin(&headers, &app, "identity:list_projects")?;
    let views = keystone.directory.projects.iter().map(|project| project.view(&app.endpoints.identity));
    Ok(list(&app, "projects", "projects", views.filter(|view| filter.takes(view))))
}

async fn project(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let keystone = app.keystone();
    let caller = keystone.caller(&headers, app.now())?;
    let found = keystone.directory.project_with_id(&id);
    let own = found.is_some_and(|project| keystone.directory.users[caller.user].roles_in(project).is_some());
    if !own {
        keystone.require_admin(&headers, &app, "identity:get_project")?;
    }
    let found = found.ok_or(KeystoneError::NotFound { kind: "project", id })?;
    let view = keystone.directory.projects[found].view(&app.endpoints.identity);
    Ok(reply(StatusCode::OK, &json!({"project": view})))
}

async fn users(State(app): State<Arc<App>>, headers: HeaderMap, Query(filter): Query<Filter>) -> Answer {
    let keystone = app.keystone();
    keystone.require_admin(&headers, &app, "identity:list_users")?;
    let views = keystone.directory.users.iter().map(|user| user.view(&app.endpoints.identity));
    Ok(list(&app, "users", "users", views.filter(|view| filter.takes(view))))
}

/// The user itself or an admin, and the index of the user.
fn looked_up(
    keystone: &Keystone,
    app: &App,
    headers: &HeaderMap,
    id: String,
    action: &'static str,
) -> Result<usize, KeystoneError> {
    let caller = keystone.caller(headers, app.now())?;
    let found = keystone.directory.user_with_id(&id);
    if found != Some(caller.user) {
        keystone.require_admin(headers, app, action)?;
    }
    found.ok_or(KeystoneError::NotFound { kind: "user", id })
}

async fn user(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let keystone = app.keystone();
    let found = looked_up(&keystone, &app, &headers, id, "identity:get_user")?;
    let view = keystone.directory.users[found].view(&app.endpoints.identity);
    Ok(reply(StatusCode::OK, &json!({"user": view})))
}

async fn user_projects(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let keystone = app.keystone();
    let found = looked_up(&keystone, &app, &headers, id, "identity:list_user_projects")?;
    let views = keystone.projects_of(found, &app.endpoints.identity);
    Ok(list(&app, "users/projects", "projects", views))
}

async fn roles(State(app): State<Arc<App>>, headers: HeaderMap, Query(filter): Query<Filter>) -> Answer {
    let keystone = app.keystone();
    keystone.require_admin(&headers, &app, "identity:list_roles")?;
    let views = ROLES.iter().map(|name| role_view(name, &app.endpoints.identity));
    Ok(list(&app, "roles", "roles", views.filter(|view| filter.takes(view))))
}

async fn role(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    app.keystone().require_admin(&headers, &app, "identity:get_role")?;
    let name = ROLES.iter().find(|name| role_id(name) == id).ok_or(KeystoneError::NotFound { kind: "role", id })?;
    Ok(reply(StatusCode::OK, &json!({"role": role_view(name, &app.endpoints.identity)})))
}

async fn role_assignments(State(app): State<Arc<App>>, headers: HeaderMap, Query(filter): Query<Filter>) -> Answer {
    let keystone = app.keystone();
    keystone.require_admin(&headers, &app, "identity:list_role_assignments")?;
    let domain = json!({"id": DOMAIN_ID, "name": DOMAIN_NAME});
    let with_names = filter.include_names.is_some();
    let named = |id: &str, name: &str, has_domain: bool| {
        let mut view = json!({"id": id});
        if with_names {
            view["name"] = name.into();
            if has_domain {
                view["domain"] = domain.clone();
            }
        }
        view
    };
    let mut items = Vec::new();
    for user in &keystone.directory.users {
        for &(project, roles) in &user.grants {
            let project = &keystone.directory.projects[project];
            if filter.user_id.as_ref().is_some_and(|id| *id != user.id)
                || filter.project_id.as_ref().is_some_and(|id| *id != project.id)
            {
                continue;
            }
            items.extend(roles.iter().map(|role| {
                json!({
                    "role": named(&role_id(role), role, false),
                    "user": named(&user.id, user.name, true),
                    "scope": {"project": named(&project.id, project.name, true)},
                    "links": {},
                })
            }));
        }
    }
    Ok(list(&app, "role_assignments", "role_assignments", items))
}

async fn domains(State(app): State<Arc<App>>, headers: HeaderMap, Query(filter): Query<Filter>) -> Answer {
    app.keystone().require_admin(&headers, &app, "identity:list_domains")?;
    let views = vec![domain_view(&app)];
    Ok(list(&app, "domains", "domains", views.into_iter().filter(|view| filter.takes(view))))
}

async fn domain(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    app.keystone().caller(&headers, app.now())?;
    if id != DOMAIN_ID {
        return Err(KeystoneError::NotFound { kind: "domain", id });
    }
    Ok(reply(StatusCode::OK, &json!({"domain": domain_view(&app)})))
}

fn region_view(app: &App, region: &str) -> Value {
    json!({
        "id": region,
        "description": "",
        "parent_region_id": null,
        "links": {"self": format!("{}/regions/{region}", app.endpoints.identity)},
    })
}

async fn regions(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let keystone = app.keystone();
    keystone.caller(&headers, app.now())?;
    Ok(list(&app, "regions", "regions", vec![region_view(&app, &keystone.catalog.region)]))
}

async fn region(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let keystone = app.keystone();
    keystone.caller(&headers, app.now())?;
    if id != keystone.catalog.region {
        return Err(KeystoneError::NotFound { kind: "region", id });
    }
    Ok(reply(StatusCode::OK, &json!({"region": region_view(&app, &id)})))
}

fn service_views(keystone: &Keystone, app: &App) -> Vec<Value> {
    let view = |service: &super::catalog::Service| {
        json!({
            "id": service.id,
            "type": service.kind,
            "name": service.name,
            "enabled": true,
            "links": {"self": format!("{}/services/{}", app.endpoints.identity, service.id)},
        })
    };
    keystone.catalog.services.iter().map(view).collect()
}

async fn services(State(app): State<Arc<App>>, headers: HeaderMap, Query(filter): Query<Filter>) -> Answer {
    let keystone = app.keystone();
    keystone.require_admin(&headers, &app, "identity:list_services")?;
    let takes = |view: &Value| {
        filter.kind.as_ref().is_none_or(|kind| view["type"] == kind.as_str())
            && filter.name.as_ref().is_none_or(|name| view["name"] == name.as_str())
    };
    let views = service_views(&keystone, &app).into_iter().filter(takes);
    Ok(list(&app, "services", "services", views))
}

async fn service(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let keystone = app.keystone();
    keystone.require_admin(&headers, &app, "identity:get_service")?;
    let found = service_views(&keystone, &app).into_iter().find(|view| view["id"] == id.as_str());
    let view = found.ok_or(KeystoneError::NotFound { kind: "service", id })?;
    Ok(reply(StatusCode::OK, &json!({"service": view})))
}

async fn endpoints(State(app): State<Arc<App>>, headers: HeaderMap, Query(filter): Query<Filter>) -> Answer {
    let keystone = app.keystone();
    keystone.require_admin(&headers, &app, "identity:list_endpoints")?;
    let mut items = Vec::new();
    for service in &keystone.catalog.services {
        for interface in INTERFACES {
            if filter.service_id.as_ref().is_some_and(|id| *id != service.id)
                || filter.interface.as_ref().is_some_and(|wanted| wanted != interface)
            {
                continue;
            }
            let id = service.endpoint_id(interface);
            items.push(json!({
                "links": {"self": format!("{}/endpoints/{id}", app.endpoints.identity)},
                "id": id,
                "interface": interface,
                "region": keystone.catalog.region,
                "region_id": keystone.catalog.region,
                "service_id": service.id,
                "url": service.url,
                "enabled": true,
            }));
        }
    }
    Ok(list(&app, "endpoints", "endpoints", items))
}
