//! Tokens, scopes, the catalogue and lookups.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use watcher_simulator::SimulatorOptions;

use crate::support::{Answer, Cloud, password, read, small_file};

async fn log_in(cloud: &Cloud, body: &Value) -> Answer {
    let url = format!("{}/auth/tokens", cloud.running.endpoints().identity);
    read(cloud.http.post(url).json(body)).await
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    answer.headers["x-subject-token"].to_str().unwrap().to_owned()
}

async fn about(cloud: &Cloud, method: Method, asker: &str, subject: &str) -> Answer {
    let url = format!("{}/auth/tokens", cloud.running.endpoints().identity);
    read(cloud.http.request(method, url).header("x-auth-token", asker).header("x-subject-token", subject)).await
}

#[tokio::test]
async fn a_token_is_made_validated_expires_and_is_revoked() {
    let options = SimulatorOptions { token_lifetime_s: 600, ..SimulatorOptions::default() };
    let cloud = Cloud::start(small_file(), options).await;
    let alice = log_in(&cloud, &password("alice", "alice-password", "alpha")).await;
    assert_eq!(alice.body["token"]["project"]["name"], "alpha");
    assert_eq!(alice.body["token"]["user"]["domain"]["id"], "default");
    assert_eq!(alice.body["token"]["expires_at"], "2026-01-02T12:10:00.000000Z");
    let roles: Vec<_> = alice.body["token"]["roles"].as_array().unwrap().iter().map(|role| &role["name"]).collect();
    assert_eq!(roles, ["member", "reader"]);
    let alice = token(&alice);

    let seen = about(&cloud, Method::GET, &cloud.token, &alice).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(seen.body["token"]["user"]["name"], "alice");
    assert_eq!(about(&cloud, Method::HEAD, &cloud.token, &alice).await.status, StatusCode::OK);
    // A member may look at its own token, and at no other.
    assert_eq!(about(&cloud, Method::GET, &alice, &alice).await.status, StatusCode::OK);
    assert_eq!(about(&cloud, Method::GET, &alice, &cloud.token).await.status, StatusCode::FORBIDDEN);
    assert_eq!(about(&cloud, Method::GET, "nonsense", &alice).await.status, StatusCode::UNAUTHORIZED);
    let missing = about(&cloud, Method::GET, &cloud.token, "nonsense").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(missing.body["error"]["code"], 404);

    let bob = token(&log_in(&cloud, &password("bob", "bob-password", "beta")).await);
    assert_eq!(about(&cloud, Method::DELETE, &cloud.token, &bob).await.status, StatusCode::NO_CONTENT);
    assert_eq!(about(&cloud, Method::GET, &cloud.token, &bob).await.status, StatusCode::NOT_FOUND);

    cloud.advance(600_000);
    assert_eq!(about(&cloud, Method::GET, &alice, &alice).await.status, StatusCode::UNAUTHORIZED);
    let nova = cloud.nova(90, Method::GET, "/servers", None).await;
    assert_eq!(nova.status, StatusCode::UNAUTHORIZED);
    assert_eq!(nova.body["error"]["title"], "Unauthorized");
    assert!(nova.headers["www-authenticate"].to_str().unwrap().starts_with("Keystone uri="));
}

#[tokio::test]
async fn a_wrong_login_is_401_and_a_malformed_one_400() {
    let cloud = Cloud::small().await;
    for body in [
        password("admin", "wrong", "admin"),
        password("nobody", "admin-password", "admin"),
        password("alice", "alice-password", "beta"),
        password("alice", "alice-password", "nowhere"),
    ] {
        let refused = log_in(&cloud, &body).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{body}");
        assert_eq!(refused.body["error"]["message"], "The request you have made requires authentication.");
    }
    for body in [json!({}), json!({"auth": {"identity": {"methods": []}}}), json!([1])] {
        assert_eq!(log_in(&cloud, &body).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn every_scope_and_method_gives_a_token() {
    let cloud = Cloud::small().await;
    let mut body = password("admin", "admin-password", "admin");
    for (scope, field) in [
        (json!({"system": {"all": true}}), "system"),
        (json!({"domain": {"id": "default"}}), "domain"),
        (json!("unscoped"), "user"),
    ] {
        body["auth"]["scope"] = scope;
        let answer = log_in(&cloud, &body).await;
        assert!(answer.body["token"][field].is_object(), "{}", answer.body);
    }
    // Unscoped, then scoped by token.
    let unscoped = log_in(&cloud, &body).await;
    assert!(unscoped.body["token"].get("catalog").is_none());
    let by_token = json!({"auth": {
        "identity": {"methods": ["token"], "token": {"id": token(&unscoped)}},
        "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
    }});
    let scoped = log_in(&cloud, &by_token).await;
    assert_eq!(scoped.body["token"]["methods"], json!(["password", "token"]));
    assert_eq!(scoped.body["token"]["expires_at"], unscoped.body["token"]["expires_at"]);

    // By user id, and with an application credential.
    let user = scoped.body["token"]["user"]["id"].as_str().unwrap();
    let path = format!("/identity/v3/users/{user}/application_credentials");
    let made =
        read(cloud.request(Method::POST, &path).json(&json!({"application_credential": {"name": "robot"}}))).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let credential = &made.body["application_credential"];
    let by_credential = json!({"auth": {"identity": {
        "methods": ["application_credential"],
        "application_credential": {"id": credential["id"], "secret": credential["secret"]},
    }}});
    let with_credential = log_in(&cloud, &by_credential).await;
    assert_eq!(with_credential.body["token"]["project"]["name"], "admin");
    assert_eq!(with_credential.body["token"]["application_credential"]["name"], "robot");
    let path = format!("{path}/{}", credential["id"].as_str().unwrap());
    assert_eq!(read(cloud.request(Method::DELETE, &path)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(log_in(&cloud, &by_credential).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_catalogue_names_all_services_on_all_interfaces() {
    let options =
        SimulatorOptions { infra_optim_url: "http://watcher.example:9322/".into(), ..SimulatorOptions::default() };
    let cloud = Cloud::start(small_file(), options).await;
    let answer = cloud.get("/identity/v3/auth/catalog").await;
    let endpoints = cloud.running.endpoints().clone();
    let url = |kind: &str, interface: &str| {
        let services = answer.body["catalog"].as_array().unwrap();
        let service = services.iter().find(|service| service["type"] == kind).unwrap();
        let found = service["endpoints"].as_array().unwrap().iter().find(|endpoint| endpoint["interface"] == interface);
        assert_eq!(found.unwrap()["region"], "RegionOne");
        found.unwrap()["url"].as_str().unwrap().to_owned()
    };
    for interface in ["public", "internal", "admin"] {
        assert_eq!(url("compute", interface), endpoints.compute);
        assert_eq!(url("placement", interface), endpoints.placement);
        assert_eq!(url("metric-storage", interface), endpoints.prometheus);
        assert_eq!(url("infra-optim", interface), "http://watcher.example:9322");
        assert_eq!(url("identity", interface), format!("{}/identity", endpoints.base));
    }
}

#[tokio::test]
async fn version_documents_need_no_token() {
    let cloud = Cloud::small().await;
    let base = &cloud.running.endpoints().base;
    for (path, status) in [
        ("/identity", 300),
        ("/identity/", 300),
        ("/identity/v3", 200),
        ("/identity/v3/", 200),
        ("/compute/", 200),
        ("/compute/v2.1", 200),
        ("/compute/v2.1/", 200),
        ("/placement/", 200),
        ("/placement", 200),
    ] {
        let answer = read(cloud.http.get(format!("{base}{path}"))).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(answer.body.get("version").or(answer.body.get("versions")).is_some(), "{path}");
    }
}

#[tokio::test]
async fn projects_users_and_roles_can_be_looked_up() {
    let cloud = Cloud::small().await;
    let projects = cloud.get("/identity/v3/projects?name=alpha").await;
    assert_eq!(projects.body["projects"].as_array().unwrap().len(), 1);
    let id = projects.body["projects"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(cloud.get(&format!("/identity/v3/projects/{id}")).await.body["project"]["name"], "alpha");
    assert_eq!(cloud.get("/identity/v3/projects/nonsense").await.status, StatusCode::NOT_FOUND);
    assert_eq!(cloud.get("/identity/v3/users").await.body["users"].as_array().unwrap().len(), 5);
    for list in ["roles", "domains", "regions", "services", "endpoints", "role_assignments"] {
        let answer = cloud.get(&format!("/identity/v3/{list}")).await;
        assert!(!answer.body[list].as_array().unwrap().is_empty(), "{list}");
    }
    assert_eq!(cloud.get("/identity/v3/auth/projects").await.body["projects"][0]["name"], "admin");

    let mut alice = cloud;
    alice.token = alice.log_in("alice", "alice-password", "alpha").await;
    assert_eq!(alice.get("/identity/v3/users").await.status, StatusCode::FORBIDDEN);
    assert_eq!(alice.get(&format!("/identity/v3/projects/{id}")).await.status, StatusCode::OK);
}
