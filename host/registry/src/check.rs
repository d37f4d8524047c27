//! Whether a component can be a plugin version: what the sandbox finds out, and the rules of names.

use std::sync::Arc;

use serde_json::{Value, json};
use watcher_domain::plugin::Specifics;
use watcher_domain::ports::{InspectError, Inspection};
use watcher_domain::report::{CheckError, CheckOptions, PluginChecker, Problem};
use watcher_domain::{Digest, ProjectId};

use crate::Registry;
use crate::error::{Refusal, RegistryError, Result};

/// Longest name of a plugin, in characters.
const LONGEST_NAME: usize = 64;
/// Longest version number, in characters.
const LONGEST_VERSION: usize = 64;

/// A component that passed.
pub(crate) struct Checked {
    /// What it is.
    pub(crate) inspection: Inspection,
    /// What the check found, as JSON.
    pub(crate) report: Value,
}

impl Registry {
    /// Looks into a component.
    pub(crate) async fn check(&self, component: Arc<[u8]>, digest: Digest, project: &ProjectId) -> Result<Checked> {
        let checked = match &self.checker {
            Some(checker) => {
                let options = CheckOptions {
                    max_component_bytes: self.options.max_component_bytes,
                    project: Some(project.clone()),
                    ..CheckOptions::default()
                };
                checked(checker.as_ref(), component, options).await?
            }
            None => self.inspect(component, digest).await?,
        };
        let problems = name_problems(&checked.inspection);
        if !problems.is_empty() {
            return Err(RegistryError::Refused(Refusal { problems, report: Some(checked.report) }));
        }
        Ok(checked)
    }

    /// Lets the inspector look, which finds out less than a checker.
    async fn inspect(&self, component: Arc<[u8]>, digest: Digest) -> Result<Checked> {
        let size_bytes = component.len();
        let inspection = self.inspector.inspect(component).await.map_err(|error| match error {
            InspectError::Invalid(problems) => refused(problems),
            InspectError::Describe(error) => refused(vec![format!("the plugin could not describe itself: {error}")]),
        })?;
        let report = json!({
            "kind": inspection.kind,
            "name": inspection.description.name,
            "version": inspection.description.version,
            "digest": digest,
            "size_bytes": size_bytes,
            "imports": inspection.imports,
            "requests": match &inspection.description.specifics {
                Specifics::Action(specifics) => json!(specifics.requests),
                Specifics::Strategy(_) | Specifics::ScoringEngine(_) | Specifics::Planner {} => json!([]),
            },
        });
        Ok(Checked { inspection, report })
    }
}

/// Lets a checker look, and reads its report.
async fn checked(checker: &dyn PluginChecker, component: Arc<[u8]>, options: CheckOptions) -> Result<Checked> {
    let report = checker.check(component, options).await.map_err(|error| match error {
        CheckError::Busy { .. } => RegistryError::Busy,
        CheckError::Host(_) => RegistryError::Check(error.into()),
    })?;
    let stored = serde_json::to_value(&report).map_err(|error| RegistryError::Check(error.into()))?;
    let (accepted, problems) = (report.accepted(), report.problems.iter().map(sentence).collect());
    match (report.kind, report.description) {
        (Some(kind), Some(description)) if accepted => {
            let imports = report.imports.into_iter().map(|import| import.name).collect();
            let inspection = Inspection { digest: report.digest, kind, description, imports };
            Ok(Checked { inspection, report: stored })
        }
        _ => Err(RegistryError::Refused(Refusal { problems, report: Some(stored) })),
    }
}

/// A problem in one clause.
fn sentence(problem: &Problem) -> String {
    let place = if problem.at.is_empty() { String::new() } else { format!("{}: ", problem.at) };
    let right = if problem.expected.is_empty() { String::new() } else { format!(" ({})", problem.expected) };
    format!("{place}{}{right}", problem.message)
}

fn refused(problems: Vec<String>) -> RegistryError {
    RegistryError::Refused(Refusal { problems, report: None })
}

/// What is wrong with the names that a component gives.
fn name_problems(inspection: &Inspection) -> Vec<String> {
    let description = &inspection.description;
    let mut problems = Vec::new();
    let mut name = |what: &str, name: &str| {
        if !is_name(name) {
            let shown: String = name.chars().take(LONGEST_NAME).collect();
            problems.push(format!(
                "{what} {shown:?} is no name: at most {LONGEST_NAME} lower-case letters, digits and underscores, a letter first"
            ));
        }
    };
    name("its name", &description.name);
    if let Specifics::Strategy(specifics) = &description.specifics {
        name("its goal's name", &specifics.goal.name);
    }
    let version = &description.version;
    if version.len() > LONGEST_VERSION || semver::Version::parse(version).is_err() {
        let shown: String = version.chars().take(LONGEST_VERSION).collect();
        problems.push(format!("its version {shown:?} is no semantic version of at most {LONGEST_VERSION} characters"));
    }
    problems
}

/// Names have no other letters, so that no two of them look alike or differ only in case, and no `/`, which parts owner and name.
fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_snake_case() {
        for name in ["basic", "a", "vm_workload_consolidation", "x2"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(LONGEST_NAME + 1);
        for name in ["", "Basic", "2x", "_x", "a-b", "a/b", "built-in/basic", "naïve", "a b", "a\0", &long] {
            assert!(!is_name(name), "{name}");
        }
    }
}
