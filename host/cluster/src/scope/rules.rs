//! From JSON to rules, with the place of every mistake.

use serde_json::{Map, Value};

use super::ScopeError;

/// The rules of the compute model, in their order.
pub(super) type Rules = Vec<Rule>;

pub(super) enum Rule {
    HostAggregates(Vec<AggregateRef>),
    AvailabilityZones(Vec<Name>),
    Exclude(Vec<Exclusion>),
}

/// How a rule names an aggregate.
pub(super) enum AggregateRef {
    Id(i64),
    Name(Name),
    Any,
}

/// A name, or `*`.
pub(super) enum Name {
    Is(String),
    Any,
}

pub(super) enum Exclusion {
    /// By UUID.
    Instances(Vec<String>),
    /// By host name.
    ComputeNodes(Vec<String>),
    HostAggregates(Vec<AggregateRef>),
    /// Key and value in lower case.
    Metadata(Vec<(String, String)>),
    /// By UUID.
    Projects(Vec<String>),
}

/// Models that a scope may be about; only the rules of `compute` are kept.
const MODELS: [&str; 3] = ["compute", "storage", "baremetal"];

/// What the rules of a model that no strategy sees may name, and by which member.
struct Shape {
    rules: &'static [(&'static str, &'static str)],
    exclusions: &'static [(&'static str, &'static str)],
}

const STORAGE: Shape = Shape {
    rules: &[("availability_zones", "name"), ("volume_types", "name")],
    exclusions: &[("storage_pools", "name"), ("volumes", "uuid"), ("projects", "uuid")],
};
const BAREMETAL: Shape = Shape { rules: &[], exclusions: &[("ironic_nodes", "uuid")] };

/// Reads a whole scope. Of several `compute` entries the first that is not empty counts.
pub(super) fn read(scope: &[Value]) -> Result<Rules, ScopeError> {
    let mut rules = Vec::new();
    for (index, entry) in scope.iter().enumerate() {
        let path = format!("/{index}");
        for (model, value) in object(entry, &path, &MODELS)? {
            let path = format!("{path}/{model}");
            let list = array(value, &path)?;
            let shape = match model.as_str() {
                "storage" => STORAGE,
                "baremetal" => BAREMETAL,
                _ => {
                    let read = each(list, &path, rule)?;
                    if rules.is_empty() {
                        rules = read.into_iter().flatten().collect();
                    }
                    continue;
                }
            };
            each(list, &path, |value, path| shape.check(value, path))?;
        }
    }
    Ok(rules)
}

impl Shape {
    fn check(&self, value: &Value, path: &str) -> Result<(), ScopeError> {
        let keys: Vec<&str> = self.rules.iter().map(|(key, _)| *key).chain(["exclude"]).collect();
        for (key, value) in object(value, path, &keys)? {
            let path = format!("{path}/{key}");
            if key == "exclude" {
                each(array(value, &path)?, &path, |value, path| names(value, path, self.exclusions))?;
            } else {
                only_texts(value, &path, key, self.rules)?;
            }
        }
        Ok(())
    }
}

/// Checks an object of lists of `{member: text}`.
fn names(value: &Value, path: &str, lists: &[(&str, &str)]) -> Result<(), ScopeError> {
    let keys: Vec<&str> = lists.iter().map(|(key, _)| *key).collect();
    for (key, value) in object(value, path, &keys)? {
        only_texts(value, &format!("{path}/{key}"), key, lists)?;
    }
    Ok(())
}

/// Checks one such list.
fn only_texts(value: &Value, path: &str, key: &str, lists: &[(&str, &str)]) -> Result<(), ScopeError> {
    let member = lists.iter().find(|(name, _)| *name == key).map_or("name", |(_, member)| *member);
    each(array(value, path)?, path, |value, path| only_text(value, path, member).map(drop))?;
    Ok(())
}

/// A rule; nothing for `{}`. Of several keys the first in this order counts, though all must be right.
fn rule(value: &Value, path: &str) -> Result<Option<Rule>, ScopeError> {
    let keys = ["host_aggregates", "availability_zones", "exclude"];
    let mut first = [None, None, None];
    for (key, value) in object(value, path, &keys)? {
        let path = format!("{path}/{key}");
        let list = array(value, &path)?;
        match key.as_str() {
            "host_aggregates" => first[0] = Some(Rule::HostAggregates(aggregates(list, &path)?)),
            "availability_zones" => first[1] = Some(Rule::AvailabilityZones(zones(list, &path)?)),
            _ => first[2] = Some(Rule::Exclude(each(list, &path, exclusion)?.into_iter().flatten().collect())),
        }
    }
    Ok(first.into_iter().flatten().next())
}

fn exclusion(value: &Value, path: &str) -> Result<Option<Exclusion>, ScopeError> {
    let keys = ["instances", "compute_nodes", "host_aggregates", "instance_metadata", "projects"];
    let mut first = [None, None, None, None, None];
    for (key, value) in object(value, path, &keys)? {
        let path = format!("{path}/{key}");
        let list = array(value, &path)?;
        let named = |name: &'static str| each(list, &path, |value, path| only_text(value, path, name));
        match key.as_str() {
            "instances" => first[0] = Some(Exclusion::Instances(named("uuid")?)),
            "compute_nodes" => first[1] = Some(Exclusion::ComputeNodes(named("name")?)),
            "host_aggregates" => first[2] = Some(Exclusion::HostAggregates(aggregates(list, &path)?)),
            "instance_metadata" => {
                let pairs = each(list, &path, |value, path| {
                    let pairs = value.as_object().ok_or_else(|| invalid(path, "must be an object"))?;
                    Ok(pairs.iter().map(|(key, value)| (key.clone(), word(value).to_lowercase())).collect::<Vec<_>>())
                })?;
                first[3] = Some(Exclusion::Metadata(pairs.into_iter().flatten().collect()));
            }
            _ => first[4] = Some(Exclusion::Projects(named("uuid")?)),
        }
    }
    Ok(first.into_iter().flatten().next())
}

fn aggregates(list: &[Value], path: &str) -> Result<Vec<AggregateRef>, ScopeError> {
    let one = |value: &Value, path: &str| -> Result<AggregateRef, ScopeError> {
        let entry = value.as_object().ok_or_else(|| invalid(path, "must be an object"))?;
        match (entry.get("id"), entry.get("name"), entry.len()) {
            (Some(Value::Number(id)), None, 1) if id.is_i64() => Ok(AggregateRef::Id(id.as_i64().unwrap_or_default())),
            (Some(Value::String(id)), None, 1) if id == "*" => Ok(AggregateRef::Any),
            (Some(_), None, 1) => Err(invalid(&format!("{path}/id"), "must be a whole number or *")),
            (None, Some(Value::String(name)), 1) => Ok(AggregateRef::Name(name.as_str().into())),
            (None, Some(_), 1) => Err(invalid(&format!("{path}/name"), "must be a text")),
            _ => Err(invalid(path, "must have either id or name, and nothing else")),
        }
    };
    let aggregates = each(list, path, one)?;
    // Identifiers and names are two lists: a wildcard must stand alone in its own, and a lone one settles the matter.
    let ids = aggregates.iter().filter(|aggregate| !matches!(aggregate, AggregateRef::Name(_))).count();
    if aggregates.iter().any(|aggregate| matches!(aggregate, AggregateRef::Any)) {
        return if ids == 1 { Ok(aggregates) } else { Err(ScopeError::WildcardAndNames("host aggregates")) };
    }
    let wildcard = aggregates.iter().any(|aggregate| matches!(aggregate, AggregateRef::Name(Name::Any)));
    if wildcard && aggregates.len() - ids > 1 {
        return Err(ScopeError::WildcardAndNames("host aggregates"));
    }
    Ok(aggregates)
}

fn zones(list: &[Value], path: &str) -> Result<Vec<Name>, ScopeError> {
    let names = each(list, path, |value, path| only_text(value, path, "name"))?;
    if names.len() > 1 && names.iter().any(|name| name == "*") {
        return Err(ScopeError::WildcardAndNames("availability zones"));
    }
    Ok(names.iter().map(|name| name.as_str().into()).collect())
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        if name == "*" { Self::Any } else { Self::Is(name.to_owned()) }
    }
}

/// A scalar as the text that metadata are compared by.
pub(super) fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

fn invalid(path: &str, reason: &str) -> ScopeError {
    ScopeError::Invalid { path: path.to_owned(), reason: reason.to_owned() }
}

fn array<'a>(value: &'a Value, path: &str) -> Result<&'a [Value], ScopeError> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| invalid(path, "must be a list"))
}

/// An object with no other keys than these.
fn object<'a>(value: &'a Value, path: &str, keys: &[&str]) -> Result<&'a Map<String, Value>, ScopeError> {
    let object = value.as_object().ok_or_else(|| invalid(path, "must be an object"))?;
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        None => Ok(object),
        Some(key) => Err(invalid(&format!("{path}/{key}"), &format!("is not one of {}", keys.join(", ")))),
    }
}

/// The text under the only key of an object.
fn only_text(value: &Value, path: &str, key: &str) -> Result<String, ScopeError> {
    let text = object(value, path, &[key])?.get(key).ok_or_else(|| invalid(path, &format!("has no {key}")))?;
    text.as_str().map(str::to_owned).ok_or_else(|| invalid(&format!("{path}/{key}"), "must be a text"))
}

/// Reads every element of a list.
fn each<T>(
    list: &[Value],
    path: &str,
    mut read: impl FnMut(&Value, &str) -> Result<T, ScopeError>,
) -> Result<Vec<T>, ScopeError> {
    list.iter().enumerate().map(|(index, value)| read(value, &format!("{path}/{index}"))).collect()
}
