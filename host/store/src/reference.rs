//! How callers refer to rows, and which rows they see.

use std::convert::Infallible;
use std::str::FromStr;

use uuid::Uuid;
use watcher_domain::ProjectId;

/// What a path or a filter of the API refers to a row by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// Serial number.
    Serial(i64),
    /// UUID.
    Uuid(Uuid),
    /// Name.
    Name(String),
}

impl FromStr for Reference {
    type Err = Infallible;

    /// A whole number as Python writes it (no plus, no leading zeros) is a serial number, a UUID in any spelling a UUID, and anything
    /// else a name. A number too large for any row is a serial number that no row has.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_number = !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !digits.starts_with('0'));
        if is_number {
            return Ok(Self::Serial(text.parse().unwrap_or(i64::MIN)));
        }
        Ok(uuid_like(text).map_or_else(|| Self::Name(text.to_owned()), Self::Uuid))
    }
}

/// A UUID as clients of OpenStack may write one: any case, with or without hyphens, braces and `urn:uuid:`.
fn uuid_like(text: &str) -> Option<Uuid> {
    let bare = text.to_ascii_lowercase().replace("urn:", "").replace("uuid:", "");
    let bare = bare.trim_matches(['{', '}']).replace('-', "");
    if bare.len() == 32 { Uuid::try_parse(&bare).ok() } else { None }
}

/// Which rows a caller sees. Rows without a project are seen by all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visibility {
    /// All rows.
    All,
    /// Those of one project. Of what plugins bring, also those of nobody, and those of other projects' plugins that it may use.
    Project(ProjectId),
}

impl Visibility {
    /// What a project sees, or whoever acts for none: what belongs to nobody.
    pub fn of(project: Option<&ProjectId>) -> Self {
        Self::Project(project.cloned().unwrap_or_else(|| ProjectId(String::new())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_as_python_writes_them_are_serial_numbers() {
        assert_eq!(of("7"), Reference::Serial(7));
        assert_eq!(of("-7"), Reference::Serial(-7));
        assert_eq!(of("0"), Reference::Serial(0));
        assert_eq!(of("99999999999999999999"), Reference::Serial(i64::MIN));
        for name in ["07", "+7", "-0", "7 ", "", "-", "1_0"] {
            assert_eq!(of(name), Reference::Name(name.to_owned()));
        }
    }

    #[test]
    fn uuids_are_known_in_every_spelling() {
        let uuid = Uuid::from_u128(0xabcd);
        for text in ["00000000-0000-0000-0000-00000000ABCD", "{00000000-0000-0000-0000-00000000abcd}"] {
            assert_eq!(of(text), Reference::Uuid(uuid));
        }
        assert_eq!(of("urn:uuid:00000000-0000-0000-0000-00000000abcd"), Reference::Uuid(uuid));
        assert_eq!(of("0000000000000000000000000000abcd"), Reference::Uuid(uuid));
        assert_eq!(of("basic"), Reference::Name("basic".to_owned()));
    }
}
