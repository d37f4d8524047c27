//! Answers of the service, for people; with `--json` as they are.

use serde_json::Value;

use super::connection::Connection;
use crate::plugin::table::{Column, Table};
use crate::show::{print, print_json};

/// Prints an answer as JSON if that is wanted.
fn as_json(service: &Connection, answer: &Value) -> bool {
    if service.json {
        // What came as JSON is written as JSON.
        let _ = print_json(answer);
    }
    service.json
}

/// A value as one cell; nothing for null.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Prints a list: for each column its title, and the field or pointer that it shows.
fn list(service: &Connection, items: Vec<Value>, columns: &[(Column, &str)]) {
    let items = Value::Array(items);
    if as_json(service, &items) {
        return;
    }
    let mut table = Table::new(&columns.iter().map(|(column, _)| *column).collect::<Vec<_>>());
    for item in items.as_array().map(Vec::as_slice).unwrap_or_default() {
        table.add(columns.iter().map(|(_, field)| item.pointer(&format!("/{field}")).map(cell).unwrap_or_default()));
    }
    if table.is_empty() {
        print("there are none");
    } else {
        print(&table.text());
    }
}

/// Plugins.
pub(super) fn plugins(service: &Connection, items: Vec<Value>) {
    let columns = [
        (Column::Text("uuid"), "uuid"),
        (Column::Text("kind"), "kind"),
        (Column::Text("name"), "name"),
        (Column::Text("visibility"), "visibility"),
        (Column::Text("project"), "project_id"),
        (Column::Text("answer"), "member_status"),
    ];
    list(service, items, &columns);
}

/// Versions of a plugin.
pub(super) fn versions(service: &Connection, items: Vec<Value>) {
    let columns = [
        (Column::Text("version"), "version"),
        (Column::Text("state"), "state"),
        (Column::Number("bytes"), "size_bytes"),
        (Column::Text("uploaded"), "created_at"),
        (Column::Text("digest"), "digest"),
        (Column::Text("notes"), "notes"),
    ];
    list(service, items, &columns);
}

/// What happened to a plugin.
pub(super) fn events(service: &Connection, items: Vec<Value>) {
    let columns = [
        (Column::Text("when"), "happened_at"),
        (Column::Text("event"), "event"),
        (Column::Text("project"), "project_id"),
        (Column::Text("user"), "user_id"),
        (Column::Text("detail"), "detail"),
    ];
    list(service, items, &columns);
}

/// The projects that a plugin was offered to.
pub(super) fn members(service: &Connection, answer: &Value) {
    let items = answer["members"].as_array().cloned().unwrap_or_default();
    list(service, items, &[(Column::Text("project"), "project_id"), (Column::Text("answer"), "status")]);
}

/// What a plugin may ask.
pub(super) fn grant(service: &Connection, answer: &Value) {
    if as_json(service, answer) {
        return;
    }
    match answer["requests"].as_array().map(Vec::as_slice) {
        None => print("the project never said what the plugin may ask, so it may ask nothing"),
        Some([]) => print("the plugin may ask nothing"),
        Some(requests) => {
            match &answer["versions"] {
                Value::Array(versions) => {
                    let names =
                        versions.iter().map(|version| version.get("version").map_or_else(|| cell(version), cell));
                    print(&format!("granted for {}", names.collect::<Vec<_>>().join(", ")));
                }
                _ => print("granted for any version"),
            }
            let columns = [
                (Column::Text("service"), "service"),
                (Column::Text("method"), "method"),
                (Column::Text("path"), "path"),
                (Column::Text("query"), "query"),
                (Column::Text("microversions"), "microversions"),
                (Column::Text("actions"), "actions"),
            ];
            list(service, requests.to_vec(), &columns);
        }
    }
}

/// The signatures over a version.
pub(super) fn signatures(service: &Connection, answer: &Value) {
    let items = answer["signatures"].as_array().cloned().unwrap_or_default();
    // A signature in base64 has 88 characters, and nobody reads it.
    list(service, items, &[(Column::Text("key"), "key"), (Column::Text("signature"), "signature")]);
}

/// Whose signatures count, and when one is needed.
pub(super) fn signing_policy(service: &Connection, answer: &Value) {
    if as_json(service, answer) {
        return;
    }
    let required: Vec<String> = answer["require"].as_array().into_iter().flatten().map(cell).collect();
    if required.is_empty() {
        print("no signature is required");
    } else {
        print(&format!("a signature is required for {}", required.join(", ")));
    }
    let keys = answer["keys"].as_array().cloned().unwrap_or_default();
    if !keys.is_empty() {
        list(
            service,
            keys,
            &[
                (Column::Text("name"), "name"),
                (Column::Text("state"), "state"),
                (Column::Text("key"), "key"),
                (Column::Text("public key"), "public_key"),
            ],
        );
    }
}

/// Limits and usage of a project.
pub(super) fn quota(service: &Connection, answer: &Value) {
    if as_json(service, answer) {
        return;
    }
    let mut table = Table::new(&[Column::Text("what"), Column::Number("used"), Column::Number("limit")]);
    for (name, limit) in answer["limits"].as_object().into_iter().flatten() {
        match limit {
            Value::Object(inner) => {
                for (limit, value) in inner {
                    table.add([format!("{name}.{limit}"), String::new(), cell(value)]);
                }
            }
            limit => {
                table.add([name.clone(), answer["usage"].get(name).map(cell).unwrap_or_default(), cell(limit)]);
            }
        }
    }
    print(&table.text());
}

/// What plugins used, a line for each day and plugin.
pub(super) fn usage(service: &Connection, answer: &Value) {
    const NUMBERS: [&str; 8] =
        ["calls", "limited", "crashed", "dropped", "fuel", "duration_us", "memory_bytes", "requests"];
    if as_json(service, answer) {
        return;
    }
    let texts = ["day", "kind", "name", "version"];
    let columns = texts.map(Column::Text).into_iter().chain(NUMBERS.map(Column::Number)).collect::<Vec<_>>();
    let mut table = Table::new(&columns);
    for row in answer["usage"].as_array().into_iter().flatten() {
        table.add(texts.iter().chain(&NUMBERS).map(|name| cell(&row[name])));
    }
    print(&table.text());
}

/// One record, a line for each field.
pub(super) fn record(service: &Connection, answer: &Value) {
    if as_json(service, answer) {
        return;
    }
    let mut table = Table::new(&[Column::Text("field"), Column::Text("value")]);
    for (name, value) in answer.as_object().into_iter().flatten().filter(|(name, _)| *name != "links") {
        match value {
            Value::Object(inner) if name == "report" => {
                for part in ["verdict", "problems", "warnings", "determinism"] {
                    table.add([format!("report: {part}"), inner.get(part).map(cell).unwrap_or_default()]);
                }
            }
            Value::Object(inner) => {
                let text: Vec<String> = inner.iter().map(|(name, value)| format!("{name} {}", cell(value))).collect();
                table.add([name.clone(), text.join(", ")]);
            }
            Value::Array(items) => table.add([name.clone(), items.iter().map(cell).collect::<Vec<_>>().join(", ")]),
            other => table.add([name.clone(), cell(other)]),
        }
    }
    print(&table.text());
}

/// The version that an upload made.
pub(super) fn pushed(service: &Connection, version: &Value) {
    if as_json(service, version) {
        return;
    }
    let text = |name: &str| cell(&version[name]);
    print(&format!("{} {} {} is uploaded: {}", text("kind"), text("name"), text("version"), text("digest")));
    for warning in version["report"]["warnings"].as_array().into_iter().flatten() {
        print(&format!("  worth a look: {} {}", cell(&warning["at"]), cell(&warning["message"])));
    }
}

/// Something that leaves nothing to show.
pub(super) fn done(service: &Connection, text: &str) {
    if !service.json {
        print(text);
    }
}
