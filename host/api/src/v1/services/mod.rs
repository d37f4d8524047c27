//! Services: the processes of this system, and when they last gave a sign of life.

pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod view;

use axum::Router;
use axum::routing::get;

use crate::state::ApiState;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/services", get(list::brief))
        .route("/v1/services/detail", get(list::full))
        .route("/v1/services/{service}", get(show::show))
        .route("/v1/services/{service}/detail", get(super::no_detail))
}
