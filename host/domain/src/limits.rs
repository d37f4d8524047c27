//! How much a plugin may use in one call.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
        /// Bytes of the result; of a strategy also those that it has scoring engines take and give.
        Output = "output",
        /// Actions in a solution.
        Actions = "actions",
        /// Bytes written to the log; more is cut off, which is no error.
        Log = "log",
        /// Requests to the cloud.
        Requests = "outside requests",
        /// Depth of the call stack, in bytes.
        Stack = "stack",
    }
}

impl LimitName {
    /// Unit of its value.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Memory | Self::HostCallFuel | Self::Output | Self::Log | Self::Stack => "bytes",
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

/// Limits of one call. Every one has a default that the largest built-in strategies stay far below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory and tables of the instance together, in bytes.
    pub memory_bytes: u64,
    /// Units of computation.
    pub fuel: u64,
    /// Wall-clock time in milliseconds.
    pub deadline_ms: u64,
    /// Bytes passed from guest to host in one call of an import.
    pub host_call_fuel: u64,
    /// Calls of imports.
    pub host_calls: u64,
    /// Handles that the instance holds.
    pub resources: u64,
    /// Bytes of the result; of a strategy also, counted apart, those that it has scoring engines take and give, which are recorded.
    pub output_bytes: u64,
    /// Actions in a solution.
    pub actions: u64,
    /// Bytes written to the log.
    pub log_bytes: u64,
    /// Requests to the cloud.
    pub requests: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            fuel: 200_000_000_000,
            deadline_ms: 300_000,
            host_call_fuel: 16 << 20,
            host_calls: 100_000,
            resources: 1000,
            output_bytes: 256 << 20,
            actions: 1_000_000,
            log_bytes: 1 << 20,
            requests: 10_000,
        }
    }
}

impl Limits {
    /// Limits of an action handler: little computation, but a migration may take long.
    pub fn for_actions() -> Self {
        Self { memory_bytes: 64 << 20, fuel: 10_000_000_000, deadline_ms: 3_600_000, ..Self::default() }
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
