//! The description of the API: against its golden file, against itself, and against what is answered.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::contract::DOCUMENT;
use crate::service::Service;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Set `UPDATE_GOLDEN=1` to write the file anew.
#[test]
fn the_description_of_the_api_is_the_golden_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let document = serde_json::to_string_pretty(&*DOCUMENT).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(golden == document, "{path} is not what the code says; write it anew with UPDATE_GOLDEN=1");
}

#[test]
fn every_operation_says_what_it_answers_and_has_its_own_name() {
    let mut names = BTreeSet::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path} {method}");
            assert!(operation.get("parameters").is_none_or(Value::is_array), "{path} {method}");
            let answers = operation["responses"].as_object().unwrap();
            for status in ["400", "401", "403", "404", "406", "414", "431", "500", "503"] {
                assert!(answers.contains_key(status), "{path} {method} {status}");
            }
            if operation.get("requestBody").is_some() {
                for status in ["408", "409", "413", "415"] {
                    assert!(answers.contains_key(status), "{path} {method} {status}");
                }
            }
        }
    }
    // 39 of the original, two that describe the API, and those of plugins.
    assert_eq!(names.len(), 41 + 26);
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_one() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    references(&DOCUMENT, &mut found);
    assert!(found.len() > 20);
    for reference in &found {
        assert!(DOCUMENT.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::meta::is_valid(schema), "{name}");
        assert!(found.contains(&format!("#/components/schemas/{name}")), "{name} is not used");
        assert_eq!(schema["additionalProperties"], false, "{name} does not say that it has no other members");
    }
}

#[tokio::test]
async fn every_path_of_the_document_is_served_and_has_the_methods_that_it_says() {
    let service = Service::new().await;
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        let path =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
        let other = if item.get("put").is_some() { "PROPFIND" } else { "PUT" };
        let refused = service.send(other, &path, &[], Vec::new()).await;
        assert_eq!(refused.status, 405, "{path}");
        let allowed: BTreeSet<String> = refused.header("allow").unwrap().split(", ").map(str::to_lowercase).collect();
        for method in METHODS {
            if item.get(method).is_some() {
                assert!(allowed.contains(method), "{path} {method}");
            }
        }
    }
}

/// A record with the fields that each microversion adds, taken from the document.
#[tokio::test]
async fn fields_are_there_from_the_microversion_that_the_document_names() {
    let service = Service::new().await;
    service.add_two_goals().await;
    *service.engine.cluster.lock().unwrap() = Some(crate::data_model::cluster());
    let template = json!({"name": "t", "goal": "dummy", "strategy": "dummy"});
    service.call("POST", "/v1/audit_templates", Some(template)).await;
    let audit = service.add_audit("a").await;
    service.recommend(audit).await;
    let mut marked = BTreeSet::new();
    for (path, schema, place) in [
        ("/v1", "V1Document", ""),
        ("/v1/audits/a", "AuditView", ""),
        ("/v1/audit_templates/t", "AuditTemplateView", ""),
        ("/v1/action_plans/detail", "ActionPlanView", "/action_plans/0"),
        ("/v1/actions/detail", "ActionView", "/actions/0"),
        ("/v1/data_model", "DataModelRow", "/context/0"),
    ] {
        let properties = DOCUMENT["components"]["schemas"][schema]["properties"].as_object().unwrap();
        for minor in 0..=7_u32 {
            if schema == "DataModelRow" && minor < 3 {
                continue;
            }
            let version = format!("infra-optim 1.{minor}");
            let answer = service.send("GET", path, &[("openstack-api-version", &version)], Vec::new()).await.json();
            let record = answer.pointer(place).unwrap_or_else(|| panic!("{path}: {answer}"));
            let here: BTreeSet<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
            let expected: BTreeSet<&str> = properties
                .iter()
                .filter(|(_, property)| since(property) <= minor)
                .map(|(name, _)| name.as_str())
                .collect();
            assert_eq!(here, expected, "{path} in 1.{minor}");
        }
        marked.extend(
            properties.iter().filter(|(_, property)| since(property) > 0).map(|(name, _)| format!("{schema}.{name}")),
        );
    }
    assert_eq!(
        marked.into_iter().collect::<Vec<_>>(),
        [
            "ActionPlanView.status_message",
            "ActionView.status_message",
            "AuditTemplateView.default_parameters",
            "AuditView.end_time",
            "AuditView.start_time",
            "AuditView.status_message",
            "DataModelRow.server_flavor_extra_specs",
            "DataModelRow.server_pinned_az",
            "V1Document.data_model",
            "V1Document.webhooks",
        ]
    );
}

/// The minor version from which a field is there.
fn since(property: &Value) -> u32 {
    property
        .as_object()
        .and_then(|property: &Map<_, _>| property.get("x-openstack-min-microversion"))
        .map_or(0, |version| version.as_str().unwrap().split_once('.').unwrap().1.parse().unwrap())
}
