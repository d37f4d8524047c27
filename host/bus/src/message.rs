//! What is said on the bus. Every message carries ids only: whoever receives one reads the row.

use serde::{Deserialize, Serialize};
use watcher_domain::{ActionId, ActionPlanId, ActionPlanState, ActionState, AuditId, AuditState};

use crate::Role;

/// Anything that goes over the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// For one worker.
    Work(Work),
    /// For every worker.
    Control(Control),
    /// For whoever listens.
    Event(Event),
}

/// Something that one worker should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// An audit is PENDING.
    RunAudit {
        /// Which.
        audit_id: AuditId,
    },
    /// An action plan is PENDING.
    RunActionPlan {
        /// Which.
        action_plan_id: ActionPlanId,
    },
}

impl Work {
    /// Who does it.
    pub const fn role(&self) -> Role {
        match self {
            Self::RunAudit { .. } => Role::DecisionEngine,
            Self::RunActionPlan { .. } => Role::Applier,
        }
    }
}

/// Something that every worker has to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "control", rename_all = "snake_case")]
pub enum Control {
    /// An audit left ONGOING by somebody's wish: whoever runs it stops.
    AuditStopped {
        /// Which.
        audit_id: AuditId,
    },
    /// An action plan is CANCELLING: whoever runs it stops.
    ActionPlanStopped {
        /// Which.
        action_plan_id: ActionPlanId,
    },
    /// An audit was moved, or its schedule changed: when something is due is to be looked at again.
    ScheduleChanged,
    /// Plugins were added, changed or deactivated: what was looked up is stale.
    PluginsChanged,
}

/// Something that happened, as notifications tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An audit changed its state, or was made (`old` is none).
    Audit {
        /// Which.
        audit_id: AuditId,
        /// State before.
        old: Option<AuditState>,
        /// State now.
        state: AuditState,
    },
    /// An action plan changed its state, or was made.
    ActionPlan {
        /// Which.
        action_plan_id: ActionPlanId,
        /// State before.
        old: Option<ActionPlanState>,
        /// State now.
        state: ActionPlanState,
    },
    /// An action changed its state.
    Action {
        /// Which.
        action_id: ActionId,
        /// The plan it belongs to.
        action_plan_id: ActionPlanId,
        /// State before.
        old: ActionState,
        /// State now.
        state: ActionState,
    },
}

impl From<Work> for Message {
    fn from(work: Work) -> Self {
        Self::Work(work)
    }
}

impl From<Control> for Message {
    fn from(control: Control) -> Self {
        Self::Control(control)
    }
}

impl From<Event> for Message {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}
