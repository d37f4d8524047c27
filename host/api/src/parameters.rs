//! Parameters of a strategy against its schema: defaults filled in, unknown names refused, and the rest as JSON Schema (draft 4) says.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{JsonType, ValidationError};
use serde_json::{Map, Value};
use watcher_domain::schema::{TOO_MUCH_TO_SAY, Unfit, misfit};

use crate::text::{indexed, plain, pretty, quoted, repr, shown};

/// Parameters that do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// A name that the schema does not have.
    Unknown(String),
    /// Anything else, in the words of the original.
    Value(String),
}

/// The parameters with defaults filled in.
pub(crate) fn complete(schema: &Value, given: Map<String, Value>) -> Result<Map<String, Value>, Misfit> {
    let mut value = Value::Object(given);
    watcher_domain::schema::within_bounds(schema, &value).map_err(|error| Misfit::Value(error.to_string()))?;
    let mut room = MOST_DEFAULT_BYTES;
    let unknown = fill(schema, &mut value, &mut room);
    if room == 0 {
        return Err(Misfit::Value(format!("their defaults have more than {MOST_DEFAULT_BYTES} bytes")));
    }
    if let Some(Unknown { name, first: true }) = unknown {
        return Err(Misfit::Unknown(name));
    }
    check(schema, &value).map_err(Misfit::Value)?;
    match (unknown, value) {
        (Some(Unknown { name, .. }), _) => Err(Misfit::Unknown(name)),
        (None, Value::Object(complete)) => Ok(complete),
        (None, _) => Ok(Map::new()),
    }
}

/// Most bytes of JSON that defaults may add: one default may be needed by every item of an array.
const MOST_DEFAULT_BYTES: usize = 1 << 20;

/// A name that a schema does not have.
struct Unknown {
    name: String,
    /// Whether it stood first, and so is refused before any value is looked at.
    first: bool,
}

/// Fills defaults in wherever the schema describes members, and finds the first unknown name. Nothing is filled in any more, and `room` is 0,
/// when there is no room for a default.
fn fill(schema: &Value, value: &mut Value, room: &mut usize) -> Option<Unknown> {
    if *room == 0 {
        return None;
    }
    match value {
        Value::Object(members) => {
            let properties = schema.get("properties").and_then(Value::as_object).filter(|all| !all.is_empty())?;
            let found = members
                .keys()
                .position(|name| !properties.contains_key(name))
                .and_then(|place| Some(Unknown { name: members.keys().nth(place)?.clone(), first: place == 0 }));
            for (name, schema) in properties {
                if let Some(default) = schema.get("default")
                    && !members.contains_key(name)
                {
                    *room = room.saturating_sub(default.to_string().len() + name.len());
                    if *room == 0 {
                        return found;
                    }
                    members.insert(name.clone(), default.clone());
                }
            }
            let deeper = properties.iter().find_map(|(name, schema)| fill(schema, members.get_mut(name)?, room));
            match (found, deeper) {
                (Some(Unknown { name, first: true }), _) => Some(Unknown { name, first: true }),
                (_, Some(deeper)) => Some(deeper),
                (found, None) => found,
            }
        }
        Value::Array(items) => {
            let schema = schema.get("items").filter(|schema| schema.is_object())?;
            items.iter_mut().find_map(|item| fill(schema, item, room))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Checks a value; the first error is told as the original tells it.
pub(crate) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    watcher_domain::schema::within_bounds(schema, value).map_err(|error| error.to_string())?;
    let validator =
        watcher_domain::schema::validator(schema).map_err(|error| format!("the schema cannot be read: {error}"))?;
    match misfit(schema, &validator, value) {
        None => Ok(()),
        Some(Unfit::TooMuch) => Err(TOO_MUCH_TO_SAY.to_owned()),
        Some(Unfit::Error(error)) => Err(describe(schema, &error)),
    }
}

fn describe(schema: &Value, error: &ValidationError<'_>) -> String {
    let keyword = keyword(error.kind());
    let path: Vec<_> = error.schema_path().iter().collect();
    let (_, parents) = path.split_last().map_or((None, &path[..]), |(last, parents)| (Some(last), parents));
    let part = parents.iter().try_fold(schema, |part, segment| match segment {
        LocationSegment::Property(name) => part.get(name.as_ref()),
        LocationSegment::Index(index) => part.get(*index),
    });
    let at: Vec<_> = error.instance_path().iter().collect();
    format!(
        "{}\n\nFailed validating '{keyword}' in {}:\n    {}\n\nOn {}:\n    {}",
        sentence(error),
        indexed("schema", &indices(parents)),
        pretty(part.unwrap_or(schema), 4),
        indexed("instance", &indices(&at)),
        pretty(error.instance(), 4),
    )
}

fn indices(segments: &[LocationSegment<'_>]) -> Vec<String> {
    segments
        .iter()
        .map(|segment| match segment {
            LocationSegment::Property(name) => quoted(name),
            LocationSegment::Index(index) => index.to_string(),
        })
        .collect()
}

/// The keyword as draft 4 has it, where exclusive bounds are not keywords of their own.
fn keyword(kind: &ValidationErrorKind) -> &str {
    match kind {
        ValidationErrorKind::ExclusiveMaximum { .. } => "maximum",
        ValidationErrorKind::ExclusiveMinimum { .. } => "minimum",
        _ => kind.keyword(),
    }
}

fn sentence(error: &ValidationError<'_>) -> String {
    let value = shown(error.instance());
    match error.kind() {
        ValidationErrorKind::Type { kind } => format!("{value} is not of type {}", types(kind)),
        ValidationErrorKind::Maximum { limit } => format!("{value} is greater than the maximum of {}", repr(limit)),
        ValidationErrorKind::Minimum { limit } => format!("{value} is less than the minimum of {}", repr(limit)),
        ValidationErrorKind::ExclusiveMaximum { limit } => {
            format!("{value} is greater than or equal to the maximum of {}", repr(limit))
        }
        ValidationErrorKind::ExclusiveMinimum { limit } => {
            format!("{value} is less than or equal to the minimum of {}", repr(limit))
        }
        ValidationErrorKind::Enum { options } => format!("{value} is not one of {}", shown(options)),
        ValidationErrorKind::Required { property } => format!("{} is a required property", quoted(&plain(property))),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let names: Vec<String> = unexpected.iter().map(|name| quoted(name)).collect();
            let verb = if names.len() == 1 { "was" } else { "were" };
            format!("Additional properties are not allowed ({} {verb} unexpected)", names.join(", "))
        }
        ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => {
            format!("{value} is not valid under any of the given schemas")
        }
        ValidationErrorKind::Pattern { pattern } => format!("{value} does not match {}", quoted(pattern)),
        ValidationErrorKind::MinLength { limit } | ValidationErrorKind::MinItems { limit } => {
            if *limit == 1 {
                format!("{value} should be non-empty")
            } else {
                format!("{value} is too short")
            }
        }
        ValidationErrorKind::MaxLength { .. } | ValidationErrorKind::MaxItems { .. } => format!("{value} is too long"),
        ValidationErrorKind::UniqueItems => format!("{value} has non-unique elements"),
        ValidationErrorKind::Format { format } => format!("{value} is not a {}", quoted(format)),
        _ => error.to_string(),
    }
}

fn types(kind: &TypeKind) -> String {
    let name = |kind: JsonType| format!("'{kind}'");
    match kind {
        TypeKind::Single(kind) => name(*kind),
        TypeKind::Multiple(kinds) => kinds.iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dummy(given: &Value) -> Result<Value, Misfit> {
        let schema = json!({"properties": {
            "para1": {"description": "number parameter example", "type": "number", "default": 3.2, "minimum": 1.0, "maximum": 10.2},
            "para2": {"description": "string parameter example", "type": "string", "default": "hello"},
        }});
        complete(&schema, given.as_object().cloned().unwrap_or_default()).map(Value::Object)
    }

    #[test]
    fn defaults_are_filled_in() {
        assert_eq!(dummy(&json!({"para1": 1.0})), Ok(json!({"para1": 1.0, "para2": "hello"})));
    }

    #[test]
    fn a_value_out_of_bounds_is_told_with_its_schema() {
        let Err(Misfit::Value(told)) = dummy(&json!({"para1": 200})) else { panic!("fits") };
        assert_eq!(
            told,
            "200 is greater than the maximum of 10.2\n\nFailed validating 'maximum' in schema['properties']['para1']:\n    \
             {'description': 'number parameter example',\n     'type': 'number',\n     'default': 3.2,\n     'minimum': 1.0,\n     \
             'maximum': 10.2}\n\nOn instance['para1']:\n    200"
        );
    }

    #[test]
    fn what_does_not_fit_is_shown_only_so_far() {
        let deep = (0..100).fold(json!(vec![0; 400_000]), |inner, _| json!([inner]));
        let Err(Misfit::Value(told)) = dummy(&json!({"para2": deep})) else { panic!("fits") };
        assert!(told.contains("is not of type 'string'") && told.len() < 32_000, "{}", told.len());
        let Err(Misfit::Value(told)) = dummy(&json!({"para1": "ä".repeat(400_000)})) else { panic!("fits") };
        assert!(told.contains("is not of type 'number'") && told.len() < 32_000, "{}", told.len());
    }

    #[test]
    fn defaults_of_many_items_do_not_fill_the_memory() {
        let item = json!({"properties": {"text": {"default": "x".repeat(100_000)}}});
        let schema = json!({"properties": {"list": {"type": "array", "items": item}}});
        let list = |length| json!({"list": vec![json!({}); length]}).as_object().cloned().unwrap_or_default();
        assert!(complete(&schema, list(5)).is_ok());
        let Err(Misfit::Value(told)) = complete(&schema, list(300_000)) else { panic!("fits") };
        assert_eq!(told, "their defaults have more than 1048576 bytes");
    }

    #[test]
    fn what_would_take_long_to_check_is_refused_at_once() {
        let listed: Vec<u32> = (0..40_000).collect();
        let schema = json!({"properties": {"list": {"type": "array", "items": {"enum": listed}}}});
        let given = json!({"list": vec![39_999; 200_000]}).as_object().cloned().unwrap_or_default();
        let Err(Misfit::Value(told)) = complete(&schema, given) else { panic!("fits") };
        assert!(told.starts_with("the value is too large to be checked by its schema"), "{told}");
    }

    #[test]
    fn unknown_names_are_refused_at_every_depth() {
        assert_eq!(dummy(&json!({"x": 1})), Err(Misfit::Unknown("x".to_owned())));
        let schema =
            json!({"properties": {"actions": {"type": "array", "items": {"properties": {"action_type": {}}}}}});
        let given = json!({"actions": [{"a": 1}]}).as_object().cloned().unwrap_or_default();
        assert_eq!(complete(&schema, given), Err(Misfit::Unknown("a".to_owned())));
    }
}
