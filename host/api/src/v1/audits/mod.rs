//! Audits: requests to find out how a goal can be reached.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod update;
pub(crate) mod view;

use axum::Router;
use axum::routing::get;

use crate::state::ApiState;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/audits", get(list::brief).post(create::create))
        .route("/v1/audits/detail", get(list::full))
        .route("/v1/audits/{audit}", get(show::show).patch(update::update).delete(delete::delete))
        .route("/v1/audits/{audit}/detail", get(super::no_detail))
}
