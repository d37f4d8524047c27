//! Golden decisions through the sandbox: `watcher-host decide` gives what the original gave, or what we say instead.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Equal, with numbers to 10⁻⁹ and integers equal to whole floating-point numbers.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1.0)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// The parts of a report that a golden decision has too.
fn decided(report: &Value) -> Value {
    let keep = |action: &Value| {
        let parts = ["action_type", "input_parameters", "parents"];
        Value::Object(parts.iter().map(|&key| (key.to_owned(), action[key].clone())).collect())
    };
    let plan = report["actions"].as_array().unwrap().iter().map(keep).collect();
    let indicators: Map<String, Value> = report["efficacy_indicators"]
        .as_array()
        .unwrap()
        .iter()
        .map(|indicator| (indicator["name"].as_str().unwrap().to_owned(), indicator["value"].clone()))
        .collect();
    let sums = report["global_efficacy"].as_array().unwrap().iter();
    let sums = sums.map(|sum| (sum["name"].as_str().unwrap().to_owned(), sum["value"].clone())).collect();
    serde_json::json!({"plan": Value::Array(plan), "indicators": indicators, "sums": Value::Object(sums)})
}

fn wanted(answer: &Value) -> Value {
    let sums = answer["global_efficacy"].as_array().into_iter().flatten();
    let sums = sums.map(|sum| (sum["name"].as_str().unwrap().to_owned(), sum["value"].clone())).collect();
    serde_json::json!({
        "plan": answer["plan"],
        "indicators": answer["efficacy_indicators"],
        "sums": Value::Object(sums),
    })
}

#[test]
fn decisions_in_the_sandbox_equal_the_golden_ones() {
    let folder = tempfile::tempdir().unwrap();
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/golden/decisions")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let golden: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let case = folder.path().join(path.file_name().unwrap());
            std::fs::write(&case, golden["case"].to_string()).unwrap();
            cases.push((case, golden));
        }
    }
    assert!(cases.len() > 50, "the golden decisions are missing");
    let reports = folder.path().join("reports");
    let output = Command::new(env!("CARGO_BIN_EXE_watcher-host"))
        .arg("decide")
        .arg("--report-dir")
        .arg(&reports)
        .arg("--case")
        .args(cases.iter().map(|(case, _)| case))
        .env("WATCHER_PLUGINS_DIR", root().join("target/plugins"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut wrong = Vec::new();
    for (case, golden) in cases {
        let name = case.file_name().unwrap();
        let report: Value = serde_json::from_slice(&std::fs::read(reports.join(name)).unwrap()).unwrap();
        let ours = &golden["ours"];
        let answer = if ours["plan"].is_array() { ours } else { &golden["expected"] };
        let equal = if ours["random"] == true {
            report["error"].is_null()
        } else if !answer["error"].is_null() {
            !report["error"].is_null()
        } else {
            report["error"].is_null() && same(&decided(&report), &wanted(answer))
        };
        if !equal {
            wrong.push(format!("{}: {}", name.display(), report["error"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
