//! Policy files: reading them, keeping up with their changes, and the commands that show what is in force.

mod check;
mod list;
mod watch;

use std::path::{Path, PathBuf};

use watcher_api::{Override, RuleError, RuleSet, Unused, Wanted};

pub use check::check;
pub use list::list;
pub use watch::Watch;

use crate::config::PolicyConfig;
use crate::yaml::{self, Node, Value, YamlError};

/// Why a policy file is refused.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is no YAML, or cannot be read.
    #[error("the policy file cannot be used")]
    Yaml(#[from] YamlError),
    /// It is no map of rules.
    #[error("policy file {path}, line {line}: {reason}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// It has rules that cannot be meant.
    #[error("policy file {path}, {}", told(.errors))]
    Rules {
        /// The file.
        path: PathBuf,
        /// All of them.
        errors: Vec<RuleError>,
    },
}

/// Errors that are told at a time.
const MOST_TOLD: usize = 5;

fn told(errors: &[RuleError]) -> String {
    let mut told: Vec<String> = errors.iter().take(MOST_TOLD).map(ToString::to_string).collect();
    if errors.len() > MOST_TOLD {
        told.push(format!("and {} more", errors.len() - MOST_TOLD));
    }
    told.join("; ")
}

/// The rules that a configuration puts in force. What is odd about them is logged.
pub fn load(config: &PolicyConfig) -> Result<RuleSet, PolicyError> {
    if config.file.is_empty() {
        return Ok(RuleSet::default());
    }
    let path = Path::new(&config.file);
    let (rules, unused) = read(path)?;
    for odd in unused {
        tracing::warn!("policy file {}, {odd}", path.display());
    }
    Ok(rules)
}

/// Reads a policy file: the defaults with its rules in their place, and what is odd about it.
pub fn read(path: &Path) -> Result<(RuleSet, Vec<Unused>), PolicyError> {
    let tree = yaml::read(path)?;
    let overrides =
        overrides(&tree).map_err(|(line, reason)| PolicyError::Shape { path: path.to_owned(), line, reason })?;
    RuleSet::with(overrides).map_err(|errors| PolicyError::Rules { path: path.to_owned(), errors })
}

fn overrides(tree: &Node) -> Result<Vec<Override>, (usize, String)> {
    let rules = match &tree.value {
        Value::Null => return Ok(Vec::new()),
        Value::Map(rules) => rules,
        Value::Scalar(_) | Value::List(_) => {
            return Err((tree.line, "rules are written as \"NAME\": \"CHECK\"".to_owned()));
        }
    };
    let mut overrides = Vec::with_capacity(rules.len());
    for (key, node) in rules {
        let name = key.text.clone();
        let check = match &node.value {
            Value::Scalar(text) => Wanted::Text(text.clone()),
            Value::List(items) => Wanted::Lists(lists(&name, items)?),
            Value::Null => {
                let reason = format!("rule {name} has no check; \"@\" allows everybody and \"!\" nobody");
                return Err((key.line, reason));
            }
            Value::Map(_) => return Err((node.line, format!("the check of rule {name} must be a text"))),
        };
        overrides.push(Override { name, line: key.line, check });
    }
    Ok(overrides)
}

/// The older way to write a check: a list of lists, or of single checks.
fn lists(name: &str, items: &[Node]) -> Result<Vec<Vec<String>>, (usize, String)> {
    let wrong =
        |node: &Node| (node.line, format!("the check of rule {name} must be a text, or a list of lists of texts"));
    let text = |node: &Node| match &node.value {
        Value::Scalar(text) => Ok(text.clone()),
        Value::Null | Value::List(_) | Value::Map(_) => Err(wrong(node)),
    };
    let list = |node: &Node| match &node.value {
        Value::List(items) => items.iter().map(text).collect(),
        Value::Null | Value::Scalar(_) | Value::Map(_) => Ok(vec![text(node)?]),
    };
    items.iter().map(list).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(text: &str) -> Result<(RuleSet, Vec<Unused>), String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.yaml");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{error}{cause}").replace(&path.display().to_string(), "policy.yaml")
        })
    }

    #[test]
    fn a_file_as_operators_write_it_is_read() {
        let text = "---\n# Readers may look.\n\"reader_api\": \"rule:admin_api or role:reader\"\n'goal:get': rule:reader_api\ngoal:get_all: \"\"\n\
                    strategy:get: [[role:a, role:b], [role:c]]\nstrategy:get_all: [role:a]\n";
        let (rules, unused) = attempt(text).unwrap();
        assert!(unused.is_empty(), "{unused:?}");
        let check = |name: &str| rules.get(name).unwrap().check.to_string();
        assert_eq!(check("goal:get"), "rule:reader_api");
        assert_eq!(check("goal:get_all"), "@");
        assert_eq!(check("strategy:get"), "(role:a and role:b) or role:c");
        assert_eq!(check("strategy:get_all"), "role:a");
        assert_eq!(rules.get("goal:get").unwrap().line, Some(4));
        assert_eq!(attempt("").unwrap().0, RuleSet::default());
        assert_eq!(attempt("# nothing\n").unwrap().0, RuleSet::default());
        assert!(attempt("{\"goal:get\": \"@\"}").is_ok());
    }

    #[test]
    fn an_error_names_file_line_and_rule_and_what_would_be_right() {
        for (text, want) in [
            (
                "goal:get: '@'\naudit:get: role:admin or\n",
                "policy file policy.yaml, line 2, rule audit:get: it ends where a check such as role:admin must follow after \"or\"",
            ),
            (
                "goal:get:\n",
                "policy file policy.yaml, line 1: rule goal:get has no check; \"@\" allows everybody and \"!\" nobody",
            ),
            (
                "goal:get: !\n",
                "the policy file cannot be used: policy.yaml, line 1: a text that begins with ! must be in quotes (\"!\")",
            ),
            ("- goal:get\n", "policy file policy.yaml, line 1: rules are written as \"NAME\": \"CHECK\""),
            (
                "goal:get: '@'\n\"goal:get\": '!'\n",
                "the policy file cannot be used: policy.yaml, line 2: goal:get is there twice",
            ),
            ("goal:get: {a: b}\n", "policy file policy.yaml, line 1: the check of rule goal:get must be a text"),
        ] {
            assert_eq!(attempt(text).unwrap_err(), want);
        }
        let many = (0..8).map(|number| format!("r{number}: x\n")).collect::<Vec<_>>().concat();
        assert!(attempt(&many).unwrap_err().ends_with("; and 3 more"));
    }
}
