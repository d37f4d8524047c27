//! What a component says about itself, checked.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use watcher_domain::plugin::{ActionSpecifics, Description, ScoringEngineSpecifics, Specifics, StrategySpecifics};
use watcher_domain::{Limits, PluginKind};

/// Longest name, as the database and the API take them.
const NAME_CHARS: usize = 63;
/// Longest texts for people.
const DISPLAY_NAME_CHARS: usize = 255;
const DESCRIPTION_CHARS: usize = 4096;
const METAINFO_CHARS: usize = 65_536;

/// What describing may use: about a second of computing, because interpreters of other languages have to start.
pub(crate) fn limits() -> Limits {
    Limits {
        memory_bytes: 256 << 20,
        fuel: 1_000_000_000,
        deadline_ms: 30_000,
        host_call_fuel: 1 << 20,
        host_calls: 10_000,
        output_bytes: 1 << 20,
        log_bytes: 64 << 10,
        requests: 0,
        ..Limits::default()
    }
}

/// What every kind says.
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

/// Reads the description of a plugin of a kind. The error says what is missing or wrong.
pub(crate) fn parse(kind: PluginKind, text: &str) -> Result<Description, String> {
    let object: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("the description is not a JSON object: {error}"))?;
    let common: Common = read(&object)?;
    let specifics = match kind {
        PluginKind::Strategy => Specifics::Strategy(read(&object)?),
        PluginKind::Planner => Specifics::Planner {},
        PluginKind::Action => Specifics::Action(read(&object)?),
        PluginKind::ScoringEngine => Specifics::ScoringEngine(read(&object)?),
    };
    let description = Description {
        name: common.name,
        version: common.version,
        display_name: common.display_name,
        description: common.description,
        configuration_schema: common.configuration_schema,
        specifics,
    };
    check(&description)?;
    Ok(description)
}

fn read<T: DeserializeOwned>(object: &Map<String, Value>) -> Result<T, String> {
    T::deserialize(object).map_err(|error| format!("the description: {error}"))
}

fn check(description: &Description) -> Result<(), String> {
    name("name", &description.name)?;
    if let Err(error) = semver::Version::parse(&description.version) {
        return Err(format!("version {:?} is not a semantic version: {error}", shorten(&description.version)));
    }
    length("display_name", &description.display_name, 1, DISPLAY_NAME_CHARS)?;
    length("description", &description.description, 0, DESCRIPTION_CHARS)?;
    if !description.configuration_schema.is_null() {
        object("configuration_schema", &description.configuration_schema)?;
    }
    match &description.specifics {
        Specifics::Strategy(specifics) => strategy(specifics),
        Specifics::Action(specifics) => action(specifics),
        Specifics::ScoringEngine(ScoringEngineSpecifics { metainfo }) => {
            length("metainfo", metainfo, 0, METAINFO_CHARS)
        }
        Specifics::Planner {} => Ok(()),
    }
}

fn strategy(specifics: &StrategySpecifics) -> Result<(), String> {
    object("parameters_schema", &specifics.parameters_schema)?;
    name("planner", &specifics.planner)?;
    let goal = &specifics.goal;
    name("goal.name", &goal.name)?;
    length("goal.display_name", &goal.display_name, 1, DISPLAY_NAME_CHARS)?;
    for indicator in &goal.efficacy_specification {
        name("goal.efficacy_specification.name", &indicator.name)?;
        object(&format!("the schema of indicator {}", indicator.name), &indicator.schema)?;
    }
    specifics.metrics.iter().try_for_each(|metric| length("metrics", metric, 1, DISPLAY_NAME_CHARS))
}

fn action(specifics: &ActionSpecifics) -> Result<(), String> {
    object("parameters_schema", &specifics.parameters_schema)?;
    for pattern in &specifics.requests {
        length("requests.service", &pattern.service, 1, NAME_CHARS)?;
        if !pattern.path.starts_with('/') {
            return Err(format!("requests.path {:?} does not begin with /", shorten(&pattern.path)));
        }
    }
    Ok(())
}

fn name(field: &str, text: &str) -> Result<(), String> {
    let mut chars = text.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_lowercase());
    if first && text.len() <= NAME_CHARS && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        return Ok(());
    }
    Err(format!("{field} {:?} is not snake_case of 1 to {NAME_CHARS} characters", shorten(text)))
}

fn length(field: &str, text: &str, min: usize, max: usize) -> Result<(), String> {
    let count = text.chars().count();
    if (min..=max).contains(&count) {
        return Ok(());
    }
    Err(format!("{field} has {count} characters, and must have {min} to {max}"))
}

fn object(field: &str, value: &Value) -> Result<(), String> {
    if value.is_object() { Ok(()) } else { Err(format!("{field} is not a JSON object")) }
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
        assert_eq!(error(PluginKind::ScoringEngine, |_| {}), "the description: missing field `metainfo`");
        assert_eq!(error(PluginKind::Action, |_| {}), "the description: missing field `requests`");
    }

    #[test]
    fn a_missing_or_wrong_field_is_named() {
        let kind = PluginKind::Strategy;
        let missing = error(kind, |value| drop(value.as_object_mut().unwrap().remove("goal")));
        assert_eq!(missing, "the description: missing field `goal`");
        let text = error(kind, |value| value["version"] = json!("one"));
        assert!(text.starts_with("version \"one\" is not a semantic version"), "{text}");
        let text = error(kind, |value| value["name"] = json!("No Name"));
        assert_eq!(text, "name \"No Name\" is not snake_case of 1 to 63 characters");
        let text = error(kind, |value| value["parameters_schema"] = json!([]));
        assert_eq!(text, "parameters_schema is not a JSON object");
        assert!(parse(kind, "[1]").unwrap_err().starts_with("the description is not a JSON object"));
    }
}
