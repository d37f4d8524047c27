//! Webhooks: what sets off audits of type `EVENT`.

pub(crate) mod trigger;

use axum::Router;
use axum::routing::post;

use crate::state::ApiState;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new().route("/v1/webhooks/{audit}", post(trigger::trigger))
}
