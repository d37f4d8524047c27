//! The description of the API, made from the operations themselves.

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, ToSchema};

use crate::{v1, versions};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Watcher",
        description = "Resource optimization for OpenStack: goals, strategies, audits, action plans, actions. \
                       Service type infra-optim, microversions 1.0 to 1.7.",
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
        v1::services::list::brief, v1::services::list::full, v1::services::show::show,
        v1::webhooks::trigger::trigger,
        serve,
    ),
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
pub fn document() -> Document {
    Api::openapi()
}

/// This description. Needs no token.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "describe_api", tag = "versions", security(()),
    responses((status = 200, description = "An OpenAPI document", body = Object), ReadProblems)
)]
pub(crate) async fn serve() -> impl IntoResponse {
    static TEXT: LazyLock<Result<String, serde_json::Error>> = LazyLock::new(|| document().to_json());
    match &*TEXT {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text.as_str()).into_response(),
        Err(error) => {
            tracing::error!(%error, "the description of the API could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The body of every answer that is no result.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem {
    /// JSON as a text: an object with `faultcode`, `faultstring` and `debuginfo`, or with `code`, `title` and `description`.
    error_message: String,
}

/// The body of answers to requests whose token could not be checked.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenProblem {
    error: TokenProblemDetail,
}

/// What is wrong with a token.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenProblemDetail {
    code: u16,
    title: String,
    message: String,
}

/// Headers that every operation below `/v1` reads.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what the layers and the context read")]
pub(crate) struct Headers {
    /// `infra-optim X.Y` with X.Y from 1.0 to 1.7, or `infra-optim latest`; 1.0 without it.
    #[param(rename = "OpenStack-API-Version", example = "infra-optim 1.7")]
    version: Option<String>,
    /// Anything but nothing shows soft-deleted rows too.
    #[param(rename = "X-Show-Deleted")]
    show_deleted: Option<String>,
    /// An id of the form `req-<uuid>`, kept in the answer and the log.
    #[param(rename = "X-Openstack-Request-Id")]
    request_id: Option<String>,
}

/// Query arguments of every list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `Arguments::take_paging` reads")]
pub(crate) struct PageArguments {
    /// Most items; the service's own limit if it is lower.
    #[param(minimum = 1)]
    limit: Option<i64>,
    /// The last item of the page before: a UUID, for services a number.
    marker: Option<String>,
    /// A field of the resource.
    sort_key: Option<String>,
    /// `asc` or `desc`.
    sort_dir: Option<String>,
}

/// What an operation that changes nothing answers instead of its result.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what `ApiError` answers")]
pub(crate) enum ReadProblems {
    /// The request makes no sense
    #[response(status = 400)]
    Invalid(Problem),
    /// There is no valid token
    #[response(status = 401)]
    Unauthenticated(TokenProblem),
    /// The policy refuses
    #[response(status = 403)]
    Forbidden(Problem),
    /// Something does not exist, or is not visible
    #[response(status = 404)]
    NotFound(Problem),
    /// The microversion is not supported, or does not have what was asked for
    #[response(status = 406)]
    NotAcceptable(Problem),
    /// The service failed
    #[response(status = 500)]
    Failed(Problem),
    /// Keystone or the database cannot be reached now
    #[response(status = 503)]
    Unavailable(Problem),
}

/// What an operation that changes something answers besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what `ApiError` answers")]
pub(crate) enum WriteProblems {
    /// It collides with what is there
    #[response(status = 409)]
    Conflict(Problem),
    /// The body is too large
    #[response(status = 413)]
    TooLarge(Problem),
    /// The body's content type is none that is read
    #[response(status = 415)]
    MediaType(Problem),
}

/// A JSON Patch with `add`, `replace` and `remove` on paths of plain names.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `patch::parse` reads")]
pub(crate) struct PatchOperation {
    /// `add`, `replace` or `remove`.
    #[schema(pattern = "^(add|replace|remove)$")]
    op: String,
    /// E.g. `/state`.
    #[schema(pattern = r"^(/[\w-]+)+$", example = "/state")]
    path: String,
    /// The new value; needed unless something is removed.
    #[schema(value_type = Option<Value>)]
    value: Option<serde_json::Value>,
}
