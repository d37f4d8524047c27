//! Values as the original service writes them into its messages: the notation of Python, which clients have learned to read.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Width at which the original breaks a value that it shows in a message.
const WIDTH: usize = 72;
/// Bytes of a value that are shown where it would be shown in several ways: broken over lines, a value is many times as long as it was sent.
const MOST_SHOWN: usize = 8 << 10;

/// A value as it appears within another: texts in quotes.
pub(crate) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

/// A value as [`repr`] writes it, cut off where it is very long.
pub(crate) fn shown(value: &Value) -> String {
    cut(repr(value))
}

fn cut(mut text: String) -> String {
    if text.len() > MOST_SHOWN {
        text.truncate(text.floor_char_boundary(MOST_SHOWN));
        text.push('…');
    }
    text
}

/// A value as it appears alone: texts without quotes. Cut off where it is very long.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => shown(value),
    }
}

/// Name of a value's class, as in `got '<class 'int'>'`.
pub(crate) fn class(value: &Value) -> &'static str {
    match value {
        Value::Null => "<class 'NoneType'>",
        Value::Bool(_) => "<class 'bool'>",
        Value::Number(number) if number.is_f64() => "<class 'float'>",
        Value::Number(_) => "<class 'int'>",
        Value::String(_) => "<class 'str'>",
        Value::Array(_) => "<class 'list'>",
        Value::Object(_) => "<class 'dict'>",
    }
}

/// JSON text with a space after `,` and `:`, and ASCII only.
pub(crate) fn json(value: &Value) -> String {
    let mut out = String::new();
    write_json(&mut out, value);
    out
}

fn write_json(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(text) => write_json_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place > 0 { ", " } else { "" });
                write_json(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (place, (name, member)) in members.iter().enumerate() {
                out.push_str(if place > 0 { ", " } else { "" });
                write_json_text(out, name);
                out.push_str(": ");
                write_json(out, member);
            }
            out.push('}');
        }
    }
}

fn write_json_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(flag) => out.push_str(if *flag { "True" } else { "False" }),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(text) => out.push_str(&quoted(text)),
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place > 0 { ", " } else { "" });
                write_repr(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (place, (name, member)) in members.iter().enumerate() {
                out.push_str(if place > 0 { ", " } else { "" });
                out.push_str(&quoted(name));
                out.push_str(": ");
                write_repr(out, member);
            }
            out.push('}');
        }
    }
}

fn number_text(number: &serde_json::Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let text = format!("{float:?}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

/// A text in quotes: single ones, unless it has some and no double ones.
pub(crate) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => {
                out.push('\\');
                out.push(quote);
            }
            _ if character.is_control() && u32::from(character) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push(quote);
    out
}

/// `container[index][index]…`, or `container` alone.
pub(crate) fn indexed(container: &str, indices: &[String]) -> String {
    if indices.is_empty() { container.to_owned() } else { format!("{container}[{}]", indices.join("][")) }
}

/// A value over several lines where it is wide, each line but the first after `indent` spaces. A very long one stands in one line and is cut off.
pub(crate) fn pretty(value: &Value, indent: usize) -> String {
    let short = repr(value);
    if short.len() > MOST_SHOWN {
        return cut(short);
    }
    let mut out = String::new();
    write_pretty(&mut out, value, 0, 0, 1);
    let prefix = format!("\n{}", " ".repeat(indent));
    out.replace('\n', &prefix)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn break_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.push_str(&" ".repeat(indent));
}

fn write_pretty(out: &mut String, value: &Value, indent: usize, allowance: usize, level: usize) {
    let short = repr(value);
    if width(&short) + indent + allowance <= WIDTH {
        out.push_str(&short);
        return;
    }
    match value {
        Value::Object(members) => write_members(out, members, indent, allowance, level),
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                let last = place + 1 == items.len();
                write_pretty(out, item, indent + 1, if last { allowance + 1 } else { 1 }, level + 1);
                if !last {
                    out.push(',');
                    break_line(out, indent + 1);
                }
            }
            out.push(']');
        }
        Value::String(text) => write_wide_text(out, text, indent, allowance, level),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&short),
    }
}

fn write_members(out: &mut String, members: &Map<String, Value>, indent: usize, allowance: usize, level: usize) {
    out.push('{');
    for (place, (name, member)) in members.iter().enumerate() {
        let last = place + 1 == members.len();
        let name = quoted(name);
        out.push_str(&name);
        out.push_str(": ");
        write_pretty(out, member, indent + 1 + width(&name) + 2, if last { allowance + 1 } else { 1 }, level + 1);
        if !last {
            out.push(',');
            break_line(out, indent + 1);
        }
    }
    out.push('}');
}

/// Breaks a text at spaces into quoted pieces, one a line.
fn write_wide_text(out: &mut String, text: &str, indent: usize, allowance: usize, level: usize) {
    let (indent, allowance) = if level == 1 { (indent + 1, allowance + 1) } else { (indent, allowance) };
    let room = WIDTH.saturating_sub(indent);
    let mut pieces = Vec::new();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (place, line) in lines.iter().enumerate() {
        let last_line = place + 1 == lines.len();
        let whole = quoted(line);
        if width(&whole) <= room.saturating_sub(if last_line { allowance } else { 0 }) {
            pieces.push(whole);
            continue;
        }
        let words = words(line);
        let mut current = String::new();
        for (place, word) in words.iter().enumerate() {
            let last = last_line && place + 1 == words.len();
            let candidate = format!("{current}{word}");
            if width(&quoted(&candidate)) > room.saturating_sub(if last { allowance } else { 0 }) {
                if !current.is_empty() {
                    pieces.push(quoted(&current));
                }
                (*word).clone_into(&mut current);
            } else {
                current = candidate;
            }
        }
        if !current.is_empty() {
            pieces.push(quoted(&current));
        }
    }
    if pieces.len() == 1 {
        out.push_str(&quoted(text));
        return;
    }
    out.push_str(if level == 1 { "(" } else { "" });
    for (place, piece) in pieces.iter().enumerate() {
        if place > 0 {
            break_line(out, indent);
        }
        out.push_str(piece);
    }
    out.push_str(if level == 1 { ")" } else { "" });
}

/// Splits into words, each with the spaces after it.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut in_space = false;
    for (place, character) in line.char_indices() {
        if in_space && !character.is_whitespace() {
            words.push(&line[start..place]);
            start = place;
        }
        in_space = character.is_whitespace();
    }
    if start < line.len() {
        words.push(&line[start..]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_as_python_writes_them() {
        assert_eq!(
            repr(&json!({"a": [1, 2.5, null, true], "b": "it's"})),
            r#"{'a': [1, 2.5, None, True], 'b': "it's"}"#
        );
        assert_eq!(repr(&json!([1e16, 1e-7, 3.0, "a\nb\u{1}"])), r"[1e+16, 1e-07, 3.0, 'a\nb\x01']");
        assert_eq!(plain(&json!("x")), "x");
    }

    #[test]
    fn json_is_ascii_with_spaces() {
        assert_eq!(json(&json!({"a": ["é", 1]})), r#"{"a": ["\u00e9", 1]}"#);
    }

    #[test]
    fn a_wide_value_is_broken_as_python_breaks_it() {
        let value =
            json!({"description": "number parameter example", "type": "number", "default": 3.2, "minimum": 1.0});
        assert_eq!(
            pretty(&value, 4),
            "{'description': 'number parameter example',\n     'type': 'number',\n     'default': 3.2,\n     'minimum': 1.0}"
        );
        let text =
            json!({"description": "These weights used to calculate common standard deviation of hosts in the cluster"});
        assert_eq!(
            pretty(&text, 0),
            "{'description': 'These weights used to calculate common standard '\n                'deviation of hosts in the cluster'}"
        );
    }
}
