//! The words of the field: goals, strategies, audits, action plans and actions, their states, and the ports to the outside.
//!
//! Nothing here does IO. Read [`audit`] and [`action_plan`] for what may happen to them, then [`ports`] for what the
//! decision engine and the applier need from the rooms around them.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod action;
pub mod action_plan;
pub mod audit;
pub mod audit_template;
pub mod blob;
pub mod clock;
pub mod cloud;
pub mod efficacy;
pub mod failure;
pub mod goal;
mod grant;
pub mod id;
pub mod interval;
pub mod journal;
pub mod limits;
pub mod metric;
mod permission;
pub mod plugin;
pub mod ports;
pub mod recording;
pub mod report;
pub mod schema;
pub mod scoring_engine;
pub mod service;
pub mod solution;
pub mod spelling;
pub mod state;
pub mod strategy;
pub mod text;
pub mod weight;

pub use action::{Action, ActionEvent, ActionState};
pub use action_plan::{ActionPlan, ActionPlanEvent, ActionPlanState};
pub use audit::{Audit, AuditEvent, AuditState, AuditType};
pub use audit_template::AuditTemplate;
pub use clock::{Clock, Ids, SystemClock, SystemIds, Timestamp};
pub use efficacy::{EfficacyIndicator, GlobalEfficacy, IndicatorSpec};
pub use failure::{Blame, Failure, Panic};
pub use goal::Goal;
pub use id::{
    ActionId, ActionPlanId, AuditId, AuditTemplateId, EfficacyIndicatorId, GoalId, PluginId, ProjectId,
    ScoringEngineId, SnapshotId, StrategyId,
};
pub use limits::{Account, Limits, RunLimits, Shares};
pub use plugin::{Digest, PluginKind};
pub use scoring_engine::ScoringEngine;
pub use service::ServiceStatus;
pub use solution::{PlannedAction, Solution, SolutionAction};
pub use state::{InvalidTransition, Stamps};
pub use strategy::Strategy;
