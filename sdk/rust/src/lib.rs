//! Write Watcher plugins in Rust.
//!
//! A plugin is one type that implements [`Strategy`], [`Action`], [`Planner`] or [`ScoringEngine`], and one line that exports it. Logic sees
//! the outside only through a host trait ([`StrategyHost`], [`ActionHost`], [`PlannerHost`], [`Host`]), so it runs natively in unit tests against
//! [`testing`], and in the sandbox against the host, without a difference.
//!
//! ```
//! use watcher_sdk::{Failure, Goal, NewAction, Solution, Strategy, StrategyDescription, StrategyHost};
//!
//! struct Greeting;
//!
//! impl Strategy for Greeting {
//!     type Parameters = serde_json::Value;
//!     type Configuration = serde_json::Value;
//!
//!     fn describe() -> StrategyDescription {
//!         StrategyDescription::new("greeting", "1.0.0", "Greeting", Goal::new("dummy", "Dummy goal"), "weight")
//!     }
//!
//!     fn execute(_: &dyn StrategyHost, _: Self::Parameters, _: Self::Configuration) -> Result<Solution, Failure> {
//!         let mut solution = Solution::default();
//!         solution.add(NewAction::new("nop").parameter("message", "hello"));
//!         Ok(solution)
//!     }
//! }
//!
//! watcher_sdk::export_strategy!(Greeting);
//! # fn main() {}
//! ```
//!
//! Not in here: `WASI`, files, sockets and threads. A plugin has only what its world imports; see the WIT for units and errors.

pub mod action;
pub mod bindings;
pub mod cluster;
pub mod failure;
pub mod first_fit;
#[doc(hidden)]
pub mod glue;
pub mod goals;
pub mod host;
pub mod metrics;
pub mod patience;
pub mod planner;
pub mod random;
pub mod scoring;
pub mod strategy;
pub mod testing;

pub use action::{Action, ActionDescription, Effect, Readiness, RequestPattern};
pub use cluster::{Cluster, Instance, InstanceState, Node};
pub use failure::{Blame, Failure};
pub use first_fit::FirstFit;
pub use host::{ActionHost, Host, LogLevel, PlannerHost, Request, Response, StrategyHost};
pub use metrics::{ResourceKind, Samples, Statistic};
pub use patience::{Poll, Retries, Sent};
pub use planner::{PlannedAction, Planner, PlannerDescription, SolutionAction};
pub use random::SplitMix64;
pub use scoring::{ScoringEngine, ScoringEngineDescription, ScoringEngineEntry};
pub use strategy::{GlobalEfficacy, Goal, IndicatorSpec, NewAction, Solution, Strategy, StrategyDescription};
