//! What a JSON Schema of a plugin may be, so that reading it and checking values against it always end soon.
//!
//! Plugins are written by anybody, and their schemas are used by the service itself. So a schema is small, its references stay inside it and
//! never lead in a circle, and what it unfolds to is bounded as well: ten definitions that name the one before twice are a thousand checks.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};

use super::pattern::states as pattern_states;

/// Largest schema as JSON text, in bytes.
pub const MAX_BYTES: usize = 256 << 10;
/// Most schemas within a schema.
pub const MAX_SCHEMAS: usize = 5_000;
/// How deep schemas may lie within each other, references followed.
pub const MAX_DEPTH: usize = 64;
/// Most schemas, counting those that are referred to as often as they are.
pub const MAX_UNFOLDED: u64 = 20_000;
/// Most patterns.
pub const MAX_PATTERNS: usize = 64;
/// Longest pattern in characters.
pub const MAX_PATTERN_CHARS: usize = 1_000;
/// Most steps that checking a value may take: what each part of the value may be held against, counted before it is.
pub const MAX_STEPS: u64 = 5_000_000;
/// Longest name of a property, in bytes; one of a pattern may have as many as patterns have characters. Whoever uses a schema keeps the place of each of its
/// parts.
pub const MAX_NAME: usize = 255;
/// Most bytes of the places (JSON pointers) of all schemas within a schema, those that are referred to as often as they are.
pub const MAX_PLACES: u64 = 16 << 20;
/// Bytes of text that take one step where they are only compared or counted.
const BYTES_PER_STEP: u64 = 16;
/// Least steps for looking at [`BYTES_PER_STEP`] bytes of text with one pattern.
const PATTERN_STEPS: u64 = 16 * BYTES_PER_STEP;
/// States of a pattern that are followed in one step for one byte: all of them may have to be followed at a time.
const STATES_PER_STEP: u64 = 16;
/// Steps for looking at as many bytes for their format.
const FORMAT_STEPS: u64 = BYTES_PER_STEP;
/// Steps for dividing numbers of any size by each other.
const DIVISION_STEPS: u64 = 256;
/// Most memory that the errors of one value may take which are collected to tell which branch of `anyOf` or `oneOf` comes closest.
const ERROR_BYTES: u64 = 64 << 20;
/// What an error takes besides the place where it is.
const BYTES_PER_ERROR: u64 = 512;
/// More flaws are not listed.
const MAX_FLAWS: usize = 50;

/// The one dialect.
const DRAFT_4: &str = "http://json-schema.org/draft-04/schema";

/// What kind of flaw it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlawKind {
    /// It is not a schema of draft 4.
    Form,
    /// There is too much of something.
    Size,
    /// A reference leads outside, nowhere, or in a circle.
    Reference,
    /// A pattern cannot be used.
    Pattern,
    /// A default does not fit.
    Default,
}

/// Something wrong in a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What kind.
    pub kind: FlawKind,
    /// JSON pointer into the schema; empty for the whole.
    pub path: String,
    /// What is wrong, as one clause.
    pub reason: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.reason) } else { write!(f, "at {}: {}", self.path, self.reason) }
    }
}

/// How many steps checking a value takes at most, by a schema whose bounds are kept. Each part of the value is held against each part of the
/// schema once at most; so many parts of the one and of the other are few, and both together may be too much.
pub fn steps(document: &Value, value: &Value) -> u64 {
    Walk::new(document).visit("", document, 0).steps(value)
}

/// Whether telling what is wrong with a value may take more memory than it is worth: for `anyOf` and `oneOf` everything that is wrong by any branch is collected.
pub(super) fn is_costly_to_explain(document: &Value, value: &Value) -> bool {
    let mut branches = false;
    each(document, |_, schema| branches |= schema.contains_key("anyOf") || schema.contains_key("oneOf"));
    branches && steps(document, value).saturating_mul(BYTES_PER_ERROR + longest_place(value)) > ERROR_BYTES
}

/// Bytes of the longest place in a value.
fn longest_place(value: &Value) -> u64 {
    let (mut longest, mut stack) = (0, vec![(value, 0_u64)]);
    while let Some((part, bytes)) = stack.pop() {
        longest = longest.max(bytes);
        match part {
            Value::Array(items) => stack.extend(items.iter().map(|item| (item, bytes + 8))),
            Value::Object(members) => {
                stack.extend(members.iter().map(|(name, member)| (member, bytes + 1 + 2 * name.len() as u64)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    longest
}

/// How many steps checking each of the defaults of a schema by its own schema takes at most.
pub(super) fn steps_of_defaults(document: &Value, defaults: &[(String, Value)]) -> u64 {
    let mut walk = Walk::new(document);
    let mut steps = 0_u64;
    for (pointer, default) in defaults {
        let Some(schema) = document.pointer(pointer) else { continue };
        steps = steps.saturating_add(walk.visit(pointer, schema, 0).steps(default));
    }
    steps
}

fn parts_and_bytes(value: &Value) -> (u64, u64) {
    let (mut parts, mut bytes) = (0_u64, 0_u64);
    let mut stack = vec![value];
    while let Some(part) = stack.pop() {
        parts += 1;
        match part {
            Value::String(text) => bytes += text.len() as u64,
            Value::Array(items) => stack.extend(items),
            Value::Object(members) => {
                bytes += members.keys().map(|name| name.len() as u64).sum::<u64>();
                stack.extend(members.values());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    (parts, bytes)
}

/// Every bound that a schema does not keep.
pub fn flaws(document: &Value) -> Vec<Flaw> {
    let mut walk = Walk::new(document);
    let bytes = serde_json::to_string(document).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_BYTES {
        walk.flaw(FlawKind::Size, "", format!("the schema has {bytes} bytes; at most {MAX_BYTES} are allowed"));
        return walk.flaws;
    }
    let size = walk.visit("", document, 0);
    if size.unfolded > MAX_UNFOLDED {
        let reason = format!("with its references followed it has more than {MAX_UNFOLDED} schemas");
        walk.flaw(FlawKind::Size, "", reason);
    }
    if size.places > MAX_PLACES {
        let reason = format!(
            "the places of its schemas, references followed, take more than {MAX_PLACES} bytes: use shorter names"
        );
        walk.flaw(FlawKind::Size, "", reason);
    }
    if walk.patterns > MAX_PATTERNS {
        let reason = format!("it has {} patterns; at most {MAX_PATTERNS} are allowed", walk.patterns);
        walk.flaw(FlawKind::Size, "", reason);
    }
    walk.flaws
}

/// Pointer and text of every pattern that checks would use.
pub(super) fn patterns(document: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    each(document, |pointer, schema| {
        if let Some(Value::String(pattern)) = schema.get("pattern") {
            found.push((format!("{pointer}/pattern"), pattern.clone()));
        }
        for pattern in object(schema, "patternProperties").into_iter().flat_map(Map::keys) {
            found.push((format!("{pointer}/patternProperties/{}", escape(pattern)), pattern.clone()));
        }
    });
    found
}

/// Pointers of every schema that has a default, with the default.
pub(super) fn defaults(document: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    each(document, |pointer, schema| {
        if let Some(default) = schema.get("default") {
            found.push((pointer.to_owned(), default.clone()));
        }
    });
    found
}

/// Calls with every schema of a document whose bounds are known to be kept. References are not followed.
fn each(document: &Value, mut visit: impl FnMut(&str, &Map<String, Value>)) {
    let mut stack = vec![(String::new(), document)];
    while let Some((pointer, schema)) = stack.pop() {
        let Some(object) = schema.as_object() else { continue };
        visit(&pointer, object);
        stack.extend(children(object).into_iter().map(|(below, child)| (format!("{pointer}{below}"), child)));
    }
}

/// What a schema comes to.
#[derive(Clone, Copy)]
struct Size {
    /// Schemas, counting each as often as it is referred to.
    unfolded: u64,
    /// How deep it goes below itself.
    height: usize,
    /// Schemas, counted likewise, with the values and names that they list.
    weight: u64,
    /// Steps that [`BYTES_PER_STEP`] bytes of text take, counted likewise.
    texts: u64,
    /// Bytes of the places of all schemas, counted likewise.
    places: u64,
}

impl Size {
    fn steps(self, value: &Value) -> u64 {
        let (parts, bytes) = parts_and_bytes(value);
        self.weight.saturating_mul(parts).saturating_add(self.texts.saturating_mul(bytes) / BYTES_PER_STEP)
    }
}

const NOTHING: Size = Size { unfolded: 1, height: 0, weight: 1, texts: 0, places: 0 };

enum Seen {
    /// It is being looked at: whoever comes here again goes in a circle.
    Open,
    Done(Size),
}

struct Walk<'a> {
    document: &'a Value,
    /// By where each schema is in memory: places are long.
    seen: HashMap<*const Value, Seen>,
    schemas: usize,
    patterns: usize,
    flaws: Vec<Flaw>,
}

impl<'a> Walk<'a> {
    fn new(document: &'a Value) -> Self {
        Self { document, seen: HashMap::new(), schemas: 0, patterns: 0, flaws: Vec::new() }
    }

    fn flaw(&mut self, kind: FlawKind, path: &str, reason: impl Into<String>) {
        if self.flaws.len() < MAX_FLAWS {
            self.flaws.push(Flaw { kind, path: path.to_owned(), reason: reason.into() });
        }
    }

    fn visit(&mut self, pointer: &str, schema: &'a Value, depth: usize) -> Size {
        let key = std::ptr::from_ref(schema);
        match self.seen.get(&key) {
            Some(Seen::Open) => {
                self.flaw(FlawKind::Reference, pointer, "it refers to itself, directly or through others");
                return NOTHING;
            }
            Some(&Seen::Done(size)) => {
                if depth + size.height > MAX_DEPTH {
                    self.too_deep(pointer);
                }
                return size;
            }
            None => {}
        }
        let Some(object) = schema.as_object() else {
            self.flaw(FlawKind::Form, pointer, "a schema is a JSON object");
            return NOTHING;
        };
        self.schemas += 1;
        if self.schemas == MAX_SCHEMAS + 1 {
            let reason = format!("there are more than {MAX_SCHEMAS} schemas within the schema");
            self.flaw(FlawKind::Size, "", reason);
        }
        if self.schemas > MAX_SCHEMAS {
            return NOTHING;
        }
        if depth >= MAX_DEPTH {
            self.too_deep(pointer);
            return NOTHING;
        }
        self.seen.insert(key, Seen::Open);
        self.words(pointer, object);
        let mut size = Size {
            weight: 1 + listed(object) + divisions(object),
            texts: own_texts(object),
            places: pointer.len() as u64,
            ..NOTHING
        };
        let mut add = |below: Size| {
            size.unfolded = size.unfolded.saturating_add(below.unfolded);
            size.height = size.height.max(below.height + 1);
            size.weight = size.weight.saturating_add(below.weight);
            size.texts = size.texts.saturating_add(below.texts);
            size.places = size.places.saturating_add(below.places);
        };
        for (below, child) in children(object) {
            add(self.visit(&format!("{pointer}{below}"), child, depth + 1));
        }
        if let Some(Value::String(reference)) = object.get("$ref")
            && let Some((target, child)) = self.resolve(pointer, reference)
        {
            add(self.visit(&target, child, depth + 1));
        }
        self.seen.insert(key, Seen::Done(size));
        size
    }

    fn too_deep(&mut self, pointer: &str) {
        if !self.flaws.iter().any(|flaw| flaw.kind == FlawKind::Size && flaw.reason.starts_with("schemas lie")) {
            let reason = format!("schemas lie more than {MAX_DEPTH} deep within each other, references followed");
            self.flaw(FlawKind::Size, pointer, reason);
        }
    }

    /// The keywords that are bounded in themselves.
    fn words(&mut self, pointer: &str, object: &'a Map<String, Value>) {
        if let Some(dialect) = object.get("$schema") {
            let known = dialect.as_str().is_some_and(|uri| uri.trim_end_matches('#') == DRAFT_4);
            if !known {
                let reason = format!("{} is not {DRAFT_4}#, the only dialect that is read", shorten(dialect));
                self.flaw(FlawKind::Form, &format!("{pointer}/$schema"), reason);
            } else if !pointer.is_empty() {
                self.flaw(FlawKind::Form, &format!("{pointer}/$schema"), "it belongs to the outermost schema only");
            }
        }
        if object.get("id").is_some_and(Value::is_string) {
            let reason = "schemas here have no address: leave `id` out and refer to them as `#/definitions/NAME`";
            self.flaw(FlawKind::Reference, &format!("{pointer}/id"), reason);
        }
        for keyword in ["properties", "definitions", "dependencies"] {
            for name in
                self::object(object, keyword).into_iter().flat_map(Map::keys).filter(|name| name.len() > MAX_NAME)
            {
                let reason = format!("a name has {} bytes; at most {MAX_NAME} are allowed", name.len());
                self.flaw(FlawKind::Size, &format!("{pointer}/{keyword}"), reason);
            }
        }
        let pattern = object.get("pattern").and_then(Value::as_str).map(|text| ("/pattern".to_owned(), text));
        let names = self::object(object, "patternProperties").into_iter().flat_map(Map::keys);
        let names = names.map(|name| (format!("/patternProperties/{}", escape(name)), name.as_str()));
        for (below, text) in pattern.into_iter().chain(names) {
            self.patterns += 1;
            let chars = text.chars().count();
            if chars > MAX_PATTERN_CHARS {
                let reason = format!("the pattern has {chars} characters; at most {MAX_PATTERN_CHARS} are allowed");
                self.flaw(FlawKind::Pattern, &format!("{pointer}{below}"), reason);
            }
        }
    }

    /// Where a reference leads: pointer and schema.
    fn resolve(&mut self, pointer: &str, reference: &str) -> Option<(String, &'a Value)> {
        let at = format!("{pointer}/$ref");
        let shown: String = reference.chars().take(120).collect();
        let Some(fragment) = reference.strip_prefix('#') else {
            let reason = format!("{shown:?} leads out of the schema; only `#/…` is followed");
            self.flaw(FlawKind::Reference, &at, reason);
            return None;
        };
        let target = unescape(fragment).filter(|target| target.is_empty() || target.starts_with('/'));
        let found = target.and_then(|target| Some((self.document.pointer(&target)?, target)));
        let Some((schema, target)) = found else {
            self.flaw(FlawKind::Reference, &at, format!("{shown:?} leads nowhere"));
            return None;
        };
        Some((target, schema))
    }
}

/// The values and names that a schema lists itself; each may be looked at for each part of a value.
fn listed(schema: &Map<String, Value>) -> u64 {
    let values = schema.get("enum").map_or(0, parts);
    let required = schema.get("required").map_or(0, parts);
    let dependencies = object(schema, "dependencies").into_iter().flat_map(Map::values);
    values + required + dependencies.filter(|names| names.is_array()).map(parts).sum::<u64>()
}

/// The parts of a value, itself among them.
fn parts(value: &Value) -> u64 {
    let (mut count, mut stack) = (0, vec![value]);
    while let Some(part) = stack.pop() {
        count += 1;
        match part {
            Value::Array(items) => stack.extend(items),
            Value::Object(members) => stack.extend(members.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    count
}

/// Steps that [`BYTES_PER_STEP`] bytes of text take by what a schema itself asks of texts.
fn own_texts(schema: &Map<String, Value>) -> u64 {
    let names = object(schema, "patternProperties").into_iter().flat_map(Map::keys).map(String::as_str);
    let all = names.chain(schema.get("pattern").and_then(Value::as_str));
    let patterns = all
        .map(|pattern| PATTERN_STEPS.max((pattern_states(pattern) / STATES_PER_STEP).saturating_mul(BYTES_PER_STEP)));
    let has = |keyword: &str| u64::from(schema.contains_key(keyword));
    let format = has("format") * FORMAT_STEPS;
    let listed = schema.get("enum").map_or(0, parts);
    let compared = has("minLength") + has("maxLength") + has("uniqueItems") * 4 + listed;
    patterns.fold(format + compared, u64::saturating_add)
}

/// Steps that a schema takes for dividing a number.
fn divisions(schema: &Map<String, Value>) -> u64 {
    if schema.contains_key("multipleOf") { DIVISION_STEPS } else { 0 }
}

/// The schemas directly within a schema, with their pointers from it.
fn children(schema: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for keyword in ["properties", "patternProperties", "definitions"] {
        for (name, child) in object(schema, keyword).into_iter().flatten() {
            found.push((format!("/{keyword}/{}", escape(name)), child));
        }
    }
    for (name, child) in object(schema, "dependencies").into_iter().flatten().filter(|(_, child)| child.is_object()) {
        found.push((format!("/dependencies/{}", escape(name)), child));
    }
    for keyword in ["items", "additionalItems", "additionalProperties", "not"] {
        if let Some(child) = schema.get(keyword).filter(|child| child.is_object()) {
            found.push((format!("/{keyword}"), child));
        }
    }
    for keyword in ["items", "allOf", "anyOf", "oneOf"] {
        for (index, child) in schema.get(keyword).and_then(Value::as_array).into_iter().flatten().enumerate() {
            found.push((format!("/{keyword}/{index}"), child));
        }
    }
    found
}

fn object<'a>(schema: &'a Map<String, Value>, keyword: &str) -> Option<&'a Map<String, Value>> {
    schema.get(keyword).and_then(Value::as_object)
}

/// A name as a segment of a JSON pointer.
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A fragment without percent escapes, as the JSON pointer that it is.
fn unescape(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn shorten(value: &Value) -> String {
    value.to_string().chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn first(document: &Value) -> (FlawKind, String) {
        let flaws = flaws(document);
        let flaw = flaws.first().unwrap_or_else(|| panic!("{document} has no flaw"));
        (flaw.kind, flaw.to_string())
    }

    #[test]
    fn an_ordinary_schema_has_no_flaw() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-04/schema#",
            "definitions": {"host": {"type": "string", "pattern": "^[a-z]+$"}},
            "properties": {"id": {"type": "integer"}, "one": {"$ref": "#/definitions/host"}, "two": {"$ref": "#/definitions/host"}},
        });
        assert_eq!(flaws(&schema), []);
    }

    #[test]
    fn references_in_a_circle_are_found_however_long_the_circle_is() {
        let (kind, text) = first(&json!({"properties": {"a": {"$ref": "#/properties/a"}}}));
        assert_eq!(
            (kind, text.as_str()),
            (FlawKind::Reference, "at /properties/a: it refers to itself, directly or through others")
        );
        let links: Map<_, _> = (0..20)
            .map(|n| (format!("d{n}"), json!({"items": {"$ref": format!("#/definitions/d{}", (n + 1) % 20)}})))
            .collect();
        assert_eq!(first(&json!({"definitions": links})).0, FlawKind::Reference);
        assert_eq!(first(&json!({"$ref": "#"})).0, FlawKind::Reference);
    }

    #[test]
    fn references_stay_inside() {
        for reference in ["http://169.254.169.254/", "file:///etc/passwd", "other.json#/a", "//host/a"] {
            let (kind, text) = first(&json!({"properties": {"a": {"$ref": reference}}}));
            assert_eq!(kind, FlawKind::Reference);
            assert!(text.starts_with("at /properties/a/$ref: ") && text.contains("leads out of the schema"), "{text}");
        }
        for reference in ["#/nowhere", "#name", "#/%zz"] {
            assert!(first(&json!({"$ref": reference})).1.ends_with("leads nowhere"));
        }
        assert_eq!(first(&json!({"id": "http://elsewhere/"})).0, FlawKind::Reference);
        assert_eq!(first(&json!({"$schema": "https://json-schema.org/draft/2020-12/schema"})).0, FlawKind::Form);
    }

    #[test]
    fn what_unfolds_to_very_much_is_refused() {
        let doubling: Map<_, _> = (0..30)
            .map(|n| {
                let below = json!({"$ref": format!("#/definitions/d{}", n + 1)});
                (format!("d{n}"), json!({"allOf": [below, below]}))
            })
            .chain([("d30".to_owned(), json!({}))])
            .collect();
        let (kind, text) = first(&json!({"definitions": doubling}));
        assert_eq!(
            (kind, text.as_str()),
            (FlawKind::Size, "with its references followed it has more than 20000 schemas")
        );
    }

    #[test]
    fn a_check_is_known_to_be_long_before_it_begins() {
        let many = Value::from((0..100_000).map(|n| n % 10).collect::<Vec<_>>());
        let ordinary = json!({"items": {"type": "integer", "enum": (0..10).collect::<Vec<_>>()}});
        assert!(steps(&ordinary, &many) <= MAX_STEPS);
        let listed = json!({"items": {"enum": (0..40_000).collect::<Vec<_>>()}});
        assert_eq!((flaws(&listed), steps(&listed, &many) > MAX_STEPS), (vec![], true));
        let below: Vec<Value> = (0..4_000).map(|n| json!({"minimum": n})).collect();
        assert!(steps(&json!({"items": {"anyOf": below}}), &many) > MAX_STEPS);
        let text = json!("ab".repeat(400_000));
        assert!(steps(&json!({"pattern": "a[ab]{1000}c"}), &text) > MAX_STEPS);
        assert!(steps(&json!({"type": "string"}), &text) <= MAX_STEPS);
        let short = json!("ab".repeat(2_000));
        assert!(steps(&json!({"pattern": "a[ab]{1000}c"}), &short) <= MAX_STEPS);
        assert!(steps(&json!({"pattern": "a([ab]{1000}){40}c"}), &short) > MAX_STEPS);
        let name = json!({"pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"});
        assert!(steps(&name, &json!("x".repeat(50_000))) <= MAX_STEPS);
    }

    #[test]
    fn what_is_asked_of_texts_and_numbers_counts_by_what_it_takes() {
        let referring = |below: Value| {
            let all: Vec<Value> = (0..3_300).map(|_| json!({"$ref": "#/definitions/a"})).collect();
            json!({"definitions": {"a": below}, "allOf": all})
        };
        let text = json!("x".repeat(90_000));
        for asked in [json!({"format": "uri"}), json!({"maxLength": 9}), json!({"enum": ["a", "b"]})] {
            let schema = referring(asked);
            assert_eq!(
                (flaws(&schema), steps(&schema, &text) > MAX_STEPS),
                (vec![], true),
                "{}",
                schema["definitions"]
            );
        }
        let numbers = Value::from(vec![1e308; 20_000]);
        assert!(steps(&json!({"items": {"multipleOf": 1e-300}}), &numbers) > MAX_STEPS);
        assert!(steps(&json!({"format": "uri", "maxLength": 4096}), &json!("x".repeat(4_000))) < 10_000);
    }

    #[test]
    fn names_and_places_are_short() {
        let long = "x".repeat(256);
        for keyword in ["properties", "definitions", "dependencies"] {
            let told = first(&json!({keyword: {long.as_str(): {}}})).1;
            assert_eq!(told, format!("at /{keyword}: a name has 256 bytes; at most 255 are allowed"));
        }
        let name = "x".repeat(250);
        let leaves: Vec<Value> = (0..4_000).map(|_| json!({})).collect();
        let below = (0..50).fold(json!({"allOf": leaves}), |inner, _| json!({"properties": {name.as_str(): inner}}));
        assert!(first(&below).1.contains("take more than 16777216 bytes"), "{}", first(&below).1);
    }

    #[test]
    fn depth_number_and_size_are_bounded() {
        let deep = (0..70).fold(json!({}), |inner, _| json!({"items": inner}));
        assert!(first(&deep).1.contains("schemas lie more than 64 deep"));
        let chain: Map<_, _> = (0..70)
            .map(|n| (format!("d{n}"), json!({"$ref": format!("#/definitions/d{}", n + 1)})))
            .chain([("d70".to_owned(), json!({}))])
            .collect();
        assert!(first(&json!({"definitions": chain})).1.contains("schemas lie more than 64 deep"));
        let many: Map<_, _> = (0..6000).map(|n| (format!("p{n}"), json!({}))).collect();
        assert!(first(&json!({"properties": many})).1.contains("more than 5000 schemas"));
        let patterns: Map<_, _> = (0..100).map(|n| (format!("p{n}"), json!({"pattern": "a"}))).collect();
        assert!(first(&json!({"properties": patterns})).1.contains("100 patterns; at most 64"));
        assert!(first(&json!({"pattern": "a".repeat(2000)})).1.contains("2000 characters; at most 1000"));
        assert!(first(&json!({"title": "a".repeat(300 << 10)})).1.contains("at most 262144 are allowed"));
    }
}
