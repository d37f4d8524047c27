//! JSON Schemas of plugins: filling defaults in, and saying what does not fit.
//!
//! Parameters of audits are checked more strictly than JSON Schema asks: a name that the schema does not mention is refused, so that a
//! typing error does not silently select a default.

pub mod bounds;
mod pattern;

use std::fmt;

use jsonschema::{PatternOptions, ValidationError, ValidationOptions, Validator};
use serde_json::{Map, Value};

use crate::text::middle_cut;

pub use bounds::{Flaw, FlawKind, MAX_STEPS};

/// Most bytes of what is said about a value that does not fit, and of where: both repeat it.
const REASON_BYTES: usize = 2_000;
/// Largest compiled pattern in bytes.
const PATTERN_BYTES: usize = 256 << 10;
/// Largest cache of a pattern at work, in bytes.
const PATTERN_CACHE_BYTES: usize = 1 << 20;

/// A schema that a plugin brought, compiled for checking. Remote references are never followed; what may take long is refused, see [`bounds`].
pub struct Schema {
    document: Value,
    validator: Validator,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.document).finish()
    }
}

/// A document that is not a JSON Schema (draft 4).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON Schema of draft 4: {0}")]
pub struct InvalidSchema(pub String);

/// A value that is not checked, because that would take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the value is too large to be checked by its schema: that takes up to {0} steps, and no more than {MAX_STEPS} are taken"
)]
pub struct TooLong(pub u64);

/// Refuses what would take long to check. Whoever writes schemas also writes values, and both are checked by the service itself.
pub fn within_bounds(document: &Value, value: &Value) -> Result<(), TooLong> {
    let steps = bounds::steps(document, value);
    if steps > MAX_STEPS { Err(TooLong(steps)) } else { Ok(()) }
}

/// A value that does not fit a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Names that the schema does not have.
    #[error("parameter {} not allowed; allowed are {}", list(.names), list(.allowed))]
    UnknownNames {
        /// The names.
        names: Vec<String>,
        /// What there is.
        allowed: Vec<String>,
    },
    /// Anything else.
    #[error("{}{reason}", at(.path))]
    Value {
        /// JSON pointer to the value; empty for the whole.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("at {path}: ") }
}

impl Schema {
    /// Compiles a schema of draft 4.
    pub fn new(document: &Value) -> Result<Self, InvalidSchema> {
        Ok(Self { document: document.clone(), validator: validator(document)? })
    }

    /// Checks a value as JSON Schema asks, without filling defaults in.
    pub fn check(&self, value: &Value) -> Result<(), Misfit> {
        within_bounds(&self.document, value)
            .map_err(|error| Misfit::Value { path: String::new(), reason: error.to_string() })?;
        match misfit(&self.document, &self.validator, value) {
            None => Ok(()),
            Some(Unfit::TooMuch) => Err(Misfit::Value { path: String::new(), reason: TOO_MUCH_TO_SAY.to_owned() }),
            Some(Unfit::Error(error)) => {
                // Both repeat what is in the value.
                let path = middle_cut(error.instance_path().to_string(), REASON_BYTES);
                Err(Misfit::Value { path, reason: middle_cut(error.to_string(), REASON_BYTES) })
            }
        }
    }

    /// Fills defaults in, refuses names that the schema does not have, and checks.
    pub fn complete(&self, mut given: Map<String, Value>) -> Result<Map<String, Value>, Misfit> {
        refuse_unknown(&self.document, &given)?;
        fill_defaults(&self.document, &mut given);
        let value = Value::Object(given);
        self.check(&value)?;
        match value {
            Value::Object(complete) => Ok(complete),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Ok(Map::new()),
        }
    }

    /// Fills defaults in and checks; names are the schema's own business.
    pub fn complete_loosely(&self, mut given: Map<String, Value>) -> Result<Map<String, Value>, Misfit> {
        fill_defaults(&self.document, &mut given);
        self.check(&Value::Object(given.clone()))?;
        Ok(given)
    }
}

/// Why a value does not fit a schema.
#[derive(Debug)]
pub enum Unfit<'a> {
    /// The first thing that is wrong with it.
    Error(ValidationError<'a>),
    /// So much may be wrong with it that nothing is told.
    TooMuch,
}

/// What is told of a value that does not fit and has too many parts for its schema to say where.
pub const TOO_MUCH_TO_SAY: &str =
    "it does not fit the schema, and has too many parts to say where by which of the schemas in anyOf or oneOf";

/// The first thing that is wrong with a value, checked by a schema whose bounds are kept and by the validator that was made of it; none if it fits.
pub fn misfit<'a>(document: &Value, validator: &'a Validator, value: &'a Value) -> Option<Unfit<'a>> {
    // Errors have texts, and their validator may collect them: there are none to collect if the value fits.
    if validator.is_valid(value) {
        return None;
    }
    if bounds::is_costly_to_explain(document, value) {
        return Some(Unfit::TooMuch);
    }
    validator.validate(value).err().map(Unfit::Error)
}

/// Compiles a schema of draft 4 whose bounds are kept. Patterns take time in proportion to the text that they look at.
pub fn validator(document: &Value) -> Result<Validator, InvalidSchema> {
    if let Some(flaw) = bounds::flaws(document).first() {
        return Err(InvalidSchema(flaw.to_string()));
    }
    options().build(document).map_err(|error| InvalidSchema(error.to_string()))
}

fn options() -> ValidationOptions<'static> {
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_CACHE_BYTES);
    jsonschema::draft4::options().offline().with_pattern_options(patterns)
}

/// Everything that is wrong with a schema: bounds, form, patterns, and defaults that do not fit.
pub fn examine(document: &Value) -> Vec<Flaw> {
    let mut flaws = bounds::flaws(document);
    if !flaws.is_empty() {
        return flaws;
    }
    for error in jsonschema::draft4::meta::validator().iter_errors(document).take(MAX_FLAWS) {
        let (path, reason) = (error.instance_path().to_string(), shorten(&error.to_string()));
        flaws.push(Flaw { kind: FlawKind::Form, path, reason });
    }
    for (path, pattern) in bounds::patterns(document) {
        let alone = serde_json::json!({"pattern": pattern});
        if options().build(&alone).is_err() {
            let pattern = shorten(&pattern);
            let reason = format!("pattern {pattern:?} is too large, or uses look-around or back-references");
            flaws.push(Flaw { kind: FlawKind::Pattern, path, reason });
        }
    }
    if !flaws.is_empty() {
        return flaws;
    }
    let validators = match options().build_map(document) {
        Ok(validators) => validators,
        Err(error) => {
            let (path, reason) = (error.schema_path().to_string(), shorten(&error.to_string()));
            return vec![Flaw { kind: FlawKind::Form, path, reason }];
        }
    };
    let defaults = bounds::defaults(document);
    let steps = bounds::steps_of_defaults(document, &defaults);
    if steps > MAX_STEPS {
        let reason = format!("checking its defaults takes up to {steps} steps, and no more than {MAX_STEPS} are taken");
        return vec![Flaw { kind: FlawKind::Size, path: String::new(), reason }];
    }
    for (path, default) in defaults {
        let Some(validator) = validators.get(&format!("#{path}")) else { continue };
        let reason = match misfit(document, validator, &default) {
            None => continue,
            Some(Unfit::TooMuch) => TOO_MUCH_TO_SAY.to_owned(),
            Some(Unfit::Error(error)) => error.to_string(),
        };
        let reason = format!("the default does not fit: {}", shorten(&reason));
        flaws.push(Flaw { kind: FlawKind::Default, path: format!("{path}/default"), reason });
    }
    flaws
}

/// More errors are not listed.
const MAX_FLAWS: usize = 20;

fn shorten(text: &str) -> String {
    const CHARS: usize = 300;
    match text.char_indices().nth(CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

fn refuse_unknown(schema: &Value, given: &Map<String, Value>) -> Result<(), Misfit> {
    let Some(properties) = properties(schema) else { return Ok(()) };
    let names: Vec<String> = given.keys().filter(|name| !properties.contains_key(*name)).cloned().collect();
    if !names.is_empty() {
        return Err(Misfit::UnknownNames { names, allowed: properties.keys().cloned().collect() });
    }
    for (name, value) in given {
        if let (Some(schema), Some(value)) = (properties.get(name), value.as_object()) {
            refuse_unknown(schema, value)?;
        }
    }
    Ok(())
}

/// Fills the defaults of a schema into an object, and into the objects within it.
pub fn fill_defaults(schema: &Value, given: &mut Map<String, Value>) {
    for (name, schema) in properties(schema).into_iter().flatten() {
        if let Some(default) = schema.get("default")
            && !given.contains_key(name)
        {
            given.insert(name.clone(), default.clone());
        }
        if let Some(Value::Object(inner)) = given.get_mut(name) {
            fill_defaults(schema, inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Schema {
        Schema::new(&json!({"properties": {
            "period": {"type": "number", "default": 300, "minimum": 1},
            "aggregation": {"type": "object", "default": {"instance": "mean"}, "properties": {
                "instance": {"type": "string", "default": "mean"},
                "node": {"type": "string", "default": ""},
            }},
        }}))
        .unwrap()
    }

    fn complete(given: &Value) -> Result<Value, Misfit> {
        schema().complete(given.as_object().unwrap().clone()).map(Value::Object)
    }

    #[test]
    fn defaults_are_filled_in_at_every_depth() {
        assert_eq!(
            complete(&json!({})).unwrap(),
            json!({"period": 300, "aggregation": {"instance": "mean", "node": ""}})
        );
        assert_eq!(complete(&json!({"aggregation": {"node": "max"}})).unwrap()["aggregation"]["instance"], "mean");
    }

    #[test]
    fn everything_wrong_with_a_schema_is_said_at_once() {
        let schema = json!({"type": "objekt", "properties": {
            "name": {"type": "string", "pattern": "^(?=a)b$"},
            "count": {"type": "integer", "minimum": "1"},
        }});
        let flaws = examine(&schema);
        let told: Vec<_> = flaws.iter().map(|flaw| (flaw.kind, flaw.path.as_str())).collect();
        assert!(told.contains(&(FlawKind::Form, "/type")), "{flaws:?}");
        assert!(told.contains(&(FlawKind::Form, "/properties/count/minimum")), "{flaws:?}");
        assert!(told.contains(&(FlawKind::Pattern, "/properties/name/pattern")), "{flaws:?}");
        let schema = json!({"definitions": {"n": {"maximum": 5}}, "properties": {
            "a/b": {"type": "string", "default": 3},
            "c": {"allOf": [{"$ref": "#/definitions/n"}], "default": 9},
            "d": {"type": "string", "default": "fits"},
        }});
        let mut paths: Vec<_> = examine(&schema).into_iter().map(|flaw| (flaw.kind, flaw.path)).collect();
        paths.sort_by(|a, b| a.1.cmp(&b.1));
        let expected = ["/properties/a~1b/default", "/properties/c/default"];
        assert_eq!(paths, expected.map(|path| (FlawKind::Default, path.to_owned())));
    }

    #[test]
    fn a_pattern_never_takes_long() {
        let schema = json!({"pattern": "^(a+)+$"});
        assert_eq!(examine(&schema), [], "it is linear in the text here");
        assert!(Schema::new(&schema).unwrap().check(&json!(format!("{}!", "a".repeat(100_000)))).is_err());
        assert!(Schema::new(&json!({"pattern": "((a{1000}){1000}){1000}"})).is_err());
        // Many states at a time: less text.
        let schema = json!({"pattern": "^(x{0,20}y?){0,60}z$"});
        assert_eq!(examine(&schema), []);
        let refused = Schema::new(&schema).unwrap().check(&json!("x".repeat(50_000))).unwrap_err().to_string();
        assert!(refused.starts_with("the value is too large to be checked by its schema"), "{refused}");
        let schema = json!({"properties": {"a": {"pattern": "^(x{0,20}y?){0,60}z$", "default": "x".repeat(50_000)}}});
        assert!(examine(&schema)[0].reason.starts_with("checking its defaults takes up to "));
    }

    #[test]
    fn a_name_that_the_schema_does_not_have_is_refused_with_what_there_is() {
        let error = complete(&json!({"perido": 3})).unwrap_err().to_string();
        assert_eq!(error, "parameter perido not allowed; allowed are period, aggregation");
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_by_its_path() {
        let error = complete(&json!({"period": 0})).unwrap_err().to_string();
        assert!(error.starts_with("at /period: "), "{error}");
    }

    #[test]
    fn what_is_wrong_with_a_value_is_told_without_collecting_all_of_it() {
        let ones = Value::from(vec![1; 60_000]);
        let value = json!({"x": {"k".repeat(800_000): ones}});
        let schema = json!({"properties": {"x": {"additionalProperties": {"items": {"minimum": 10}}}}});
        let Err(Misfit::Value { path, reason }) = Schema::new(&schema).unwrap().check(&value) else {
            panic!("it fits")
        };
        assert!(path.len() < 2 * REASON_BYTES && reason == "1 is less than the minimum of 10", "{reason}");
        let branches: Vec<Value> = (0..20).map(|least| json!({"items": {"minimum": 10 + least}})).collect();
        let schema = json!({"properties": {"x": {"additionalProperties": {"anyOf": branches}}}});
        let Err(Misfit::Value { reason, .. }) = Schema::new(&schema).unwrap().check(&value) else { panic!("it fits") };
        assert_eq!(reason, TOO_MUCH_TO_SAY);
        let small = json!({"x": {"k": [1, 2, 3]}});
        let Err(Misfit::Value { path, .. }) = Schema::new(&schema).unwrap().check(&small) else { panic!("it fits") };
        assert_eq!(path, "/x/k");
    }
}
