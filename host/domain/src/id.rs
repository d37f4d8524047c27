//! Ids as types, so that one cannot stand where another belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! entity_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

entity_id! {
    /// UUID of a goal.
    GoalId;
    /// UUID of a strategy.
    StrategyId;
    /// UUID of an audit template.
    AuditTemplateId;
    /// UUID of an audit.
    AuditId;
    /// UUID of an action plan.
    ActionPlanId;
    /// UUID of an action.
    ActionId;
    /// UUID of an efficacy indicator.
    EfficacyIndicatorId;
    /// UUID of a scoring engine.
    ScoringEngineId;
    /// UUID of a plugin.
    PluginId;
    /// UUID of a stored snapshot of a cluster.
    SnapshotId;
}

/// A Keystone project id. Keystone writes them as 32 hexadecimal digits, but does not promise it: an opaque text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProjectId(pub String);

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
