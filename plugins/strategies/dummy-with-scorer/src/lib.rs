//! The `dummy_with_scorer` strategy: asks two scoring engines about made-up measurements, and says what they answered.

use serde::Deserialize;
use serde_json::{Value, json};
use watcher_sdk::{
    Failure, LogLevel, NewAction, Solution, SplitMix64, Strategy, StrategyDescription, StrategyHost, goals,
};

/// The strategy.
#[derive(Debug)]
pub struct DummyWithScorer;

/// Parameters of an audit; they are only logged.
#[derive(Debug, Deserialize)]
pub struct Parameters {
    /// A number, 1.0 to 10.2.
    pub param1: f64,
    /// A text.
    pub param2: String,
}

/// The strategy has no configuration.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

/// Tells workloads apart.
const WORKLOAD_SCORER: &str = "dummy_scorer";
/// Takes the mean of numbers.
const AVG_SCORER: &str = "dummy_avg_scorer";

const MIB: u32 = 1 << 20;

/// What of the workload scorer's metainfo is needed.
#[derive(Deserialize)]
struct Metainfo {
    workloads: Vec<String>,
}

impl Strategy for DummyWithScorer {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> StrategyDescription {
        let display_name = "Dummy Strategy using sample Scoring Engines";
        StrategyDescription::new("dummy_with_scorer", "0.1.0", display_name, goals::dummy(), "weight")
            .description(
                "Asks scoring engines about random measurements and proposes actions that log the answers, to show how a strategy \
                 works with scoring engines.",
            )
            .parameters(json!({
                "properties": {
                    "param1": {
                        "description": "number parameter example",
                        "type": "number",
                        "default": 3.2,
                        "minimum": 1.0,
                        "maximum": 10.2,
                    },
                    "param2": {
                        "description": "string parameter example",
                        "type": "string",
                        "default": "hello",
                    },
                },
            }))
    }

    fn execute(host: &dyn StrategyHost, parameters: Parameters, _: Configuration) -> Result<Solution, Failure> {
        let Parameters { param1, param2 } = parameters;
        host.log(LogLevel::Debug, &format!("param1 is {param1}, param2 is {param2}"), &[]);
        let workloads = workloads(host)?;
        let mut random = SplitMix64::new(host.random_number());

        let score = score(host, WORKLOAD_SCORER, telemetry(&mut random))?;
        let number = score.as_u64().and_then(|number| usize::try_from(number).ok());
        let workload = number.and_then(|number| workloads.get(number)).ok_or_else(|| {
            Failure::plugin(
                "unexpected-score",
                format!("{WORKLOAD_SCORER} names workload {score}, which it does not have"),
            )
        })?;
        let mean = self::score(host, AVG_SCORER, json!(sample(&mut random, 20, 1000)))?;

        let mut solution = Solution::default();
        solution.add(NewAction::new("nop").parameter("message", "Hello from Dummy Strategy with Scorer!"));
        solution.add(NewAction::new("nop").parameter("message", format!("Detected Workload: {workload}")));
        solution.add(NewAction::new("nop").parameter("message", format!("AVG Scorer result: {mean}")));
        solution.add(NewAction::new("sleep").parameter("duration", 5.0));
        Ok(solution)
    }
}

/// Names of the workloads, by their numbers.
fn workloads(host: &dyn StrategyHost) -> Result<Vec<String>, Failure> {
    let engines = host.scoring_engines()?;
    let engine = engines.into_iter().find(|engine| engine.name == WORKLOAD_SCORER).ok_or_else(|| {
        let message = format!("Scoring Engine with name={WORKLOAD_SCORER} not found");
        Failure::new(watcher_sdk::Blame::Service, "unknown-scoring-engine", message)
    })?;
    let metainfo: Metainfo = serde_json::from_str(&engine.metainfo).map_err(|error| {
        Failure::plugin("unexpected-metainfo", format!("the metainfo of {WORKLOAD_SCORER} names no workloads: {error}"))
    })?;
    Ok(metainfo.workloads)
}

/// The first number of a score.
fn score(host: &dyn StrategyHost, engine: &str, features: Value) -> Result<Value, Failure> {
    let scores = host.calculate_scores(engine, &[features])?;
    let first = scores.first().and_then(|score| score.get(0)).filter(|number| number.is_number());
    first
        .cloned()
        .ok_or_else(|| Failure::plugin("unexpected-score", format!("{engine} gives a score without a number")))
}

/// Measurements of a machine that does not exist, in the order of the workload scorer's feature columns.
fn telemetry(random: &mut SplitMix64) -> Value {
    let mut between = |low: u32, high: u32| low + random.below(high - low + 1);
    let processor_time = between(0, 100);
    let memory_total = 4_294_967_296_u64;
    let memory_available = 1_073_741_824 + u64::from(between(0, 3 * 1024 * MIB));
    json!([
        processor_time,
        memory_total,
        memory_available,
        between(0, 2000),
        between(0, 2000),
        between(0, 200 * MIB),
        between(0, 200 * MIB),
        between(0, 20 * MIB),
        between(0, 10 * MIB),
    ])
}

/// So many different numbers below `bound`, each choice equally likely; all of them if there are fewer.
fn sample(random: &mut SplitMix64, count: u32, bound: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..bound).collect();
    for place in 0..count.min(bound) {
        let other = place + random.below(bound - place);
        numbers.swap(place as usize, other as usize);
    }
    numbers.truncate(count as usize);
    numbers
}

watcher_sdk::export_strategy!(DummyWithScorer);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_different_numbers_below_the_bound() {
        let mut random = SplitMix64::new(3);
        for _ in 0..100 {
            let mut numbers = sample(&mut random, 20, 25);
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!((numbers.len(), numbers.iter().all(|&number| number < 25)), (20, true));
        }
        assert_eq!(sample(&mut random, 5, 2).len(), 2);
    }
}
