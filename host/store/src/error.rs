//! What can go wrong with a database, by what a caller would do about it.

use sqlx::error::{DatabaseError, ErrorKind};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A row with this name or UUID is there already.
    #[error("{what} {name} already exists")]
    Conflict {
        /// Noun, e.g. `audit`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A row refers to one that does not exist, or is still referred to.
    #[error("a row refers to another one that does not exist")]
    Reference(#[source] sqlx::Error),
    /// A value that a column does not take.
    #[error("a value is not allowed in its column")]
    Invalid(#[source] sqlx::Error),
    /// A row holds what this program never writes.
    #[error("{table}.{column} of row {id} in the database makes no sense")]
    Corrupt {
        /// Table.
        table: &'static str,
        /// Column.
        column: &'static str,
        /// Serial number of the row.
        id: i64,
    },
    /// The database was made by an older version of this program.
    #[error("the database is at migration {have}, this program needs {want}: run `watcher-host db upgrade`")]
    Outdated {
        /// Newest migration in the database; 0 for an empty one.
        have: i64,
        /// Newest migration that this program has.
        want: i64,
    },
    /// The database was made by a newer version of this program.
    #[error(
        "the database is at migration {have}, this program knows no more than {want}: use the program that upgraded it"
    )]
    Newer {
        /// Newest migration in the database.
        have: i64,
        /// Newest migration that this program has.
        want: i64,
    },
    /// An applied migration is not the one that this program has under its number.
    #[error("migration {version} of the database is not the one that this program has")]
    Edited {
        /// Its number.
        version: i64,
    },
    /// A URL that names no database.
    #[error("{url:?} is not the URL of a database: {reason}")]
    Url {
        /// The URL, without its password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A SQLite file cannot be opened or created.
    #[error("the SQLite database {path} cannot be opened or created: look at its folder and permissions")]
    CannotOpen {
        /// Path of the file.
        path: String,
        /// What the driver says.
        #[source]
        source: Box<sqlx::Error>,
    },
    /// The server does not know the user, or the password is wrong.
    #[error("the PostgreSQL server refused user and password")]
    Refused(#[source] sqlx::Error),
    /// The server has no such database.
    #[error("the PostgreSQL server has no such database")]
    NoDatabase(#[source] sqlx::Error),
    /// The server does not answer.
    #[error("the database server cannot be reached")]
    Unreachable(#[source] sqlx::Error),
    /// Somebody else holds what is needed; the same may work later.
    #[error("the database is too busy, or does not answer")]
    Busy(#[source] sqlx::Error),
    /// There is no room left.
    #[error("the disk of the database is full")]
    Full(#[source] sqlx::Error),
    /// Nothing can be written.
    #[error("the database is read-only")]
    ReadOnly(#[source] sqlx::Error),
    /// The file is no SQLite database.
    #[error("the file is not a SQLite database")]
    NotADatabase(#[source] sqlx::Error),
    /// The file is damaged.
    #[error("the SQLite database is damaged")]
    Damaged(#[source] sqlx::Error),
    /// The disk failed to read or write.
    #[error("the disk of the database failed")]
    Disk(#[source] sqlx::Error),
    /// Bytes could not be compressed, or not be brought back.
    #[error("stored bytes could not be compressed or decompressed")]
    Io(#[source] std::io::Error),
    /// A value has no JSON.
    #[error("a value could not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// Anything else.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl Error {
    /// An error of an insertion: a violated unique index means that the name, or the UUID, is taken.
    pub(crate) fn on_insert(error: sqlx::Error, what: &'static str, name: impl Into<String>) -> Self {
        match error.as_database_error().map(DatabaseError::kind) {
            Some(ErrorKind::UniqueViolation) => Self::Conflict { what, name: name.into() },
            _ => error.into(),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => match (database.kind(), database.code()) {
                (ErrorKind::ForeignKeyViolation, _) => Self::Reference(error),
                (ErrorKind::CheckViolation | ErrorKind::NotNullViolation, _) => Self::Invalid(error),
                (_, Some(code)) => match Trouble::of(&code) {
                    Some(trouble) => trouble.error(error),
                    None => Self::Database(error),
                },
                (_, None) => Self::Database(error),
            },
            sqlx::Error::PoolTimedOut => Self::Busy(error),
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Unreachable(error)
            }
            _ => Self::Database(error),
        }
    }
}

/// What the codes of both databases come down to.
#[derive(Clone, Copy)]
enum Trouble {
    Refused,
    NoDatabase,
    Unreachable,
    Busy,
    Full,
    ReadOnly,
    NotADatabase,
    Damaged,
    Disk,
}

impl Trouble {
    /// PostgreSQL's codes have five characters, SQLite's are numbers whose lowest byte says the class.
    fn of(code: &str) -> Option<Self> {
        if code.len() == 5 {
            return Some(match code {
                "28000" | "28P01" => Self::Refused,
                "3D000" => Self::NoDatabase,
                "53300" | "40001" | "40P01" | "55P03" | "57014" => Self::Busy,
                "53100" => Self::Full,
                "25006" => Self::ReadOnly,
                "58030" => Self::Disk,
                "XX001" | "XX002" => Self::Damaged,
                code if code.starts_with("08") || code.starts_with("57P") => Self::Unreachable,
                _ => return None,
            });
        }
        Some(match code.parse::<i32>().ok()? & 0xff {
            5 | 6 => Self::Busy,
            8 => Self::ReadOnly,
            10 => Self::Disk,
            11 => Self::Damaged,
            13 => Self::Full,
            26 => Self::NotADatabase,
            _ => return None,
        })
    }

    const fn error(self, error: sqlx::Error) -> Error {
        match self {
            Self::Refused => Error::Refused(error),
            Self::NoDatabase => Error::NoDatabase(error),
            Self::Unreachable => Error::Unreachable(error),
            Self::Busy => Error::Busy(error),
            Self::Full => Error::Full(error),
            Self::ReadOnly => Error::ReadOnly(error),
            Self::NotADatabase => Error::NotADatabase(error),
            Self::Damaged => Error::Damaged(error),
            Self::Disk => Error::Disk(error),
        }
    }
}
