//! `watcher-host policy list`.

use serde_json::json;
use watcher_api::{Effective, RuleSet};

use crate::cli::PolicyFormat;
use crate::config::PolicyConfig;

/// All rules in force, with their origins. As YAML it is a policy file.
pub fn list(config: &PolicyConfig, rules: &RuleSet, format: PolicyFormat) -> String {
    let origin = |rule: &Effective| match rule.line {
        Some(line) => format!("file {}, line {line}", config.file),
        None => "default".to_owned(),
    };
    match format {
        PolicyFormat::Json => {
            let rules: Vec<_> = rules
                .rules()
                .map(|(name, rule)| {
                    json!({
                        "name": name,
                        "check": rule.check.to_string(),
                        "default": rule.default,
                        "origin": origin(rule),
                        "description": rule.meaning,
                        "operation": rule.operation,
                    })
                })
                .collect();
            format!("{:#}", json!(rules))
        }
        PolicyFormat::Yaml => {
            let mut lines = Vec::new();
            for (name, rule) in rules.rules() {
                if !rule.meaning.is_empty() {
                    lines.push(format!("# {}", rule.meaning));
                }
                lines.extend(rule.operation.map(|operation| format!("# {operation}")));
                lines.push(format!("# origin: {}", origin(rule)));
                lines.push(format!("{}: {}", quoted(name), quoted(&rule.check.to_string())));
                lines.push(String::new());
            }
            lines.pop();
            lines.join("\n")
        }
    }
}

/// A YAML text: JSON's are.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::read;

    #[test]
    fn a_list_read_as_a_file_is_the_same_policy() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let path = file("one.yaml", "reader: role:reader\ngoal:get: rule:reader or 'a':%(name)s\n");
        let config = PolicyConfig { file: path.display().to_string() };
        let (rules, _) = read(&path).unwrap();
        let text = list(&config, &rules, PolicyFormat::Yaml);
        assert!(text.contains("# Show a goal.\n# GET /v1/goals/{goal}\n# origin: file"), "{text}");
        assert!(text.contains("# origin: default\n\"audit:get\": \"rule:admin_api\""), "{text}");
        let (again, unused) = read(&file("two.yaml", &text)).unwrap();
        assert!(unused.is_empty());
        for (name, rule) in rules.rules() {
            assert_eq!(again.get(name).map(|rule| &rule.check), Some(&rule.check), "{name}");
        }
        let rows: Vec<serde_json::Value> = serde_json::from_str(&list(&config, &rules, PolicyFormat::Json)).unwrap();
        assert_eq!(rows.len(), rules.rules().count());
    }
}
