//! How much a plugin may use in one call.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::ProjectId;
use crate::state::named_enum;

named_enum! {
    /// A limit that a call can hit.
    LimitName {
        /// Memory and tables of the instance together, in bytes.
        Memory = "memory",
        /// Units of computation, counted by the engine; the same for the same input.
        Fuel = "fuel",
        /// Time from start to end, in milliseconds.
        Deadline = "wall-clock",
        /// Bytes passed from guest to host in one call of an import.
        HostCallFuel = "host-call fuel",
        /// Calls of imports.
        HostCalls = "host calls",
        /// Handles that the instance holds.
        Resources = "resource table",
        /// Bytes of the result.
        Output = "output",
        /// Actions in a solution.
        Actions = "actions",
        /// Bytes written to the log; more is cut off, which is no error.
        Log = "log",
        /// Requests to the cloud.
        Requests = "outside requests",
        /// Bytes of calls and answers that are kept, so that an action goes on where it was after a crash.
        Journal = "journal",
        /// Bytes of metrics and scores that a strategy sees, which the recording of its run keeps.
        Recording = "recording",
        /// Depth of the call stack, in bytes.
        Stack = "stack",
    }
}

impl LimitName {
    /// Unit of its value.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Memory
            | Self::HostCallFuel
            | Self::Output
            | Self::Log
            | Self::Stack
            | Self::Journal
            | Self::Recording => "bytes",
            Self::Fuel => "units",
            Self::Deadline => "ms",
            Self::HostCalls => "calls",
            Self::Resources => "handles",
            Self::Actions => "actions",
            Self::Requests => "requests",
        }
    }
}

/// A limit that was hit, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitHit {
    /// Which.
    pub limit: LimitName,
    /// Its value, in [`LimitName::unit`].
    pub value: u64,
}

impl fmt::Display for LimitHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} limit of {} {} was reached", self.limit, self.value, self.limit.unit())
    }
}

macro_rules! limits {
    ($(#[$outer:meta])* $name:ident { $($(#[$doc:meta])* $field:ident = $default:expr,)* }) => {
        $(#[$outer])*
        pub struct $name { $($(#[$doc])* pub $field: u64,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            /// Names of all of them.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($field),)*];

            /// Each with its name.
            pub fn amounts(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field),)*].into_iter()
            }

            /// The one of this name.
            pub fn amount_mut(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($field) => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

limits! {
    /// Limits of one call. Every one has a default that the largest built-in strategies stay far below.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    Limits {
        /// Memory and tables of the instance together, in bytes.
        memory_bytes = 1 << 30,
        /// Units of computation.
        fuel = 200_000_000_000,
        /// Wall-clock time in milliseconds.
        deadline_ms = 300_000,
        /// Bytes passed from guest to host in one call of an import.
        host_call_fuel = 16 << 20,
        /// Calls of imports.
        host_calls = 100_000,
        /// Handles that the instance holds.
        resources = 1000,
        /// Bytes of the result as the host keeps it: its texts, and 72 for each value in parameters of actions.
        output_bytes = 128 << 20,
        /// Actions in a solution.
        actions = 200_000,
        /// Bytes written to the log.
        log_bytes = 1 << 20,
        /// Requests to the cloud.
        requests = 10_000,
        /// Bytes of an action's calls to the outside and their answers, which are kept until the action has ended.
        journal_bytes = 128 << 20,
        /// Bytes of the metrics and scores that a strategy sees, which the recording of its run keeps: a hundred metrics of a hundred thousand instances.
        recording_bytes = 128 << 20,
    }
}

impl Limits {
    /// Limits of an action handler: little computation, but a migration may take long.
    pub fn for_actions() -> Self {
        Self {
            memory_bytes: 64 << 20,
            fuel: 10_000_000_000,
            deadline_ms: 3_600_000,
            host_calls: 20_000,
            output_bytes: 1 << 20,
            journal_bytes: 16 << 20,
            ..Self::default()
        }
    }

    /// Limits of one call of a scoring engine, which a strategy waits for.
    pub fn for_scoring() -> Self {
        Self {
            memory_bytes: 256 << 20,
            fuel: 50_000_000_000,
            deadline_ms: 60_000,
            output_bytes: 16 << 20,
            requests: 0,
            ..Self::default()
        }
    }

    /// Wall-clock time.
    pub const fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}

limits! {
    /// What all runs of a project may use together.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    Shares {
        /// Calls of plugins at a time in one process; more wait. Scoring engines are counted apart, with at most half of their places.
        concurrent_calls = 16,
        /// Requests to the cloud within any minute, in one process; those that are too early wait.
        requests_per_minute = 6_000,
        /// Bytes of action plans and of what strategies saw that its audits store within an hour, in one process; after more, its next audits wait.
        stored_bytes_per_hour = 2 << 30,
        /// Audits that wait, run, or may run again: those that are PENDING, ONGOING or SUSPENDED, and those of type EVENT that SUCCEEDED.
        active_audits = 1_000,
        /// Action plans that wait or run: those that are PENDING, ONGOING or CANCELLING.
        active_plans = 1_000,
    }
}

/// What plugins may use that run for a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLimits {
    /// One call of a strategy or planner.
    pub decision: Limits,
    /// One call of an action handler.
    pub action: Limits,
    /// One call of a scoring engine.
    pub scoring: Limits,
    /// All calls together.
    pub shares: Shares,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            decision: Limits::default(),
            action: Limits::for_actions(),
            scoring: Limits::for_scoring(),
            shares: Shares::default(),
        }
    }
}

impl RunLimits {
    /// Kinds of calls that have limits of their own.
    pub const CALLS: [&'static str; 3] = ["decision", "action", "scoring"];

    /// Names of all limits: those of calls as `decision.fuel`.
    pub fn names() -> impl Iterator<Item = String> {
        let calls = Self::CALLS.iter().flat_map(|call| Limits::NAMES.iter().map(move |name| format!("{call}.{name}")));
        calls.chain(Shares::NAMES.iter().map(|&name| name.to_owned()))
    }

    /// The one of this name.
    fn amount_mut(&mut self, name: &str) -> Option<&mut u64> {
        match name.split_once('.') {
            Some(("decision", name)) => self.decision.amount_mut(name),
            Some(("action", name)) => self.action.amount_mut(name),
            Some(("scoring", name)) => self.scoring.amount_mut(name),
            Some(_) => None,
            None => self.shares.amount_mut(name),
        }
    }

    /// The same with those of a project, by name, in their place. Names that are none of these are others' to read.
    #[must_use]
    pub fn with(mut self, limits: &Map<String, Value>) -> Self {
        for (name, value) in limits {
            if let (Some(amount), Some(value)) = (self.amount_mut(name), value.as_u64()) {
                *amount = value;
            }
        }
        self
    }

    /// On the account of a project.
    pub const fn account(&self, project: Option<ProjectId>) -> Account {
        Account { project, shares: self.shares }
    }
}

/// On whose account a plugin runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The project; none for the service itself.
    pub project: Option<ProjectId>,
    /// What its runs may use together.
    pub shares: Shares,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_limit_can_be_set_for_a_project_by_its_name() {
        for (place, name) in RunLimits::names().enumerate() {
            let value = 1_000_000 + place as u64;
            let mut limits = RunLimits::default().with(json!({&name: value}).as_object().unwrap());
            assert_eq!(limits.amount_mut(&name).copied(), Some(value), "{name}");
            let before = RunLimits::default().amount_mut(&name).copied().unwrap();
            *limits.amount_mut(&name).unwrap() = before;
            assert_eq!(limits, RunLimits::default(), "{name} changes nothing else");
        }
    }

    #[test]
    fn what_is_no_limit_of_runs_is_left_to_others() {
        let others = json!({"plugins": 1, "decision.": 2, "planner.fuel": 3, "decision.fuel": "many", "fuel": 4});
        assert_eq!(RunLimits::default().with(others.as_object().unwrap()), RunLimits::default());
    }
}
