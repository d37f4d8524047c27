//! Which components plans need that have not ended: a few rows for each plan, where its actions are hundreds of thousands.

use std::collections::BTreeSet;

use watcher_domain::{ActionPlanId, ActionPlanState, Digest};

use crate::error::Result;
use crate::store::Tx;

/// Action plans `p` that have not ended.
pub(crate) const UNENDED: &str = "p.deleted = 0 AND p.state IN ('RECOMMENDED', 'PENDING', 'ONGOING', 'CANCELLING')";

/// Whether a plan in this state needs its components no more.
const fn has_ended(state: ActionPlanState) -> bool {
    match state {
        ActionPlanState::Recommended
        | ActionPlanState::Pending
        | ActionPlanState::Ongoing
        | ActionPlanState::Cancelling => false,
        ActionPlanState::Succeeded
        | ActionPlanState::Failed
        | ActionPlanState::Cancelled
        | ActionPlanState::Superseded
        | ActionPlanState::Deleted => true,
    }
}

/// Notes what plans need, unless they have ended.
pub(crate) async fn need(tx: &mut Tx, components: &BTreeSet<(ActionPlanId, Digest)>) -> Result<()> {
    let sql = format!(
        "INSERT INTO plan_components (action_plan_id, digest) \
         SELECT p.uuid, $2 FROM action_plans p WHERE p.uuid = $1 AND {UNENDED} ON CONFLICT (digest, action_plan_id) DO NOTHING"
    );
    for (plan, digest) in components {
        execute!(tx, sqlx::AssertSqlSafe(sql.clone()), plan.0, digest.0.as_slice())?;
    }
    Ok(())
}

/// Plans in this state, if it is one in which they have ended, need nothing.
pub(crate) async fn release(tx: &mut Tx, plans: &[ActionPlanId], state: ActionPlanState) -> Result<()> {
    if has_ended(state) {
        for plan in plans {
            execute!(tx, "DELETE FROM plan_components WHERE action_plan_id = $1", plan.0)?;
        }
    }
    Ok(())
}
