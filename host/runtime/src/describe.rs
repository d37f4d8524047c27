//! What a component says about itself, checked.

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::{Map, Value};
use watcher_domain::cloud::{InvalidRequest, Method, RequestPattern};
use watcher_domain::plugin::{ActionSpecifics, Description, ScoringEngineSpecifics, Specifics, StrategySpecifics};
use watcher_domain::report::{Problem, ProblemCode};
use watcher_domain::schema::bounds::escape;
use watcher_domain::schema::{self, FlawKind};
use watcher_domain::text::{middle_cut, steering_in_lines};
use watcher_domain::{Limits, PluginKind};

use crate::nearest::nearest;

/// Longest name, as the database and the API take them.
const NAME_CHARS: usize = 63;
/// Longest texts for people.
const DISPLAY_NAME_CHARS: usize = 255;
const DESCRIPTION_CHARS: usize = 4096;
const METAINFO_CHARS: usize = 65_536;
const PATH_CHARS: usize = 2_048;
/// Longest place and longest message of a problem.
const PLACE_BYTES: usize = 1_000;
const MESSAGE_BYTES: usize = 4_000;

/// What describing may use: about a second of computing, because interpreters of other languages have to start.
pub(crate) fn limits() -> Limits {
    Limits {
        memory_bytes: 256 << 20,
        fuel: 1_000_000_000,
        deadline_ms: 30_000,
        host_call_fuel: 1 << 20,
        host_calls: 10_000,
        output_bytes: DESCRIPTION_BYTES,
        log_bytes: 64 << 10,
        requests: 0,
        ..Limits::default()
    }
}

/// Largest description. Lists read those of many plugins at once.
const DESCRIPTION_BYTES: u64 = 256 << 10;
/// Most of what is listed in a description.
const MAX_METRICS: usize = 1_000;
const MAX_INDICATORS: usize = 200;
const MAX_REQUESTS: usize = 500;

/// Reads the description of a plugin of a kind. The error says everything that is missing or wrong.
pub(crate) fn parse(kind: PluginKind, text: &str) -> Result<Description, String> {
    let mut problems = Vec::new();
    read(kind, text, &mut problems).ok_or_else(|| {
        let told: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.at, problem.message)).collect();
        told.join("; ")
    })
}

/// Reads the description of a plugin of a kind; none if there are problems, all of which are added.
pub(crate) fn read(kind: PluginKind, text: &str, problems: &mut Vec<Problem>) -> Option<Description> {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let message = format!("the description is not JSON: {error}");
            problems.push(problem(ProblemCode::DescriptionJson, "", message, "a JSON object"));
            return None;
        }
    };
    let Value::Object(object) = &value else {
        problems.push(problem(
            ProblemCode::DescriptionJson,
            "",
            "the description is not a JSON object",
            "a JSON object",
        ));
        return None;
    };
    let mut fields = Fields { problems };
    let found = fields.problems.len();
    fields.common(object);
    match kind {
        PluginKind::Strategy => fields.strategy(object),
        PluginKind::Planner => {}
        PluginKind::Action => fields.action(object),
        PluginKind::ScoringEngine => {
            fields.text(object, "", "metainfo", 0..=METAINFO_CHARS, true);
        }
    }
    if problems.len() > found {
        return None;
    }
    match build(kind, object) {
        Ok(description) => Some(description),
        Err(error) => {
            problems.push(problem(ProblemCode::FieldType, "", error.to_string(), ""));
            None
        }
    }
}

/// Fields of a description that no kind knows: typing errors, mostly.
pub(crate) fn unknown_fields(kind: PluginKind, text: &str) -> Vec<Problem> {
    const COMMON: [&str; 5] = ["name", "version", "display_name", "description", "configuration_schema"];
    let own: &[&str] = match kind {
        PluginKind::Strategy => &["goal", "parameters_schema", "metrics", "planner"],
        PluginKind::Planner => &[],
        PluginKind::Action => &["parameters_schema", "requests"],
        PluginKind::ScoringEngine => &["metainfo"],
    };
    let object: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let known: Vec<&str> = COMMON.iter().chain(own).copied().collect();
    let unknown = object.keys().filter(|name| !known.contains(&name.as_str())).take(20);
    unknown
        .map(|name| {
            let message = format!("no {kind} has a field {:?}; it is ignored", shorten(name));
            let expected = nearest(name, known.iter().copied()).unwrap_or_default();
            problem(ProblemCode::UnknownField, &format!("/{}", escape(name)), message, expected)
        })
        .collect()
}

fn build(kind: PluginKind, object: &Map<String, Value>) -> Result<Description, serde_json::Error> {
    #[derive(Deserialize)]
    struct Common {
        name: String,
        version: String,
        display_name: String,
        #[serde(default)]
        description: String,
        #[serde(default)]
        configuration_schema: Value,
    }
    let common = Common::deserialize(object)?;
    let specifics = match kind {
        PluginKind::Strategy => Specifics::Strategy(StrategySpecifics::deserialize(object)?),
        PluginKind::Planner => Specifics::Planner {},
        PluginKind::Action => Specifics::Action(ActionSpecifics::deserialize(object)?),
        PluginKind::ScoringEngine => Specifics::ScoringEngine(ScoringEngineSpecifics::deserialize(object)?),
    };
    Ok(Description {
        name: common.name,
        version: common.version,
        display_name: common.display_name,
        description: common.description,
        configuration_schema: common.configuration_schema,
        specifics,
    })
}

/// A problem at a JSON pointer of the description.
fn problem(code: ProblemCode, pointer: &str, message: impl Into<String>, expected: impl Into<String>) -> Problem {
    let at = if pointer.is_empty() { "description".to_owned() } else { format!("description#{pointer}") };
    // Both repeat what the description says, which may be long.
    let (at, message) = (middle_cut(at, PLACE_BYTES), middle_cut(message.into(), MESSAGE_BYTES));
    Problem { code, at, message, expected: expected.into() }
}

/// Looks at fields and notes what is wrong with them.
struct Fields<'p> {
    problems: &'p mut Vec<Problem>,
}

impl Fields<'_> {
    fn add(&mut self, code: ProblemCode, pointer: &str, message: impl Into<String>, expected: impl Into<String>) {
        self.problems.push(problem(code, pointer, message, expected));
    }

    fn common(&mut self, object: &Map<String, Value>) {
        self.name(object, "", "name");
        if let Some(version) = self.text(object, "", "version", 1..=DISPLAY_NAME_CHARS, true)
            && let Err(error) = semver::Version::parse(version)
        {
            let message = format!("version {:?} is not a semantic version: {error}", shorten(version));
            self.add(ProblemCode::Version, "/version", message, "MAJOR.MINOR.PATCH, e.g. 1.0.0");
        }
        self.text(object, "", "display_name", 1..=DISPLAY_NAME_CHARS, true);
        self.text(object, "", "description", 0..=DESCRIPTION_CHARS, false);
        self.schema(object, "", "configuration_schema", false);
    }

    fn strategy(&mut self, object: &Map<String, Value>) {
        self.schema(object, "", "parameters_schema", true);
        self.name(object, "", "planner");
        self.array(object, "", "metrics", MAX_METRICS, false, |fields, pointer, value| match value.as_str() {
            Some(text) => {
                fields.length(pointer, text, &(1..=DISPLAY_NAME_CHARS));
                fields.readable(pointer, text);
            }
            None => fields.wrong_type(pointer, value, "a string"),
        });
        let Some(goal) = self.field(object, "", "goal", true) else { return };
        let Some(goal) = goal.as_object() else { return self.wrong_type("/goal", goal, "an object") };
        self.name(goal, "/goal", "name");
        self.text(goal, "/goal", "display_name", 1..=DISPLAY_NAME_CHARS, true);
        let mut names = Vec::new();
        self.array(goal, "/goal", "efficacy_specification", MAX_INDICATORS, false, |fields, pointer, value| {
            let Some(indicator) = value.as_object() else { return fields.wrong_type(pointer, value, "an object") };
            if let Some(name) = fields.name(indicator, pointer, "name") {
                if names.contains(&name.to_owned()) {
                    fields.add(ProblemCode::Twice, pointer, format!("indicator {name} is listed twice"), "");
                }
                names.push(name.to_owned());
            }
            fields.text(indicator, pointer, "description", 0..=DESCRIPTION_CHARS, true);
            if indicator.get("unit").is_some_and(|unit| !unit.is_null()) {
                fields.text(indicator, pointer, "unit", 0..=DISPLAY_NAME_CHARS, false);
            }
            fields.schema(indicator, pointer, "schema", true);
            if let Some(required) = indicator.get("required").filter(|required| !required.is_boolean()) {
                fields.wrong_type(&format!("{pointer}/required"), required, "true or false");
            }
        });
    }

    fn action(&mut self, object: &Map<String, Value>) {
        self.schema(object, "", "parameters_schema", true);
        let mut seen: Vec<Value> = Vec::new();
        self.array(object, "", "requests", MAX_REQUESTS, true, |fields, pointer, value| {
            let Some(request) = value.as_object() else { return fields.wrong_type(pointer, value, "an object") };
            if seen.contains(value) {
                fields.add(ProblemCode::Twice, pointer, "the same request is listed twice", "");
            }
            seen.push(value.clone());
            fields.request(pointer, request);
        });
    }

    fn request(&mut self, pointer: &str, request: &Map<String, Value>) {
        let service = self.text(request, pointer, "service", 1..=NAME_CHARS, true);
        let method = self.text(request, pointer, "method", 1..=NAME_CHARS, true);
        let path = self.text(request, pointer, "path", 1..=PATH_CHARS, true);
        let known = method.and_then(|method| method.parse::<Method>().ok());
        if let (Some(method), None) = (method, known) {
            let names: Vec<&str> = Method::ALL.iter().map(|method| method.as_str()).collect();
            let message = format!("method {:?} is not one that a plugin may use", shorten(method));
            self.add(ProblemCode::RequestPattern, &format!("{pointer}/method"), message, names.join(", "));
        }
        let (Some(service), Some(path), Some(_)) = (service, path, known) else { return };
        match RequestPattern::deserialize(request) {
            Ok(pattern) => {
                if let Err(error) = pattern.check() {
                    let message = format!("request {} {}: {error}", shorten(service), shorten(path));
                    let expected = match &error {
                        InvalidRequest::Path { .. } | InvalidRequest::Placeholder { .. } => {
                            "a path such as /servers/{server}/action; what a query may have is said in `query`"
                        }
                        InvalidRequest::Text { .. } | InvalidRequest::Query { .. } => "",
                    };
                    self.add(ProblemCode::RequestPattern, pointer, message, expected);
                }
            }
            Err(error) => {
                let expected = "`query` and `actions` as arrays of strings, `microversions` as a string";
                self.add(ProblemCode::FieldType, pointer, error.to_string(), expected);
            }
        }
    }

    fn field<'v>(
        &mut self,
        object: &'v Map<String, Value>,
        parent: &str,
        field: &str,
        required: bool,
    ) -> Option<&'v Value> {
        let value = object.get(field);
        if value.is_none() && required {
            let near = nearest(field, object.keys().map(String::as_str).filter(|name| *name != field));
            let message = format!("missing field `{field}`");
            let expected = near.map(|near| format!("perhaps `{near}` is meant to be `{field}`")).unwrap_or_default();
            self.add(ProblemCode::FieldMissing, &format!("{parent}/{field}"), message, expected);
        }
        value
    }

    fn wrong_type(&mut self, pointer: &str, value: &Value, wanted: &str) {
        let given = match value {
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        let field = pointer.rsplit('/').next().unwrap_or_default();
        self.add(ProblemCode::FieldType, pointer, format!("{field} is {given}"), wanted);
    }

    fn length(&mut self, pointer: &str, text: &str, chars: &RangeInclusive<usize>) {
        let count = text.chars().count();
        if !chars.contains(&count) {
            let field = pointer.rsplit('/').next().unwrap_or_default();
            let message = format!("{field} has {count} characters, and must have {} to {}", chars.start(), chars.end());
            self.add(ProblemCode::FieldLength, pointer, message, "");
        }
    }

    /// What is not shown, but steers what shows it, would end up on terminals and in logs.
    fn readable(&mut self, pointer: &str, text: &str) {
        if let Some(odd) = steering_in_lines(text) {
            let field = pointer.rsplit('/').next().unwrap_or_default();
            let message = format!("{field} has the character U+{:04X}", u32::from(odd));
            self.add(ProblemCode::FieldType, pointer, message, "text without characters that steer a terminal");
        }
    }

    fn text<'v>(
        &mut self,
        object: &'v Map<String, Value>,
        parent: &str,
        field: &str,
        chars: RangeInclusive<usize>,
        required: bool,
    ) -> Option<&'v str> {
        let value = self.field(object, parent, field, required)?;
        let pointer = format!("{parent}/{field}");
        let Some(text) = value.as_str() else {
            self.wrong_type(&pointer, value, "a string");
            return None;
        };
        self.length(&pointer, text, &chars);
        // What belongs to no text of one line or paragraph would end up on terminals and in logs.
        self.readable(&pointer, text);
        Some(text)
    }

    fn name<'v>(&mut self, object: &'v Map<String, Value>, parent: &str, field: &str) -> Option<&'v str> {
        let value = self.field(object, parent, field, true)?;
        let pointer = format!("{parent}/{field}");
        let Some(text) = value.as_str() else {
            self.wrong_type(&pointer, value, "a string");
            return None;
        };
        let mut chars = text.chars();
        let first = chars.next().is_some_and(|c| c.is_ascii_lowercase());
        let rest = chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !(first && rest && text.len() <= NAME_CHARS) {
            let message = format!("{field} {:?} is not snake_case of 1 to {NAME_CHARS} characters", shorten(text));
            self.add(ProblemCode::Name, &pointer, message, "lower-case letters, digits and _, beginning with a letter");
        }
        Some(text)
    }

    fn array(
        &mut self,
        object: &Map<String, Value>,
        parent: &str,
        field: &str,
        most: usize,
        required: bool,
        mut each: impl FnMut(&mut Self, &str, &Value),
    ) {
        let Some(value) = self.field(object, parent, field, required) else { return };
        let pointer = format!("{parent}/{field}");
        let Some(array) = value.as_array() else { return self.wrong_type(&pointer, value, "an array") };
        if array.len() > most {
            let message = format!("{field} has {} elements; at most {most} are allowed", array.len());
            self.add(ProblemCode::FieldLength, &pointer, message, "");
        }
        for (index, value) in array.iter().take(most).enumerate() {
            each(self, &format!("{pointer}/{index}"), value);
        }
    }

    /// A JSON Schema. That of what an operator configures may be missing or null.
    fn schema(&mut self, object: &Map<String, Value>, parent: &str, field: &str, required: bool) {
        let Some(value) = self.field(object, parent, field, required) else { return };
        let pointer = format!("{parent}/{field}");
        if value.is_null() && !required {
            return;
        }
        if !value.is_object() {
            return self.wrong_type(&pointer, value, "a JSON Schema, as an object");
        }
        for flaw in schema::examine(value) {
            let (code, expected) = match flaw.kind {
                FlawKind::Form => (ProblemCode::Schema, "a JSON Schema of draft 4"),
                FlawKind::Size => (ProblemCode::SchemaSize, "a smaller schema"),
                FlawKind::Reference => {
                    (ProblemCode::SchemaReference, "a reference to `#/definitions/NAME`, without circles")
                }
                FlawKind::Pattern => (ProblemCode::SchemaPattern, "a pattern without look-around and back-references"),
                FlawKind::Default => (ProblemCode::SchemaDefault, "a default that its own schema allows"),
            };
            self.add(code, &format!("{pointer}{}", flaw.path), flaw.reason, expected);
        }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn strategy() -> Value {
        json!({
            "name": "dummy", "version": "1.0.0", "display_name": "Dummy", "planner": "weight",
            "goal": {"name": "dummy", "display_name": "Dummy goal"},
            "parameters_schema": {},
        })
    }

    fn error(kind: PluginKind, change: impl FnOnce(&mut Value)) -> String {
        let mut value = strategy();
        change(&mut value);
        parse(kind, &value.to_string()).unwrap_err()
    }

    #[test]
    fn the_world_decides_which_fields_are_needed() {
        let text = strategy().to_string();
        assert!(matches!(parse(PluginKind::Strategy, &text).unwrap().specifics, Specifics::Strategy(_)));
        assert!(matches!(parse(PluginKind::Planner, &text).unwrap().specifics, Specifics::Planner {}));
        assert_eq!(error(PluginKind::ScoringEngine, |_| {}), "description#/metainfo: missing field `metainfo`");
        assert_eq!(error(PluginKind::Action, |_| {}), "description#/requests: missing field `requests`");
    }

    #[test]
    fn everything_wrong_is_named_at_once_with_its_place() {
        let kind = PluginKind::Strategy;
        let text = error(kind, |value| {
            value.as_object_mut().unwrap().remove("goal");
            value["version"] = json!("one");
            value["name"] = json!("No Name");
            value["parameters_schema"] = json!([]);
            value["metrics"] = json!(["host_cpu_usage", 7]);
        });
        let told: Vec<&str> = text.split("; ").collect();
        assert_eq!(told[0], "description#/name: name \"No Name\" is not snake_case of 1 to 63 characters");
        assert!(told[1].starts_with("description#/version: version \"one\" is not a semantic version"), "{text}");
        assert_eq!(told[2], "description#/parameters_schema: parameters_schema is an array");
        assert_eq!(told[3], "description#/metrics/1: 1 is a number");
        assert_eq!(told[4], "description#/goal: missing field `goal`");
        assert_eq!(told.len(), 5);
        assert!(parse(kind, "[1]").unwrap_err().starts_with("description: the description is not a JSON object"));
        assert!(parse(kind, "{").unwrap_err().starts_with("description: the description is not JSON"));
    }

    #[test]
    fn texts_that_steer_a_terminal_are_refused_by_their_character() {
        for odd in ["\u{1b}", "\u{9b}", "\u{202e}", "\u{2066}"] {
            let name = format!("U+{:04X}", u32::from(odd.chars().next().unwrap()));
            let text = error(PluginKind::Strategy, |value| {
                value["display_name"] = format!("a{odd}b").into();
                value["goal"]["display_name"] = odd.into();
                value["metrics"] = json!([odd]);
            });
            let expected = [
                format!("description#/display_name: display_name has the character {name}"),
                format!("description#/metrics/0: 0 has the character {name}"),
                format!("description#/goal/display_name: display_name has the character {name}"),
            ];
            assert_eq!(text, expected.join("; "));
        }
        let mut value = strategy();
        value["description"] = "One.\n\tTwo: größer, مرحبا.".into();
        assert!(parse(PluginKind::Strategy, &value.to_string()).is_ok());
    }

    #[test]
    fn what_a_problem_repeats_is_cut() {
        let long = "x".repeat(1 << 20);
        let mut value = strategy();
        value[&long] = Value::Null;
        value["metrics"] = json!(long);
        value["parameters_schema"] = json!({"properties": {&long: {"type": "integer", "default": long}}});
        let warnings = unknown_fields(PluginKind::Strategy, &value.to_string());
        assert!(warnings[0].at.len() + warnings[0].message.len() < 3_000);
        let text = parse(PluginKind::Strategy, &value.to_string()).unwrap_err();
        assert!(text.len() < 12_000, "{}", text.len());
    }

    #[test]
    fn a_schema_is_checked_where_it_stands() {
        let text = error(PluginKind::Strategy, |value| {
            value["parameters_schema"] = json!({"properties": {"n": {"type": "integer", "default": "many"}}});
            value["goal"]["efficacy_specification"] =
                json!([{"name": "n", "description": "", "schema": {"$ref": "http://elsewhere/"}}]);
        });
        assert!(
            text.contains("description#/parameters_schema/properties/n/default: the default does not fit"),
            "{text}"
        );
        assert!(text.contains("description#/goal/efficacy_specification/0/schema/$ref: "), "{text}");
    }

    #[test]
    fn request_patterns_lead_nowhere_else() {
        let action = |path: &str| {
            let request = json!({"service": "compute", "method": "GET", "path": path});
            let value = json!({"name": "a", "version": "1.0.0", "display_name": "A", "parameters_schema": {}, "requests": [request]});
            parse(PluginKind::Action, &value.to_string())
        };
        assert!(action("/servers/{server}/action").is_ok());
        for path in ["servers", "//evil", "/a/../b", "/a%2fb", "/{a}{b}", "/{}", "/a?b=c", "http://evil/", "/a/%2e%2e/"]
        {
            let text = action(path).unwrap_err();
            assert!(text.starts_with("description#/requests/0: request compute "), "{path}: {text}");
        }
        let text = action("/servers/{x y<script>}").unwrap_err();
        assert!(
            text.contains("has the placeholder \"{x y<script>}\", whose name must be a lower-case letter"),
            "{text}"
        );
    }

    #[test]
    fn keys_of_queries_are_declared_as_a_list_of_names() {
        let action = |query: Value| {
            let request = json!({"service": "compute", "method": "GET", "path": "/servers", "query": query});
            let value = json!({"name": "a", "version": "1.0.0", "display_name": "A", "parameters_schema": {}, "requests": [request]});
            parse(PluginKind::Action, &value.to_string())
        };
        assert!(action(json!(["host", "all_tenants"])).is_ok());
        let text = action(json!("host")).unwrap_err();
        assert!(
            text.starts_with("description#/requests/0: invalid type: string \"host\", expected a sequence"),
            "{text}"
        );
        let text = action(json!(["a b"])).unwrap_err();
        assert!(text.ends_with("query key \"a b\" is not allowed"), "{text}");
    }

    #[test]
    fn a_field_that_nobody_knows_is_a_warning_with_the_nearest_known() {
        let mut value = strategy();
        value["parameter_schema"] = json!({});
        let warnings = unknown_fields(PluginKind::Strategy, &value.to_string());
        assert_eq!((warnings.len(), warnings[0].expected.as_str()), (1, "parameters_schema"));
    }
}
