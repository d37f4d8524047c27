//! Every way in which a request can make no sense, with the sentence that says so.

use serde_json::{Map, Value};
use watcher_domain::text::{one_line, steering, steering_in_lines};
use watcher_domain::weight::weight_of;

use crate::text;

/// Most that the parameters of an audit or a template take, and a scope: rows are listed by the thousand.
const HEAVIEST: usize = 256 << 10;

/// Most characters of a name.
const LONGEST_LINE: usize = 255;
/// Most characters of a description.
const LONGEST_LINES: usize = 4096;

/// Why a value of so many bytes is not taken; none if it is.
pub(crate) fn too_heavy(bytes: usize) -> Option<String> {
    let why = || format!("It takes {bytes} bytes, 72 for each value in it besides its text; at most {HEAVIEST}");
    (bytes > HEAVIEST).then(why)
}

/// A request that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    /// The body is not JSON.
    #[error("Request is not in valid JSON format")]
    NotJson,
    /// The databases cannot keep this character.
    #[error("Request contains the character U+0000, which cannot be kept")]
    Nul,
    /// Something that is needed is not there at all.
    #[error("Missing argument: \"{0}\"")]
    MissingArgument(&'static str),
    /// Query arguments that the operation does not have.
    #[error("Unknown argument: \"{0}\"")]
    UnknownArgument(String),
    /// A query argument that was given twice.
    #[error("Parameter {0} was given several times")]
    RepeatedArgument(String),
    /// Members of the body that the operation does not have.
    #[error("Unknown attribute{} for argument {argument}: {}", if .names.len() > 1 { "s" } else { "" }, .names.join(", "))]
    UnknownAttribute {
        /// The body's name.
        argument: &'static str,
        /// The members.
        names: Vec<String>,
    },
    /// One value is wrong.
    #[error("Invalid input for field/attribute {field}. Value: '{value}'. {reason}")]
    Input {
        /// What it is for.
        field: String,
        /// As it was sent.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A body of several parts that is not well-formed, or has parts that the operation does not have.
    #[error("The multipart body {0}")]
    Multipart(String),
    #[error("{0}")]
    Plugin(String),
    #[error("Limit must be positive")]
    Limit,
    #[error("Invalid sort key: {0}")]
    SortKey(String),
    #[error("Invalid sort direction: {0}. Acceptable values are 'asc' or 'desc'")]
    SortDirection(String),
    #[error("Filtering actions on both audit and action-plan is prohibited")]
    BothFilters,
    #[error("'{0}' is an internal attribute and can not be updated")]
    InternalAttribute(String),
    #[error("'{0}' is not an allowed attribute and can not be updated")]
    AttributeNotAllowed(String),
    #[error("'{0}' is a mandatory attribute and can not be removed")]
    MandatoryAttribute(String),
    #[error("'add' and 'replace' operations needs value")]
    PatchValue,
    /// The two spaces are the original's.
    #[error("Adding a new attribute ({0}) to the root of  the resource is not allowed")]
    NewAttribute(String),
    #[error("Couldn't apply patch '{patch}'. Reason: {reason}")]
    Patch {
        /// As it was sent.
        patch: String,
        /// Why not.
        reason: String,
    },
    #[error("Cannot remove 'goal' attribute from an audit template")]
    GoalRemoved,
    #[error("Couldn't delete when state is '{0}'.")]
    Delete(&'static str),
    #[error("Couldn't start when state is '{0}'.")]
    Start(&'static str),
    #[error("API microversion 1.5 or higher is required.")]
    NeedsSkipped,
    #[error("Audit type {0} could not be found")]
    AuditType(String),
    #[error("A valid goal or audit_template_id must be provided")]
    NeitherGoalNorTemplate,
    #[error("Either audit_template_uuid or goal should be provided.")]
    BothGoalAndTemplate,
    #[error("The audit template UUID or name specified is invalid")]
    Template,
    #[error("Expected a uuid or int but received {0}")]
    AuditOfModel(String),
    #[error("Interval of audit must not be set for {0}.")]
    IntervalNotAllowed(&'static str),
    #[error("Interval of audit must be specified for {0}.")]
    IntervalMissing(&'static str),
    #[error("{0}")]
    Interval(#[from] watcher_domain::interval::InvalidInterval),
    #[error("Start or End time of audit must not be set for {0}.")]
    StartEndTimeNotAllowed(&'static str),
    #[error("Audit type {0} is disallowed.")]
    TypeDisallowed(&'static str),
    #[error("Audit state {0} is disallowed.")]
    StateDisallowed(&'static str),
    #[error("Specify parameters but no predefined strategy for audit, or no parameter spec in predefined strategy")]
    ParametersWithoutStrategy,
    #[error("default_parameters requires a strategy to be specified")]
    DefaultParametersWithoutStrategy,
    #[error("Audit parameter {0} are not allowed")]
    ParameterNotAllowed(String),
    #[error("Invalid parameters for strategy: {0}")]
    Parameters(String),
    #[error("Invalid default_parameters for strategy: {0}")]
    DefaultParameters(String),
}

impl Invalid {
    /// A wrong value of one field.
    pub(crate) fn input(field: impl Into<String>, value: &Value, reason: impl Into<String>) -> Self {
        Self::Input { field: field.into(), value: text::plain(value), reason: reason.into() }
    }

    /// Refuses an object that takes more than it may.
    pub(crate) fn refuse_heavy(field: &str, object: &Map<String, Value>) -> Result<(), Self> {
        too_heavy(weight_of(object))
            .map_or(Ok(()), |reason| Err(Self::Input { field: field.to_owned(), value: "…".to_owned(), reason }))
    }

    /// Refuses a name or the like that is too long, or steers terminals: lists have a thousand of them.
    pub(crate) fn refuse_unfit_line(field: &str, text: &str) -> Result<(), Self> {
        Self::refuse_long(field, text, LONGEST_LINE)?;
        Self::refuse_steering(field, text)
    }

    /// The same for a text of several lines.
    pub(crate) fn refuse_unfit_lines(field: &str, text: &str) -> Result<(), Self> {
        Self::refuse_long(field, text, LONGEST_LINES)?;
        Self::refuse_steering_in_lines(field, text)
    }

    fn refuse_long(field: &str, text: &str, most: usize) -> Result<(), Self> {
        let count = text.chars().count();
        if count <= most {
            return Ok(());
        }
        let shown: String = text.chars().take(200).collect();
        let reason = format!("It has {count} characters; at most {most} are kept");
        Err(Self::Input { field: field.to_owned(), value: one_line(&shown), reason })
    }

    /// Refuses a text of one line that steers the terminal of whoever lists it. The stock client prints what it is given.
    pub(crate) fn refuse_steering(field: &str, text: &str) -> Result<(), Self> {
        steering(text).map_or(Ok(()), |odd| Err(Self::steers(field, text, odd)))
    }

    /// The same for a text of several lines.
    pub(crate) fn refuse_steering_in_lines(field: &str, text: &str) -> Result<(), Self> {
        steering_in_lines(text).map_or(Ok(()), |odd| Err(Self::steers(field, text, odd)))
    }

    fn steers(field: &str, text: &str, odd: char) -> Self {
        let shown: String = text.chars().take(200).collect();
        Self::Input {
            field: field.to_owned(),
            value: one_line(&shown),
            reason: format!(
                "It has the character U+{:04X}, which steers terminals instead of being shown",
                u32::from(odd)
            ),
        }
    }

    /// A value of the wrong type. `expected` is a class's name, e.g. `<class 'str'>`.
    pub(crate) fn wrong_type(field: &str, value: &Value, expected: &str) -> Self {
        Self::input(field, value, format!("Wrong type. Expected '{expected}', got '{}'", text::class(value)))
    }

    /// A text argument that is not a UUID.
    pub(crate) fn uuid_argument(field: &str, value: &str) -> Self {
        Self::Input {
            field: field.to_owned(),
            value: value.to_owned(),
            reason: format!("unable to convert to uuid. Error: Expected a uuid but received {value}"),
        }
    }
}
