//! The `dummy_scorer` scoring engine: guesses from nine measurements what a machine is busy with.

use serde::Deserialize;
use watcher_sdk::{Failure, Host, ScoringEngine, ScoringEngineDescription};

/// The scoring engine.
#[derive(Debug)]
pub struct DummyScorer;

/// The engine has no configuration.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

/// Number of the workload in the metainfo, then the probability of each in percent.
pub type Score = (u8, f64, f64, f64, f64);

/// The columns of features and scores. Programs of the original compare the text, white space and all.
const METAINFO: &str = r#"{
            "feature_columns": [
                "proc-processor-time-%",
                "mem-total-bytes",
                "mem-avail-bytes",
                "mem-page-reads/sec",
                "mem-page-writes/sec",
                "disk-read-bytes/sec",
                "disk-write-bytes/sec",
                "net-bytes-received/sec",
                "net-bytes-sent/sec"],
            "result_columns": [
                "workload",
                "idle-probability",
                "cpu-probability",
                "memory-probability",
                "disk-probability"],
            "workloads": [
                "idle",
                "cpu-intensive",
                "memory-intensive",
                "disk-intensive"]
            }"#;

const IDLE: u8 = 0;
const CPU: u8 = 1;
const MEMORY: u8 = 2;
const DISK: u8 = 3;

/// Rates of reading and writing from which a disk is busy, in bytes per second.
const BUSY_DISK: f64 = 50.0 * 1024.0 * 1024.0;

impl ScoringEngine for DummyScorer {
    /// The feature columns of the metainfo.
    type Features = Vec<f64>;
    type Score = Score;
    type Configuration = Configuration;

    fn describe() -> ScoringEngineDescription {
        ScoringEngineDescription::new("dummy_scorer", "0.1.0", "Dummy scorer", "Dummy workload classifier")
            .metainfo(METAINFO)
    }

    fn calculate_score(_: &dyn Host, features: &Vec<f64>, _: &Configuration) -> Result<Score, Failure> {
        let &[processor, _, _, page_reads, page_writes, disk_reads, disk_writes, _, _] = features.as_slice() else {
            let message = format!("Invalid number of features, expected 9, got {}", features.len());
            return Err(Failure::input("invalid-features", message));
        };
        Ok(if processor >= 80.0 {
            (CPU, 0.0, 100.0, 0.0, 0.0)
        } else if page_reads >= 1000.0 && page_writes >= 1000.0 {
            (MEMORY, 0.0, 0.0, 100.0, 0.0)
        } else if disk_reads >= BUSY_DISK && disk_writes >= BUSY_DISK {
            (DISK, 0.0, 0.0, 0.0, 100.0)
        } else {
            let cpu = if processor >= 40.0 { 50.0 } else { 0.0 };
            let memory = if page_reads >= 500.0 || page_writes >= 500.0 { 50.0 } else { 0.0 };
            (IDLE, 100.0, cpu, memory, 0.0)
        })
    }
}

watcher_sdk::export_scoring_engine!(DummyScorer);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use watcher_sdk::StrategyHost as _;
    use watcher_sdk::testing::FakeHost;

    fn score(features: Value) -> Result<Value, Failure> {
        let host = FakeHost::default().with_scoring_engine::<DummyScorer>();
        host.calculate_scores("dummy_scorer", &[features]).map(|scores| scores[0].clone())
    }

    fn busy(processor: f64, pages: (f64, f64), disk: (f64, f64)) -> Value {
        score(json!([processor, 4e9, 1e9, pages.0, pages.1, disk.0, disk.1, 0, 0])).unwrap()
    }

    #[test]
    fn what_is_busiest_names_the_workload() {
        assert_eq!(busy(80.0, (1000.0, 1000.0), (1e9, 1e9)), json!([1, 0.0, 100.0, 0.0, 0.0]));
        assert_eq!(busy(79.0, (1000.0, 1000.0), (1e9, 1e9)), json!([2, 0.0, 0.0, 100.0, 0.0]));
        assert_eq!(busy(79.0, (1000.0, 999.0), (1e9, 52_428_800.0)), json!([3, 0.0, 0.0, 0.0, 100.0]));
        assert_eq!(busy(40.0, (1000.0, 999.0), (1e9, 52_428_799.0)), json!([0, 100.0, 50.0, 50.0, 0.0]));
        assert_eq!(busy(39.0, (499.0, 499.0), (0.0, 0.0)), json!([0, 100.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn the_metainfo_names_nine_features_and_four_workloads() {
        let metainfo: Value = serde_json::from_str(METAINFO).unwrap();
        let count = |name: &str| metainfo[name].as_array().unwrap().len();
        assert_eq!((count("feature_columns"), count("result_columns"), count("workloads")), (9, 5, 4));
    }

    #[test]
    fn other_than_nine_numbers_are_refused() {
        assert_eq!(score(json!([1])).unwrap_err().message, "Invalid number of features, expected 9, got 1");
        assert_eq!(score(json!({"a": 1})).unwrap_err().code, "invalid-features");
    }
}
