//! What many operations say alike: headers, arguments of lists, answers that are no result, patches.

use serde::Serialize;
use utoipa::{IntoParams, IntoResponses, ToSchema};

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
    /// `infra-optim X.Y` with X.Y from 1.0 to 1.7, or `infra-optim latest`; 1.0 without it. Several, for several services, are parted
    /// by commas.
    #[param(rename = "OpenStack-API-Version", example = "infra-optim 1.7")]
    version: Option<String>,
    /// Anything but nothing shows soft-deleted rows too.
    #[param(rename = "X-Show-Deleted")]
    show_deleted: Option<String>,
    /// An id of the form `req-<uuid>`, kept in the answer and the log; anything else is passed over.
    #[param(rename = "X-Openstack-Request-Id")]
    request_id: Option<String>,
}

/// The path of one version of a plugin.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what `PluginPath` reads")]
pub(crate) struct VersionPath {
    /// UUID
    plugin: String,
    /// Number or digest
    version: String,
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
    /// What they are sorted by, and by number among equals. Keys that belong to a related row sort within a page only.
    sort_key: Option<String>,
    /// In which direction.
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
    /// Keystone, the database or the decision engine cannot be reached now; the same request may do later
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
    /// The body did not arrive in time
    #[response(status = 408)]
    TooSlow(Problem),
    /// The body is too large
    #[response(status = 413)]
    TooLarge(Problem),
    /// The body's content type is none that is read
    #[response(status = 415)]
    MediaType(Problem),
}

/// What a deletion answers besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what `ApiError` answers")]
pub(crate) enum InUseProblems {
    /// Something still needs it, or it was changed meanwhile
    #[response(status = 409)]
    Conflict(Problem),
}

/// What a change of a plugin answers besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what `ApiError` answers")]
pub(crate) enum ChangeProblems {
    /// The project changes plugins too often
    #[response(status = 429)]
    TooMany(Problem),
}

/// What an upload answers besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what `ApiError` answers")]
pub(crate) enum UploadProblems {
    /// The component cannot be a plugin: the sentence says everything that is wrong with it, `debuginfo` has the report if there is one
    #[response(status = 422)]
    Refused(Problem),
    /// The project uploads too often, or has too many uploads under way
    #[response(status = 429)]
    TooMany(Problem),
}

/// A JSON Patch with `add`, `replace` and `remove` on paths of plain names.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `patch::parse` reads")]
pub(crate) struct PatchOperation {
    /// What is done.
    op: String,
    /// E.g. `/state`.
    #[schema(pattern = r"^(/[\w-]+)+$", example = "/state")]
    path: String,
    /// The new value; needed unless something is removed.
    #[schema(value_type = Option<Value>)]
    value: Option<serde_json::Value>,
}
