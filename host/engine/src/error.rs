//! Why an audit failed, in words for whoever asked for it.

use watcher_cluster::ScopeError;
use watcher_domain::Panic;
use watcher_domain::ports::{CollectError, Fault, GuardError, RunError};
use watcher_domain::schema::{InvalidSchema, Misfit};

/// Why a run of an audit did not end in an action plan. `Display` becomes the audit's status message.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// No strategy reaches the goal.
    #[error("no strategy is available for goal {goal}")]
    NoStrategy {
        /// Name of the goal.
        goal: String,
    },
    /// A plugin that is needed is not installed.
    #[error("{kind} {name} is not installed")]
    NoPlugin {
        /// `strategy`, `planner` or `action handler`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A plugin that is needed may not be run.
    #[error("{kind} {name} may not be run: it was deactivated or deleted, or is not shared with this project any more")]
    Refused {
        /// `strategy`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A plugin that is needed is not let run.
    #[error("{kind} {name} may not be run: {source}")]
    Guarded {
        /// `strategy`, `planner` or `action handler`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        source: GuardError,
    },
    /// The strategy proposes something that nobody can carry out.
    #[error("strategy {strategy} proposes actions of type {action_type}, for which no handler is installed")]
    UnknownActionType {
        /// The strategy.
        strategy: String,
        /// The action type.
        action_type: String,
    },
    /// Parameters do not fit the strategy's schema.
    #[error("parameters of strategy {strategy}: {misfit}")]
    Parameters {
        /// The strategy.
        strategy: String,
        /// What does not fit.
        misfit: Misfit,
    },
    /// The operator's configuration of a plugin does not fit its schema.
    #[error("configuration of {plugin}: {misfit}")]
    Configuration {
        /// The plugin.
        plugin: String,
        /// What does not fit.
        misfit: Misfit,
    },
    /// A plugin brought a schema that is none.
    #[error("plugin {plugin} brought a schema that is not valid")]
    Schema {
        /// The plugin.
        plugin: String,
        /// Why.
        #[source]
        source: InvalidSchema,
    },
    /// The cluster could not be collected.
    #[error("the cluster data model could not be built: {0}")]
    Observe(CollectError),
    /// The scope cannot be applied.
    #[error("{0}")]
    Scope(ScopeError),
    /// There is nothing to look at.
    #[error("the cluster data model has no compute node in the scope of the audit")]
    EmptyCluster,
    /// The strategy did not decide.
    #[error("strategy {strategy} failed: {source}")]
    Decide {
        /// The strategy.
        strategy: String,
        /// Why.
        source: RunError,
    },
    /// A value of an efficacy indicator does not fit its schema.
    #[error(
        "strategy {strategy} gave efficacy indicator {indicator} the value {value}, which its goal does not allow: {misfit}"
    )]
    Efficacy {
        /// The strategy.
        strategy: String,
        /// The indicator.
        indicator: String,
        /// The value.
        value: f64,
        /// What does not fit.
        misfit: Misfit,
    },
    /// The planner did not order.
    #[error("planner {planner} failed: {source}")]
    Plan {
        /// The planner.
        planner: String,
        /// Why.
        source: RunError,
    },
    /// It was tried several times.
    #[error("{source}; it was tried {tries} times")]
    Retried {
        /// How many times.
        tries: u32,
        /// Why the last time failed.
        source: Box<Self>,
    },
    /// The audit is not ours any more: somebody stopped it, or its lease ran out.
    #[error("the audit was taken away while it ran")]
    Lost,
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] watcher_store::Error),
    /// Its runs never came to an end.
    #[error("the audit was begun {0} times and never ended: each time the process that ran it went away")]
    NeverEnds(u64),
    /// The service has a bug.
    #[error("the decision engine crashed while it ran the audit, and its log says why")]
    Crashed(#[source] Panic),
}

impl AuditError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Decide { source, .. } | Self::Plan { source, .. } => source.fault(),
            Self::Retried { source, .. } => source.fault(),
            Self::UnknownActionType { .. } | Self::Schema { .. } | Self::Efficacy { .. } => Fault::Guest,
            Self::NoStrategy { .. }
            | Self::NoPlugin { .. }
            | Self::Refused { .. }
            | Self::Guarded { .. }
            | Self::Parameters { .. }
            | Self::Configuration { .. }
            | Self::Observe(_)
            | Self::Scope(_)
            | Self::EmptyCluster
            | Self::Lost
            | Self::Store(_)
            | Self::NeverEnds(_)
            | Self::Crashed(_) => Fault::Host,
        }
    }

    /// Whether it says itself that the same may work later without anybody changing anything.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Decide { source, .. } | Self::Plan { source, .. } => source.is_retryable(),
            Self::Observe(error) => error.failure.retryable,
            Self::NoStrategy { .. }
            | Self::NoPlugin { .. }
            | Self::Refused { .. }
            | Self::Guarded { .. }
            | Self::UnknownActionType { .. }
            | Self::Parameters { .. }
            | Self::Configuration { .. }
            | Self::Schema { .. }
            | Self::Scope(_)
            | Self::EmptyCluster
            | Self::Efficacy { .. }
            | Self::Retried { .. }
            | Self::Lost
            | Self::Store(_)
            | Self::NeverEnds(_)
            | Self::Crashed(_) => false,
        }
    }
}
