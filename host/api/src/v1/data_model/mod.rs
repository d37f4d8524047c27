//! The cluster data model, as the decision engine sees the cloud.

pub(crate) mod list;
pub(crate) mod view;

use axum::Router;
use axum::routing::get;

use crate::state::ApiState;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new().route("/v1/data_model", get(list::list))
}
