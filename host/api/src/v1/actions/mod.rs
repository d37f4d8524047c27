//! Actions: what a plan does, one resource at a time.

pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod update;
pub(crate) mod view;

use axum::Router;
use axum::routing::get;
use watcher_domain::Action;
use watcher_store::{Tx, action_description};

use crate::context::Context;
use crate::error::ApiError;
use crate::state::ApiState;
use crate::v1::Detail;
use crate::v1::actions::view::ActionView;

/// What the original calls the UUID in a path.
const UUID: &str = "action_uuid";

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/actions", get(list::brief))
        .route("/v1/actions/detail", get(list::full))
        .route("/v1/actions/{action}", get(show::show).patch(update::update))
        .route("/v1/actions/{action}/detail", get(super::no_detail))
}

/// The full record of one action.
async fn full_record(tx: &mut Tx, context: &Context, action: &Action) -> Result<ActionView, ApiError> {
    let descriptions = action_description::list(tx).await?;
    let description = descriptions.get(&action.action_type);
    Ok(ActionView::new(action, description, &context.base, context.version, Detail::Full))
}
