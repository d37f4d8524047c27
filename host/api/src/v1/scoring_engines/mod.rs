//! Scoring engines: models that strategies ask. They are plugins, so clients only read them here.

pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod view;

use axum::Router;
use axum::routing::get;

use crate::state::ApiState;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/scoring_engines", get(list::brief))
        .route("/v1/scoring_engines/detail", get(list::full))
        .route("/v1/scoring_engines/{scoring_engine}", get(show::show))
        .route("/v1/scoring_engines/{scoring_engine}/detail", get(super::no_detail))
}
