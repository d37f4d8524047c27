//! What happens to requests, rows and messages.

use crate::service::Service;
use serde_json::{Value, json};
use watcher_api::{ApiOptions, Authentication};
use watcher_bus::{Control, Event, Received, Role, Work};
use watcher_domain::{ActionPlanState, AuditId, AuditState, Clock as _};
use watcher_store::{Lease, action_plan, audit};

async fn service() -> Service {
    let service = Service::new().await;
    service.add_two_goals().await;
    service
}

async fn service_with_tokens() -> Service {
    let service = Service::with_tokens().await;
    service.add_two_goals().await;
    service
}

fn uuid(answer: &Value) -> uuid::Uuid {
    answer["uuid"].as_str().unwrap().parse().unwrap()
}

async fn create_audit(service: &Service) -> AuditId {
    let answer = service
        .call(
            "POST",
            "/v1/audits",
            Some(json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy", "name": "A"})),
        )
        .await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    AuditId(uuid(&answer.json()))
}

#[tokio::test]
async fn audits_made_at_the_same_moment_without_a_name_have_different_ones() {
    let service = service().await;
    let body = || Some(json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy"}));
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let answer = service.call("POST", "/v1/audits", body()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        names.insert(answer.json()["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names.len(), 5, "the clock stands still: {names:?}");
    assert!(names.iter().all(|name| name.starts_with("dummy-2")), "{names:?}");
}

#[tokio::test]
async fn a_new_audit_is_kept_told_and_answered() {
    let service = service().await;
    let mut work = service.bus.subscribe(Role::DecisionEngine);
    let mut events = service.bus.events();
    let body = json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy", "parameters": {"para1": 2.5}});
    let answer = service.call("POST", "/v1/audits/", Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let shown = answer.json();
    let audit_id = AuditId(uuid(&shown));
    assert_eq!(answer.header("location"), Some(format!("http://watcher.example:9322/v1/audits/{audit_id}").as_str()));
    assert_eq!(work.receive().await, Received::Work(Work::RunAudit { audit_id }));
    assert_eq!(events.recv().await.unwrap(), Event::Audit { audit_id, old: None, state: AuditState::Pending });
    let found = service.call("GET", &format!("/v1/audits/{audit_id}"), None).await;
    assert_eq!(found.json(), shown);
    insta::assert_snapshot!(serde_json::to_string_pretty(&shown).unwrap(), @r#"
    {
      "uuid": "00000000-0000-7000-8000-0000000003ea",
      "name": "dummy-2026-01-01T00:00:00",
      "audit_type": "ONESHOT",
      "state": "PENDING",
      "goal_uuid": "00000000-0000-0000-0000-000000000001",
      "goal_name": "dummy",
      "strategy_uuid": "00000000-0000-0000-0000-00000000000b",
      "strategy_name": "dummy",
      "parameters": {
        "para1": 2.5,
        "para2": "hello"
      },
      "links": [
        {
          "href": "http://watcher.example:9322/v1/audits/00000000-0000-7000-8000-0000000003ea",
          "rel": "self"
        },
        {
          "href": "http://watcher.example:9322/audits/00000000-0000-7000-8000-0000000003ea",
          "rel": "bookmark"
        }
      ],
      "interval": null,
      "scope": [],
      "auto_trigger": false,
      "next_run_time": null,
      "hostname": null,
      "start_time": null,
      "end_time": null,
      "force": false,
      "status_message": null,
      "created_at": "2026-01-01T00:00:00+00:00",
      "updated_at": null,
      "deleted_at": null
    }
    "#);
}

#[tokio::test]
async fn an_audit_takes_what_its_template_has() {
    let service = service().await;
    let body = json!({"name": "t", "goal": "dummy", "strategy": "dummy", "default_parameters": {"para1": 4.0},
        "scope": [{"availability_zones": [{"name": "AZ1"}]}]});
    let template = service.call("POST", "/v1/audit_templates", Some(body)).await.json();
    assert_eq!(template["default_parameters"], json!({"para1": 4.0}));
    let body = json!({"audit_type": "ONESHOT", "audit_template_uuid": template["uuid"], "parameters": {"para2": "x"}});
    let audit = service.call("POST", "/v1/audits", Some(body)).await.json();
    assert_eq!(audit["parameters"], json!({"para1": 4.0, "para2": "x"}));
    assert_eq!(audit["scope"], json!([{"compute": [{"availability_zones": [{"name": "AZ1"}]}]}]));
    assert_eq!((&audit["goal_name"], &audit["strategy_name"]), (&json!("dummy"), &json!("dummy")));
}

#[tokio::test]
async fn continuous_and_event_audits_are_kept_without_being_run() {
    let service = service().await;
    let mut work = service.bus.subscribe(Role::DecisionEngine);
    let body = json!({"audit_type": "CONTINUOUS", "goal": "dummy", "interval": "*/5 * * * *", "name": "C",
        "start_time": "2030-01-01 00:00:00+02:00"});
    let audit = service.call("POST", "/v1/audits", Some(body)).await.json();
    assert_eq!((&audit["interval"], &audit["start_time"]), (&json!("*/5 * * * *"), &json!("2029-12-31T22:00:00")));
    assert_eq!(work.receive().await, Received::Control(Control::ScheduleChanged));
    let body = json!({"audit_type": "EVENT", "goal": "dummy", "name": "E"});
    let event = service.call("POST", "/v1/audits", Some(body)).await.json();
    assert_eq!(event["state"], "PENDING");
    let triggered = service.call("POST", "/v1/webhooks/E", Some(json!({}))).await;
    assert_eq!(triggered.status, 202, "{}", triggered.body);
    assert_eq!(work.receive().await, Received::Work(Work::RunAudit { audit_id: AuditId(uuid(&event)) }));
}

#[tokio::test]
async fn an_interval_that_makes_no_sense_is_a_bad_request() {
    let service = service().await;
    for interval in ["zz", "* * * *", "0", "-5", "61 * * * *", ""] {
        let body = json!({"audit_type": "CONTINUOUS", "goal": "dummy", "interval": interval});
        let answer = service.call("POST", "/v1/audits", Some(body)).await;
        assert_eq!(answer.status, 400, "{interval}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_ongoing_audit_that_is_cancelled_is_stopped() {
    let service = service().await;
    let audit_id = create_audit(&service).await;
    let mut tx = service.store.begin().await.unwrap();
    let now = service.clock.now();
    let lease = Lease { owner: uuid::Uuid::nil(), hostname: "h".to_owned(), until: now, term: 0 };
    audit::claim(&mut tx, audit_id, &lease, now).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let mut engine = service.bus.subscribe(Role::DecisionEngine);
    let patch = json!([{"op": "replace", "path": "/state", "value": "CANCELLED"}]);
    let answer = service.call("PATCH", "/v1/audits/A", Some(patch)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &json!("CANCELLED")), "{}", answer.body);
    assert_eq!(engine.receive().await, Received::Control(Control::AuditStopped { audit_id }));
}

#[tokio::test]
async fn no_way_around_the_states_of_an_audit() {
    let service = service().await;
    create_audit(&service).await;
    for patch in [
        json!([{"op": "add", "path": "/state", "value": "SUCCEEDED"}]),
        json!([{"op": "replace", "path": "/state", "value": "ONGOING"}, {"op": "add", "path": "/state", "value": "DELETED"}]),
        json!([{"op": "remove", "path": "/state"}]),
    ] {
        let answer = service.call("PATCH", "/v1/audits/A", Some(patch)).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    assert_eq!(service.call("DELETE", "/v1/audits/A", None).await.fault(), "Couldn't delete when state is 'PENDING'.");
    assert_eq!(service.call("GET", "/v1/audits/A", None).await.json()["state"], "PENDING");
}

#[tokio::test]
async fn what_a_patch_makes_of_an_audit_has_the_right_types() {
    let service = service().await;
    create_audit(&service).await;
    for (path, value) in [
        ("/name", json!(5)),
        ("/name", Value::Null),
        ("/audit_type", json!("X")),
        ("/audit_type", json!("CONTINUOUS")),
        ("/parameters", json!("x")),
        ("/interval", json!("zz")),
        ("/scope", json!("x")),
        ("/auto_trigger", json!("yes")),
        ("/start_time", json!("zz")),
        ("/start_time", json!("2030-01-01T10:00:60")),
        ("/goal_id", json!(99)),
        ("/strategy_id", json!("nope")),
    ] {
        let patch = json!([{"op": "replace", "path": path, "value": value}]);
        let answer = service.call("PATCH", "/v1/audits/A", Some(patch)).await;
        assert_eq!(answer.status, 400, "{path} {value}: {}", answer.body);
    }
    let patch = json!([
        {"op": "replace", "path": "/goal_id", "value": "server_consolidation"},
        {"op": "replace", "path": "/strategy_id", "value": 2},
        {"op": "replace", "path": "/parameters/para1", "value": 9},
        {"op": "replace", "path": "/force", "value": true},
    ]);
    let audit = service.call("PATCH", "/v1/audits/A", Some(patch)).await.json();
    assert_eq!((&audit["goal_name"], &audit["strategy_name"]), (&json!("server_consolidation"), &json!("basic")));
    assert_eq!((&audit["parameters"]["para1"], &audit["force"]), (&json!(9), &json!(true)));
}

#[tokio::test]
async fn a_plan_is_started_once() {
    let service = service().await;
    let plan = service.recommend(create_audit(&service).await).await;
    let mut applier = service.bus.subscribe(Role::Applier);
    let path = format!("/v1/action_plans/{plan}/start");
    let answer = service.call("POST", &path, Some(json!({}))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &json!("PENDING")), "{}", answer.body);
    assert_eq!(applier.receive().await, Received::Work(Work::RunActionPlan { action_plan_id: plan }));
    assert_eq!(service.call("POST", &path, None).await.fault(), "Couldn't start when state is 'PENDING'.");
}

#[tokio::test]
async fn a_plan_that_is_cancelled_takes_its_actions_along_and_an_ongoing_one_is_stopped() {
    let service = service().await;
    let plan = service.recommend(create_audit(&service).await).await;
    let path = format!("/v1/action_plans/{plan}");
    let state = |state: &str| Some(json!([{"op": "replace", "path": "/state", "value": state}]));
    for (wanted, status) in [("CANCELLING", 400), ("SUCCEEDED", 400), ("FOO", 400), ("PENDING", 200)] {
        assert_eq!(service.call("PATCH", &path, state(wanted)).await.status, status, "{wanted}");
    }
    let mut tx = service.store.begin().await.unwrap();
    let now = service.clock.now();
    let lease = Lease { owner: uuid::Uuid::nil(), hostname: "h".to_owned(), until: now, term: 0 };
    action_plan::claim(&mut tx, plan, &lease, now).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let mut applier = service.bus.subscribe(Role::Applier);
    assert_eq!(service.call("PATCH", &path, state("CANCELLING")).await.json()["state"], "CANCELLING");
    assert_eq!(applier.receive().await, Received::Control(Control::ActionPlanStopped { action_plan_id: plan }));
    assert_eq!(service.call("DELETE", &path, None).await.status, 400);
}

#[tokio::test]
async fn actions_of_a_cancelled_plan_are_cancelled_and_those_of_a_deleted_one_are_gone() {
    let service = service().await;
    let plan = service.recommend(create_audit(&service).await).await;
    let path = format!("/v1/action_plans/{plan}");
    let cancel = json!([{"op": "replace", "path": "/state", "value": "CANCELLED"}]);
    assert_eq!(service.call("PATCH", &path, Some(cancel)).await.status, 200);
    let actions = service.call("GET", &format!("/v1/actions?action_plan_uuid={plan}"), None).await.json();
    let states: Vec<_> = actions["actions"].as_array().unwrap().iter().map(|action| &action["state"]).collect();
    assert_eq!(states, ["CANCELLED", "CANCELLED"]);
    assert_eq!(service.call("DELETE", &path, None).await.status, 204);
    let actions = service.call("GET", &format!("/v1/actions?action_plan_uuid={plan}"), None).await.json();
    assert_eq!(actions, json!({"actions": []}));
}

#[tokio::test]
async fn an_action_is_skipped_only_before_its_plan_runs() {
    let service = service().await;
    let plan = service.recommend(create_audit(&service).await).await;
    let actions = service.call("GET", "/v1/actions/detail", None).await.json();
    let path = |place: usize| format!("/v1/actions/{}", actions["actions"][place]["uuid"].as_str().unwrap());
    let skip = || {
        Some(json!([{"op": "replace", "path": "/state", "value": "SKIPPED"},
            {"op": "replace", "path": "/status_message", "value": "why"}]))
    };
    let skipped = service.call("PATCH", &path(0), skip()).await.json();
    assert_eq!(
        (&skipped["state"], &skipped["status_message"]),
        (&json!("SKIPPED"), &json!("Action skipped by user. Reason: why"))
    );
    let mut tx = service.store.begin().await.unwrap();
    let now = service.clock.now();
    let (from, to) = (ActionPlanState::Recommended, ActionPlanState::Pending);
    action_plan::transition(&mut tx, plan, from, to, now).await.unwrap();
    let lease = Lease { owner: uuid::Uuid::nil(), hostname: "h".to_owned(), until: now, term: 0 };
    action_plan::claim(&mut tx, plan, &lease, now).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let late = service.call("PATCH", &path(1), skip()).await;
    assert_eq!(late.status, 409);
    assert_eq!(late.fault(), "State update not allowed for actionplan state: ONGOING");
}

#[tokio::test]
async fn pages_follow_each_other_in_every_order() {
    let service = service().await;
    for name in ["c", "a", "b"] {
        let body = json!({"name": name, "goal": "dummy"});
        assert_eq!(service.call("POST", "/v1/audit_templates", Some(body)).await.status, 201);
    }
    for (query, expected) in [("sort_key=id", "cab"), ("sort_key=name", "abc"), ("sort_key=name&sort_dir=desc", "cba")]
    {
        let mut found = String::new();
        let mut next = Some(format!("/v1/audit_templates/?limit=1&{query}"));
        while let Some(path) = next {
            let page = service.call("GET", &path, None).await.json();
            for template in page["audit_templates"].as_array().unwrap() {
                found.push_str(template["name"].as_str().unwrap());
            }
            next = page.get("next").map(|next| next.as_str().unwrap().replace("http://watcher.example:9322", ""));
        }
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn without_a_valid_token_there_is_no_answer() {
    let service = service_with_tokens().await;
    for headers in [&[][..], &[("x-auth-token", "stolen")][..]] {
        let answer = service.send("GET", "/v1/goals", headers, Vec::new()).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Keystone uri=\"http://keystone.example:5000\""));
        let message = "The request you have made requires authentication.";
        assert_eq!(answer.json(), json!({"error": {"code": 401, "title": "Unauthorized", "message": message}}));
    }
    for path in ["/", "//", "/openapi.json"] {
        assert_eq!(service.send("GET", path, &[], Vec::new()).await.status, 200, "{path}");
    }
    let away = service.call_as("away", "GET", "/v1/goals", None).await;
    assert_eq!(
        (away.status.as_u16(), away.fault().as_str()),
        (503, "The Keystone service is temporarily unavailable.")
    );
}

#[tokio::test]
async fn the_policy_lets_only_administrators_in() {
    let service = service_with_tokens().await;
    assert_eq!(service.call_as("admin", "GET", "/v1/goals", None).await.status, 200);
    let refused = service.call_as("member-a", "GET", "/v1/goals", None).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.fault(), "Policy doesn't allow goal:get_all to be performed.");
    // What does not exist is told before what is not allowed, but not to those who create or list.
    assert_eq!(service.call_as("member-a", "GET", "/v1/goals/nope", None).await.status, 404);
    assert_eq!(service.call_as("member-a", "GET", "/v1/goals/dummy", None).await.status, 403);
    let body = json!({"audit_type": "ONESHOT", "goal": "nope"});
    assert_eq!(service.call_as("member-a", "POST", "/v1/audits", Some(body)).await.status, 403);
    // The webhook is open to services, too, for audits of every project.
    let event = json!({"audit_type": "EVENT", "goal": "dummy"});
    let audit = service.call_as("admin", "POST", "/v1/audits", Some(event)).await.json()["uuid"].clone();
    let hook = format!("/v1/webhooks/{}", audit.as_str().unwrap());
    assert_eq!(service.call_as("service", "POST", &hook, Some(json!({}))).await.status, 202);
    assert_eq!(service.call_as("service", "GET", "/v1/audits", None).await.status, 403);
    assert_eq!(service.call_as("service", "POST", "/v1/webhooks/nope", Some(json!({}))).await.status, 404);
    assert_eq!(service.call_as("member-a", "POST", "/v1/webhooks/nope", Some(json!({}))).await.status, 403);
}

#[tokio::test]
async fn rows_belong_to_the_project_of_whoever_made_them_and_others_do_not_see_them() {
    let service = service_with_tokens().await;
    let body = json!({"name": "t", "goal": "dummy"});
    let made = service.call_as("admin", "POST", "/v1/audit_templates", Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    // A member of another project does not see it at all: not found comes before forbidden.
    assert_eq!(service.call_as("member-b", "GET", "/v1/audit_templates/t", None).await.status, 404);
    assert_eq!(service.call_as("admin", "GET", "/v1/audit_templates/t", None).await.status, 200);
}

#[tokio::test]
async fn bodies_are_read_up_to_their_limit() {
    let service = Service::with(Authentication::None, ApiOptions { body_limit: 64, ..ApiOptions::default() }).await;
    let json = [("content-type", "application/json")];
    let at_the_limit = format!("{:<64}", "{\"audit_type\":\"ONESHOT\"}");
    assert_eq!(service.send("POST", "/v1/audits", &json, at_the_limit.clone().into_bytes()).await.status, 400);
    let over = service.send("POST", "/v1/audits", &json, format!("{at_the_limit} ").into_bytes()).await;
    assert_eq!((over.status.as_u16(), over.fault().as_str()), (413, "Request body is larger than 64 bytes"));
}

#[tokio::test]
async fn methods_that_are_no_operations_are_refused() {
    let service = service().await;
    for (method, path, allow) in [
        ("PUT", "/v1/audits", "DELETE, GET, PATCH, POST"),
        ("DELETE", "/v1/audits", "DELETE, GET, PATCH, POST"),
        ("HEAD", "/v1/goals/dummy", "GET"),
        ("GET", "/v1/webhooks/x", "POST"),
        ("POST", "/", "GET"),
    ] {
        let answer = service.send(method, path, &[], Vec::new()).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allow)), "{method} {path}");
    }
    assert_eq!(service.send("OPTIONS", "/v1/goals", &[], Vec::new()).await.status, 200);
}
