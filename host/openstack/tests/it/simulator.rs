//! Against the simulated cloud, which follows the real protocols on its own.

use std::sync::Arc;

use serde_json::{Value, json};
use watcher_cluster::ClusterFile;
use watcher_domain::clock::{CountingIds, SystemClock};
use watcher_domain::cloud::{CloudRequest, Method};
use watcher_openstack::{
    Credentials, DomainName, ProjectName, Scope, Secret, Session, SessionOptions, TokenError, TokenValidator, UserName,
    ValidatorOptions,
};
use watcher_simulator::{RunningSimulator, Simulator, SimulatorOptions};

async fn cloud() -> RunningSimulator {
    let file = ClusterFile::parse(
        br#"{"compute": {"nodes": [{"uuid": "11111111-1111-4111-8111-111111111111", "hostname": "node_1",
            "vcpus": 4, "memory": 1024, "disk": 10}]}}"#,
    )
    .unwrap();
    Simulator::new(file, SimulatorOptions::default()).start().await.unwrap()
}

fn user(name: &str, password: &str, project: &str) -> Credentials {
    let domain = DomainName::Id("default".to_owned());
    Credentials::Password {
        user: UserName::Name { name: name.to_owned(), domain: domain.clone() },
        password: Secret::new(password),
        scope: Scope::Project(ProjectName::Name { name: project.to_owned(), domain }),
    }
}

fn session(cloud: &RunningSimulator, credentials: Credentials) -> Arc<Session> {
    let options = SessionOptions::new(cloud.endpoints().identity.clone(), credentials);
    Arc::new(Session::new(options, Arc::new(SystemClock), Arc::new(CountingIds::default())).unwrap())
}

fn request(method: Method, service_type: &str, path: &str, body: Option<&Value>) -> CloudRequest {
    CloudRequest {
        service_type: service_type.to_owned(),
        method,
        path: path.to_owned(),
        query: Vec::new(),
        body: body.map(ToString::to_string),
        microversion: None,
    }
}

#[tokio::test]
async fn the_service_user_reaches_nova_by_the_catalogue() {
    let cloud = cloud().await;
    let session = session(&cloud, user("watcher", "watcher-password", "service"));
    let answer = session.request(&request(Method::Get, "compute", "/os-hypervisors", None)).await.unwrap();
    assert!(String::from_utf8_lossy(&answer.body).contains("node_1"), "{}", answer.error_message());
    assert!(session.has_service("metric-storage").await.unwrap());
}

#[tokio::test]
async fn an_application_credential_logs_in_and_its_user_is_known() {
    let cloud = cloud().await;
    let admin = session(&cloud, user("admin", "admin-password", "admin"));
    let validator = TokenValidator::new(Arc::clone(&admin), Arc::new(SystemClock), ValidatorOptions::default());
    assert!(matches!(validator.validate("nobody's").await, Err(TokenError::Rejected)));

    let whoami = admin.request(&request(Method::Get, "identity", "/users", None)).await.unwrap();
    let users: Value = serde_json::from_slice(&whoami.body).unwrap();
    let users = users["users"].as_array().unwrap();
    let id = users.iter().find(|user| user["name"] == "admin").unwrap()["id"].as_str().unwrap();
    let path = format!("/users/{id}/application_credentials");
    let body = json!({"application_credential": {"name": "test", "secret": "s3cret"}});
    let answer = admin.request(&request(Method::Post, "identity", &path, Some(&body))).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.error_message());
    let made: Value = serde_json::from_slice(&answer.body).unwrap();
    let credential = Credentials::ApplicationCredential {
        id: made["application_credential"]["id"].as_str().unwrap().to_owned(),
        secret: Secret::new("s3cret"),
    };
    session(&cloud, credential).authenticate().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_told() {
    let cloud = cloud().await;
    let text = session(&cloud, user("watcher", "wrong", "service")).authenticate().await.unwrap_err().to_string();
    assert!(text.contains("does not accept user watcher") && !text.contains("wrong\""), "{text}");
}
