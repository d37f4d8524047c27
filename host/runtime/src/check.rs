//! Checks components before they are stored: everything wrong with one is said at once.
//!
//! Steps from cheap to dear, each on what the one before let through: `structure` walks over the bytes; `border` compares imports and exports
//! with the WIT; the component is compiled; it describes itself; it is tried out on a generated cluster. Whoever uploads a component decides
//! what this costs, so a service has it done by another process, see `worker`; the same steps run within this process for the command line
//! of a developer and for tests.

mod border;
mod cluster;
pub(crate) mod structure;
mod trials;
pub(crate) mod wit;
pub mod worker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use watcher_domain::Digest;
use watcher_domain::plugin::Specifics;
use watcher_domain::report::{
    CheckError, CheckOptions, Compilation, Depth, PluginChecker, Problem, ProblemCode, Report,
};

use crate::components::LoadError;
use crate::describe;
use crate::runtime::{Runtime, reason};

/// Steps of a check, in order: what a process that ended too early was at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Reading the component.
    Read,
    /// Compiling it.
    Compile,
    /// Letting it describe itself.
    Describe,
    /// Trying it out.
    Try,
}

/// Checks components within this process.
pub struct InProcess {
    runtime: Arc<Runtime>,
    places: Semaphore,
}

impl InProcess {
    /// With a sandbox; at most `at_once` checks run at the same time, and more are refused as busy.
    pub fn new(runtime: Arc<Runtime>, at_once: usize) -> Self {
        Self { runtime, places: Semaphore::new(at_once.max(1)) }
    }
}

#[async_trait]
impl PluginChecker for InProcess {
    async fn check(&self, component: Arc<[u8]>, options: CheckOptions) -> Result<Report, CheckError> {
        let busy = |_| CheckError::Busy { retry_after: Duration::from_secs(1) };
        let _place = self.places.try_acquire().map_err(busy)?;
        run(&self.runtime, component, options, &|_| {}).await
    }
}

/// Checks a component, and says which step comes next.
///
/// # Errors
/// When a thread of this process ended without an answer.
pub async fn run(
    runtime: &Runtime,
    component: Arc<[u8]>,
    options: CheckOptions,
    next: &(dyn Fn(Step) + Send + Sync),
) -> Result<Report, CheckError> {
    next(Step::Read);
    let size = u64::try_from(component.len()).unwrap_or(u64::MAX);
    let bytes = Arc::clone(&component);
    let digest = aside(move || Digest(Sha256::digest(&bytes).into())).await?;
    let mut report = Report::new(digest, size);
    if size > options.max_component_bytes {
        let most = options.max_component_bytes;
        refuse(&mut report, ProblemCode::TooLarge, format!("it has {size} bytes; at most {most} are allowed"), "");
        return Ok(report);
    }
    let bytes = Arc::clone(&component);
    let shape = aside(move || structure::check(&bytes)).await?;
    // What has too much of something would take long to compare with anything.
    let is_last = shape.iter().any(|problem| {
        matches!(
            problem.code,
            ProblemCode::NotWasm | ProblemCode::CoreModule | ProblemCode::Malformed | ProblemCode::Structure
        )
    });
    report.refuse_all(shape);
    if is_last {
        return Ok(report);
    }
    let bytes = Arc::clone(&component);
    let border = aside(move || border::examine(&bytes)).await?;
    report.kind = border.kind;
    report.wit = border.wit;
    report.imports = border.imports;
    report.refuse_all(border.problems);
    if !report.accepted() {
        return Ok(report);
    }

    next(Step::Compile);
    let begin = Instant::now();
    let compiled = runtime.counters().compiled;
    let loaded = match runtime.take(component, options.depth == Depth::Code).await {
        Ok(loaded) => loaded,
        Err(LoadError::Invalid(reasons)) => {
            for reason in reasons {
                not_compiled(&mut report, reason);
            }
            return Ok(report);
        }
        Err(
            error @ (LoadError::Missing
            | LoadError::Tampered(_)
            | LoadError::Source(_)
            | LoadError::Compiler
            | LoadError::Elsewhere(_)
            | LoadError::NoRoom
            | LoadError::Busy),
        ) => {
            refuse(&mut report, ProblemCode::Compile, reason(&error), "");
            return Ok(report);
        }
    };
    // What was compiled before tells how long compiling takes to nobody, and that somebody had it to nobody either.
    if runtime.counters().compiled > compiled {
        let duration_us = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        report.compilation = Some(Compilation { duration_us });
    }
    report.kind = Some(loaded.kind());
    if options.depth == Depth::Code {
        return Ok(report);
    }

    next(Step::Describe);
    let Some(text) = trials::describe(runtime, &loaded, &mut report).await else { return Ok(report) };
    let kind = loaded.kind();
    let (description, problems, warnings) = aside(move || {
        let mut problems = Vec::new();
        let description = describe::read(kind, &text, &mut problems);
        (description, problems, describe::unknown_fields(kind, &text))
    })
    .await?;
    report.warnings.extend(warnings);
    report.refuse_all(problems);
    let Some(description) = description else { return Ok(report) };
    loaded.name.get_or_init(|| description.name.clone());
    if let Specifics::Action(specifics) = &description.specifics {
        report.requests.clone_from(&specifics.requests);
    }

    next(Step::Try);
    if options.depth == Depth::Trials {
        trials::run(runtime, &loaded, &description, &mut report).await;
    }
    report.description = Some(description);
    if report.accepted() {
        runtime.keep(&loaded).await.map_err(|error| CheckError::Host(Box::new(error)))?;
    }
    Ok(report)
}

/// Why the compiler refused, told apart by what an author would do about it.
fn not_compiled(report: &mut Report, reason: String) {
    const OFF: [&str; 10] = [
        "must be enabled",
        "not enabled",
        "is not supported",
        "support is disabled",
        "is disabled",
        "are disabled",
        "are disallowed",
        "requires the component model",
        "not supported without",
        "required for",
    ];
    if OFF.iter().any(|words| reason.contains(words)) {
        let expected = "a build without threads, shared memory, 64-bit memories, relaxed SIMD, garbage collection, exceptions and asynchronous functions";
        return refuse(report, ProblemCode::Feature, reason, expected);
    }
    let code = if reason.contains("Invalid input WebAssembly") { ProblemCode::Malformed } else { ProblemCode::Compile };
    refuse(report, code, reason, "");
}

fn refuse(report: &mut Report, code: ProblemCode, message: String, expected: &str) {
    report.refuse(Problem { code, at: String::new(), message, expected: expected.to_owned() });
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CheckError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| CheckError::Host(Box::new(error)))
}
