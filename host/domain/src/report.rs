//! What checking a component found: the report that an upload answers with, and that is kept with the version.
//!
//! A check says everything at once: whoever wrote the component can mend it in one go. Reports are stored as JSON and read again by later
//! versions, so fields and codes are added, never changed or removed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::ProjectId;
use crate::cloud::RequestPattern;
use crate::plugin::{Description, Digest, PluginKind};
use crate::state::named_enum;

named_enum! {
    /// What came of a check.
    Verdict {
        /// The component may be stored and run.
        Accepted = "accepted",
        /// It may not; [`Report::problems`] says why.
        Refused = "refused",
    }
}

named_enum! {
    /// What kind of problem it is, for programs. Codes are never renamed.
    ProblemCode {
        /// The component has more bytes than allowed.
        TooLarge = "too-large",
        /// The bytes are no WebAssembly.
        NotWasm = "not-wasm",
        /// A core module, which first has to be made a component.
        CoreModule = "core-module",
        /// It ends too early, or is otherwise not well-formed or not valid.
        Malformed = "malformed",
        /// It uses a proposal of WebAssembly that is switched off here.
        Feature = "feature",
        /// It has components with code of their own inside.
        NestedCode = "nested-code",
        /// It has more of something (functions, types, memories, …) than allowed.
        Structure = "structure",
        /// It could not be compiled.
        Compile = "compile",
        /// Compiling it took more time or memory than allowed.
        CompileLimit = "compile-limit",
        /// It exports the interface of no kind of plugin, or of several.
        Kind = "kind",
        /// It needs a version of an interface that is not served.
        WitVersion = "wit-version",
        /// It imports something that its kind is not offered.
        Import = "import",
        /// It imports something under the right name but with another type.
        ImportType = "import-type",
        /// Its interface lacks a function.
        Export = "export",
        /// Its interface has a function of another type.
        ExportType = "export-type",
        /// `describe` crashed.
        DescribeCrashed = "describe-crashed",
        /// `describe` hit a limit.
        DescribeLimit = "describe-limit",
        /// The description is no JSON object.
        DescriptionJson = "description-json",
        /// The description has a field that nobody reads; a warning.
        UnknownField = "unknown-field",
        /// A field of the description is missing.
        FieldMissing = "field-missing",
        /// A field of the description has the wrong type.
        FieldType = "field-type",
        /// A text of the description is too long or too short.
        FieldLength = "field-length",
        /// A name is not `snake_case`.
        Name = "name",
        /// The version is no semantic version.
        Version = "version",
        /// Something is listed twice.
        Twice = "twice",
        /// A request pattern of an action handler can match nothing, or more than a pattern may.
        RequestPattern = "request-pattern",
        /// A JSON Schema is not one of draft 4.
        Schema = "schema",
        /// A JSON Schema is too large, too deep, or has too much of something.
        SchemaSize = "schema-size",
        /// A `$ref` of a JSON Schema leads outside, nowhere, or in a circle.
        SchemaReference = "schema-reference",
        /// A pattern of a JSON Schema cannot be used.
        SchemaPattern = "schema-pattern",
        /// A default does not fit its own schema.
        SchemaDefault = "schema-default",
        /// A trial run crashed.
        TrialCrashed = "trial-crashed",
        /// A trial run hit a limit.
        TrialLimit = "trial-limit",
        /// A trial run returned something that its kind may not return.
        TrialOutput = "trial-output",
        /// Two runs on the same input gave different results.
        NotDeterministic = "not-deterministic",
        /// The check itself hit its limits: the component made the checking process end.
        CheckLimit = "check-limit",
    }
}

/// One thing that is wrong, in words for whoever wrote the component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// For programs.
    pub code: ProblemCode,
    /// Where: name of an import or export, `description` and a JSON pointer into it (`description#/goal/name`), name of a call,
    /// or empty for the component as a whole.
    pub at: String,
    /// What is wrong, as one clause; a limit is named with its value.
    pub message: String,
    /// What would be right; empty where nothing can be said.
    #[serde(default)]
    pub expected: String,
}

/// A WIT package that a component was built against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitPackage {
    /// e.g. `watcher:cluster`.
    pub package: String,
    /// Version it was built against.
    pub needed: String,
    /// Versions that this host has. Empty for a package that it does not know.
    pub served: Vec<String>,
    /// Whether one of those will do.
    pub compatible: bool,
}

/// Something that a component asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// `namespace:package/interface@version`.
    pub name: String,
    /// What it lets the plugin do, as one clause; empty for one that is not offered.
    pub gives: String,
    /// Whether the project that uses the plugin has to grant what is asked through it.
    pub needs_grant: bool,
    /// Whether it is offered to plugins of this kind.
    pub offered: bool,
}

/// What one call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Units of computation, the same for the same input on every machine.
    pub fuel: u64,
    /// Memories and tables together, in bytes, at their largest.
    pub memory_bytes: u64,
    /// Wall-clock time in microseconds, on the machine that checked.
    pub duration_us: u64,
}

/// A call that was made to try the plugin out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Which export, e.g. `execute`.
    pub call: String,
    /// What it was given, as one clause.
    pub input: String,
    /// What each run used.
    pub runs: Vec<Usage>,
    /// What came of it.
    pub outcome: TrialOutcome,
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum TrialOutcome {
    /// It gave a valid result.
    Returned {
        /// The result as one clause, e.g. `12 actions`.
        summary: String,
    },
    /// It declared that it cannot do this; a generated cluster may not have what it needs.
    Declared {
        /// Code of the failure.
        code: String,
        /// Its text.
        message: String,
    },
    /// It crashed, hit a limit or returned something invalid; a problem says what.
    Failed,
    /// The call could not be made, which is nobody's fault.
    NotTried {
        /// Why.
        reason: String,
    },
}

/// Whether the same input gives the same result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Determinism {
    /// Every call that was made twice gave the same bytes twice.
    Agreed {
        /// The calls.
        calls: Vec<String>,
    },
    /// One did not.
    Differed {
        /// The call.
        call: String,
        /// Byte of the result, as JSON, at which the two part.
        at_byte: u64,
        /// What stands there in the first, shortened.
        first: String,
        /// What stands there in the second, shortened.
        second: String,
    },
    /// No call was made twice.
    NotTried {
        /// Why.
        reason: String,
    },
}

/// What compiling took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compilation {
    /// Wall-clock time in microseconds.
    pub duration_us: u64,
}

/// Everything a check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Whether it may be stored.
    pub verdict: Verdict,
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size_bytes: u64,
    /// The world it exports; none if that cannot be told.
    pub kind: Option<PluginKind>,
    /// Versions of the interfaces it was built against.
    pub wit: Vec<WitPackage>,
    /// What it asks for.
    pub imports: Vec<Import>,
    /// Requests to the cloud that it asks for; only of an action handler.
    pub requests: Vec<RequestPattern>,
    /// What it says about itself; none if that is not right.
    pub description: Option<Description>,
    /// What compiling took; none if it was not reached.
    pub compilation: Option<Compilation>,
    /// What `describe` used; none if it was not reached.
    pub describe: Option<Usage>,
    /// Calls that were made to try it out.
    pub trials: Vec<Trial>,
    /// Whether the same input gives the same result.
    pub determinism: Determinism,
    /// Everything that is wrong. It is refused for each of them.
    pub problems: Vec<Problem>,
    /// What is worth looking at, and no reason to refuse it.
    #[serde(default)]
    pub warnings: Vec<Problem>,
}

/// Most problems that a report lists; whoever makes more of them has enough to mend.
pub const MAX_PROBLEMS: usize = 200;
/// Longest text of a problem, in characters: names of a component may be long.
pub const MAX_PROBLEM_CHARS: usize = 4_000;

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(MAX_PROBLEM_CHARS) {
        text.truncate(end);
    }
}

impl Report {
    /// A report that found nothing yet.
    pub fn new(digest: Digest, size_bytes: u64) -> Self {
        Self {
            verdict: Verdict::Accepted,
            digest,
            size_bytes,
            kind: None,
            wit: Vec::new(),
            imports: Vec::new(),
            requests: Vec::new(),
            description: None,
            compilation: None,
            describe: None,
            trials: Vec::new(),
            determinism: Determinism::NotTried { reason: "the check did not come this far".to_owned() },
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds a problem, for which the component is refused. Long texts are cut, and what is beyond [`MAX_PROBLEMS`] is not listed.
    pub fn refuse(&mut self, mut problem: Problem) {
        self.verdict = Verdict::Refused;
        if self.problems.len() < MAX_PROBLEMS {
            [&mut problem.at, &mut problem.message, &mut problem.expected].into_iter().for_each(cut);
            self.problems.push(problem);
        }
    }

    /// Adds problems, for each of which the component is refused.
    pub fn refuse_all(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            self.refuse(problem);
        }
    }

    /// Whether nothing is wrong.
    pub fn accepted(&self) -> bool {
        self.verdict == Verdict::Accepted
    }
}

/// How far a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// It is compiled, and its code kept: for a component that was checked when it came.
    Code,
    /// It describes itself as well.
    Description,
    /// It runs on a generated cluster as well, twice, and what comes out is compared.
    #[default]
    Trials,
}

/// What to check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOptions {
    /// Largest component in bytes.
    pub max_component_bytes: u64,
    /// The last step.
    pub depth: Depth,
    /// Whose component it is, so that no project keeps others waiting; none for the service itself.
    #[serde(skip)]
    pub project: Option<ProjectId>,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { max_component_bytes: 64 << 20, depth: Depth::default(), project: None }
    }
}

/// Why a component could not be checked: the host's own trouble, never the component's.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Too many components are being checked.
    #[error("too many plugins are being checked; try again in {} s", .retry_after.as_secs().max(1))]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The checking process could not be started, or its answer not be read.
    #[error("the plugin could not be checked")]
    Host(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Checks components before they are stored.
#[async_trait]
pub trait PluginChecker: Send + Sync {
    /// Checks a component and says everything that is wrong with it. Afterwards the compiled code of an accepted one is where the first run looks
    /// for it; nothing is left of a refused one. Dropping the future ends the check.
    async fn check(&self, component: Arc<[u8]>, options: CheckOptions) -> Result<Report, CheckError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_refuses_and_a_report_survives_storage() {
        let mut report = Report::new(Digest([7; 32]), 9);
        assert!(report.accepted());
        let problem = Problem {
            code: ProblemCode::Import,
            at: "wasi:sockets/tcp@0.2.0".to_owned(),
            message: "sockets are never offered".to_owned(),
            expected: String::new(),
        };
        report.refuse(problem.clone());
        assert!(!report.accepted());
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.contains(r#""verdict":"refused""#) && text.contains(r#""code":"import""#), "{text}");
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        report.refuse_all(vec![Problem { message: "é".repeat(9_000), ..problem }; 500]);
        assert_eq!((report.problems.len(), report.problems[1].message.chars().count()), (200, 4_000));
    }
}
