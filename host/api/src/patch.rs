//! JSON Patch as the API takes it: `add`, `replace` and `remove` only, on paths of plain names, within what a resource lets be changed.

use serde_json::{Map, Value, json};

use crate::body::Fields;
use crate::error::Invalid;
use crate::text;

/// Name of the body in messages.
pub(crate) const ARGUMENT: &str = "patch";
/// Most names in a path.
const LONGEST_PATH: usize = 32;
/// Operations that one request may have.
const MOST_OPERATIONS: usize = 1000;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// Sets a member, new or not.
    Add,
    /// Sets a member that is there.
    Replace,
    /// Takes a member away.
    Remove,
}

impl Op {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operation {
    /// What is done.
    pub(crate) op: Op,
    /// Where.
    pub(crate) path: String,
    /// With which value; there unless something is removed.
    pub(crate) value: Option<Value>,
}

impl Operation {
    /// In the notation of messages.
    pub(crate) fn value_for_messages(&self) -> Value {
        let mut shown = json!({"path": self.path, "op": self.op.as_str()});
        if let Some(value) = &self.value {
            shown["value"] = value.clone();
        }
        shown
    }

    fn root(&self) -> &str {
        self.path[1..].split('/').next().unwrap_or_default()
    }
}

/// What a resource lets be changed. Attributes are named without the slash.
pub(crate) struct Limits {
    /// Attributes that only the service changes.
    pub(crate) internal: &'static [&'static str],
    /// Attributes that may be changed; none for all but the internal ones.
    pub(crate) allowed: Option<&'static [&'static str]>,
    /// Whether attributes may be removed.
    pub(crate) removal: bool,
    /// What the resource refuses besides, before everything else: a reason.
    pub(crate) refuse: fn(&Operation) -> Option<String>,
}

/// Attributes that no resource lets be changed.
pub(crate) const INTERNAL: &[&str] = &["created_at", "id", "links", "updated_at", "deleted_at", "uuid"];
/// The same, with the status message.
pub(crate) const INTERNAL_AND_MESSAGE: &[&str] =
    &["created_at", "id", "links", "updated_at", "deleted_at", "uuid", "status_message"];

/// Reads a patch, and checks every operation against the limits.
pub(crate) fn parse(body: &Value, limits: &Limits) -> Result<Vec<Operation>, Invalid> {
    let Value::Array(items) = body else {
        let reason = format!("Value not a valid list: {}", text::plain(body));
        return Err(Invalid::input(ARGUMENT, body, reason));
    };
    if items.len() > MOST_OPERATIONS {
        return Err(Invalid::Patch {
            patch: format!("{} operations", items.len()),
            reason: format!("at most {MOST_OPERATIONS} are allowed"),
        });
    }
    items.iter().map(|item| operation(body, item, limits)).collect()
}

fn operation(body: &Value, item: &Value, limits: &Limits) -> Result<Operation, Invalid> {
    let fields = Fields::of(ARGUMENT, item, &["path", "op", "value"])?;
    fields.mandatory("path")?;
    let path = item["path"].as_str().ok_or_else(|| Invalid::input("path", &item["path"], "Value should be string"))?;
    if !is_path(path) {
        return Err(Invalid::input("path", &item["path"], "Value should match the pattern ^(/[\\w-]+)+$"));
    }
    // Values nest as deeply as JSON is read, and paths add to that: what is too deep for the stack cannot be made bit by bit either.
    let names = path.matches('/').count();
    if names > LONGEST_PATH {
        let shown = Value::String(path.chars().take(200).collect());
        return Err(Invalid::input(
            "path",
            &shown,
            format!("It has {names} names; at most {LONGEST_PATH} are followed"),
        ));
    }
    fields.mandatory("op")?;
    let op = match item["op"].as_str() {
        Some("add") => Op::Add,
        Some("replace") => Op::Replace,
        Some("remove") => Op::Remove,
        _ => return Err(Invalid::input("op", &item["op"], "Value should be one of: replace, remove, add")),
    };
    let operation = Operation { op, path: path.to_owned(), value: item.get("value").cloned() };
    if let Some(reason) = (limits.refuse)(&operation) {
        return Err(Invalid::Input {
            field: ARGUMENT.to_owned(),
            value: text::shown(body),
            reason: format!(
                "Couldn't apply patch '{}'. Reason: {reason}",
                text::shown(&operation.value_for_messages())
            ),
        });
    }
    let root = operation.root();
    if limits.allowed.is_some_and(|allowed| !allowed.contains(&root)) {
        return Err(Invalid::AttributeNotAllowed(operation.path));
    }
    if limits.internal.contains(&root) {
        return Err(Invalid::InternalAttribute(operation.path));
    }
    if operation.op == Op::Remove && !limits.removal {
        return Err(Invalid::MandatoryAttribute(operation.path));
    }
    if operation.op != Op::Remove && operation.value.is_none() {
        return Err(Invalid::PatchValue);
    }
    Ok(operation)
}

fn is_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|name| {
            !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '-')
        })
    })
}

/// That a patch cannot be applied.
pub(crate) fn refused(operations: &[Operation], reason: impl Into<String>) -> Invalid {
    let shown = Value::Array(operations.iter().map(Operation::value_for_messages).collect());
    Invalid::Patch { patch: text::shown(&shown), reason: reason.into() }
}

/// Value of the first `replace` of an attribute, if there is one and it is not null.
pub(crate) fn replaced<'a>(operations: &'a [Operation], path: &str) -> Option<&'a Value> {
    let operation = operations.iter().find(|operation| operation.op == Op::Replace && operation.path == path)?;
    operation.value.as_ref().filter(|value| !value.is_null())
}

/// Applies a patch to a resource.
pub(crate) fn apply(mut document: Map<String, Value>, operations: &[Operation]) -> Result<Map<String, Value>, Invalid> {
    for operation in operations {
        if operation.op == Op::Add
            && operation.path.matches('/').count() == 1
            && !document.contains_key(operation.root())
        {
            return Err(Invalid::NewAttribute(operation.path.clone()));
        }
    }
    for operation in operations {
        apply_one(&mut document, operation).map_err(|reason| refused(operations, reason))?;
    }
    Ok(document)
}

fn apply_one(document: &mut Map<String, Value>, operation: &Operation) -> Result<(), String> {
    let mut names: Vec<&str> = operation.path[1..].split('/').collect();
    let last = names.pop().unwrap_or_default();
    let Some((first, rest)) = names.split_first() else { return set_member(document, last, operation) };
    let mut target = document.get_mut(*first).ok_or_else(|| format!("member '{first}' not found"))?;
    for name in rest {
        target = match target {
            Value::Object(members) => members.get_mut(*name).ok_or_else(|| format!("member '{name}' not found"))?,
            Value::Array(items) => {
                let index = index(name)?;
                items.get_mut(index).ok_or_else(|| format!("index '{index}' is out of bounds"))?
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(no_indexing(target)),
        };
    }
    match target {
        Value::Object(members) => set_member(members, last, operation),
        Value::Array(items) => set_item(items, last, operation),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(no_indexing(target)),
    }
}

fn no_indexing(value: &Value) -> String {
    format!(
        "Document '{}' does not support indexing, must be a mapping/sequence or support __getitem__",
        text::plain(value)
    )
}

fn index(name: &str) -> Result<usize, String> {
    let plain = name == "0" || !name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|_| plain).ok_or_else(|| format!("'{name}' is not a valid sequence index"))
}

fn set_member(members: &mut Map<String, Value>, name: &str, operation: &Operation) -> Result<(), String> {
    let value = operation.value.clone().unwrap_or_default();
    match operation.op {
        Op::Add => drop(members.insert(name.to_owned(), value)),
        Op::Replace => match members.get_mut(name) {
            Some(member) => *member = value,
            None => return Err(format!("can't replace a non-existent object '{name}'")),
        },
        Op::Remove => {
            if members.shift_remove(name).is_none() {
                return Err(format!("can't remove a non-existent object '{name}'"));
            }
        }
    }
    Ok(())
}

fn set_item(items: &mut Vec<Value>, name: &str, operation: &Operation) -> Result<(), String> {
    let value = operation.value.clone().unwrap_or_default();
    if operation.op == Op::Add && name == "-" {
        items.push(value);
        return Ok(());
    }
    let index = index(name)?;
    match operation.op {
        Op::Add if index <= items.len() => items.insert(index, value),
        Op::Add => return Err("can't insert outside of list".to_owned()),
        Op::Replace => match items.get_mut(index) {
            Some(item) => *item = value,
            None => return Err("can't replace outside of list".to_owned()),
        },
        Op::Remove if index < items.len() => drop(items.remove(index)),
        Op::Remove => return Err(format!("can't remove a non-existent object '{index}'")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Limits = Limits { internal: INTERNAL, allowed: None, removal: true, refuse: |_| None };

    fn patched(patch: &Value) -> Result<Value, String> {
        let document = json!({"name": "a", "scope": [1, 2], "parameters": {"x": 1}});
        let operations = parse(patch, &FREE).map_err(|error| error.to_string())?;
        let document = document.as_object().cloned().unwrap_or_default();
        apply(document, &operations).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_nested_deeper_than_the_stack_is_by_many_operations() {
        let deep = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({"a": inner}));
        let path = |names: usize| format!("/parameters{}", "/a".repeat(names - 1));
        let operation = |names: usize| json!([{"op": "add", "path": path(names), "value": deep(100)}]);
        let told = patched(&operation(33)).unwrap_err();
        assert!(told.ends_with("It has 33 names; at most 32 are followed"), "{told}");
        let told = patched(&operation(32)).unwrap_err();
        assert!(told.contains("member 'a' not found"), "{told}");
    }

    #[test]
    fn members_and_items_are_added_replaced_and_removed() {
        let patch = json!([
            {"op": "replace", "path": "/name", "value": "b"},
            {"op": "add", "path": "/parameters/y", "value": 2},
            {"op": "add", "path": "/scope/-", "value": 3},
            {"op": "remove", "path": "/scope/0"},
        ]);
        assert_eq!(patched(&patch), Ok(json!({"name": "b", "scope": [2, 3], "parameters": {"x": 1, "y": 2}})));
        assert_eq!(patched(&json!([])).unwrap()["name"], "a");
    }

    #[test]
    fn what_cannot_be_patched_is_refused_with_the_reason() {
        for (patch, reason) in [
            (json!({}), "Invalid input for field/attribute patch. Value: '{}'. Value not a valid list: {}"),
            (json!([{}]), "Invalid input for field/attribute path. Value: 'None'. Mandatory field missing."),
            (json!([{"path": "/x"}]), "Invalid input for field/attribute op. Value: 'None'. Mandatory field missing."),
            (
                json!([{"op": "move", "path": "/x"}]),
                "Invalid input for field/attribute op. Value: 'move'. Value should be one of: replace, remove, add",
            ),
            (json!([{"op": "add", "path": "/name"}]), "'add' and 'replace' operations needs value"),
            (
                json!([{"op": "add", "path": "/uuid", "value": 1}]),
                "'/uuid' is an internal attribute and can not be updated",
            ),
            (
                json!([{"op": "add", "path": "/foo", "value": 1}]),
                "Adding a new attribute (/foo) to the root of  the resource is not allowed",
            ),
            (
                json!([{"op": "remove", "path": "/foo"}]),
                "Couldn't apply patch '[{'path': '/foo', 'op': 'remove'}]'. Reason: can't remove a non-existent object 'foo'",
            ),
            (
                json!([{"op": "add", "path": "x", "value": 1}]),
                "Invalid input for field/attribute path. Value: 'x'. Value should match the pattern ^(/[\\w-]+)+$",
            ),
        ] {
            assert_eq!(patched(&patch), Err(reason.to_owned()));
        }
    }
}
