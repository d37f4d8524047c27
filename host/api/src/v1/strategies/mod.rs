//! Strategies: how goals are reached. They are plugins, so clients only read them here.

pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod state;
pub(crate) mod view;

use axum::Router;
use axum::routing::get;

use crate::state::ApiState;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/strategies", get(list::brief))
        .route("/v1/strategies/detail", get(list::full))
        .route("/v1/strategies/{strategy}", get(show::show))
        .route("/v1/strategies/{strategy}/detail", get(super::no_detail))
        .route("/v1/strategies/{strategy}/state", get(state::state))
}
