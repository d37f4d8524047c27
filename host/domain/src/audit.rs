//! Audits: one request to find out how a goal can be reached.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use watcher_cluster::AuditScope;

use crate::clock::Timestamp;
use crate::id::{AuditId, GoalId, ProjectId, StrategyId};
use crate::state::{InvalidTransition, Stamps, named_enum};

named_enum! {
    /// How often an audit runs.
    AuditType {
        /// Once, at once.
        Oneshot = "ONESHOT",
        /// Again and again, by interval or cron text.
        Continuous = "CONTINUOUS",
        /// Whenever its webhook is called.
        Event = "EVENT",
    }
}

named_enum! {
    /// Where an audit stands.
    AuditState {
        /// Waits for a decision engine.
        Pending = "PENDING",
        /// A decision engine works on it, or, for a continuous audit, will again.
        Ongoing = "ONGOING",
        /// It ended, and recommends an action plan.
        Succeeded = "SUCCEEDED",
        /// It ended with an error.
        Failed = "FAILED",
        /// Somebody stopped it, or another action plan was being applied.
        Cancelled = "CANCELLED",
        /// Somebody paused it.
        Suspended = "SUSPENDED",
        /// Soft-deleted.
        Deleted = "DELETED",
    }
}

named_enum! {
    /// What can happen to an audit.
    AuditEvent {
        /// A decision engine takes it.
        Claim = "be claimed",
        /// A decision engine takes it once more: a continuous one between two runs, or an event audit that was triggered again.
        ClaimAgain = "be claimed again",
        /// A run of a continuous audit ended well; others follow.
        EndRun = "end a run",
        /// The end time of a continuous audit is reached.
        Expire = "reach its end",
        /// A run of it ended well.
        Finish = "finish",
        /// A run of it ended with an error.
        Fail = "fail",
        /// The engine that had it is gone; another may take it. Safe, because an audit only recommends.
        LeaseExpire = "return to the queue",
        /// Somebody stops it.
        Cancel = "be cancelled",
        /// Somebody pauses it.
        Suspend = "be suspended",
        /// Somebody lets it go on.
        Resume = "be resumed",
        /// The webhook of an event audit is called. It stays where it is until a decision engine takes it.
        Trigger = "be triggered",
        /// Somebody deletes it.
        Delete = "be deleted",
    }
}

impl AuditState {
    /// Whether an audit of a type waits, runs, or may run again.
    pub const fn is_active(self, audit_type: AuditType) -> bool {
        match self {
            Self::Pending | Self::Ongoing | Self::Suspended => true,
            Self::Succeeded => matches!(audit_type, AuditType::Event),
            Self::Failed | Self::Cancelled | Self::Deleted => false,
        }
    }

    /// The only place that says how an audit may move.
    pub const fn after(self, event: AuditEvent) -> Result<Self, InvalidTransition> {
        use AuditEvent::{
            Cancel, Claim, ClaimAgain, Delete, EndRun, Expire, Fail, Finish, LeaseExpire, Resume, Suspend, Trigger,
        };
        match (self, event) {
            (Self::Pending, Claim)
            | (Self::Ongoing | Self::Succeeded, ClaimAgain)
            | (Self::Ongoing, EndRun)
            | (Self::Suspended, Resume) => Ok(Self::Ongoing),
            (Self::Ongoing, Finish) | (Self::Pending | Self::Ongoing, Expire) | (Self::Succeeded, Trigger) => {
                Ok(Self::Succeeded)
            }
            (Self::Pending | Self::Ongoing, Fail) => Ok(Self::Failed),
            (Self::Pending | Self::Ongoing, Cancel) => Ok(Self::Cancelled),
            (Self::Ongoing, Suspend) => Ok(Self::Suspended),
            (Self::Ongoing, LeaseExpire) | (Self::Pending, Trigger) => Ok(Self::Pending),
            (Self::Suspended | Self::Failed | Self::Succeeded | Self::Cancelled, Delete) => Ok(Self::Deleted),
            (
                Self::Pending
                | Self::Ongoing
                | Self::Succeeded
                | Self::Failed
                | Self::Cancelled
                | Self::Suspended
                | Self::Deleted,
                _,
            ) => Err(InvalidTransition { entity: "audit", from: self.as_str(), event: event.as_str() }),
        }
    }
}

/// An audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// UUID.
    pub id: AuditId,
    /// Project that owns it.
    pub project_id: Option<ProjectId>,
    /// Unique among audits that are not deleted.
    pub name: String,
    /// How often it runs.
    pub audit_type: AuditType,
    /// Where it stands.
    pub state: AuditState,
    /// Parameters for the strategy.
    pub parameters: Map<String, Value>,
    /// Seconds, or a cron text, of a continuous audit.
    pub interval: Option<String>,
    /// Goal.
    pub goal_id: GoalId,
    /// Strategy; none leaves the choice to the decision engine.
    pub strategy_id: Option<StrategyId>,
    /// Which part of the cluster it looks at.
    pub scope: AuditScope,
    /// Whether its action plan starts by itself.
    pub auto_trigger: bool,
    /// Whether it runs while an action plan is being applied.
    pub force: bool,
    /// When a continuous audit runs next.
    pub next_run_time: Option<Timestamp>,
    /// Host of the decision engine that has, or had, it.
    pub hostname: Option<String>,
    /// A continuous audit does not run before.
    pub start_time: Option<Timestamp>,
    /// A continuous audit does not run after.
    pub end_time: Option<Timestamp>,
    /// Why it failed or was cancelled.
    pub status_message: Option<String>,
    /// Times.
    pub stamps: Stamps,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_deletion_happens_to_an_audit_that_was_stopped_or_failed() {
        for state in [AuditState::Failed, AuditState::Cancelled, AuditState::Deleted] {
            for event in AuditEvent::ALL {
                let after = state.after(*event);
                let deleted = *event == AuditEvent::Delete && state != AuditState::Deleted;
                assert_eq!(after.ok(), deleted.then_some(AuditState::Deleted), "{state} {event}");
            }
        }
    }

    #[test]
    fn a_suspended_audit_is_not_run() {
        for event in [AuditEvent::Claim, AuditEvent::ClaimAgain, AuditEvent::EndRun, AuditEvent::Trigger] {
            assert!(AuditState::Suspended.after(event).is_err(), "{event}");
        }
    }
}
