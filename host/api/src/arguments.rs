//! Query arguments, and the paging that every list has.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde_json::Value;
use uuid::Uuid;
use watcher_store::SortDir;

use crate::error::{ApiError, Invalid};
use crate::link::Base;
use crate::state::{ApiOptions, ApiState};
use crate::text;

/// The query arguments that were sent and not yet taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arguments(Vec<(String, String)>);

impl FromRequestParts<ApiState> for Arguments {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Arguments {
    fn parse(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Takes an argument out.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<String>, Invalid> {
        let mut taken = None;
        let mut repeated = false;
        self.0.retain(|(key, value)| {
            if key != name {
                return true;
            }
            repeated |= taken.replace(value.clone()).is_some();
            false
        });
        if repeated { Err(Invalid::RepeatedArgument(name.to_owned())) } else { Ok(taken) }
    }

    /// Takes an argument out that must be a UUID.
    pub(crate) fn take_uuid(&mut self, name: &str) -> Result<Option<Uuid>, Invalid> {
        let Some(value) = self.take(name)? else { return Ok(None) };
        uuid(&value).map(Some).ok_or_else(|| Invalid::uuid_argument(name, &value))
    }

    /// Takes an argument out that must be a whole number, however large.
    fn take_number(&mut self, name: &str) -> Result<Option<i64>, Invalid> {
        let Some(value) = self.take(name)? else { return Ok(None) };
        whole_number(&value).map(Some).ok_or_else(|| Invalid::Input {
            field: name.to_owned(),
            reason: format!(
                "unable to convert to int. Error: invalid literal for int() with base 10: {}",
                text::quoted(&value)
            ),
            value,
        })
    }

    /// Takes the arguments of a list out.
    pub(crate) fn take_paging(&mut self, marker: Marker) -> Result<Paging, Invalid> {
        let marker = match marker {
            Marker::Text => self.take("marker")?.filter(|marker| !marker.is_empty()),
            Marker::Uuid => self.take_uuid("marker")?.map(|marker| marker.to_string()),
            Marker::Number => self.take_number("marker")?.map(|marker| marker.to_string()),
        };
        Ok(Paging {
            marker,
            limit: self.take_number("limit")?,
            sort_key: self.take("sort_key")?.unwrap_or_else(|| "id".to_owned()),
            sort_dir: self.take("sort_dir")?.unwrap_or_else(|| "asc".to_owned()),
        })
    }

    /// Refuses what is left: nothing that a client asks for is passed over.
    pub(crate) fn done(self) -> Result<(), Invalid> {
        if self.0.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = self.0.into_iter().map(|(name, _)| name).collect();
        Err(Invalid::UnknownArgument(names.join(", ")))
    }
}

/// A UUID in any of the ways in which clients write one.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    Uuid::from_str(text).ok()
}

fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let grouped = digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    if !grouped {
        return None;
    }
    let number = digits
        .bytes()
        .filter(u8::is_ascii_digit)
        .fold(0_i64, |number, digit| number.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Some(if negative { -number } else { number })
}

/// What a list's marker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Any text; one that names nothing is not found.
    Text,
    /// A UUID.
    Uuid,
    /// A number.
    Number,
}

/// The arguments of a list as they were sent.
#[derive(Debug, Clone)]
pub(crate) struct Paging {
    marker: Option<String>,
    limit: Option<i64>,
    sort_key: String,
    sort_dir: String,
}

/// The arguments of a list, checked.
#[derive(Debug, Clone)]
pub(crate) struct Listing<K> {
    /// Most items.
    pub(crate) limit: u32,
    /// The item before the first.
    pub(crate) marker: Option<String>,
    /// What to sort by.
    pub(crate) key: K,
    /// In which direction.
    pub(crate) dir: SortDir,
    sort_key: String,
}

impl Paging {
    /// Checks against the keys that a list can be sorted by.
    pub(crate) fn check<K: Copy>(self, keys: &[(&str, K)], options: &ApiOptions) -> Result<Listing<K>, Invalid> {
        let Some((_, key)) = keys.iter().find(|(name, _)| *name == self.sort_key) else {
            return Err(Invalid::SortKey(self.sort_key));
        };
        let limit = match self.limit {
            None => options.max_limit,
            Some(limit) if limit <= 0 => return Err(Invalid::Limit),
            Some(limit) => u32::try_from(limit).unwrap_or(u32::MAX).min(options.max_limit),
        };
        let dir = match self.sort_dir.as_str() {
            "asc" => SortDir::Asc,
            "desc" => SortDir::Desc,
            _ => return Err(Invalid::SortDirection(self.sort_dir)),
        };
        Ok(Listing { limit, marker: self.marker, key: *key, dir, sort_key: self.sort_key })
    }
}

impl<K> Listing<K> {
    /// Where the next page is: nowhere if this one is not full. `path` is the list's own.
    pub(crate) fn next(
        &self,
        base: &Base,
        path: &str,
        count: usize,
        last: Option<impl std::fmt::Display>,
    ) -> Option<String> {
        let last = last.filter(|_| count == self.limit as usize)?;
        let dir = match self.dir {
            SortDir::Asc => "asc",
            SortDir::Desc => "desc",
        };
        let (key, limit) = (&self.sort_key, self.limit);
        Some(base.v1(&format!("{path}?sort_key={key}&sort_dir={dir}&limit={limit}&marker={last}")))
    }

    /// Sorts a page by a value that the database cannot sort by, equal ones by UUID.
    pub(crate) fn sort_page<T>(&self, items: &mut [T], by: impl Fn(&T) -> (Option<String>, Uuid)) {
        items.sort_by_cached_key(by);
        if self.dir == SortDir::Desc {
            items.reverse();
        }
    }
}

/// Refuses a text that the databases cannot keep.
pub(crate) fn refuse_nul(value: &Value) -> Result<(), Invalid> {
    match value {
        Value::String(text) if text.contains('\0') => Err(Invalid::Nul),
        Value::Array(items) => items.iter().try_for_each(refuse_nul),
        Value::Object(members) => members
            .iter()
            .try_for_each(|(name, member)| if name.contains('\0') { Err(Invalid::Nul) } else { refuse_nul(member) }),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[(&str, u8)] = &[("id", 0), ("name", 1)];

    fn listing(query: &str) -> Result<Listing<u8>, Invalid> {
        let mut arguments = Arguments::parse(query);
        let paging = arguments.take_paging(Marker::Uuid)?;
        arguments.done()?;
        paging.check(KEYS, &ApiOptions::default())
    }

    #[test]
    fn a_limit_is_a_whole_number_above_nothing() {
        assert_eq!(listing("").unwrap().limit, 1000);
        assert_eq!(listing("limit=%207%20").unwrap().limit, 7);
        assert_eq!(listing("limit=1_0").unwrap().limit, 10);
        assert_eq!(listing("limit=99999999999999999999999").unwrap().limit, 1000);
        assert_eq!(listing("limit=0").unwrap_err(), Invalid::Limit);
        assert_eq!(listing("limit=-99999999999999999999999").unwrap_err(), Invalid::Limit);
        assert_eq!(
            listing("limit=a").unwrap_err().to_string(),
            "Invalid input for field/attribute limit. Value: 'a'. unable to convert to int. \
             Error: invalid literal for int() with base 10: 'a'"
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert_eq!(listing("foo=1&bar").unwrap_err().to_string(), "Unknown argument: \"foo, bar\"");
        assert_eq!(listing("sort_key=x").unwrap_err().to_string(), "Invalid sort key: x");
        assert_eq!(listing("limit=1&limit=2").unwrap_err(), Invalid::RepeatedArgument("limit".to_owned()));
        assert!(listing("marker=x").unwrap_err().to_string().ends_with("Error: Expected a uuid but received x"));
    }
}
