//! Decision engine: runs audits.
//!
//! [`audit`] is the table of contents: claim, observe, decide, plan, record. [`service`] finds audits to run, by message and by
//! sweep, which is one code path; [`schedule`] says when CONTINUOUS ones run, [`upkeep`] is what else a decision engine does from time to
//! time. Nothing here computes a decision or an order: that is what plugins are for.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod audit;
pub mod decision;
pub mod error;
mod lease;
mod recorder;
mod rows;
pub mod schedule;
pub mod service;
pub mod upkeep;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use uuid::Uuid;
use watcher_bus::Bus;
use watcher_domain::ports::{
    Clock, Collector, Datasource, Ids, PlannerRunner, RunGuard, ScoringRunner, StrategyRunner,
};
use watcher_domain::{PluginKind, RunLimits, Timestamp};
use watcher_store::Store;

pub use error::AuditError;
pub use recorder::MemoryRecorder;

/// How a decision engine works.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Name of this host, as the API shows it in `hostname`.
    pub hostname: String,
    /// How many audits run at once.
    pub max_audit_workers: usize,
    /// Audits of one project at a time.
    pub max_project_audit_workers: usize,
    /// Runs of one project within any minute that may fail by the fault of their plugin before its next ones wait; 0 for no bound.
    pub plugin_failures_per_minute: u64,
    /// How many more times a run is tried whose failure says that it may work later.
    pub retries: u32,
    /// Wait before the first of them; doubled for each further one, up to half a minute.
    pub retry_wait: Duration,
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// How often rows are looked for whose message was lost.
    pub sweep_interval: Duration,
    /// How often CONTINUOUS audits are looked at without anything being due or said.
    pub continuous_audit_interval: Duration,
    /// After how long a RECOMMENDED action plan is superseded; zero for never.
    pub action_plan_expiry: Duration,
    /// How long recordings are kept; zero for ever.
    pub recordings_kept: Duration,
    /// Bytes of recordings that are kept for one project.
    pub recordings_kept_bytes: u64,
    /// How often action plans and recordings are looked at for their age.
    pub check_interval: Duration,
    /// How often a sign of life is given.
    pub heartbeat_interval: Duration,
    /// What plugins may use for projects that have no limits of their own.
    pub limits: RunLimits,
    /// Configuration of plugins by kind and name, without defaults.
    pub configuration: HashMap<(PluginKind, String), Map<String, Value>>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            max_audit_workers: 4,
            max_project_audit_workers: 2,
            plugin_failures_per_minute: 30,
            retries: 2,
            retry_wait: Duration::from_secs(1),
            lease: Duration::from_mins(1),
            sweep_interval: Duration::from_secs(10),
            continuous_audit_interval: Duration::from_secs(10),
            action_plan_expiry: Duration::from_hours(24),
            recordings_kept: Duration::from_hours(30 * 24),
            recordings_kept_bytes: 4 << 30,
            check_interval: Duration::from_mins(30),
            heartbeat_interval: Duration::from_mins(1),
            limits: RunLimits::default(),
            configuration: HashMap::new(),
        }
    }
}

/// What a decision engine works with.
pub struct Engine {
    /// Rows.
    pub store: Store,
    /// Hints.
    pub bus: Bus,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids and seeds.
    pub ids: Arc<dyn Ids>,
    /// Runs strategies.
    pub strategies: Arc<dyn StrategyRunner>,
    /// Runs planners.
    pub planners: Arc<dyn PlannerRunner>,
    /// Runs scoring engines, for strategies that ask.
    pub scoring: Arc<dyn ScoringRunner>,
    /// Is asked before uploaded plugins run.
    pub guard: Arc<dyn RunGuard>,
    /// Looks at the cluster.
    pub collector: Arc<dyn Collector>,
    /// Answers questions about metrics.
    pub datasource: Arc<dyn Datasource>,
    /// How it works.
    pub options: EngineOptions,
    /// Identity of this worker in leases.
    pub worker: Uuid,
    /// A place for the one large plan that is written at a time.
    pub large_plans: Semaphore,
    /// When this worker began: runs of CONTINUOUS audits that were due before were missed.
    pub started_at: Timestamp,
}
