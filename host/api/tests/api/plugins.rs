//! Plugins through the API, as two projects and an administrator see them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::Request;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use watcher_api::{ApiOptions, Authentication, Override, RuleSet, Wanted};
use watcher_bus::{Control, Received, Role};
use watcher_domain::AuditId;
use watcher_store::testing::backends;

use crate::service::{Answer, Service, Tokens};

/// A component of these tests is its description.
pub(crate) fn strategy(name: &str, version: &str, goal: &str) -> Value {
    json!({
        "name": name, "version": version, "display_name": format!("Strategy {name}"), "description": "Decides.",
        "configuration_schema": {},
        "goal": {"name": goal, "display_name": format!("Goal {goal}"), "efficacy_specification": []},
        "parameters_schema": {"properties": {"period": {"type": "number", "default": 300}}},
        "metrics": [], "planner": "weight",
    })
}

impl Service {
    /// One service on each database whose policy lets members do with their own what administrators may do.
    pub(crate) async fn each() -> Vec<(watcher_store::testing::Backend, Self)> {
        let mut services = Vec::new();
        for backend in backends().await {
            let uri = "http://keystone.example:5000".to_owned();
            let authentication = Authentication::Keystone { tokens: Arc::new(Tokens), uri };
            let service = Self::on(watcher_store::Store::clone(&backend), authentication, ApiOptions::default());
            service.let_members();
            service.add_two_goals().await;
            services.push((backend, service));
        }
        services
    }

    /// Lets members see and use goals, strategies, scoring engines, templates and audits.
    fn let_members(&self) {
        let nouns = ["goal", "strategy", "scoring_engine", "audit_template", "audit", "action_plan", "action"];
        let rules = watcher_api::Rule::ALL.iter().map(|rule| rule.name());
        let open = rules.filter(|name| nouns.iter().any(|noun| name.split(':').next() == Some(noun)));
        let overrides = open.enumerate().map(|(line, name)| Override {
            name: name.to_owned(),
            line,
            check: Wanted::Text("rule:admin_api or role:member".to_owned()),
        });
        let (rules, _) = RuleSet::with(overrides.collect()).unwrap();
        self.policy.replace(rules);
    }

    pub(crate) async fn upload_as(&self, token: &str, component: &Value) -> Answer {
        let headers = [("x-auth-token", token), ("content-type", "application/wasm")];
        self.send("POST", "/v1/plugins", &headers, component.to_string().into_bytes()).await
    }

    /// Uploads what is accepted, and gives the plugin's path.
    pub(crate) async fn uploaded(&self, token: &str, component: &Value) -> String {
        let answer = self.upload_as(token, component).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        format!("/v1/plugins/{}", answer.json()["plugin_uuid"].as_str().unwrap())
    }

    pub(crate) async fn ok(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Value {
        let answer = self.call_as(token, method, path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {} {}", answer.status, answer.body);
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    pub(crate) async fn refused(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let answer = self.call_as(token, method, path, body).await;
        (answer.status.as_u16(), answer.fault())
    }

    async fn names(&self, token: &str, path: &str) -> Vec<String> {
        let page = self.ok(token, "GET", path, None).await;
        let collection = path.split(['/', '?']).nth(2).unwrap();
        let rows = page[collection].as_array().unwrap();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    }
}

fn show(visibility: &str) -> Value {
    json!([{"op": "replace", "path": "/visibility", "value": visibility}])
}

fn says(status: &str) -> Value {
    json!({"status": status})
}

#[tokio::test]
async fn an_upload_is_shown_listed_and_downloaded_as_it_was() {
    for (backend, service) in Service::each().await {
        let component = strategy("mine", "1.0.0", "my_goal");
        let answer = service.upload_as("member-a", &component).await;
        assert_eq!(answer.status, 201, "{}: {}", backend.name, answer.body);
        let version = answer.json();
        let path = answer.header("location").unwrap().strip_prefix("http://watcher.example:9322").unwrap().to_owned();
        assert_eq!((&version["version"], &version["state"]), (&json!("1.0.0"), &json!("active")));
        assert_eq!(version["report"]["name"], "mine");
        assert_eq!(service.ok("member-a", "GET", &path, None).await, version);
        let plugin = format!("/v1/plugins/{}", version["plugin_uuid"].as_str().unwrap());
        let by_number = service.ok("member-a", "GET", &format!("{plugin}/versions/1.0.0"), None).await;
        assert_eq!(by_number, version);
        let shown = service.ok("member-a", "GET", &plugin, None).await;
        assert_eq!((&shown["visibility"], &shown["project_id"]), (&json!("private"), &json!("a")));
        assert_eq!(shown["running"], json!({"version": "1.0.0", "digest": version["digest"]}));
        let file = service.call_as("member-a", "GET", &format!("{path}/file"), None).await;
        assert_eq!(file.body, component.to_string());
        assert_eq!(file.header("content-type"), Some("application/wasm"));
        assert_eq!(file.header("etag"), Some(format!("{}", version["digest"]).as_str()));
        assert!(file.header("content-digest").unwrap().starts_with("sha-256=:"));
        assert_eq!(service.names("member-a", "/v1/plugins").await, ["mine"]);
        for filter in ["kind=strategy", "name=mine", "owner=a", "visibility=private"] {
            assert_eq!(service.names("member-a", &format!("/v1/plugins?{filter}")).await, ["mine"], "{filter}");
        }
        for filter in
            ["kind=action", "name=other", "owner=b", "owner=built-in", "visibility=public", "member_status=all"]
        {
            assert!(service.names("member-a", &format!("/v1/plugins?{filter}")).await.is_empty(), "{filter}");
        }
        let (status, told) = service.refused("member-a", "GET", "/v1/plugins?kind=x", None).await;
        assert_eq!(
            (status, told.as_str()),
            (400, "Invalid input for field/attribute kind. Value: 'x'. There is no such value")
        );
    }
}

#[tokio::test]
async fn an_upload_in_parts_brings_notes_and_a_signature() {
    let service = Service::with_tokens().await;
    let component = strategy("mine", "1.0.0", "g").to_string();
    let part = |name: &str, content: &str| {
        format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    let send = async |parts: &[(&str, &str)]| {
        let body: String = parts.iter().map(|(name, content)| part(name, content)).collect();
        let headers = [("x-auth-token", "member-a"), ("content-type", "multipart/form-data; boundary=edge")];
        service.send("POST", "/v1/plugins", &headers, (body + "--edge--").into_bytes()).await
    };
    // Whether it counts is asked when one is needed.
    let bytes = format!("{}==", "A".repeat(86));
    let signature = json!({"key": "0123456789abcdef", "signature": bytes});
    let text = signature.to_string();
    let bad = send(&[("component", &component), ("signature", "c2ln")]).await;
    assert_eq!(bad.status, 400);
    assert!(bad.fault().starts_with("The signature cannot be read"), "{}", bad.body);
    let first = send(&[("notes", "First."), ("component", &component), ("signature", &text)]).await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert_eq!((&first.json()["notes"], &first.json()["signature"]), (&json!("First."), &json!(text)));
    let path = format!("/v1/plugins/{}/versions/1.0.0/signatures", first.json()["plugin_uuid"].as_str().unwrap());
    assert_eq!(service.ok("member-a", "GET", &path, None).await, json!({"signatures": [signature]}));
    let mine = "/v1/signing_policies/a";
    let (status, told) =
        service.refused("member-a", "PUT", mine, Some(json!({"keys": [], "require": ["upload"]}))).await;
    assert_eq!(status, 400);
    assert!(told.contains("a signature is required for upload, but no key counts for it"), "{told}");
    let none = json!({"keys": [], "require": []});
    assert_eq!(service.ok("member-a", "PUT", mine, Some(none.clone())).await["require"], json!([]));
    assert_eq!(service.refused("member-a", "GET", "/v1/signing_policies/b", None).await.0, 403);
    assert_eq!(service.refused("member-a", "PUT", "/v1/signing_policies/all", Some(none.clone())).await.0, 403);
    service.ok("admin", "PUT", "/v1/signing_policies/all", Some(none)).await;
    assert_eq!(service.ok("member-a", "GET", "/v1/signing_policies/all", None).await["project_id"], "all");
    for (parts, told) in [
        (&[("notes", "x")][..], "Missing argument: \"component\""),
        (&[("notes", "x"), ("notes", "y")], "Parameter notes was given several times"),
        (&[("file", "x")], "The multipart body has a part \"file\"; there are component, notes and signature"),
    ] {
        let answer = send(parts).await;
        assert_eq!((answer.status.as_u16(), answer.fault().as_str()), (400, told));
    }
    let headers = [("x-auth-token", "member-a"), ("content-type", "application/json")];
    assert_eq!(service.send("POST", "/v1/plugins", &headers, b"{}".to_vec()).await.status, 415);
    let headers = [("x-auth-token", "member-a"), ("content-type", "application/wasm")];
    assert_eq!(service.send("POST", "/v1/plugins", &headers, Vec::new()).await.status, 400);
}

#[tokio::test]
async fn an_upload_may_be_larger_than_other_bodies_but_not_too_large() {
    let options = ApiOptions { body_limit: 1000, upload_limit: 4000, ..ApiOptions::default() };
    let service = Service::with_tokens_and(options).await;
    let mut large = strategy("mine", "1.0.0", "g");
    large["description"] = "x".repeat(2000).into();
    service.uploaded("member-a", &large).await;
    large["description"] = "x".repeat(4000).into();
    let answer = service.upload_as("member-a", &large).await;
    assert_eq!((answer.status.as_u16(), answer.fault().as_str()), (413, "Request body is larger than 4000 bytes"));
}

#[tokio::test]
async fn what_cannot_be_a_plugin_is_refused_with_everything_that_is_wrong() {
    let service = Service::with_tokens().await;
    let mut bad = strategy("Not A Name", "one", "g");
    let answer = service.upload_as("member-a", &bad).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert!(answer.fault().contains("\"Not A Name\" is no name") && answer.fault().contains("\"one\" is no semantic"));
    bad = json!("garbage");
    let answer = service.upload_as("member-a", &bad).await;
    assert_eq!(answer.fault(), "The component was refused: not a component; no magic number");
    assert!(service.names("member-a", "/v1/plugins").await.is_empty());
    service.uploaded("member-a", &strategy("mine", "1.0.0", "g")).await;
    let answer = service.upload_as("member-a", &strategy("mine", "1.0.0", "g")).await;
    assert_eq!(answer.status, 409);
    assert!(
        answer.fault().starts_with("Strategy mine has this component as version 1.0.0 (sha256:"),
        "{}",
        answer.fault()
    );
    let quota = Some(json!({"limits": {"uploads_per_hour": 4}}));
    service.ok("admin", "PUT", "/v1/plugin_quotas/a", quota).await;
    let answer = service.upload_as("member-a", &strategy("other", "1.0.0", "g")).await;
    assert_eq!((answer.status.as_u16(), answer.fault().contains("4 uploads per hour")), (429, true), "{}", answer.body);
}

#[tokio::test]
async fn a_project_that_changes_plugins_too_often_is_told_so_and_its_kill_switch_works() {
    for (backend, service) in Service::each().await {
        let path = service.uploaded("member-a", &strategy("mine", "1.0.0", "g")).await;
        let quota =
            service.ok("admin", "PUT", "/v1/plugin_quotas/a", Some(json!({"limits": {"changes_per_hour": 2}}))).await;
        assert_eq!((&quota["limits"]["changes_per_hour"], &quota["usage"]["changes_per_hour"]), (&json!(2), &json!(1)));
        let describe = |text: &str| Some(json!([{"op": "replace", "path": "/description", "value": text}]));
        service.ok("member-a", "PATCH", &path, describe("one")).await;
        let answer = service.call_as("member-a", "PATCH", &path, describe("two")).await;
        assert_eq!(answer.status, 429, "{}", backend.name);
        assert!(answer.fault().contains("2 changes of plugins per hour"), "{}", answer.fault());
        service.ok("admin", "PATCH", &path, describe("two")).await;
        service.ok("member-a", "POST", &format!("{path}/versions/1.0.0/deactivate"), None).await;
        assert_eq!(
            service.refused("member-a", "POST", &format!("{path}/versions/1.0.0/reactivate"), None).await.0,
            429
        );
    }
}

#[tokio::test]
async fn a_project_has_no_more_audits_and_plans_that_wait_and_run_than_it_may_have() {
    for (_, service) in Service::each().await {
        let limits = json!({"limits": {"active_audits": 2, "active_plans": 1}});
        let quota = service.ok("admin", "PUT", "/v1/plugin_quotas/a", Some(limits)).await;
        assert_eq!((&quota["limits"]["active_audits"], &quota["limits"]["active_plans"]), (&json!(2), &json!(1)));
        let audit = |kind: &str| Some(json!({"audit_type": kind, "goal": "dummy", "strategy": "dummy"}));
        let create = async |token: &str, kind: &str| service.call_as(token, "POST", "/v1/audits", audit(kind)).await;
        let id = |answer: &Answer| AuditId(answer.json()["uuid"].as_str().unwrap().parse().unwrap());
        let first = id(&create("member-a", "ONESHOT").await);
        let second = id(&create("member-a", "EVENT").await);
        let answer = create("member-a", "ONESHOT").await;
        assert_eq!(answer.status, 403);
        assert!(answer.fault().starts_with("quota exceeded: the project may have 2 active audits"), "{}", answer.body);
        assert_eq!(create("member-b", "ONESHOT").await.status, 201, "another project has a limit of its own");

        let state = |state: &str| Some(json!([{"op": "replace", "path": "/state", "value": state}]));
        let other = id(&create("member-b", "ONESHOT").await);
        service.ok("member-b", "PATCH", &format!("/v1/audits/{other}"), state("ONGOING")).await;
        service.ok("member-b", "PATCH", &format!("/v1/audits/{other}"), state("SUCCEEDED")).await;
        let limits = json!({"limits": {"active_audits": 1}});
        service.ok("admin", "PUT", "/v1/plugin_quotas/b", Some(limits)).await;
        let event = Some(json!([{"op": "replace", "path": "/audit_type", "value": "EVENT"}]));
        let (status, _) = service.refused("member-b", "PATCH", &format!("/v1/audits/{other}"), event).await;
        assert_eq!(status, 403, "it would be active again");

        service.ok("member-a", "PATCH", &format!("/v1/audits/{first}"), state("CANCELLED")).await;
        assert_eq!(create("member-a", "ONESHOT").await.status, 201);
        assert_eq!(create("member-a", "ONESHOT").await.status, 403);

        let plans = [service.recommend(second).await, service.recommend(second).await];
        let [one, other] = plans.map(|plan| format!("/v1/action_plans/{plan}"));
        service.ok("member-a", "POST", &format!("{one}/start"), None).await;
        for (method, path, body) in
            [("POST", format!("{other}/start"), None), ("PATCH", other.clone(), state("PENDING"))]
        {
            let (status, told) = service.refused("member-a", method, &path, body).await;
            assert!(status == 403 && told.starts_with("quota exceeded: the project may have 1 action plans"), "{told}");
        }
        service.ok("member-a", "PATCH", &one, state("CANCELLED")).await;
        service.ok("member-a", "PATCH", &other, state("PENDING")).await;
    }
}

#[tokio::test]
async fn an_upload_too_many_is_let_in_and_forgotten_unless_its_sender_waits_to_be_told() {
    const PIECES: usize = 64;
    let service = Service::with_tokens().await;
    service.ok("admin", "PUT", "/v1/plugin_quotas/a", Some(json!({"limits": {"uploads_per_hour": 0}}))).await;
    for (expects, read) in [(false, PIECES), (true, 0)] {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let pieces = futures::stream::iter(0..PIECES).map(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>([0_u8; 1024].to_vec())
        });
        let mut request = Request::post("/v1/plugins").header("x-auth-token", "member-a");
        request = request.header("content-type", "application/wasm").header("content-length", PIECES * 1024);
        if expects {
            request = request.header("expect", "100-continue");
        }
        let request = request.body(Body::from_stream(pieces)).unwrap();
        let answer = service.router.clone().oneshot(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), sent.load(Ordering::Relaxed)), (429, read));
    }
}

#[tokio::test]
async fn uploads_too_many_hold_no_places_while_they_arrive() {
    let service = Service::with_tokens().await;
    service.ok("admin", "PUT", "/v1/plugin_quotas/a", Some(json!({"limits": {"uploads_per_hour": 0}}))).await;
    let (arrives, mut arriving) = tokio::sync::mpsc::unbounded_channel();
    let mut requests = tokio::task::JoinSet::new();
    // One more than a project has places.
    for _ in 0..3 {
        let arrives = arrives.clone();
        let pieces = futures::stream::once(async move {
            arrives.send(()).unwrap();
            std::future::pending::<Result<Vec<u8>, Infallible>>().await
        });
        let request = Request::post("/v1/plugins").header("x-auth-token", "member-a");
        let request = request.header("content-type", "application/wasm").body(Body::from_stream(pieces)).unwrap();
        requests.spawn(service.router.clone().oneshot(request));
        tokio::select! {
            Some(()) = arriving.recv() => {}
            Some(answer) = requests.join_next() => panic!("{} before it arrived", answer.unwrap().unwrap().status()),
        }
    }
}

#[tokio::test]
async fn what_is_private_is_as_if_it_were_not_there() {
    for (backend, service) in Service::each().await {
        let plugin = service.uploaded("member-a", &strategy("mine", "1.0.0", "my_goal")).await;
        let own = service.ok("member-a", "GET", "/v1/strategies/mine", None).await;
        let (strategy, goal) = (own["uuid"].as_str().unwrap(), own["goal_uuid"].as_str().unwrap());
        assert_eq!(own["goal_name"], "my_goal", "{}", backend.name);
        // What is there and another's is answered as what is not there at all.
        let nowhere = "00000000-0000-0000-0000-0000000000ff";
        let body = || Some(json!({"status": "accepted"}));
        for (method, path, body) in [
            ("GET", String::new(), None),
            ("PATCH", String::new(), Some(show("community"))),
            ("DELETE", String::new(), None),
            ("GET", "/versions".to_owned(), None),
            ("GET", "/versions/1.0.0".to_owned(), None),
            ("GET", "/versions/1.0.0/file".to_owned(), None),
            ("DELETE", "/versions/1.0.0".to_owned(), None),
            ("POST", "/versions/1.0.0/deactivate".to_owned(), None),
            ("GET", "/members".to_owned(), None),
            ("POST", "/members".to_owned(), Some(json!({"member": "b"}))),
            ("PUT", "/members/b".to_owned(), body()),
            ("DELETE", "/members/b".to_owned(), None),
            ("GET", "/grants".to_owned(), None),
            ("GET", "/events".to_owned(), None),
        ] {
            let told = service.refused("member-b", method, &format!("{plugin}{path}"), body.clone()).await;
            let missing = service.refused("member-b", method, &format!("/v1/plugins/{nowhere}{path}"), body).await;
            assert_eq!(told.0, 404, "{method} {path}: {}", told.1);
            let uuid = plugin.rsplit('/').next().unwrap();
            assert_eq!(told.1.replace(uuid, nowhere), missing.1, "{method} {path}");
        }
        for (noun, name, uuid) in [("strategies", "mine", strategy), ("goals", "my_goal", goal)] {
            for reference in [name, uuid, "a%2Fmine", "a%2Fmy_goal", "3"] {
                let answer = service.call_as("member-b", "GET", &format!("/v1/{noun}/{reference}"), None).await;
                assert_eq!(answer.status, 404, "{noun} {reference}: {}", answer.body);
            }
            let seen = service.names("member-b", &format!("/v1/{noun}")).await;
            assert!(!seen.contains(&name.to_owned()) && seen.len() == 2, "{seen:?}");
            assert!(service.names("admin", &format!("/v1/{noun}")).await.contains(&name.to_owned()));
            let found = service.ok("admin", "GET", &format!("/v1/{noun}/{name}"), None).await;
            assert_eq!(found["uuid"], uuid, "the administrator sees all");
        }
        for path in [
            format!("/v1/strategies?goal={goal}"),
            "/v1/strategies?goal=my_goal".to_owned(),
            format!("/v1/audit_templates?strategy={strategy}"),
        ] {
            assert!(service.names("member-b", &path).await.is_empty(), "{path}");
        }
        let marker = service.call_as("member-b", "GET", &format!("/v1/strategies?marker={strategy}"), None).await;
        assert_eq!(marker.status, 404);
        for (goal, name) in [("my_goal", "mine"), ("dummy", strategy), ("dummy", "a/mine"), (goal, "dummy")] {
            let audit = json!({"audit_type": "ONESHOT", "goal": goal, "strategy": name});
            let answer = service.call_as("member-b", "POST", "/v1/audits", Some(audit)).await;
            assert!([400, 404].contains(&answer.status.as_u16()), "{goal} {name}: {}", answer.body);
            let template = json!({"name": "t", "goal": goal, "strategy": name});
            let answer = service.call_as("member-b", "POST", "/v1/audit_templates", Some(template)).await;
            assert_eq!(answer.status, 400, "{goal} {name}: {}", answer.body);
        }
        // A refusal lists what there is to choose from, and nothing else.
        let template = json!({"name": "t", "goal": "dummy", "strategy": "basic"});
        let (_, told) = service.refused("member-b", "POST", "/v1/audit_templates", Some(template)).await;
        assert!(told.contains("Possible choices") && !told.contains(strategy), "{told}");
    }
}

#[tokio::test]
async fn a_shared_plugin_appears_once_it_is_accepted_and_is_gone_when_it_is_withdrawn() {
    for (backend, service) in Service::each().await {
        let plugin = service.uploaded("member-a", &strategy("mine", "1.0.0", "my_goal")).await;
        let members = format!("{plugin}/members");
        let offer = || Some(json!({"member": "b"}));
        let (status, told) = service.refused("member-a", "POST", &members, offer()).await;
        assert_eq!(
            (status, told.as_str()),
            (409, "The plugin is private, and only shared plugins are offered to projects")
        );
        service.ok("member-a", "PATCH", &plugin, Some(show("shared"))).await;
        let offered = service.ok("member-a", "POST", &members, offer()).await;
        assert_eq!((&offered["project_id"], &offered["status"]), (&json!("b"), &json!("pending")), "{}", backend.name);
        assert!(service.names("member-b", "/v1/plugins").await.is_empty(), "an offer is not listed unasked");
        assert_eq!(service.names("member-b", "/v1/plugins?member_status=pending").await, ["mine"]);
        assert_eq!(service.ok("member-b", "GET", &plugin, None).await["member_status"], "pending");
        let (status, _) = service.refused("member-b", "PATCH", &plugin, Some(show("private"))).await;
        assert_eq!(status, 403, "to be offered a plugin is not to own it");
        assert_eq!(service.refused("member-a", "PUT", &format!("{members}/b"), Some(says("accepted"))).await.0, 403);
        service.ok("member-b", "PUT", &format!("{members}/b"), Some(says("accepted"))).await;
        assert_eq!(service.names("member-b", "/v1/plugins").await, ["mine"]);
        assert_eq!(service.names("member-b", "/v1/strategies").await, ["dummy", "basic", "mine"]);
        assert_eq!(service.names("member-b", "/v1/goals").await, ["dummy", "server_consolidation", "my_goal"]);
        let found = service.ok("member-b", "GET", "/v1/strategies/a%2Fmine", None).await;
        assert_eq!((&found["name"], &found["goal_name"]), (&json!("mine"), &json!("my_goal")));
        let audit = json!({"audit_type": "CONTINUOUS", "interval": "60", "goal": "my_goal", "strategy": "mine", "name": "theirs"});
        let audit = service.ok("member-b", "POST", "/v1/audits", Some(audit)).await;
        assert_eq!((&audit["strategy_name"], &audit["parameters"]), (&json!("mine"), &json!({"period": 300})));
        let uuid = audit["uuid"].as_str().unwrap();
        assert_eq!(service.call_as("member-a", "GET", &format!("/v1/audits/{uuid}"), None).await.status, 404);
        let (status, told) = service.refused("member-a", "DELETE", &plugin, None).await;
        assert_eq!((status, told.as_str()), (409, "It is still used by others of other projects"));
        let version = service.ok("member-b", "GET", &format!("{plugin}/versions/1.0.0"), None).await;
        assert_eq!(version["uploaded_by"], Value::Null);
        assert_eq!(service.ok("member-b", "GET", &members, None).await["members"].as_array().unwrap().len(), 1);

        service.ok("member-a", "DELETE", &format!("{members}/b"), None).await;
        assert_eq!(service.names("member-b", "/v1/strategies").await, ["dummy", "basic"]);
        assert_eq!(service.call_as("member-b", "GET", &plugin, None).await.status, 404);
        let shown = service.ok("member-b", "GET", &format!("/v1/audits/{uuid}"), None).await;
        assert_eq!(shown["strategy_name"], "mine", "what it made with it stays as it is");
        let again = json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "mine"});
        assert_eq!(service.call_as("member-b", "POST", "/v1/audits", Some(again)).await.status, 404);
        let rename = json!([{"op": "replace", "path": "/name", "value": "renamed"}]);
        service.ok("member-b", "PATCH", &format!("/v1/audits/{uuid}"), Some(rename)).await;
    }
}

#[tokio::test]
async fn a_grant_is_for_a_version_unless_it_says_for_any() {
    for (backend, service) in Service::each().await {
        let plugin = service.uploaded("member-a", &strategy("mine", "1.0.0", "g")).await;
        let (grants, own) = (format!("{plugin}/grants"), format!("{plugin}/grants?project_id=a"));
        let asks = json!([{"service": "compute", "method": "GET", "path": "/servers/{id}", "query": ["fields"]}]);
        let grant = |more: Value| {
            let mut body = json!({"requests": asks});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Some(body)
        };
        assert_eq!(service.ok("member-a", "GET", &grants, None).await["versions"], Value::Null, "{}", backend.name);
        let shown = service.ok("admin", "PUT", &own, grant(json!({}))).await;
        let first = shown["versions"].clone();
        assert_eq!((first.as_array().unwrap().len(), &first[0]["version"]), (1, &json!("1.0.0")));
        service.uploaded("member-a", &strategy("mine", "1.1.0", "g")).await;
        let shown = service.ok("member-a", "GET", &grants, None).await;
        assert_eq!((&shown["versions"], &shown["requests"]), (&first, &asks), "an upload is no grant");
        let both = json!(["1.1.0", first[0]["digest"]]);
        let shown = service.ok("admin", "PUT", &own, grant(json!({"versions": both}))).await;
        let numbers: Vec<_> = shown["versions"].as_array().unwrap().iter().map(|version| &version["version"]).collect();
        assert_eq!(numbers, ["1.1.0", "1.0.0"]);
        let shown = service.ok("admin", "PUT", &own, grant(json!({"versions": "any"}))).await;
        assert_eq!(shown["versions"], "any");
        for (versions, status, told) in [
            (json!("1.0.0"), 400, "It must be \"any\" or a list of numbers and digests of versions"),
            (json!([1]), 400, "It must be \"any\""),
            (json!(["2.0.0"]), 404, "2.0.0"),
        ] {
            let (code, message) = service.refused("admin", "PUT", &own, grant(json!({"versions": versions}))).await;
            assert!(code == status && message.contains(told), "{code} {message}");
        }
        for (more, told) in [
            (json!({"path": "/servers/{x y<script>}"}), "has the placeholder \"{x y<script>}\""),
            (json!({"path": "/servers", "query": ["all tenants"]}), "query key \"all tenants\" is not allowed"),
        ] {
            let mut request = json!({"service": "compute", "method": "GET"});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let body = Some(json!({"requests": [request]}));
            let (code, message) = service.refused("admin", "PUT", &own, body).await;
            assert!(code == 400 && message.contains(told), "{code} {message}");
        }
    }
}

#[tokio::test]
async fn only_administrators_make_plugins_public_set_limits_and_grant() {
    for (backend, service) in Service::each().await {
        let plugin = service.uploaded("member-a", &strategy("mine", "1.0.0", "my_goal")).await;
        let (status, told) = service.refused("member-a", "PATCH", &plugin, Some(show("public"))).await;
        assert_eq!(
            (status, told.as_str()),
            (403, "Policy doesn't allow plugin:publicize to be performed."),
            "{}",
            backend.name
        );
        service.ok("member-a", "PATCH", &plugin, Some(show("community"))).await;
        assert!(service.names("member-b", "/v1/plugins").await.is_empty());
        assert_eq!(service.names("member-b", "/v1/plugins?visibility=community").await, ["mine"]);
        assert_eq!(service.ok("member-b", "GET", &plugin, None).await["name"], "mine");
        service.ok("admin", "PATCH", &plugin, Some(show("public"))).await;
        assert_eq!(service.names("member-b", "/v1/plugins").await, ["mine"]);
        assert_eq!(service.names("member-b", "/v1/strategies").await, ["dummy", "basic"], "not used until accepted");
        service.ok("member-b", "PUT", &format!("{plugin}/members/b"), Some(says("accepted"))).await;
        assert_eq!(service.names("member-b", "/v1/strategies").await, ["dummy", "basic", "mine"]);

        let quota = service.ok("member-a", "GET", "/v1/plugin_quotas/a", None).await;
        assert_eq!((&quota["usage"]["plugins"], &quota["usage"]["uploads_per_hour"]), (&json!(1), &json!(1)));
        assert_eq!(service.refused("member-a", "GET", "/v1/plugin_quotas/b", None).await.0, 403);
        assert_eq!(service.refused("member-a", "GET", "/v1/plugin_quotas/nobody", None).await.0, 403);
        let used = service.ok("member-a", "GET", "/v1/plugin_quotas/a/usage?days=3", None).await;
        assert_eq!(used, json!({"project_id": "a", "usage": []}));
        assert_eq!(service.refused("member-a", "GET", "/v1/plugin_quotas/b/usage", None).await.0, 403);
        for days in ["0", "93", "-1", "many"] {
            let path = format!("/v1/plugin_quotas/a/usage?days={days}");
            let (status, told) = service.refused("member-a", "GET", &path, None).await;
            assert!(status == 400 && told.contains("It is no number from 1 to 92"), "{told}");
        }
        let limits = || Some(json!({"limits": {"plugins": 1}}));
        assert_eq!(service.refused("member-a", "PUT", "/v1/plugin_quotas/a", limits()).await.0, 403);
        service.ok("admin", "PUT", "/v1/plugin_quotas/a", limits()).await;
        let answer = service.upload_as("member-a", &strategy("other", "1.0.0", "g")).await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.fault(), "quota exceeded: the project may have 1 plugins, has 1 and asks for 1 more");

        let grants = format!("{plugin}/grants");
        let grant = || Some(json!({"requests": [{"service": "compute", "method": "GET", "path": "/servers/{id}"}]}));
        assert_eq!(service.refused("member-b", "PUT", &grants, grant()).await.0, 403);
        service.ok("admin", "PUT", &format!("{grants}?project_id=b"), grant()).await;
        let shown = service.ok("member-b", "GET", &grants, None).await;
        assert_eq!(shown["requests"], grant().unwrap()["requests"]);
        assert_eq!(shown["versions"][0]["version"], "1.0.0", "{shown}");
        assert_eq!(service.ok("member-a", "GET", &grants, None).await["requests"], Value::Null);
        assert_eq!(service.refused("member-a", "GET", &format!("{grants}?project_id=b"), None).await.0, 403);

        let events = async |token: &str| {
            let page = service.ok(token, "GET", &format!("{plugin}/events"), None).await;
            let events = page["events"].as_array().unwrap().clone();
            events.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(events("member-a").await, ["uploaded", "updated", "updated"]);
        assert_eq!(events("member-b").await, ["accepted"]);
        assert_eq!(events("admin").await, ["uploaded", "updated", "updated", "accepted", "granted"]);
    }
}

#[tokio::test]
async fn versions_are_deactivated_and_deleted_and_the_list_says_so_at_once() {
    let options = ApiOptions { recent: std::time::Duration::from_secs(1), ..ApiOptions::default() };
    let service = Service::with_tokens_and(options).await;
    service.let_members();
    service.add_two_goals().await;
    let plugin = service.uploaded("member-a", &strategy("mine", "1.0.0", "my_goal")).await;
    service.uploaded("member-a", &strategy("mine", "1.1.0", "my_goal")).await;
    let with = ["dummy", "basic", "mine"];
    assert_eq!(service.names("member-a", "/v1/strategies").await, with);
    let version = |number: &str, deed: &str| format!("{plugin}/versions/{number}/{deed}");
    let why = Some(json!({"reason": "it loops"}));
    let moved = service.ok("member-a", "POST", &version("1.1.0", "deactivate"), why).await;
    assert_eq!(moved["state"], "deactivated");
    assert_eq!(service.ok("member-a", "GET", &plugin, None).await["running"]["version"], "1.0.0");
    service.ok("member-a", "POST", &version("1.0.0", "deprecate"), None).await;
    assert_eq!(service.names("member-a", "/v1/strategies").await, with);
    service.ok("member-a", "DELETE", &format!("{plugin}/versions/1.0.0"), None).await;
    assert_eq!(service.names("member-a", "/v1/strategies").await, with[..2], "the clock stands still");
    assert_eq!(service.ok("member-a", "GET", &plugin, None).await["running"], Value::Null);
    service.ok("member-a", "POST", &version("1.1.0", "reactivate"), None).await;
    assert_eq!(service.names("member-a", "/v1/strategies").await, with);
    let pinned = json!([{"op": "add", "path": "/default_version", "value": "1.1.0"},
        {"op": "add", "path": "/description", "value": "Mine."}]);
    let shown = service.ok("member-a", "PATCH", &plugin, Some(pinned)).await;
    assert!(shown["default_version"].as_str().unwrap().starts_with("sha256:") && shown["description"] == "Mine.");
    let page = service.ok("member-a", "GET", &format!("{plugin}/versions?limit=1"), None).await;
    assert_eq!(page["versions"][0]["version"], "1.1.0");
    let next = page["next"].as_str().unwrap().strip_prefix("http://watcher.example:9322").unwrap();
    assert_eq!(service.ok("member-a", "GET", next, None).await["versions"], json!([]));
    service.ok("member-a", "DELETE", &plugin, None).await;
    assert_eq!(service.call_as("member-a", "GET", &plugin, None).await.status, 404);
    assert_eq!(service.names("member-a", "/v1/strategies").await, with[..2]);
}

#[tokio::test]
async fn a_version_is_deactivated_with_what_uses_it() {
    for (backend, service) in Service::each().await {
        let plugin = service.uploaded("member-a", &strategy("mine", "1.0.0", "my_goal")).await;
        let body = json!({"audit_type": "ONESHOT", "goal": "my_goal", "strategy": "mine"});
        let audit = service.ok("member-a", "POST", "/v1/audits", Some(body)).await["uuid"].clone();
        let audit = format!("/v1/audits/{}", audit.as_str().unwrap());
        let off = format!("{plugin}/versions/1.0.0/deactivate");
        for (running, told) in [(json!("pause"), "Value should be one of: finish, stop"), (json!(1), "Wrong type")] {
            let answer = service.call_as("member-a", "POST", &off, Some(json!({"running": running}))).await;
            assert_eq!(answer.status, 400);
            assert!(answer.body.contains(told), "{}: {}", backend.name, answer.body);
        }
        for other in ["reactivate", "deprecate"] {
            let path = format!("{plugin}/versions/1.0.0/{other}");
            let answer = service.call_as("member-a", "POST", &path, Some(json!({"running": "stop"}))).await;
            assert_eq!(answer.status, 400, "{}: {}", backend.name, answer.body);
        }
        service.ok("member-a", "POST", &off, Some(json!({"running": "finish"}))).await;
        assert_eq!(service.ok("member-a", "GET", &audit, None).await["state"], "PENDING");
        let mut engine = service.bus.subscribe(Role::DecisionEngine);
        let shown = service.ok("member-a", "POST", &off, Some(json!({"running": "stop", "reason": "it loops"}))).await;
        assert_eq!(shown["state"], "deactivated");
        assert_eq!(engine.receive().await, Received::Control(Control::ScheduleChanged));
        let audit = service.ok("member-a", "GET", &audit, None).await;
        let told = "strategy mine 1.0.0 was deactivated, and what used it was stopped: it loops";
        assert_eq!((&audit["state"], &audit["status_message"]), (&json!("CANCELLED"), &json!(told)));
        let events = service.ok("member-a", "GET", &format!("{plugin}/events"), None).await;
        let last = events["events"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["event"], &last["detail"]["audits"]), (&json!("stopped"), &json!(1)));
    }
}

#[tokio::test]
async fn an_administrator_changes_what_the_runs_of_a_project_may_use() {
    for (backend, service) in Service::each().await {
        let quota = "/v1/plugin_quotas/a";
        let before = service.ok("admin", "GET", quota, None).await["limits"].clone();
        let put = |limits: Value| Some(json!({"limits": limits}));
        let changes = json!({"concurrent_calls": 3, "decision": {"fuel": 1000, "memory_bytes": 65536}, "action": {"requests": 0}});
        let after = service.ok("admin", "PUT", quota, put(changes)).await["limits"].clone();
        let mut expected = before.clone();
        expected["concurrent_calls"] = json!(3);
        expected["decision"]["fuel"] = json!(1000);
        expected["decision"]["memory_bytes"] = json!(65536);
        expected["action"]["requests"] = json!(0);
        assert_eq!(after, expected, "{}", backend.name);
        assert_eq!(service.ok("member-a", "GET", quota, None).await["limits"], expected);
        assert_eq!(service.ok("admin", "GET", "/v1/plugin_quotas/b", None).await["limits"], before);

        for (limits, told) in [
            (json!({"decision": {"fuell": 1}}), "decision.fuell"),
            (json!({"planner": {"fuel": 1}}), "planner"),
            (json!({"decision": 1}), "It is no object"),
            (json!({"decision": {"fuel": "much"}}), "It is no whole number"),
            (json!({"decision": {"fuel": {}}}), "It is no whole number"),
        ] {
            let (status, fault) = service.refused("admin", "PUT", quota, put(limits)).await;
            assert!(status == 400 && fault.contains(told), "{status} {fault}");
        }
        assert_eq!(
            service.ok("admin", "GET", quota, None).await["limits"],
            expected,
            "nothing of what was refused holds"
        );
        let default = json!({"concurrent_calls": null, "decision": null, "action": {"requests": null}});
        assert_eq!(service.ok("admin", "PUT", quota, put(default)).await["limits"], before);
    }
}
