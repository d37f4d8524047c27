//! JSON Schemas of plugins: filling defaults in, and saying what does not fit.
//!
//! Parameters of audits are checked more strictly than JSON Schema asks: a name that the schema does not mention is refused, so that a
//! typing error does not silently select a default.

use std::fmt;

use serde_json::{Map, Value};

/// A schema that a plugin brought, compiled for checking. Remote references are never followed.
pub struct Schema {
    document: Value,
    validator: jsonschema::Validator,
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
        let validator = jsonschema::draft4::new(document).map_err(|error| InvalidSchema(error.to_string()))?;
        Ok(Self { document: document.clone(), validator })
    }

    /// Checks a value as JSON Schema asks, without filling defaults in.
    pub fn check(&self, value: &Value) -> Result<(), Misfit> {
        match self.validator.iter_errors(value).next() {
            None => Ok(()),
            Some(error) => Err(Misfit::Value { path: error.instance_path().to_string(), reason: error.to_string() }),
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
    fn a_name_that_the_schema_does_not_have_is_refused_with_what_there_is() {
        let error = complete(&json!({"perido": 3})).unwrap_err().to_string();
        assert_eq!(error, "parameter perido not allowed; allowed are period, aggregation");
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_by_its_path() {
        let error = complete(&json!({"period": 0})).unwrap_err().to_string();
        assert!(error.starts_with("at /period: "), "{error}");
    }
}
