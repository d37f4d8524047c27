//! What a run writes down, made of what was decided: rows of actions, and the cluster as it was.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::Digest as _;
use watcher_cluster::ClusterDataModel;
use watcher_domain::weight::weight_of;
use watcher_domain::{
    Action, ActionId, ActionPlanId, ActionState, Digest, Ids, PlannedAction, SolutionAction, Stamps, Timestamp,
};

/// Rows of the actions of a plan, in its order.
pub(crate) fn actions(
    plan_id: ActionPlanId,
    plan: Vec<PlannedAction>,
    decided: Arc<Vec<SolutionAction>>,
    handlers: &HashMap<String, Digest>,
    ids: &dyn Ids,
    now: Timestamp,
) -> Vec<Action> {
    let uuids: Vec<ActionId> = plan.iter().map(|_| ActionId(ids.uuid())).collect();
    let mut decided: Vec<_> = Arc::unwrap_or_clone(decided).into_iter().map(Some).collect();
    let places = (0..).zip(&uuids).zip(plan);
    let row = |((position, &id), place): ((u32, &ActionId), PlannedAction)| {
        // A plan has each action once.
        let SolutionAction { action_type, input_parameters } = decided.get_mut(place.action as usize)?.take()?;
        Some(Action {
            id,
            action_plan_id: plan_id,
            position,
            digest: handlers.get(&action_type).copied()?,
            action_type,
            input_parameters,
            state: ActionState::Pending,
            parents: place.parents.iter().filter_map(|&parent| uuids.get(parent as usize).copied()).collect(),
            status_message: None,
            stamps: Stamps::new(now),
        })
    };
    places.filter_map(row).collect()
}

/// Bytes that an action takes in the database, about.
pub(crate) fn bytes_of(action: &Action) -> u64 {
    const ROW: usize = 256;
    const PARENT: usize = 39;
    (ROW + PARENT * action.parents.len() + weight_of(&action.input_parameters)) as u64
}

/// JSON, compressed fast: snapshots are written once per audit and read only when one is replayed.
pub(crate) fn compress(model: &ClusterDataModel) -> Result<(Digest, Vec<u8>), std::io::Error> {
    let json = serde_json::to_vec(model)?;
    Ok((Digest(sha2::Sha256::digest(&json).into()), zstd::bulk::compress(&json, 1)?))
}
