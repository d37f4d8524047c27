//! Between columns and the words of the domain.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use watcher_domain::{Digest, Stamps, Timestamp, text};

use crate::error::{Error, Result};

/// A row, for saying where something makes no sense.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) table: &'static str,
    pub(crate) id: i64,
}

impl Place {
    pub(crate) const fn corrupt(self, column: &'static str) -> Error {
        Error::Corrupt { table: self.table, column, id: self.id }
    }

    /// A text that is one of the cases of an enum.
    pub(crate) fn parse<T: FromStr>(self, column: &'static str, text: &str) -> Result<T> {
        text.parse().map_err(|_| self.corrupt(column))
    }

    pub(crate) fn json<T: DeserializeOwned>(self, column: &'static str, text: &str) -> Result<T> {
        serde_json::from_str(text).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn digest(self, column: &'static str, bytes: &[u8]) -> Result<Digest> {
        bytes.try_into().map(Digest).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn number<T: TryFrom<i64>>(self, column: &'static str, number: i64) -> Result<T> {
        number.try_into().map_err(|_| self.corrupt(column))
    }
}

/// Most bytes of a status message: a page has a thousand of them.
const MESSAGE_BYTES: usize = 8_192;

/// A status message as it is kept, whoever's words are in it.
pub(crate) fn said(message: &str) -> String {
    text::middle_cut(text::lines(message).into_owned(), MESSAGE_BYTES)
}

/// A number that is not larger than what columns hold.
pub(crate) fn kept(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// JSON as it is kept.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    Ok(serde_json::to_string(value)?)
}

/// The columns of [`Stamps`].
#[derive(sqlx::FromRow)]
#[expect(clippy::struct_field_names, reason = "they are called as the columns")]
pub(crate) struct StampsRow {
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    deleted_at: Option<Timestamp>,
}

impl From<StampsRow> for Stamps {
    fn from(row: StampsRow) -> Self {
        Self { created_at: row.created_at, updated_at: row.updated_at, deleted_at: row.deleted_at }
    }
}
