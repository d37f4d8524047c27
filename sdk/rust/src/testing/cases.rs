//! Cases: a cluster file with a strategy's parameters, run natively, and compared with a recorded outcome.
//!
//! Does what the host does around a strategy: fills in the defaults of the parameters, drops repeated actions, adds `resource_id` to the
//! parameters of an action, hands the solution to a planner. It does not apply an audit scope: that is the host's work alone.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::FakeHost;
use crate::{Failure, NewAction, Planner, SolutionAction, Strategy};

/// Fills in the defaults of a schema, at every level, and refuses keys that it does not name.
///
/// # Errors
/// `unknown-parameter`, naming the key.
pub fn with_defaults(schema: &Value, mut value: Value) -> Result<Value, Failure> {
    let (Some(properties), Some(object)) = (schema.get("properties").and_then(Value::as_object), value.as_object_mut())
    else {
        return Ok(value);
    };
    if let Some(key) = object.keys().find(|&key| !properties.contains_key(key)) {
        return Err(Failure::input("unknown-parameter", format!("there is no parameter {key}")));
    }
    for (key, schema) in properties {
        if let Some(given) = object.get_mut(key) {
            *given = with_defaults(schema, given.take())?;
        } else if let Some(default) = schema.get("default") {
            object.insert(key.clone(), with_defaults(schema, default.clone())?);
        }
    }
    Ok(value)
}

/// Runs a strategy and a planner on the text of a case.
///
/// The report has `actions` (each `action_type`, `input_parameters`), `plan` (likewise, with `parents` as indexes),
/// `efficacy_indicators` (name to value), `global_efficacy` (each `name`, `unit`, `value`) and `error`: the code of a failure, or null.
pub fn run<S: Strategy, P: Planner>(case: &str) -> Value {
    run_on::<S, P>(case, |host| host)
}

/// The same, on a host that was prepared further, e.g. with scoring engines.
pub fn run_on<S: Strategy, P: Planner>(case: &str, prepare: impl Fn(FakeHost) -> FakeHost) -> Value {
    report::<S, P>(case, prepare).unwrap_or_else(|failure| {
        json!({"actions": [], "plan": [], "efficacy_indicators": {}, "global_efficacy": [], "error": failure.code, "message": failure.message})
    })
}

fn report<S: Strategy, P: Planner>(case: &str, prepare: impl Fn(FakeHost) -> FakeHost) -> Result<Value, Failure> {
    let invalid = |error: serde_json::Error| Failure::input("invalid-input", error.to_string());
    let file: Value = serde_json::from_str(case).map_err(invalid)?;
    if file.get("scope").and_then(Value::as_array).is_some_and(|scope| !scope.is_empty()) {
        return Err(Failure::input("scope-not-applied", "a scope is applied by the host, not by the fake one"));
    }
    let host = prepare(FakeHost::from_cluster_file(case)?);
    let given = file.get("parameters").filter(|given| !given.is_null()).cloned().unwrap_or_else(|| json!({}));
    let parameters = with_defaults(&S::describe().parameters_schema, given)?;
    let given = file.get("configuration").cloned().unwrap_or_else(|| json!({}));
    let configuration = with_defaults(&S::describe().configuration_schema, given)?;
    let solution = S::execute(
        &host,
        serde_json::from_value(parameters).map_err(invalid)?,
        serde_json::from_value(configuration).map_err(invalid)?,
    )?;
    let actions = distinct(solution.actions);
    let configuration = with_defaults(&P::describe().configuration_schema, json!({}))?;
    let plan = P::schedule(&host, &actions, serde_json::from_value(configuration).map_err(invalid)?)?;
    let to_json = |action: &SolutionAction| -> Result<Map<String, Value>, Failure> {
        let mut parameters: Map<String, Value> = serde_json::from_str(&action.input_parameters).map_err(invalid)?;
        if !action.resource_id.is_empty() {
            parameters.insert("resource_id".to_owned(), json!(action.resource_id));
        }
        let mut json = Map::new();
        json.insert("action_type".to_owned(), json!(action.action_type));
        json.insert("input_parameters".to_owned(), Value::Object(parameters));
        Ok(json)
    };
    let mut planned = Vec::with_capacity(plan.len());
    for place in &plan {
        let mut json = to_json(&actions[place.action as usize])?;
        json.insert("parents".to_owned(), json!(place.parents));
        planned.push(json);
    }
    let global_efficacy: Vec<Value> = S::global_efficacy(&solution.efficacy_indicators)?
        .into_iter()
        .map(|sum| json!({"name": sum.name, "unit": sum.unit, "value": sum.value}))
        .collect();
    let indicators: Map<String, Value> =
        solution.efficacy_indicators.into_iter().map(|(name, value)| (name, json!(value))).collect();
    Ok(json!({
        "actions": actions.iter().map(to_json).collect::<Result<Vec<_>, _>>()?,
        "plan": planned,
        "efficacy_indicators": indicators,
        "global_efficacy": global_efficacy,
        "error": null,
    }))
}

/// Keeps the first of equal actions, as the host does.
fn distinct(actions: Vec<NewAction>) -> Vec<SolutionAction> {
    let mut seen = HashSet::new();
    actions
        .into_iter()
        .map(|mut action| SolutionAction {
            action_type: std::mem::take(&mut action.action_type),
            resource_id: std::mem::take(&mut action.resource_id),
            input_parameters: action.into_input_parameters(),
        })
        .filter(|action| {
            seen.insert((action.action_type.clone(), action.resource_id.clone(), action.input_parameters.clone()))
        })
        .collect()
}

/// Where two reports differ, at most ten places; numbers may differ by 10⁻⁹. Errors are equal when both have one, whichever it is.
pub fn differences(expected: &Value, report: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let failed = |report: &Value| !report["error"].is_null();
    if failed(expected) != failed(report) {
        found.push(format!("error: expected {}, got {} {}", expected["error"], report["error"], report["message"]));
    } else if !failed(expected) {
        for part in ["actions", "plan", "efficacy_indicators", "global_efficacy"] {
            compare(part, &expected[part], &report[part], &mut found);
        }
    }
    found.truncate(10);
    found
}

fn compare(place: &str, expected: &Value, value: &Value, found: &mut Vec<String>) {
    match (expected, value) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            for (key, expected) in a {
                compare(&format!("{place}.{key}"), expected, b.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (expected, value)) in a.iter().zip(b).enumerate() {
                compare(&format!("{place}[{i}]"), expected, value, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            found.push(format!("{place}: expected {} entries, got {}", a.len(), b.len()));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            if (a - b).abs() > 1e-9 || a.is_nan() != b.is_nan() {
                found.push(format!("{place}: expected {a}, got {b}"));
            }
        }
        _ if expected == value => {}
        _ => found.push(format!("{place}: expected {expected}, got {value}")),
    }
}

/// What is wrong with a report whatever was drawn at random: an error, an instance that moves twice, or that is not where it is taken from.
pub fn properties(case: &Value, report: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if !report["error"].is_null() {
        found.push(format!("error: {} {}", report["error"], report["message"]));
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let placed: std::collections::HashMap<String, Value> = list(&case["compute"]["instances"])
        .into_iter()
        .map(|instance| (instance["uuid"].as_str().unwrap_or_default().to_owned(), instance["node"].clone()))
        .collect();
    let nodes = list(&case["compute"]["nodes"]);
    let is_node = |name: &Value, node: &Value| {
        nodes.iter().any(|entry| entry["hostname"] == *name && (entry["hostname"] == *node || entry["uuid"] == *node))
    };
    let mut moved = HashSet::new();
    for action in list(&report["actions"]).iter().filter(|action| action["action_type"] == "migrate") {
        let parameters = &action["input_parameters"];
        let instance = parameters["resource_id"].as_str().unwrap_or_default();
        if !moved.insert(instance.to_owned()) {
            found.push(format!("instance {instance} moves twice"));
        }
        let node = placed.get(instance).unwrap_or(&Value::Null);
        if !is_node(&parameters["source_node"], node) || parameters["source_node"] == parameters["destination_node"] {
            found.push(format!(
                "instance {instance} is taken from {} to {}",
                parameters["source_node"], parameters["destination_node"]
            ));
        }
    }
    found
}

/// Compares every golden case of one strategy in a folder with what the strategy does now; returns how many there were.
///
/// A golden case is a JSON file with `case`, `expected` (a report), and `ours`: null, or the report of a strategy that differs on purpose, with
/// a `reason`; with `random` in place of a report only [`properties`] are checked. Cases with a scope are left to tests that run the host.
///
/// # Panics
/// When the folder or a file cannot be read, or a report differs: this is for tests.
pub fn check_golden<S: Strategy, P: Planner>(folder: &std::path::Path) -> usize {
    check_golden_on::<S, P>(folder, |host| host)
}

/// The same, on a host that was prepared further, e.g. with scoring engines.
///
/// # Panics
/// As [`check_golden`].
pub fn check_golden_on<S: Strategy, P: Planner>(
    folder: &std::path::Path,
    prepare: impl Fn(FakeHost) -> FakeHost,
) -> usize {
    let name = S::describe().name;
    let mut checked = 0;
    let mut wrong = Vec::new();
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the folder is there").map(|file| file.expect("readable").path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
        let text = std::fs::read_to_string(path).expect("a readable file");
        let golden: Value = serde_json::from_str(&text).expect("a golden case is JSON");
        let case = &golden["case"];
        if case["strategy"] != name.as_str() || case["scope"].as_array().is_some_and(|scope| !scope.is_empty()) {
            continue;
        }
        checked += 1;
        let report = run_on::<S, P>(&case.to_string(), &prepare);
        let found = if golden["ours"]["random"] == true {
            properties(case, &report)
        } else {
            differences(if golden["ours"].is_null() { &golden["expected"] } else { &golden["ours"] }, &report)
        };
        wrong.extend(found.into_iter().map(|difference| format!("{}: {difference}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    checked
}

/// The body of an example program: `decide --report-dir DIR CASE…` writes the report of each case, named as the case.
///
/// # Errors
/// When a file cannot be read or written.
pub fn main<S: Strategy, P: Planner>() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut folder = std::path::PathBuf::from(".");
    while let Some(argument) = arguments.next() {
        if argument == "--report-dir" {
            folder = arguments.next().unwrap_or_default().into();
            continue;
        }
        let path = std::path::PathBuf::from(argument);
        let report = run::<S, P>(&std::fs::read_to_string(&path)?);
        std::fs::write(folder.join(path.file_name().unwrap_or_default()), report.to_string())?;
    }
    Ok(())
}
