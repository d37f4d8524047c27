//! Action plans: what audits recommend.

pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod start;
pub(crate) mod update;
pub(crate) mod view;

use axum::Router;
use axum::routing::{get, post};
use watcher_domain::ActionPlan;
use watcher_store::{Tx, efficacy_indicator};

use crate::context::Context;
use crate::error::ApiError;
use crate::state::ApiState;
use crate::v1::Detail;
use crate::v1::action_plans::view::ActionPlanView;
use crate::v1::find;

/// What the original calls the UUID in a path.
const UUID: &str = "action_plan_uuid";

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/action_plans", get(list::brief))
        .route("/v1/action_plans/detail", get(list::full))
        .route("/v1/action_plans/{action_plan}", get(show::show).patch(update::update).delete(delete::delete))
        .route("/v1/action_plans/{action_plan}/start", post(start::start))
        .route("/v1/action_plans/{action_plan}/detail", get(super::no_detail))
}

/// The full record of one plan.
async fn full_record(tx: &mut Tx, context: &Context, plan: &ActionPlan) -> Result<ActionPlanView, ApiError> {
    let indicators = efficacy_indicator::list_of_plan(tx, plan.id).await?;
    let names = find::names(tx, context, [], [plan.strategy_id]).await?;
    Ok(ActionPlanView::new(plan, indicators.iter(), &names, &context.base, context.version, Detail::Full))
}
