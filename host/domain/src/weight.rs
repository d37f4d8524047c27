//! What JSON takes in memory, which can be thirty-six times its text.

use serde_json::{Map, Value};

/// What every value takes, whatever it is: a [`Value`] whose objects keep their order. The same on every machine, so that all refuse the same.
const VALUE_BYTES: usize = 72;

/// Bytes that a value takes in memory, about: 72 for itself and each value in it, and their texts.
pub fn weight(value: &Value) -> usize {
    let inner = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(weight).sum(),
        Value::Object(object) => weight_of(object),
    };
    VALUE_BYTES + inner
}

/// The same of the members of an object, with their names.
pub fn weight_of(object: &Map<String, Value>) -> usize {
    object.iter().map(|(name, value)| name.len() + weight(value)).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_counts_however_short_its_text_is() {
        assert_eq!(weight(&json!(1)), VALUE_BYTES);
        assert_eq!(weight(&json!("abc")), VALUE_BYTES + 3);
        assert_eq!(weight(&json!([0, 0, null])), 4 * VALUE_BYTES);
        assert_eq!(weight(&json!({"ab": [true], "c": {}})), 4 * VALUE_BYTES + 3);
    }
}
