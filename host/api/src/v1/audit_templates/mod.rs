//! Audit templates: a goal, a strategy and a scope under a name.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod update;
pub(crate) mod view;

use axum::Router;
use axum::routing::get;
use serde_json::{Map, Value};
use watcher_domain::Strategy;
use watcher_fair::aside;

use crate::error::Invalid;
use crate::parameters::{self, Misfit};
use crate::state::ApiState;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/audit_templates", get(list::brief).post(create::create))
        .route("/v1/audit_templates/detail", get(list::full))
        .route("/v1/audit_templates/{audit_template}", get(show::show).patch(update::update).delete(delete::delete))
        .route("/v1/audit_templates/{audit_template}/detail", get(super::no_detail))
}

/// Checks default parameters against the strategy they are for. They are kept as given, without the schema's own defaults.
async fn check_default_parameters(strategy: Option<&Strategy>, given: &Map<String, Value>) -> Result<(), Invalid> {
    if given.is_empty() {
        return Ok(());
    }
    let Some(strategy) = strategy else { return Err(Invalid::DefaultParametersWithoutStrategy) };
    if strategy.parameters_spec.as_object().is_none_or(Map::is_empty) {
        return Ok(());
    }
    let (schema, given) = (strategy.parameters_spec.clone(), given.clone());
    match aside(move || parameters::complete(&schema, given)).await {
        Ok(_) => Ok(()),
        Err(Misfit::Unknown(name)) => Err(Invalid::ParameterNotAllowed(name)),
        Err(Misfit::Value(told)) => Err(Invalid::DefaultParameters(told)),
    }
}
