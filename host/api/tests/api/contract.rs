//! Every answer in these tests against the description of the API: the status must be documented, the body as described.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::service::Answer;

/// The description.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| watcher_api::openapi_document().unwrap());

/// Statuses that the methods without an operation are answered with, and paths that do not exist.
const ELSEWHERE: [u16; 7] = [200, 401, 404, 405, 406, 413, 503];

/// Checks one answer.
pub(crate) fn check(method: &str, target: &str, answer: &Answer) {
    let status = answer.status.as_u16();
    let Some((path, operation)) = operation(&method.to_lowercase(), target) else {
        assert!(ELSEWHERE.contains(&status), "{method} {target}: {status}");
        return;
    };
    let described = &operation["responses"][status.to_string()];
    assert!(!described.is_null(), "{method} {target}: {status} is not documented for {path}: {}", answer.body);
    for (name, header) in described["headers"].as_object().into_iter().flatten() {
        let header = header["$ref"].as_str().map_or(header, |reference| find(reference));
        if header["required"] == true {
            assert!(answer.header(name).is_some(), "{method} {target}: {status} without {name}");
        }
    }
    let Some(content) = described["content"].as_object() else {
        assert!(answer.body.is_empty(), "{method} {target}: {status} has a body: {}", answer.body);
        return;
    };
    let media_type = answer.header("content-type").unwrap().split(';').next().unwrap();
    let content =
        content.get(media_type).unwrap_or_else(|| panic!("{method} {target}: {media_type} is not documented"));
    if media_type == "application/json" {
        let validator = validator(&format!("{method} {path} {status}"), &content["schema"]);
        let body = answer.json();
        let errors: Vec<String> =
            validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{method} {target}: {status} is not as described: {errors:#?}\n{body:#}");
    }
}

/// The template of a target's path, and its operation; none if there is none.
pub(crate) fn operation(method: &str, target: &str) -> Option<(&'static str, &'static Value)> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments != ["openapi.json"]
        && let Some(last) = segments.last_mut()
        && let Some(bare) = last.strip_suffix(".json").filter(|bare| !bare.is_empty())
    {
        *last = bare;
    }
    if !matches!(segments.first(), None | Some(&("v1" | "openapi.json" | "docs"))) {
        segments.insert(0, "v1");
    }
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').filter(|part| !part.is_empty()).collect();
        parts.len() == segments.len()
            && parts.iter().zip(&segments).all(|(part, segment)| part.starts_with('{') || part == segment)
    };
    // What is written out comes before what stands for anything.
    let (template, item) = paths
        .iter()
        .filter(|(template, _)| fits(template))
        .min_by_key(|(template, _)| template.matches('{').count())?;
    // No item is called so, whatever its parent.
    if segments.len() > 2 && segments.last() == Some(&"detail") && template.ends_with('}') {
        return None;
    }
    Some((template.as_str(), item.get(method)?))
}

fn find(reference: &str) -> &'static Value {
    DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} is not there"))
}

/// The schema, ready to check with, made once.
fn validator(name: &str, schema: &Value) -> Arc<Validator> {
    static MADE: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap();
    let validator = made.entry(name.to_owned()).or_insert_with(|| {
        let whole = json!({"allOf": [schema], "components": DOCUMENT["components"]});
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        Arc::new(options.build(&whole).unwrap())
    });
    Arc::clone(validator)
}
