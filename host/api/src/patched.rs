//! A resource after a patch: its members read back with the types they must have.

use serde_json::{Map, Value};
use watcher_cluster::AuditScope;
use watcher_domain::Timestamp;

use crate::error::Invalid;
use crate::scope;
use crate::time;

/// The members of a patched resource. A removed one is null.
pub(crate) struct Patched(pub(crate) Map<String, Value>);

impl Patched {
    /// A member that is not null.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Invalid> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(value) => Err(Invalid::wrong_type(name, value, "<class 'str'>")),
        }
    }

    /// A text that must be there.
    pub(crate) fn required_text(&self, name: &str) -> Result<String, Invalid> {
        self.text(name)?.ok_or_else(|| Invalid::input(name, &Value::Null, "Field cannot be None"))
    }

    /// The name. One from before that would be refused now does not stand in the way of other changes.
    pub(crate) fn name(&self, before: &str) -> Result<String, Invalid> {
        let name = self.required_text("name")?;
        if name != before {
            Invalid::refuse_unfit_line("name", &name)?;
        }
        Ok(name)
    }

    /// A text of one line, checked only if it changed.
    pub(crate) fn line(&self, name: &str, before: Option<&str>) -> Result<Option<String>, Invalid> {
        let text = self.text(name)?;
        if let Some(text) = text.as_deref().filter(|text| Some(*text) != before) {
            Invalid::refuse_unfit_line(name, text)?;
        }
        Ok(text)
    }

    /// A text of several lines, checked only if it changed.
    pub(crate) fn lines(&self, name: &str, before: Option<&str>) -> Result<Option<String>, Invalid> {
        let text = self.text(name)?;
        if let Some(text) = text.as_deref().filter(|text| Some(*text) != before) {
            Invalid::refuse_unfit_lines(name, text)?;
        }
        Ok(text)
    }

    /// A boolean; false for null.
    pub(crate) fn boolean(&self, name: &str) -> Result<bool, Invalid> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => Err(Invalid::wrong_type(name, value, "<class 'bool'>")),
        }
    }

    /// An object; an empty one for null. What it takes is checked only if it changed, so that an old one does not stand in the way.
    pub(crate) fn object(&self, name: &str, before: &Map<String, Value>) -> Result<Map<String, Value>, Invalid> {
        match self.get(name) {
            None => Ok(Map::new()),
            Some(Value::Object(members)) => {
                if members != before {
                    Invalid::refuse_heavy(name, members)?;
                }
                Ok(members.clone())
            }
            Some(value) => Err(Invalid::wrong_type(name, value, "<class 'dict'>")),
        }
    }

    /// A point in time.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Invalid> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => time::parse(text)
                .map(Some)
                .ok_or_else(|| Invalid::input(name, &Value::String(text.clone()), "Unknown time format")),
            Some(value) => Err(Invalid::wrong_type(name, value, "<class 'datetime.datetime'>")),
        }
    }

    /// An audit scope, checked only if it changed, so that an old one does not stand in the way.
    pub(crate) fn scope(&self, before: &AuditScope) -> Result<AuditScope, Invalid> {
        if self.get("scope").and_then(Value::as_array) == Some(&before.0) {
            return Ok(before.clone());
        }
        let given = self.get("scope");
        scope::parse(given).map_err(|refused| Invalid::input("scope", given.unwrap_or(&Value::Null), refused.0))
    }
}
