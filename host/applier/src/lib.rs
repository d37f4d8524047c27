//! Applier: carries out action plans.
//!
//! [`plan`] walks the graph of one plan, [`action`] takes one action from PENDING to its end, [`service`] finds plans to carry out.
//! What an action does is its handler's business; the applier decides when, and what happens after it failed.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod action;
pub mod graph;
pub mod journal;
pub mod plan;
pub mod service;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;
use watcher_bus::Bus;
use watcher_domain::RunLimits;
use watcher_domain::ports::{ActionRunner, Clock, CloudRequests, RunGuard};
use watcher_domain::service::APPLIER;
use watcher_store::Store;

pub use graph::ExecutionRule;

/// How an applier works.
#[derive(Debug, Clone)]
pub struct ApplierOptions {
    /// Name of this host, as the API shows it in `hostname`.
    pub hostname: String,
    /// How many plans are carried out at once. Most of the time they wait for the cloud; of those with thousands of actions there are fewer.
    pub max_plans: usize,
    /// Plans of one project at a time.
    pub max_project_plans: usize,
    /// How many more times a phase of an action is tried whose failure says that it may work later.
    pub retries: u32,
    /// Wait before the first of them; doubled for each further one, up to half a minute.
    pub retry_wait: Duration,
    /// How many actions of one plan run at once, where its graph allows it.
    pub max_workers: usize,
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// How often rows are looked for whose message was lost.
    pub sweep_interval: Duration,
    /// How often a sign of life is given.
    pub heartbeat_interval: Duration,
    /// What handlers may use for projects that have no limits of their own.
    pub limits: RunLimits,
    /// What happens after a failed action, by strategy name.
    pub action_execution_rule: HashMap<String, ExecutionRule>,
    /// Configuration of action types, without defaults.
    pub configuration: HashMap<String, Map<String, Value>>,
}

impl Default for ApplierOptions {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            max_plans: 32,
            max_project_plans: 2,
            retries: 2,
            retry_wait: Duration::from_secs(1),
            max_workers: 4,
            lease: Duration::from_mins(1),
            sweep_interval: Duration::from_secs(10),
            heartbeat_interval: Duration::from_mins(1),
            limits: RunLimits::default(),
            action_execution_rule: HashMap::new(),
            configuration: HashMap::new(),
        }
    }
}

/// What an applier works with.
pub struct Applier {
    /// Rows.
    pub store: Store,
    /// Hints.
    pub bus: Bus,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Runs action handlers.
    pub handlers: Arc<dyn ActionRunner>,
    /// Is asked before uploaded ones run.
    pub guard: Arc<dyn RunGuard>,
    /// Carries their requests.
    pub cloud: Arc<dyn CloudRequests>,
    /// How it works.
    pub options: ApplierOptions,
    /// Identity of this worker in leases.
    pub worker: Uuid,
}

impl Applier {
    /// Gives a sign of life.
    pub async fn beat(&self) -> Result<(), watcher_store::Error> {
        let mut tx = self.store.begin().await?;
        watcher_store::service::heartbeat(&mut tx, APPLIER, &self.options.hostname, self.clock.now()).await?;
        tx.commit().await
    }
}
