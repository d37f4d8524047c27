//! Goals: what audits work towards. They come with the strategies, so clients only read them.

pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod view;

use axum::Router;
use axum::routing::get;

use crate::state::ApiState;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/goals", get(list::brief))
        .route("/v1/goals/detail", get(list::full))
        .route("/v1/goals/{goal}", get(show::show))
        .route("/v1/goals/{goal}/detail", get(super::no_detail))
}
