//! Action plans: a graph of actions that an audit recommends.

use serde::{Deserialize, Serialize};

use crate::efficacy::GlobalEfficacy;
use crate::id::{ActionPlanId, AuditId, ProjectId, SnapshotId, StrategyId};
use crate::plugin::Digest;
use crate::state::{InvalidTransition, Stamps, named_enum};

named_enum! {
    /// Where an action plan stands.
    ActionPlanState {
        /// Recommended by an audit; somebody has to start it.
        Recommended = "RECOMMENDED",
        /// Started; waits for an applier.
        Pending = "PENDING",
        /// An applier works on it.
        Ongoing = "ONGOING",
        /// Every action ended well, or was skipped.
        Succeeded = "SUCCEEDED",
        /// An action failed.
        Failed = "FAILED",
        /// Somebody stops it; running actions come to an end.
        Cancelling = "CANCELLING",
        /// Stopped.
        Cancelled = "CANCELLED",
        /// Too old, or made for a cluster that has changed.
        Superseded = "SUPERSEDED",
        /// Soft-deleted.
        Deleted = "DELETED",
    }
}

named_enum! {
    /// What can happen to an action plan.
    ActionPlanEvent {
        /// Somebody starts it.
        Start = "be started",
        /// An applier takes it.
        Claim = "be claimed",
        /// All its actions ended, none failed.
        Finish = "finish",
        /// An action failed, or the plan could not be carried on.
        Fail = "fail",
        /// Somebody stops it.
        Cancel = "be cancelled",
        /// Its running actions have ended after it was stopped.
        FinishCancel = "end its cancellation",
        /// It is too old.
        Supersede = "be superseded",
        /// Somebody deletes it.
        Delete = "be deleted",
    }
}

impl ActionPlanState {
    /// The only place that says how an action plan may move.
    pub const fn after(self, event: ActionPlanEvent) -> Result<Self, InvalidTransition> {
        use ActionPlanEvent::{Cancel, Claim, Delete, Fail, Finish, FinishCancel, Start, Supersede};
        match (self, event) {
            (Self::Recommended, Start) => Ok(Self::Pending),
            (Self::Recommended, Supersede) => Ok(Self::Superseded),
            (Self::Recommended | Self::Pending, Cancel) | (Self::Ongoing | Self::Cancelling, FinishCancel) => {
                Ok(Self::Cancelled)
            }
            (Self::Pending, Claim) => Ok(Self::Ongoing),
            (Self::Ongoing, Finish) => Ok(Self::Succeeded),
            (Self::Pending | Self::Ongoing | Self::Cancelling, Fail) => Ok(Self::Failed),
            (Self::Ongoing, Cancel) => Ok(Self::Cancelling),
            (Self::Succeeded | Self::Recommended | Self::Failed | Self::Superseded | Self::Cancelled, Delete) => {
                Ok(Self::Deleted)
            }
            (
                Self::Recommended
                | Self::Pending
                | Self::Ongoing
                | Self::Succeeded
                | Self::Failed
                | Self::Cancelling
                | Self::Cancelled
                | Self::Superseded
                | Self::Deleted,
                _,
            ) => Err(InvalidTransition { entity: "action plan", from: self.as_str(), event: event.as_str() }),
        }
    }
}

/// An action plan. Its actions and efficacy indicators are rows of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionPlan {
    /// UUID.
    pub id: ActionPlanId,
    /// Project of the audit.
    pub project_id: Option<ProjectId>,
    /// Audit that recommends it.
    pub audit_id: AuditId,
    /// Strategy that decided it.
    pub strategy_id: StrategyId,
    /// Where it stands.
    pub state: ActionPlanState,
    /// Sums of its efficacy indicators.
    pub global_efficacy: Vec<GlobalEfficacy>,
    /// Host of the applier that has, or had, it.
    pub hostname: Option<String>,
    /// Why it failed, was cancelled, or had actions skipped.
    pub status_message: Option<String>,
    /// The strategy's component that decided it.
    pub strategy_digest: Digest,
    /// The planner's component that ordered it.
    pub planner_digest: Digest,
    /// The snapshot it was decided on.
    pub snapshot_id: Option<SnapshotId>,
    /// Times.
    pub stamps: Stamps,
}
