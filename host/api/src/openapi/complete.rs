//! Adds to the document what the derives cannot say: headers of answers, sort keys, closed sets of words, microversions of fields, and
//! objects that are put together from several.

use serde_json::{Map, Value, json};
use watcher_domain::cloud::Method;
use watcher_domain::plugin::{MemberStatus, PluginVisibility, VersionState};
use watcher_domain::{ActionPlanState, ActionState, AuditState, AuditType, PluginKind};

use crate::v1::{
    action_plans, actions, audit_templates, audits, goals, plugins, scoring_engines, services, strategies,
};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// Name of the extension that says from which microversion a field is there.
pub(crate) const MICROVERSION: &str = "x-openstack-min-microversion";

/// The document with everything added.
pub(super) fn complete(mut document: Value) -> Value {
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        flatten(schemas);
        for schema in schemas.values_mut() {
            mark_microversions(schema);
        }
        for (schema, property, words) in words() {
            set_words(&mut schemas[schema]["properties"][property], &words);
        }
        say_what_a_new_audit_needs(&mut schemas["NewAudit"]);
        let version = json!({"$ref": "#/components/schemas/RunningVersion"});
        say_which_versions(&mut schemas["PluginGrantView"], &version, &json!({"type": "null"}));
        say_which_versions(&mut schemas["NewPluginGrant"], &json!({"type": "string"}), &Value::Null);
    }
    drop_unused_schemas(&mut document);
    document["components"]["headers"] = headers();
    let Some(paths) = document["paths"].as_object_mut() else { return document };
    for (path, item) in paths {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                complete_operation(path, operation);
            }
        }
    }
    document
}

fn complete_operation(path: &str, operation: &mut Value) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if parameter["in"] == "header" {
            parameter["schema"] = json!({"type": "string"});
        }
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        match name.as_str() {
            "sort_key" => set_words(&mut parameter["schema"], &sort_keys(path)),
            "sort_dir" => set_words(&mut parameter["schema"], &["asc", "desc"]),
            "data_model_type" => set_words(&mut parameter["schema"], &["compute"]),
            "kind" => set_words(
                &mut parameter["schema"],
                &PluginKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
            ),
            "visibility" => {
                let words: Vec<_> = PluginVisibility::ALL.iter().map(|visibility| visibility.as_str()).collect();
                set_words(&mut parameter["schema"], &words);
            }
            "member_status" => set_words(&mut parameter["schema"], &["pending", "accepted", "rejected", "all"]),
            "limit" => parameter["schema"] = json!({"type": "integer", "minimum": 1}),
            "marker" => parameter["schema"] = marker(path),
            "action_plan" | "action" | "audit_uuid" | "action_plan_uuid" => {
                parameter["schema"] = json!({"type": "string", "format": "uuid"});
            }
            _ => {}
        }
    }
    let Some(answers) = operation["responses"].as_object_mut() else { return };
    // The head of a request is read before there is an operation.
    answers.insert("414".to_owned(), json!({"description": "The path and query are too long"}));
    answers.insert("431".to_owned(), json!({"description": "The headers are too large"}));
    answers.sort_keys();
    for (status, answer) in answers.iter_mut() {
        if matches!(status.as_str(), "414" | "431") {
            continue;
        }
        let mut add = |header: &str, component: &str| {
            answer["headers"][header] = json!({"$ref": format!("#/components/headers/{component}")});
        };
        add("X-Openstack-Request-Id", "RequestId");
        if status == "401" {
            add("WWW-Authenticate", "Authenticate");
        } else if path.starts_with("/v1") {
            add("OpenStack-API-Version", "Version");
            add("OpenStack-API-Minimum-Version", "MinimumVersion");
            add("OpenStack-API-Maximum-Version", "MaximumVersion");
            add("Vary", "Vary");
        }
    }
}

fn headers() -> Value {
    let header = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    json!({
        "RequestId": {
            "description": "The request in the log: the id that it was sent with, or a new one",
            "required": true,
            "schema": {"type": "string", "pattern": "^req-[0-9a-fA-F-]{36}$"},
        },
        "Version": header("The microversion of the answer, as `infra-optim X.Y`; not there if it could not be settled"),
        "MinimumVersion": header("The lowest microversion"),
        "MaximumVersion": header("The highest microversion"),
        "Vary": header("What else the answer depends on: the microversion, and with CORS the origin"),
        "Authenticate": header("Where to get a token"),
    })
}

/// Puts objects that are made of several together into one, and says that they have no other members.
fn flatten(schemas: &mut Map<String, Value>) {
    let before = schemas.clone();
    for schema in schemas.values_mut() {
        if let Some(members) = schema.get("allOf").and_then(Value::as_array).cloned() {
            let (mut properties, mut required) = (Map::new(), Vec::new());
            for member in &members {
                let (part, optional) = resolve(&before, member);
                properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
                if !optional {
                    required.extend(part["required"].as_array().cloned().unwrap_or_default());
                }
            }
            let description = schema["description"].clone();
            *schema =
                json!({"type": "object", "description": description, "required": required, "properties": properties});
        }
        if schema["type"] == "object" && schema.get("properties").is_some() {
            schema["additionalProperties"] = false.into();
        }
    }
}

/// A part of an object, and whether it may be missing as a whole.
fn resolve<'a>(schemas: &'a Map<String, Value>, member: &'a Value) -> (&'a Value, bool) {
    if let Some(name) = member["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return (schemas.get(name).unwrap_or(member), false);
    }
    let choices = member["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    match choices.iter().find(|choice| choice.get("$ref").is_some()) {
        Some(choice) => (resolve(schemas, choice).0, true),
        None => (member, false),
    }
}

/// Objects that went into others are not described by themselves.
fn drop_unused_schemas(document: &mut Value) {
    let text = document.to_string();
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
    }
}

/// A field's description names the version that added it; tools read it from here.
fn mark_microversions(schema: &mut Value) {
    for property in schema["properties"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        let description = property["description"].as_str().unwrap_or_default().to_lowercase();
        let version = description.split_once("from version ").map(|(_, rest)| rest.chars().take(3).collect::<String>());
        if let Some(version) = version {
            property[MICROVERSION] = version.into();
        }
    }
}

fn set_words(schema: &mut Value, words: &[&str]) {
    let mut words: Vec<Value> = words.iter().map(|&word| word.into()).collect();
    if schema["type"].as_array().is_some_and(|types| types.iter().any(|kind| kind == "null")) {
        words.push(Value::Null);
    }
    schema["enum"] = words.into();
}

/// Properties whose values are a closed set of words.
fn words() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let kinds: Vec<_> = PluginKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let visibilities: Vec<_> = PluginVisibility::ALL.iter().map(|visibility| visibility.as_str()).collect();
    let statuses: Vec<_> = MemberStatus::ALL.iter().map(|status| status.as_str()).collect();
    let audit_types: Vec<_> = AuditType::ALL.iter().map(|kind| kind.as_str()).collect();
    vec![
        ("AuditView", "audit_type", audit_types.clone()),
        ("NewAudit", "audit_type", audit_types),
        ("AuditView", "state", AuditState::ALL.iter().map(|state| state.as_str()).collect()),
        ("ActionPlanView", "state", ActionPlanState::ALL.iter().map(|state| state.as_str()).collect()),
        ("ActionView", "state", ActionState::ALL.iter().map(|state| state.as_str()).collect()),
        ("ServiceView", "status", vec!["ACTIVE", "FAILED"]),
        ("RequirementView", "type", vec!["Datasource", "Metrics", "CDM", "Name"]),
        ("DataModelRow", "node_status", vec!["enabled", "disabled"]),
        ("DataModelRow", "node_state", vec!["up", "down"]),
        ("PluginView", "kind", kinds.clone()),
        ("PluginView", "visibility", visibilities),
        ("PluginView", "member_status", statuses.clone()),
        ("PluginVersionView", "kind", kinds),
        ("PluginVersionView", "state", VersionState::ALL.iter().map(|state| state.as_str()).collect()),
        ("PluginMemberView", "status", statuses.clone()),
        ("PluginAnswer", "status", statuses),
        ("RequestPatternView", "method", Method::ALL.iter().map(|method| method.as_str()).collect()),
        ("Link", "rel", vec!["self", "bookmark", "describedby"]),
        ("PatchOperation", "op", vec!["add", "replace", "remove"]),
    ]
}

/// A grant is for any version, or for those of a list.
fn say_which_versions(schema: &mut Value, version: &Value, nothing: &Value) {
    let property = &mut schema["properties"]["versions"];
    let mut choices = vec![json!({"const": "any"}), json!({"type": "array", "items": version})];
    choices.extend((!nothing.is_null()).then(|| nothing.clone()));
    *property = json!({"description": property["description"], "oneOf": choices});
}

fn say_what_a_new_audit_needs(schema: &mut Value) {
    schema["properties"]["audit_template_uuid"]["format"] = "uuid".into();
    let flag = json!({"oneOf": [
        {"type": ["boolean", "integer", "null"]},
        {"enum": ["true", "t", "yes", "y", "on", "1", "false", "f", "no", "n", "off", "0"]},
    ]});
    for name in ["auto_trigger", "force"] {
        let description = schema["properties"][name]["description"].clone();
        schema["properties"][name] = flag.clone();
        schema["properties"][name]["description"] = description;
    }
    let given = |name: &str| json!({"required": [name], "properties": {name: {"type": "string", "minLength": 1}}});
    schema["anyOf"] = json!([given("goal"), given("audit_template_uuid")]);
}

fn sort_keys(path: &str) -> Vec<&'static str> {
    fn names<K>(keys: &[(&'static str, K)]) -> Vec<&'static str> {
        keys.iter().map(|(name, _)| *name).collect()
    }
    match collection(path) {
        "goals" => names(goals::list::KEYS),
        "strategies" => names(strategies::list::KEYS),
        "audit_templates" => names(audit_templates::list::KEYS),
        "audits" => names(audits::list::KEYS),
        "action_plans" => names(action_plans::list::KEYS),
        "actions" => names(actions::list::KEYS),
        "plugins" if path == "/v1/plugins" => names(plugins::list::KEYS),
        "plugins" => names(plugins::versions::KEYS),
        "scoring_engines" => names(scoring_engines::list::KEYS),
        "services" => names(services::list::KEYS),
        _ => Vec::new(),
    }
}

fn marker(path: &str) -> Value {
    match collection(path) {
        "services" => json!({"type": "integer"}),
        "plugins" if path.ends_with("/events") => json!({"type": "integer"}),
        // What is no UUID is not found here, rather than refused.
        "goals" | "strategies" | "scoring_engines" | "plugins" => json!({"type": "string"}),
        _ => json!({"type": "string", "format": "uuid"}),
    }
}

fn collection(path: &str) -> &str {
    path.split('/').nth(2).unwrap_or_default()
}
