//! Results as JSON, written by hand: a query may have hundreds of thousands of series.

use std::fmt::Write as _;
use std::sync::Arc;

use super::eval::{Sample, Value};
use super::series::Labels;

/// A series with its values over time, of a range query.
pub(super) struct Row {
    pub(super) name: Option<Arc<str>>,
    pub(super) labels: Labels,
    /// Time in seconds, value.
    pub(super) values: Vec<(f64, f64)>,
}

/// A number as Prometheus writes it: the shortest text that is read back as the same number, without exponent.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}

/// A whole answer of `query`.
pub(super) fn instant(value: &Value, time: f64) -> String {
    let (kind, result) = match value {
        Value::Scalar(scalar) => ("scalar", format!("[{},\"{}\"]", stamp(time), number(*scalar))),
        Value::Text(text) => {
            let mut result = format!("[{},", stamp(time));
            push_text(&mut result, text);
            result.push(']');
            ("string", result)
        }
        Value::Vector(samples) => ("vector", vector(samples, time)),
        // Ranges are turned into rows by the caller.
        Value::Range(_) => ("matrix", "[]".to_owned()),
    };
    success(&format!("{{\"resultType\":\"{kind}\",\"result\":{result}}}"))
}

/// A whole answer with a matrix.
pub(super) fn matrix(rows: &[Row]) -> String {
    let mut result = String::from("{\"resultType\":\"matrix\",\"result\":[");
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            result.push(',');
        }
        result.push_str("{\"metric\":");
        push_labels(&mut result, row.name.as_deref(), &row.labels);
        result.push_str(",\"values\":[");
        for (index, (time, value)) in row.values.iter().enumerate() {
            if index > 0 {
                result.push(',');
            }
            push_point(&mut result, *time, *value);
        }
        result.push_str("]}");
    }
    result.push_str("]}");
    success(&result)
}

fn success(data: &str) -> String {
    format!("{{\"status\":\"success\",\"data\":{data}}}")
}

fn vector(samples: &[Sample], time: f64) -> String {
    let mut result = String::with_capacity(samples.len() * 120 + 2);
    result.push('[');
    for (index, sample) in samples.iter().enumerate() {
        if index > 0 {
            result.push(',');
        }
        result.push_str("{\"metric\":");
        push_labels(&mut result, sample.name.as_deref(), &sample.labels);
        result.push_str(",\"value\":");
        push_point(&mut result, time, sample.value);
        result.push('}');
    }
    result.push(']');
    result
}

/// A time with milliseconds, as a JSON number.
fn stamp(time: f64) -> f64 {
    if time.is_finite() { (time * 1000.0).round() / 1000.0 } else { 0.0 }
}

fn push_point(result: &mut String, time: f64, value: f64) {
    // Writing to a String cannot fail.
    let _ = if value.is_finite() {
        write!(result, "[{},\"{value}\"]", stamp(time))
    } else {
        write!(result, "[{},\"{}\"]", stamp(time), number(value))
    };
}

fn push_labels(result: &mut String, name: Option<&str>, labels: &Labels) {
    result.push('{');
    let name = name.map(|name| ("__name__", name));
    let pairs = labels.iter().map(|(name, value)| (&**name, &**value));
    for (index, (name, value)) in name.into_iter().chain(pairs).enumerate() {
        if index > 0 {
            result.push(',');
        }
        push_text(result, name);
        result.push(':');
        push_text(result, value);
    }
    result.push('}');
}

fn push_text(result: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        result.push('"');
        result.push_str(text);
        result.push('"');
    } else {
        result.push_str(&serde_json::Value::from(text).to_string());
    }
}
