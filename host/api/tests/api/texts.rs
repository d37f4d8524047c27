//! Texts that people write and others read, and what answers repeat of them.

use serde_json::{Value, json};
use watcher_domain::Clock as _;
use watcher_store::audit;

use crate::plugins::strategy;
use crate::service::Service;

/// Characters that steer a terminal, and how a refusal names them.
const STEERING: [(char, &str); 5] =
    [('\u{1b}', "U+001B"), ('\u{7f}', "U+007F"), ('\u{9b}', "U+009B"), ('\u{202e}', "U+202E"), ('\u{2066}', "U+2066")];

#[tokio::test]
async fn texts_that_steer_the_terminal_of_who_reads_them_are_refused_by_their_character() {
    let service = Service::with_tokens().await;
    service.add_two_goals().await;
    let plugin = service.uploaded("member-a", &strategy("mine", "1.0.0", "g")).await;
    let template = json!({"name": "t", "goal": "dummy"});
    assert_eq!(service.call_as("admin", "POST", "/v1/audit_templates", Some(template)).await.status, 201);
    let patch = |path: &str, text: &str| json!([{"op": "replace", "path": path, "value": text}]);
    for (odd, name) in STEERING {
        let text = format!("one{odd}two");
        let audit = json!({"name": text, "audit_type": "ONESHOT", "goal": "dummy"});
        let described = json!({"name": "u", "goal": "dummy", "description": text});
        for (token, method, path, body, field) in [
            ("admin", "POST", "/v1/audits".to_owned(), audit, "name"),
            ("admin", "POST", "/v1/audit_templates".to_owned(), json!({"name": text, "goal": "dummy"}), "name"),
            ("admin", "POST", "/v1/audit_templates".to_owned(), described, "description"),
            ("admin", "PATCH", "/v1/audit_templates/t".to_owned(), patch("/name", &text), "name"),
            ("admin", "PATCH", "/v1/audit_templates/t".to_owned(), patch("/description", &text), "description"),
            ("member-a", "PATCH", plugin.clone(), patch("/description", &text), "description"),
            ("member-a", "POST", format!("{plugin}/versions/1.0.0/deprecate"), json!({"reason": text}), "reason"),
        ] {
            let (status, told) = service.refused(token, method, &path, Some(body)).await;
            let expected = format!(
                "Invalid input for field/attribute {field}. Value: 'one two'. It has the character {name}, \
                 which steers terminals instead of being shown"
            );
            assert_eq!((status, told), (400, expected), "{method} {path}");
        }
        let part = |name: &str, content: &str| {
            format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
        };
        let component = strategy("other", "1.0.0", "g").to_string();
        let body = part("component", &component) + &part("notes", &text) + "--edge--";
        let headers = [("x-auth-token", "member-a"), ("content-type", "multipart/form-data; boundary=edge")];
        let answer = service.send("POST", "/v1/plugins", &headers, body.into_bytes()).await;
        assert!(answer.status == 400 && answer.fault().contains(name), "{}", answer.body);
    }
    let lines = "One.\n\tTwo: größer, مرحبا.";
    let shown = service.ok("member-a", "PATCH", &plugin, Some(patch("/description", lines))).await;
    assert_eq!(shown["description"], lines);
    let named = json!({"name": "größer, مرحبا", "audit_type": "ONESHOT", "goal": "dummy"});
    assert_eq!(service.call_as("admin", "POST", "/v1/audits", Some(named)).await.status, 201);
}

#[tokio::test]
async fn an_answer_repeats_little_of_what_was_sent_and_still_says_what_is_wrong() {
    let service = Service::with_tokens().await;
    service.add_two_goals().await;
    let long = "x".repeat(900_000);
    let audit = |name: &str, value: Value| {
        let mut audit = json!({"audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy"});
        audit[name] = value;
        audit
    };
    for (method, path, body, told) in [
        ("POST", "/v1/audits", audit("scope", json!([{"compute": long}])), "scope"),
        ("POST", "/v1/audits", audit("scope", json!(long)), "scope"),
        ("POST", "/v1/audits", audit("parameters", json!({"para1": "x".repeat(200_000)})), "para1"),
        ("POST", "/v1/audits", audit("parameters", json!({"para1": long})), "It takes 900077 bytes"),
        ("POST", "/v1/audits", audit("parameters", json!({&long: 1})), "parameter"),
        ("POST", "/v1/audits", audit("goal", json!(long)), "could not be found"),
        ("POST", "/v1/audits", audit("interval", json!({"a": long})), "interval"),
        ("POST", "/v1/audits", audit(&long, json!(1)), "Unknown attribute for argument audit"),
        ("POST", "/v1/audits", audit("audit_template_uuid", json!(long)), "Expected a uuid but received"),
        ("POST", "/v1/audit_templates", json!({"name": "t", "goal": "dummy", "scope": [long]}), "scope"),
        (
            "PUT",
            "/v1/plugin_quotas/a",
            json!({"limits": {"x".repeat(200_000): 1}}),
            "Unknown attribute for argument limits",
        ),
        ("PUT", "/v1/signing_policies/all", json!({"keys": [{"name": long}], "require": []}), "signing policy"),
    ] {
        let (status, fault) = service.refused("admin", method, path, Some(body)).await;
        assert!((400..=404).contains(&status), "{status} {fault}");
        let shown: String = fault.chars().take(200).collect();
        assert!(fault.len() < 20_000, "{} bytes: {shown}", fault.len());
        assert!(fault.contains(told), "{shown}");
    }
}

#[tokio::test]
async fn what_a_row_takes_in_memory_is_bounded_however_short_its_text_is() {
    let service = Service::with_tokens().await;
    service.add_two_goals().await;
    let template = json!({"name": "t", "goal": "dummy", "strategy": "dummy"});
    assert_eq!(service.call_as("admin", "POST", "/v1/audit_templates", Some(template.clone())).await.status, 201);
    let zeroes = vec![0; 10_000];
    let with = |name: &str, value: Value| {
        let mut body = template.clone();
        body[name] = value;
        body
    };
    let heavy = json!({"audit_type": "ONESHOT", "goal": "dummy", "parameters": {"a": zeroes}});
    let patch = json!([{"op": "replace", "path": "/default_parameters", "value": {"a": zeroes}}]);
    for (method, path, body, bytes) in [
        ("POST", "/v1/audits", heavy, 720_073),
        ("POST", "/v1/audit_templates", with("default_parameters", json!({"a": zeroes})), 720_073),
        ("POST", "/v1/audit_templates", with("scope", json!([{"compute": zeroes}])), 720_151),
        ("PATCH", "/v1/audit_templates/t", patch, 720_073),
    ] {
        let (status, told) = service.refused("admin", method, path, Some(body)).await;
        let expected = format!("It takes {bytes} bytes, 72 for each value in it besides its text; at most 262144");
        assert!(status == 400 && told.ends_with(&expected), "{status} {told}");
    }
    // What was kept before there was a bound does not stand in the way of other changes.
    let id = service.add_audit("old").await;
    let mut tx = service.store.begin().await.unwrap();
    let mut old = audit::get(&mut tx, id).await.unwrap().unwrap().value;
    old.parameters.insert("a".to_owned(), json!(zeroes));
    assert!(audit::update(&mut tx, &old, service.clock.now()).await.unwrap());
    tx.commit().await.unwrap();
    let cancel = json!([{"op": "replace", "path": "/state", "value": "CANCELLED"}]);
    let cancelled = service.ok("admin", "PATCH", &format!("/v1/audits/{id}"), Some(cancel)).await;
    assert_eq!(cancelled["state"], "CANCELLED");
}

#[tokio::test]
async fn what_lists_show_a_thousand_times_is_short() {
    let service = Service::with_tokens().await;
    service.add_two_goals().await;
    let template = json!({"name": "t", "goal": "dummy"});
    assert_eq!(service.call_as("admin", "POST", "/v1/audit_templates", Some(template)).await.status, 201);
    let audit = json!({"name": "a", "audit_type": "CONTINUOUS", "goal": "dummy", "interval": "60"});
    assert_eq!(service.call_as("admin", "POST", "/v1/audits", Some(audit)).await.status, 201);
    let patch = |path: &str, text: &str| json!([{"op": "add", "path": path, "value": text}]);
    let digits = format!("{}9", "0".repeat(1000));
    let (line, lines) = ("x".repeat(256), "x".repeat(4097));
    let interval = json!({"audit_type": "EVENT", "goal": "dummy", "interval": digits});
    for (method, path, body, told) in [
        ("POST", "/v1/audits", interval, "must be less than 2^64 seconds"),
        ("PATCH", "/v1/audits/a", patch("/interval", &digits), "must be less than 2^64 seconds"),
        ("PATCH", "/v1/audits/a", patch("/hostname", &line), "It has 256 characters; at most 255 are kept"),
        ("PATCH", "/v1/audits/a", patch("/name", &line), "It has 256 characters; at most 255 are kept"),
        ("POST", "/v1/audit_templates", json!({"name": line, "goal": "dummy"}), "at most 255 are kept"),
        ("PATCH", "/v1/audit_templates/t", patch("/description", &lines), "It has 4097 characters"),
    ] {
        let (status, fault) = service.refused("admin", method, path, Some(body)).await;
        assert!(status == 400 && fault.contains(told) && fault.len() < 1000, "{method} {path}: {status} {fault}");
    }
}
