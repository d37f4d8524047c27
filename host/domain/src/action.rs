//! Actions: one change to one resource of the cloud.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{ActionId, ActionPlanId};
use crate::plugin::Digest;
use crate::state::{InvalidTransition, Stamps, named_enum};

named_enum! {
    /// Where an action stands.
    ActionState {
        /// Not started.
        Pending = "PENDING",
        /// Its handler runs.
        Ongoing = "ONGOING",
        /// It had its effect.
        Succeeded = "SUCCEEDED",
        /// It had not.
        Failed = "FAILED",
        /// Its handler is being stopped.
        Cancelling = "CANCELLING",
        /// Stopped, or never started.
        Cancelled = "CANCELLED",
        /// There was nothing to do, or somebody chose not to do it.
        Skipped = "SKIPPED",
        /// Soft-deleted.
        Deleted = "DELETED",
    }
}

named_enum! {
    /// What can happen to an action.
    ActionEvent {
        /// Its handler starts.
        Start = "start",
        /// Its handler ended well.
        Finish = "finish",
        /// Validation, a condition, or the handler failed.
        Fail = "fail",
        /// There is nothing to do, or somebody skips it.
        Skip = "be skipped",
        /// Its plan is stopped before it starts, or its handler was stopped.
        Cancel = "be cancelled",
        /// Its plan is stopped while its handler runs.
        Abort = "be aborted",
        /// Its plan is deleted.
        Delete = "be deleted",
    }
}

impl ActionState {
    /// The only place that says how an action may move.
    pub const fn after(self, event: ActionEvent) -> Result<Self, InvalidTransition> {
        use ActionEvent::{Abort, Cancel, Delete, Fail, Finish, Skip, Start};
        match (self, event) {
            (Self::Pending, Start) => Ok(Self::Ongoing),
            (Self::Pending, Skip) => Ok(Self::Skipped),
            (Self::Pending | Self::Ongoing | Self::Cancelling, Fail) => Ok(Self::Failed),
            (Self::Ongoing | Self::Cancelling, Finish) => Ok(Self::Succeeded),
            (Self::Pending | Self::Ongoing | Self::Cancelling, Cancel) => Ok(Self::Cancelled),
            (Self::Ongoing, Abort) => Ok(Self::Cancelling),
            (Self::Pending | Self::Succeeded | Self::Failed | Self::Cancelled | Self::Skipped, Delete) => {
                Ok(Self::Deleted)
            }
            (
                Self::Pending
                | Self::Ongoing
                | Self::Succeeded
                | Self::Failed
                | Self::Cancelling
                | Self::Cancelled
                | Self::Skipped
                | Self::Deleted,
                _,
            ) => Err(InvalidTransition { entity: "action", from: self.as_str(), event: event.as_str() }),
        }
    }

    /// Whether nothing more will happen to it while its plan runs.
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Skipped | Self::Deleted => true,
            Self::Pending | Self::Ongoing | Self::Cancelling => false,
        }
    }
}

/// An action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// UUID.
    pub id: ActionId,
    /// The plan it belongs to.
    pub action_plan_id: ActionPlanId,
    /// Its place in the plan, from 0. Parents have smaller places.
    pub position: u32,
    /// Action type, e.g. `migrate`.
    pub action_type: String,
    /// Parameters, with `resource_id` if it has a resource.
    pub input_parameters: Map<String, Value>,
    /// Where it stands.
    pub state: ActionState,
    /// Actions that must have ended before it starts.
    pub parents: Vec<ActionId>,
    /// Why it failed or was skipped.
    pub status_message: Option<String>,
    /// The handler's component, fixed when the plan was made.
    pub digest: Digest,
    /// Times.
    pub stamps: Stamps,
}
