//! How options are declared: once, with their meaning, default and range, for the program and for its documentation.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// A section as the documentation shows it.
#[derive(Debug)]
pub(crate) struct SectionDoc {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) options: &'static [OptionDoc],
}

/// An option as the documentation shows it.
#[derive(Debug)]
pub(crate) struct OptionDoc {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    /// Name of its type in this program.
    pub(crate) type_name: &'static str,
    /// What a number may be; at most one range.
    pub(crate) range: &'static [RangeInclusive<i64>],
}

impl OptionDoc {
    /// Whether its value is never shown.
    pub(crate) fn is_secret(&self) -> bool {
        self.type_name == "Secret"
    }
}

/// A value that is never shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value, for who needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "\"***\"" })
    }
}

/// Declares a section: every option with its meaning, type, default, and for a number its range.
macro_rules! section {
    ($(#[doc = $about:literal])+ $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr $(, in $range:expr)?;)+
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $name {
            pub(crate) const OPTIONS: &'static [OptionDoc] = &[$(OptionDoc {
                name: stringify!($field),
                meaning: concat!($($doc,)+),
                type_name: stringify!($type),
                range: &[$($range)?],
            },)+];
        }
    };
}

/// Declares the configuration: every section under its name.
macro_rules! sections {
    ($(#[doc = $about:literal])+ $config:ident {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ident,)+
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $config {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        /// Every section.
        pub(crate) const SECTIONS: &[SectionDoc] = &[$(SectionDoc {
            name: stringify!($field),
            about: concat!($($doc,)+),
            options: $type::OPTIONS,
        },)+];
    };
}

pub(crate) use {section, sections};
