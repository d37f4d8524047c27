//! `watcher:scoring`: scoring engines, each run in a sandbox of its own. Everything a strategy sees is recorded.

use serde::Serialize;
use serde::de::IgnoredAny;
use tokio::task::JoinSet;
use watcher_domain::limits::LimitName;
use watcher_domain::ports::{RunError, Scoring, ScoringEngineVersion, ScoringRun};
use watcher_domain::recording::Seen;
use watcher_domain::{Blame, Failure};

use crate::bindings::imports::watcher::scoring::engines::Host;
use crate::bindings::imports::watcher::types::types;
use crate::call::{Call, Outside, Sources, Stop, TEXT_BYTES, lower, nothing_there};
use crate::capability::log::cut;

/// A scoring engine as strategies list it.
#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    description: &'a str,
    metainfo: &'a str,
}

/// The list as a strategy gets it.
fn list(scoring: Option<&Scoring>) -> String {
    let engines = scoring.map(|scoring| scoring.engines.iter()).into_iter().flatten();
    let mut entries: Vec<Entry<'_>> = engines
        .map(|engine| Entry { name: &engine.name, description: &engine.description, metainfo: &engine.metainfo })
        .collect();
    entries.sort_by_key(|entry| entry.name);
    serde_json::to_string(&entries).unwrap_or_else(|_| "[]".to_owned())
}

fn find<'a>(scoring: Option<&'a Scoring>, name: &str) -> Result<(&'a Scoring, &'a ScoringEngineVersion), Failure> {
    let found = scoring.and_then(|scoring| {
        let engine = scoring.engines.iter().find(|engine| engine.name == name)?;
        Some((scoring, engine))
    });
    found.ok_or_else(|| {
        let message = format!("there is no scoring engine {:?}", cut(name, 80));
        Failure::new(Blame::Service, "unknown-scoring-engine", message)
    })
}

fn check(features: &[String]) -> Result<(), Failure> {
    for (place, text) in features.iter().enumerate() {
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
            Failure::new(Blame::Plugin, "invalid-features", format!("features {place} are not JSON: {error}"))
        })?;
    }
    Ok(())
}

/// What went wrong with an engine, as the strategy that asked is told.
fn failure(engine: &str, error: RunError) -> Failure {
    match error {
        RunError::Declared(failure) => failure,
        RunError::Limit { .. } | RunError::Trap { .. } | RunError::InvalidOutput { .. } | RunError::Journal(_) => {
            Failure::new(Blame::Plugin, "scoring-engine-failed", format!("scoring engine {engine} failed: {error}"))
        }
        RunError::Unavailable { .. } | RunError::Host(_) => {
            let message = format!("scoring engine {engine} cannot run: {error}");
            Failure::new(Blame::Service, "scoring-engine-unavailable", message).retryable()
        }
    }
}

/// Runs the engine in a task of its own: guests do not run on the stacks of other guests. The task ends when nobody waits for it.
async fn run(scoring: &Scoring, engine: &ScoringEngineVersion, run: ScoringRun) -> Result<Vec<String>, Failure> {
    let runner = std::sync::Arc::clone(&scoring.runner);
    let mut task = JoinSet::new();
    task.spawn(async move { runner.run_scoring(run).await });
    let answer = match task.join_next().await {
        Some(Ok(answer)) => answer,
        Some(Err(error)) => Err(RunError::Host(Box::new(error))),
        None => return Err(nothing_ran(&engine.name)),
    };
    answer.map_err(|error| failure(&engine.name, error))
}

fn nothing_ran(engine: &str) -> Failure {
    let message = format!("scoring engine {engine} was not started");
    Failure::new(Blame::Service, "scoring-engine-unavailable", message).retryable()
}

impl Host for Call {
    async fn engines(&mut self) -> wasmtime::Result<String> {
        self.enter(0).await?;
        let Some(Sources { scoring, recorder, .. }) = self.sources() else { return Ok("[]".to_owned()) };
        let answer = list(scoring.as_ref());
        recorder.record(Seen::ScoringEngines { answer: answer.clone() });
        self.keep(size_of::<Seen>() + answer.len())?;
        Ok(answer)
    }

    async fn calculate_scores(
        &mut self,
        engine: String,
        features: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<String>, types::Failure>> {
        let given: usize = features.iter().map(|text| text.len() + TEXT_BYTES).sum();
        self.enter(engine.len() + given).await?;
        let Outside::Decision(decision) = &self.outside else { return Ok(Err(nothing_there("a scoring engine"))) };
        let Some(sources) = &decision.sources else { return Ok(Err(nothing_there("a scoring engine"))) };
        let (time, seed, sources) = (decision.time, decision.seed, sources.clone());
        if let Err(hit) = self.count_request() {
            debug_assert_eq!(hit.limit, LimitName::Requests);
            return Err(self.end(Stop::Limit(hit)));
        }
        self.keep(size_of::<Seen>() + engine.len() + given)?;
        let mut digest = None;
        let answer = match find(sources.scoring.as_ref(), &engine).and_then(|found| check(&features).map(|()| found)) {
            Ok((scoring, version)) => {
                digest = Some(version.digest);
                let question = ScoringRun {
                    digest: version.digest,
                    features: features.clone(),
                    configuration: version.configuration.clone(),
                    time,
                    seed,
                    limits: scoring.limits,
                    account: scoring.account.clone(),
                };
                run(scoring, version, question).await
            }
            Err(failure) => Err(failure),
        };
        let bytes = answer.iter().flatten().map(|text| text.len() + TEXT_BYTES).sum();
        self.keep(bytes)?;
        self.moved(bytes);
        let result = answer.clone().map_err(lower);
        sources.recorder.record(Seen::Scores { engine, digest, features, answer });
        Ok(result)
    }
}
