//! The description of the API, made from the operations themselves.
//!
//! `parts` has what many operations say alike; `complete` adds to the document what the derives cannot say.

mod complete;
mod parts;

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::Value;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};

pub(crate) use self::complete::MICROVERSION;
pub(crate) use self::parts::{
    ChangeProblems, Headers, InUseProblems, PageArguments, PatchOperation, ReadProblems, UploadProblems, VersionPath,
    WriteProblems,
};
use self::parts::{Problem, TokenProblem, TokenProblemDetail};
use crate::text;
use crate::{docs, v1, versions};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Watcher",
        description = include_str!("description.md"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    modifiers(&Token),
    security(("token" = [])),
    paths(
        versions::root, versions::v1,
        v1::goals::list::brief, v1::goals::list::full, v1::goals::show::show,
        v1::strategies::list::brief, v1::strategies::list::full, v1::strategies::show::show, v1::strategies::state::state,
        v1::audit_templates::list::brief, v1::audit_templates::list::full, v1::audit_templates::show::show,
        v1::audit_templates::create::create, v1::audit_templates::update::update, v1::audit_templates::delete::delete,
        v1::audits::list::brief, v1::audits::list::full, v1::audits::show::show,
        v1::audits::create::create, v1::audits::update::update, v1::audits::delete::delete,
        v1::action_plans::list::brief, v1::action_plans::list::full, v1::action_plans::show::show,
        v1::action_plans::update::update, v1::action_plans::start::start, v1::action_plans::delete::delete,
        v1::actions::list::brief, v1::actions::list::full, v1::actions::show::show, v1::actions::update::update,
        v1::scoring_engines::list::brief, v1::scoring_engines::list::full, v1::scoring_engines::show::show,
        v1::plugins::list::list, v1::plugins::create::create, v1::plugins::show::show, v1::plugins::update::update,
        v1::plugins::delete::plugin, v1::plugins::versions::list, v1::plugins::versions::show, v1::plugins::delete::version,
        v1::plugins::file::download, v1::plugins::life::deactivate, v1::plugins::life::reactivate, v1::plugins::life::deprecate,
        v1::plugins::members::list, v1::plugins::members::offer, v1::plugins::members::answer, v1::plugins::members::withdraw,
        v1::plugins::grants::show, v1::plugins::grants::update, v1::plugins::events::list,
        v1::plugins::signatures::show, v1::plugins::signatures::add,
        v1::signing_policies::show, v1::signing_policies::update,
        v1::plugin_quotas::show, v1::plugin_quotas::update, v1::plugin_quotas::usage::show,
        v1::services::list::brief, v1::services::list::full, v1::services::show::show,
        v1::data_model::list::list,
        v1::webhooks::trigger::trigger,
        serve, docs::serve,
    ),
    components(schemas(Problem, TokenProblem, TokenProblemDetail)),
)]
struct Api;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Document) {
        let token = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "X-Auth-Token",
            "A token of Keystone. Not asked for where authentication is switched off.",
        )));
        document.components.get_or_insert_default().security_schemes.insert("token".to_owned(), token.into());
    }
}

/// The description of the API, as `/openapi.json` serves it.
///
/// # Errors
/// If it cannot be written as JSON, which the tests would show.
pub fn document() -> Result<Value, serde_json::Error> {
    serde_json::to_value(Api::openapi()).map(complete::complete)
}

/// This description. Needs no token.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "describe_api", tag = "versions", security(()),
    responses((status = 200, description = "An OpenAPI document", body = Object), ReadProblems)
)]
pub(crate) async fn serve() -> impl IntoResponse {
    static TEXT: LazyLock<Result<String, serde_json::Error>> =
        LazyLock::new(|| document().map(|document| text::json(&document)));
    match &*TEXT {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text.as_str()).into_response(),
        Err(error) => {
            tracing::error!(%error, "the description of the API could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
