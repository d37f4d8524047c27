//! YAML files of operators, read into a bounded tree that knows its lines: a policy file, or `clouds.yaml`.
//!
//! Scalars stay texts. Anchors, aliases and merge keys (`<<`) are followed; tags are refused, because a text that begins with `!` and has no quotes is
//! one by accident.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Largest file, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Most nodes, those that aliases repeat included.
const MAX_NODES: usize = 50_000;

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than a file of an operator is.
    #[error("{path} is larger than {MAX_BYTES} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be understood.
    #[error("{path}, line {line}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

/// A value, and the line it begins on, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// From 1.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: empty, `~` or `null`.
    Null,
    /// A text, a number, a truth value: as it was written.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys with their values, in order; every key once.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// From 1.
    pub line: usize,
    /// The key.
    pub text: String,
}

impl Node {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(known, _)| known.text == key).map(|(_, node)| node),
            Value::Null | Value::Scalar(_) | Value::List(_) => None,
        }
    }

    /// Puts another tree over this one: maps entry by entry, all else as a whole.
    pub fn overlay(&mut self, other: Self) {
        if let (Value::Map(mine), Value::Map(theirs)) = (&mut self.value, &other.value) {
            for (key, node) in theirs.clone() {
                match mine.iter_mut().find(|(known, _)| known.text == key.text) {
                    Some((_, known)) => known.overlay(node),
                    None => mine.push((key, node)),
                }
            }
        } else {
            *self = other;
        }
    }

    fn nodes(&self) -> usize {
        1 + match &self.value {
            Value::Null | Value::Scalar(_) => 0,
            Value::List(items) => items.iter().map(Self::nodes).sum(),
            Value::Map(entries) => entries.iter().map(|(_, node)| 1 + node.nodes()).sum(),
        }
    }
}

/// Reads a file; an empty one is [`Value::Null`].
pub fn read(path: &Path) -> Result<Node, YamlError> {
    let failed = |source| YamlError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(YamlError::TooLarge { path: path.to_owned() });
    }
    parse(&text).map_err(|(line, reason)| YamlError::Content { path: path.to_owned(), line, reason })
}

/// A collection that has not ended yet.
enum Open {
    List(Vec<Node>),
    /// Entries, and the key whose value comes next.
    Map(Vec<(Key, Node)>, Option<Key>),
}

/// A line and what is wrong there.
type Wrong = (usize, String);

#[derive(Default)]
struct Builder {
    /// Collections around the next node, each with its line and anchor.
    open: Vec<(Open, usize, usize)>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
}

/// Reads a text.
pub fn parse(text: &str) -> Result<Node, Wrong> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| (error.marker().line(), error.info().to_owned()))?;
        builder.take(event, span.start.line())?;
    }
    Ok(builder.root.unwrap_or(Node { line: 1, value: Value::Null }))
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Wrong> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err((line, "there is a second document".to_owned())),
            Event::DocumentStart(_) | Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {
                Ok(())
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                self.add(node.ok_or((line, "an alias of something that has not ended".to_owned()))?, 0)
            }
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                Err((line, "a text that begins with ! must be in quotes (\"!\")".to_owned()))
            }
            Event::Scalar(text, style, anchor, None) => {
                let is_null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let is_key = matches!(self.open.last(), Some((Open::Map(_, None), ..)));
                let value = if is_null && !is_key { Value::Null } else { Value::Scalar(text.into_owned()) };
                self.add(Node { line, value }, anchor)
            }
            Event::SequenceStart(anchor, None) => self.begin(Open::List(Vec::new()), line, anchor),
            Event::MappingStart(anchor, None) => self.begin(Open::Map(Vec::new(), None), line, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((open, line, anchor)) = self.open.pop() else { return Ok(()) };
                let value = match open {
                    Open::List(items) => Value::List(items),
                    Open::Map(entries, _) => Value::Map(merged(entries)?),
                };
                self.add(Node { line, value }, anchor)
            }
        }
    }

    fn begin(&mut self, open: Open, line: usize, anchor: usize) -> Result<(), Wrong> {
        if self.open.len() >= MAX_DEPTH {
            return Err((line, format!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push((open, line, anchor));
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Wrong> {
        self.nodes += node.nodes();
        if self.nodes > MAX_NODES {
            return Err((node.line, format!("there are more than {MAX_NODES} values")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((Open::List(items), ..)) => items.push(node),
            Some((Open::Map(entries, key), ..)) => {
                if let Some(key) = key.take() {
                    entries.push((key, node));
                    return Ok(());
                }
                let Node { line, value: Value::Scalar(text) } = node else {
                    return Err((node.line, "a key must be a text".to_owned()));
                };
                if entries.iter().any(|(known, _)| known.text == text) {
                    return Err((line, format!("{text} is there twice")));
                }
                *key = Some(Key { line, text });
            }
        }
        Ok(())
    }
}

/// Entries with those that `<<` brings in, where they have none of that name themselves.
fn merged(entries: Vec<(Key, Node)>) -> Result<Vec<(Key, Node)>, Wrong> {
    let (merges, mut entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| key.text == "<<");
    for (key, node) in merges {
        let maps = match node.value {
            Value::List(maps) => maps,
            _ => vec![node],
        };
        for map in maps {
            let Value::Map(more) = map.value else { return Err((key.line, "<< must refer to a map".to_owned())) };
            for (key, node) in more {
                if !entries.iter().any(|(known, _)| known.text == key.text) {
                    entries.push((key, node));
                }
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(node: Option<&Node>) -> &str {
        match node.map(|node| &node.value) {
            Some(Value::Scalar(text)) => text,
            other => panic!("{other:?} is no scalar"),
        }
    }

    #[test]
    fn a_tree_knows_its_lines_and_follows_aliases() {
        let tree =
            parse("# comment\nbase: &b {a: 1, b: yes}\nmore:\n  <<: *b\n  b: 'no'\n  c: ~\nlist: [x, \"\"]\n").unwrap();
        let more = tree.get("more").unwrap();
        assert_eq!((scalar(more.get("a")), scalar(more.get("b"))), ("1", "no"));
        assert_eq!((more.get("c").unwrap().value.clone(), more.get("c").unwrap().line), (Value::Null, 6));
        let Value::List(items) = &tree.get("list").unwrap().value else { panic!("no list") };
        assert_eq!((scalar(items.first()), scalar(items.get(1))), ("x", ""));
        assert_eq!(parse("").unwrap().value, Value::Null);
        assert_eq!(scalar(parse("{\"a\": \"json\"}").unwrap().get("a")), "json");
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_its_line() {
        for (text, line, want) in [
            ("a: 1\nb: !", 2, "in quotes"),
            ("a: 1\nb: @", 2, ""),
            ("a: 1\n\na: 2", 3, "a is there twice"),
            ("a: [1", 1, ""),
            ("a: 1\n---\nb: 2", 2, "second document"),
            ("? [a]\n: b", 1, "a key must be a text"),
            ("a: &x [*x]", 1, "has not ended"),
        ] {
            let (at, reason) = parse(text).unwrap_err();
            assert!(reason.contains(want), "{text}: {reason}");
            assert!(at == line || want.is_empty(), "{text}: line {at}: {reason}");
        }
    }

    #[test]
    fn bombs_are_refused() {
        let deep = "[".repeat(10_000);
        assert!(parse(&deep).is_err());
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let before = format!("*a{}, ", level - 1).repeat(9);
            laughs = [laughs, format!("a{level}: &a{level} [{before}]\n")].concat();
        }
        assert!(parse(&laughs).unwrap_err().1.contains("more than 50000 values"));
    }
}
