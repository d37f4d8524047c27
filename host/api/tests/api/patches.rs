//! What patches and deletions leave behind, where a client could expect something else.

use serde_json::{Value, json};
use watcher_bus::Event;
use watcher_domain::{ActionPlanState, AuditId, AuditState};

use crate::service::{Answer, Service};

async fn service() -> Service {
    let service = Service::new().await;
    service.add_two_goals().await;
    service
}

async fn create_audit(service: &Service) -> AuditId {
    let body = json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy", "name": "A"});
    let answer = service.call("POST", "/v1/audits", Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    AuditId(answer.json()["uuid"].as_str().unwrap().parse().unwrap())
}

fn replace(path: &str, value: impl Into<Value>) -> Value {
    json!([{"op": "replace", "path": path, "value": value.into()}])
}

async fn patch(service: &Service, path: &str, change: Value) -> Answer {
    service.call("PATCH", path, Some(change)).await
}

#[tokio::test]
async fn a_flag_of_an_audit_that_is_removed_or_null_is_false() {
    let service = service().await;
    create_audit(&service).await;
    for name in ["force", "auto_trigger"] {
        let path = format!("/{name}");
        for off in [json!([{"op": "remove", "path": path}]), json!([{"op": "replace", "path": path, "value": null}])] {
            assert_eq!(patch(&service, "/v1/audits/A", replace(&path, true)).await.json()[name], true);
            let answer = patch(&service, "/v1/audits/A", off).await;
            assert_eq!((answer.status.as_u16(), &answer.json()[name]), (200, &json!(false)), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn the_next_run_time_of_an_audit_is_dropped_but_never_set_by_a_client() {
    let service = service().await;
    create_audit(&service).await;
    let answer = patch(&service, "/v1/audits/A", replace("/next_run_time", "2030-01-01T00:00:00")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.fault(),
        "Invalid input for field/attribute next_run_time. Value: '2030-01-01T00:00:00'. Wrong type. Expected '<class \
         'datetime.datetime'>', got '<class 'str'>'"
    );
    assert_eq!(patch(&service, "/v1/audits/A", replace("/next_run_time", Value::Null)).await.status, 200);
}

#[tokio::test]
async fn no_state_at_all_is_refused_as_a_move() {
    let service = service().await;
    let plan = service.recommend(create_audit(&service).await).await;
    let path = format!("/v1/action_plans/{plan}");
    for (change, shown) in [
        (replace("/state", ""), ""),
        (replace("/state", Value::Null), "None"),
        (json!([{"op": "remove", "path": "/state"}]), "Unset"),
    ] {
        let answer = patch(&service, &path, change).await;
        assert_eq!(answer.status, 400);
        let end = format!("Reason: State transition not allowed: (RECOMMENDED -> {shown})");
        assert!(answer.fault().ends_with(&end), "{}", answer.body);
    }
    let actions = service.call("GET", "/v1/actions", None).await.json();
    let path = format!("/v1/actions/{}", actions["actions"][0]["uuid"].as_str().unwrap());
    for (state, shown) in [(json!(""), ""), (Value::Null, "None")] {
        let answer = patch(&service, &path, replace("/state", state)).await;
        assert_eq!(answer.status, 409);
        assert_eq!(answer.fault(), format!("State transition not allowed: (PENDING -> {shown})"));
    }
}

#[tokio::test]
async fn a_patch_that_moves_nothing_leaves_an_action_that_is_not_skipped_as_it_is() {
    let service = service().await;
    service.recommend(create_audit(&service).await).await;
    let actions = service.call("GET", "/v1/actions/detail", None).await.json();
    let before = &actions["actions"][0];
    let path = format!("/v1/actions/{}", before["uuid"].as_str().unwrap());
    for change in [json!([]), replace("/state", "PENDING")] {
        let answer = patch(&service, &path, change).await;
        assert_eq!((answer.status.as_u16(), &answer.json()), (200, before));
    }
    patch(&service, &path, replace("/state", "SKIPPED")).await;
    patch(&service, &path, replace("/status_message", "why")).await;
    let reset = patch(&service, &path, replace("/state", "SKIPPED")).await.json();
    assert_eq!(reset["status_message"], "Action skipped by user.");
}

#[tokio::test]
async fn a_deleted_audit_leaves_its_plans_and_both_deletions_are_told() {
    let service = service().await;
    let audit_id = create_audit(&service).await;
    let plan = service.recommend(audit_id).await;
    patch(&service, "/v1/audits/A", replace("/state", "CANCELLED")).await;
    let mut events = service.bus.events();
    assert_eq!(service.call("DELETE", "/v1/audits/A", None).await.status, 204);
    let (old, state) = (Some(AuditState::Cancelled), AuditState::Deleted);
    assert_eq!(events.recv().await.unwrap(), Event::Audit { audit_id, old, state });
    let path = format!("/v1/action_plans/{plan}");
    let left = service.call("GET", &path, None).await.json();
    assert_eq!((&left["state"], &left["audit_uuid"]), (&json!("RECOMMENDED"), &json!(audit_id)));
    assert_eq!(service.call("DELETE", &path, None).await.status, 204);
    let (old, state) = (Some(ActionPlanState::Recommended), ActionPlanState::Deleted);
    assert_eq!(events.recv().await.unwrap(), Event::ActionPlan { action_plan_id: plan, old, state });
}
