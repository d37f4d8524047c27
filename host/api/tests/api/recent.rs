//! Lists of goals and strategies that are answered from memory for a moment.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;
use watcher_api::ApiOptions;

use crate::service::Service;

const MOMENT: Duration = Duration::from_secs(1);

async fn service() -> Service {
    let service =
        Service::with_tokens_and(ApiOptions { recent: MOMENT, proxy_headers: true, ..ApiOptions::default() }).await;
    service.add_two_goals().await;
    service
}

#[tokio::test]
async fn a_list_is_the_same_for_a_moment_and_new_after_it() {
    let service = service().await;
    let names = async |path: &str| {
        let answer = service.call_as("admin", "GET", path, None).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("openstack-api-version").is_some());
        let goals = answer.json()["goals"].as_array().unwrap().clone();
        goals.iter().map(|goal| goal["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("/v1/goals").await, ["dummy", "server_consolidation"]);
    let added = service.add_goal(Uuid::from_u128(3), "thermal", "Thermal", Vec::new()).await;
    service.add_strategy(Uuid::from_u128(13), "outlet", "Outlet", added, json!({})).await;
    assert_eq!(names("/v1/goals").await, ["dummy", "server_consolidation"]);
    assert_eq!(names("/v1/goals?limit=3").await, ["dummy", "server_consolidation", "thermal"], "another question");
    assert_eq!(names("/v1/goals/detail").await.len(), 3, "another question");
    service.clock.advance(MOMENT);
    assert_eq!(names("/v1/goals").await, ["dummy", "server_consolidation", "thermal"]);
}

#[tokio::test]
async fn what_is_remembered_is_told_only_to_those_who_may_see_it_and_as_they_asked() {
    let service = service().await;
    assert_eq!(service.call_as("admin", "GET", "/v1/strategies", None).await.status, 200);
    assert_eq!(service.call_as("member-a", "GET", "/v1/strategies", None).await.status, 403);
    assert_eq!(service.call_as("stolen", "GET", "/v1/strategies", None).await.status, 401);
    let elsewhere = [("x-auth-token", "admin"), ("x-forwarded-host", "elsewhere:1")];
    let answer = service.send("GET", "/v1/strategies", &elsewhere, Vec::new()).await.json();
    assert_eq!(answer["strategies"][0]["links"][0]["href"].as_str().unwrap().find("http://elsewhere:1/v1/"), Some(0));
    let wrong = service.call_as("admin", "GET", "/v1/strategies?limit=many", None).await;
    assert_eq!(
        (wrong.status.as_u16(), service.call_as("admin", "GET", "/v1/strategies", None).await.status.as_u16()),
        (400, 200)
    );
}
