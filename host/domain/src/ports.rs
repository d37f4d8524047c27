//! What the decision engine and the applier need from outside, as traits that other rooms implement.
//!
//! | port | implemented by |
//! |---|---|
//! | [`StrategyRunner`], [`PlannerRunner`], [`ActionRunner`], [`ScoringRunner`], [`PluginInspector`], [`PluginChecker`] | `runtime` |
//! | [`ComponentSource`] | `registry` |
//! | [`BlobStore`] | `blobs` |
//! | [`Collector`], [`Datasource`] | `collect` |
//! | [`CloudRequests`] | `openstack` |
//! | [`Journal`] | `applier`, over the database |
//! | [`RunGuard`], [`Meter`] | `registry` |
//! | [`Recorder`] | `engine` |

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use watcher_cluster::{AuditScope, ClusterDataModel};

pub use crate::blob::{BlobError, BlobStore};
use crate::clock::Timestamp;
pub use crate::clock::{Clock, Ids};
use crate::cloud::{CloudRequest, CloudResponse, Permission};
use crate::efficacy::GlobalEfficacy;
use crate::failure::Failure;
use crate::id::ProjectId;
use crate::journal::{ActionPhase, Begun, JournalAnswer, JournalCall, JournalError};
use crate::limits::{Account, LimitHit, Limits};
use crate::metric::{Samples, StatisticQuery};
use crate::plugin::{Description, Digest, PluginKind};
use crate::recording::Seen;
pub use crate::report::{CheckError, CheckOptions, PluginChecker};
use crate::solution::{PlannedAction, Solution, SolutionAction};

/// Whose fault an error of a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The guest's: the same component will do the same again.
    Guest,
    /// The host's, the cloud's, or the input's.
    Host,
}

/// Why a plugin's run did not give a result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plugin said so itself.
    #[error("{}", .0.message)]
    Declared(Failure),
    /// It hit a limit.
    #[error("plugin {plugin}: {hit}")]
    Limit {
        /// Name or digest of the plugin.
        plugin: String,
        /// Which limit.
        hit: LimitHit,
    },
    /// It crashed.
    #[error("plugin {plugin} crashed: {reason}")]
    Trap {
        /// Name or digest of the plugin.
        plugin: String,
        /// What the engine says, and the last error it logged.
        reason: String,
    },
    /// What it returned is not what its kind returns.
    #[error("plugin {plugin} returned something invalid: {reason}")]
    InvalidOutput {
        /// Name or digest of the plugin.
        plugin: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// It cannot be loaded.
    #[error("plugin {plugin} is not available: {reason}")]
    Unavailable {
        /// Name or digest of the plugin.
        plugin: String,
        /// Why.
        reason: String,
    },
    /// The journal stopped the run.
    #[error("{0}")]
    Journal(JournalError),
    /// The host itself failed.
    #[error("the sandbox failed")]
    Host(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RunError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Declared(failure) => match failure.blame {
                crate::Blame::Plugin => Fault::Guest,
                crate::Blame::Input | crate::Blame::Cloud | crate::Blame::Service => Fault::Host,
            },
            Self::Limit { .. }
            | Self::Trap { .. }
            | Self::InvalidOutput { .. }
            | Self::Journal(JournalError::NotDeterministic { .. }) => Fault::Guest,
            Self::Journal(_) | Self::Unavailable { .. } | Self::Host(_) => Fault::Host,
        }
    }

    /// Whether it says itself that the same may work later without anybody changing anything.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Declared(failure) if failure.retryable)
    }
}

/// What one run of a strategy needs.
pub struct StrategyRun {
    /// Which component.
    pub digest: Digest,
    /// Parameters, with defaults.
    pub parameters: Map<String, Value>,
    /// Configuration, with defaults.
    pub configuration: Map<String, Value>,
    /// The cluster in scope.
    pub model: Arc<ClusterDataModel>,
    /// Answers its questions about metrics.
    pub datasource: Arc<dyn Datasource>,
    /// Answers its questions to scoring engines; none if there are no scoring engines.
    pub scoring: Option<Scoring>,
    /// Is told everything it saw.
    pub recorder: Arc<dyn Recorder>,
    /// The time it sees.
    pub time: Timestamp,
    /// Seed of its random numbers.
    pub seed: u64,
    /// How much it may use.
    pub limits: Limits,
    /// On whose account it runs.
    pub account: Account,
}

/// The scoring engines that a strategy may ask, and what runs them.
#[derive(Clone)]
pub struct Scoring {
    /// The engines, each name once.
    pub engines: Arc<[ScoringEngineVersion]>,
    /// Runs them.
    pub runner: Arc<dyn ScoringRunner>,
    /// How much one call of an engine may use.
    pub limits: Limits,
    /// On whose account they run.
    pub account: Account,
}

/// A scoring engine that can run.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoringEngineVersion {
    /// Which component.
    pub digest: Digest,
    /// What strategies ask for it by.
    pub name: String,
    /// For people.
    pub description: String,
    /// For programs.
    pub metainfo: String,
    /// Configuration, with defaults.
    pub configuration: Map<String, Value>,
}

/// What one call of a scoring engine needs.
pub struct ScoringRun {
    /// Which component.
    pub digest: Digest,
    /// JSON texts.
    pub features: Vec<String>,
    /// Configuration, with defaults.
    pub configuration: Map<String, Value>,
    /// The time it sees.
    pub time: Timestamp,
    /// Seed of its random numbers.
    pub seed: u64,
    /// How much it may use.
    pub limits: Limits,
    /// On whose account it runs.
    pub account: Account,
}

/// Runs scoring engines.
#[async_trait]
pub trait ScoringRunner: Send + Sync {
    /// Runs `calculate-scores` in a fresh sandbox. The answer is checked: a JSON text for each of the features.
    async fn run_scoring(&self, run: ScoringRun) -> Result<Vec<String>, RunError>;
}

/// What a strategy's run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct StrategyOutcome {
    /// What it decided, without repetitions.
    pub solution: Solution,
    /// Sums of the efficacy indicators.
    pub global_efficacy: Vec<GlobalEfficacy>,
}

/// Runs strategies.
#[async_trait]
pub trait StrategyRunner: Send + Sync {
    /// Runs `execute`, then `global-efficacy`, each in a fresh sandbox.
    async fn run_strategy(&self, run: StrategyRun) -> Result<StrategyOutcome, RunError>;
}

/// Why a version is not run.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// It may not be.
    #[error("{0}")]
    Refused(String),
    /// Whether it may be cannot be found out now.
    #[error("it cannot be found out whether the plugin may run")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Is asked before an uploaded version runs for a project that may use it. Built-in ones run without being asked for.
#[async_trait]
pub trait RunGuard: Send + Sync {
    /// Whether nothing else is in its way.
    async fn may_run(&self, project: Option<&ProjectId>, digest: Digest) -> Result<(), GuardError>;
}

/// Lets everything run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unguarded;

#[async_trait]
impl RunGuard for Unguarded {
    async fn may_run(&self, _project: Option<&ProjectId>, _digest: Digest) -> Result<(), GuardError> {
        Ok(())
    }
}

/// What one run of a planner needs.
pub struct PlannerRun {
    /// Which component.
    pub digest: Digest,
    /// Actions to order.
    pub actions: Arc<Vec<SolutionAction>>,
    /// Configuration, with defaults.
    pub configuration: Map<String, Value>,
    /// The cluster the strategy saw.
    pub model: Arc<ClusterDataModel>,
    /// The time it sees.
    pub time: Timestamp,
    /// Seed of its random numbers.
    pub seed: u64,
    /// How much it may use.
    pub limits: Limits,
    /// On whose account it runs.
    pub account: Account,
}

/// Runs planners.
#[async_trait]
pub trait PlannerRunner: Send + Sync {
    /// Runs `schedule` in a fresh sandbox. The plan is checked: every action once, parents first.
    async fn run_planner(&self, run: PlannerRun) -> Result<Vec<PlannedAction>, RunError>;
}

/// What one call of an action handler needs.
pub struct ActionCall {
    /// Which component.
    pub digest: Digest,
    /// Which export.
    pub phase: ActionPhase,
    /// Input parameters, with `resource_id` and defaults.
    pub parameters: Map<String, Value>,
    /// Configuration, with defaults.
    pub configuration: Map<String, Value>,
    /// What it may ask of the cloud.
    pub permission: Permission,
    /// Carries its requests.
    pub cloud: Arc<dyn CloudRequests>,
    /// Is told of every outside call, before and after.
    pub journal: Arc<dyn Journal>,
    /// How much it may use.
    pub limits: Limits,
    /// On whose account it runs.
    pub account: Account,
}

/// What a call of an action handler gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionOutcome {
    /// The call ended well. Of `abort`: the action was stopped.
    Done,
    /// `pre-condition` says that there is nothing to do.
    Skip(String),
    /// `abort` says that the action cannot be stopped.
    NotAborted,
}

/// Runs action handlers.
#[async_trait]
pub trait ActionRunner: Send + Sync {
    /// Calls one export in a fresh sandbox. Dropping the future ends the call at its next outside call or at its next slice of fuel.
    async fn call_action(&self, call: ActionCall) -> Result<ActionOutcome, RunError>;

    /// What an action would do to the cluster data model, as the handler describes it.
    async fn describe_effect(&self, digest: Digest, parameters: Map<String, Value>) -> Result<Vec<Value>, RunError>;
}

/// What a component turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// The world it exports.
    pub kind: PluginKind,
    /// What it says about itself.
    pub description: Description,
    /// Its imports, as `namespace:package/interface@version`.
    pub imports: Vec<String>,
}

/// Why a component was refused.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The bytes are no component, or one that this host cannot run; every reason is said.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// It is a component of a known kind, but running `describe` did not work.
    #[error("the plugin could not describe itself")]
    Describe(#[source] RunError),
}

/// Looks into components.
#[async_trait]
pub trait PluginInspector: Send + Sync {
    /// Compiles the component, finds out its kind, and lets it describe itself.
    async fn inspect(&self, component: Arc<[u8]>) -> Result<Inspection, InspectError>;
}

/// Where the bytes of components come from.
#[async_trait]
pub trait ComponentSource: Send + Sync {
    /// The component with this digest; `None` if there is none.
    async fn component(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, Box<dyn std::error::Error + Send + Sync>>;
}

/// Why a cluster could not be collected, or a metric not be had: words for the user, with the chain for the log.
#[derive(Debug, thiserror::Error)]
#[error("{}", failure.message)]
pub struct CollectError {
    /// What to tell the user.
    pub failure: Failure,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A cluster at one time.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The whole cluster, or the part in the collector's scope; audits apply their own scope to it.
    pub model: ClusterDataModel,
    /// When collecting began.
    pub as_of: Timestamp,
}

/// Builds cluster data models.
#[async_trait]
pub trait Collector: Send + Sync {
    /// Collects the cluster. `scope` says what will be looked at; a collector may leave out what lies outside, or not.
    async fn collect(&self, scope: &AuditScope) -> Result<Snapshot, CollectError>;
}

/// Answers questions about metrics.
#[async_trait]
pub trait Datasource: Send + Sync {
    /// One statistic for all resources of `model`, over a period that ends at `time`.
    async fn statistic(
        &self,
        query: &StatisticQuery,
        model: &ClusterDataModel,
        time: Timestamp,
    ) -> Result<Samples, Failure>;

    /// Whether it can answer questions about this metric.
    fn has(&self, metric: &str) -> bool;
}

/// How a call of a plugin ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// With a result, or with a failure that the plugin declared.
    Returned,
    /// At a limit.
    Limit,
    /// By a crash.
    Crashed,
    /// By somebody who did not wait any longer.
    Dropped,
}

/// What one call of a plugin used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallUsage {
    /// On whose account.
    pub project: Option<ProjectId>,
    /// Which component.
    pub digest: Digest,
    /// What it used.
    pub usage: crate::report::Usage,
    /// Requests that it sent to the cloud.
    pub requests: u64,
    /// How it ended.
    pub end: CallEnd,
}

/// Is told what calls of plugins used.
pub trait Meter: Send + Sync {
    /// Takes the usage of one call. Quick: it is asked on the thread of the plugin.
    fn used(&self, call: CallUsage);
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unmetered;

impl Meter for Unmetered {
    fn used(&self, _call: CallUsage) {}
}

/// Is told what a strategy sees.
pub trait Recorder: Send + Sync {
    /// Takes one question and its answer.
    fn record(&self, seen: Seen);
}

/// Carries requests to a cloud. It knows endpoints and credentials; nobody who calls it does.
#[async_trait]
pub trait CloudRequests: Send + Sync {
    /// Sends a request that was checked and is permitted.
    ///
    /// # Errors
    /// The codes of the WIT package `watcher:openstack`. `unreachable` means that it certainly did not arrive; `timed-out` and
    /// `outcome-unknown` that it may have.
    async fn send(&self, request: &CloudRequest) -> Result<CloudResponse, Failure>;
}

/// The journal of one call of an action handler.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes down that call number `sequence` is about to be made; durable when it returns.
    async fn begin(&self, sequence: u32, call: &JournalCall) -> Result<Begun, JournalError>;

    /// Writes down what came of it; durable when it returns.
    async fn finish(&self, sequence: u32, answer: &JournalAnswer) -> Result<(), JournalError>;
}
