//! What the state machines share.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// An event that does not fit the state it met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entity} in state {from} cannot {event}")]
pub struct InvalidTransition {
    /// `audit`, `action plan` or `action`.
    pub entity: &'static str,
    /// The state it was in.
    pub from: &'static str,
    /// What was to happen.
    pub event: &'static str,
}

/// When a row was made, changed and soft-deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps {
    /// When it was inserted.
    pub created_at: Timestamp,
    /// When it was last changed, if ever.
    pub updated_at: Option<Timestamp>,
    /// When it was soft-deleted, if it was.
    pub deleted_at: Option<Timestamp>,
}

impl Stamps {
    /// Stamps of a row made at `now`.
    pub const fn new(now: Timestamp) -> Self {
        Self { created_at: now, updated_at: None, deleted_at: None }
    }
}

/// Declares an enum whose cases have one fixed text each, in the API and in the database.
macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$case_doc])* #[serde(rename = $text)] $case,)*
        }

        impl $name {
            /// Every case, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$case,)*];

            /// Its text in the API and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::state::UnknownName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$case),)*
                    _ => Err($crate::state::UnknownName { what: stringify!($name), text: text.to_owned() }),
                }
            }
        }
    };
}
pub(crate) use named_enum;

/// A text that is none of the cases of an enum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}")]
pub struct UnknownName {
    /// Name of the enum.
    pub what: &'static str,
    /// The text.
    pub text: String,
}
