//! Databases, and transactions over them.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgConnection, Pool, Postgres, Sqlite, Transaction};
use uuid::Uuid;
use watcher_domain::Timestamp;

use crate::error::{Error, Result};
use crate::finish::Finish;

/// Connections to a PostgreSQL server, of one pool.
const POSTGRES_CONNECTIONS: u32 = 16;
/// Connections that read a SQLite file; one more writes.
const SQLITE_READERS: u32 = 4;
/// How long a transaction waits for a connection, and a SQLite write for another process.
const PATIENCE: Duration = Duration::from_secs(30);
/// A connection that was used this short a time ago is taken for alive: to ask before every transaction is a fourth of its way.
const FRESH: Duration = Duration::from_secs(1);
/// How long a server may take to answer at all.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// A database. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Store {
    /// A PostgreSQL server.
    Postgres(PgPool),
    /// A SQLite file.
    Sqlite(SqliteStore),
}

/// A SQLite file: one connection writes, a few read beside it.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    write: SqlitePool,
    read: SqlitePool,
    /// The folder of a database that goes away with its last handle.
    folder: Option<Arc<tempfile::TempDir>>,
}

/// A transaction. Dropped without [`Tx::commit`], nothing of it was written.
#[derive(Debug)]
pub enum Tx {
    /// On a PostgreSQL server.
    Postgres(Transaction<'static, Postgres>),
    /// On a SQLite file.
    Sqlite(Transaction<'static, Sqlite>),
}

/// A worker's right to a row, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The worker.
    pub owner: Uuid,
    /// Its host, as operators see it.
    pub hostname: String,
    /// When the right ends unless it is renewed.
    pub until: Timestamp,
    /// Which claim of the row this is; [`audit::claim`](crate::audit::claim) counts it up and says it, and takes no notice of this one.
    pub term: i64,
}

impl SqliteStore {
    /// Connections that read, for a single query outside any transaction.
    pub(crate) const fn readers(&self) -> &SqlitePool {
        &self.read
    }
}

impl Store {
    /// Opens `postgres://…`, `sqlite://path` (the file is made if it is not there), or `sqlite::memory:`, which is a private database
    /// that goes away with its last handle.
    ///
    /// # Errors
    /// One sentence each for a URL that makes no sense, a file that cannot be opened or is none of SQLite's, a server that cannot be
    /// reached or refuses user and password. Whether the tables are there is another question: [`Store::check_migrations`].
    pub async fn connect(url: &str) -> Result<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            postgres(url).await
        } else if url == "sqlite::memory:" {
            temporary_sqlite().await
        } else if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(|error| bad_url(url, &error))?;
            // A commit is on the disk when it returns: what a journal entry promises must survive a power failure.
            sqlite(options.synchronous(SqliteSynchronous::Full), None).await
        } else {
            let reason = "it begins neither with postgres:// nor with sqlite://".to_owned();
            Err(Error::Url { url: without_password(url), reason })
        }
    }

    /// The same database over connections of its own, opened when they are first needed: whoever takes all of these takes none of those. A SQLite file
    /// still has one writer.
    #[must_use]
    pub fn apart(&self) -> Self {
        match self {
            Self::Postgres(pool) => {
                Self::Postgres(pool.options().clone().connect_lazy_with(pool.connect_options().as_ref().clone()))
            }
            Self::Sqlite(SqliteStore { write, read, folder }) => Self::Sqlite(SqliteStore {
                write: write.clone(),
                read: read.options().clone().connect_lazy_with(read.connect_options().as_ref().clone()),
                folder: folder.clone(),
            }),
        }
    }

    /// Begins a transaction that writes. On SQLite there is one at a time; the others wait for it.
    pub async fn begin(&self) -> Result<Tx> {
        match self {
            Self::Postgres(pool) => Ok(Tx::Postgres(begin(pool, "BEGIN").await?)),
            // At once, or two transactions that read first could both wait for the other to end.
            Self::Sqlite(store) => Ok(Tx::Sqlite(begin(&store.write, "BEGIN IMMEDIATE").await?)),
        }
    }

    /// Begins a transaction that reads, and sees the database as it was at its first query. Drop it when done.
    pub async fn read(&self) -> Result<Tx> {
        match self {
            Self::Postgres(pool) => {
                Ok(Tx::Postgres(begin(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?))
            }
            Self::Sqlite(store) => Ok(Tx::Sqlite(begin(&store.read, "BEGIN").await?)),
        }
    }

    /// Closes all connections; transactions that run come to their end first.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(store) => {
                store.read.close().await;
                store.write.close().await;
            }
        }
    }
}

/// Begins a transaction; whoever stops waiting leaves no connection in one.
async fn begin<DB: sqlx::Database>(pool: &Pool<DB>, statement: &'static str) -> sqlx::Result<Transaction<'static, DB>> {
    let pool = pool.clone();
    Finish::new(async move { pool.begin_with(statement).await }).await
}

impl Tx {
    /// Makes what was written last.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Postgres(tx) => tx.commit().await?,
            Self::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Waits until no other transaction holds the lock of this number, and holds it until this one ends.
    pub async fn lock(&mut self, number: i32) -> Result<()> {
        match self {
            // Locks belong to a database, tables to a schema.
            Self::Postgres(tx) => {
                let sql = "SELECT pg_advisory_xact_lock($1, hashtext(current_schema()))";
                sqlx::query(sql).bind(number).execute(&mut **tx).await?;
            }
            // There is one writer at a time.
            Self::Sqlite(_) => {}
        }
        Ok(())
    }
}

async fn postgres(url: &str) -> Result<Store> {
    let options = PgConnectOptions::from_str(url).map_err(|error| bad_url(url, &error))?;
    // A statement that waits for a lock, or a worker that died with its transaction open, holds others up for no longer than this.
    let bounds = [("statement_timeout", "60s"), ("idle_in_transaction_session_timeout", "120s")];
    let options = options.application_name("watcher-host").options(bounds);
    // The pool would try again for as long as it waits, and then say no more than that it waited.
    let connection = tokio::time::timeout(CONNECT_PATIENCE, PgConnection::connect_with(&options)).await;
    connection.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(on_connect)?.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    Ok(Store::Postgres(pool))
}

fn on_connect(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::PoolTimedOut => Error::Unreachable(error),
        other => other.into(),
    }
}

async fn temporary_sqlite() -> Result<Store> {
    let folder = tempfile::Builder::new().prefix("watcher-").tempdir().map_err(|error| Error::CannotOpen {
        path: std::env::temp_dir().display().to_string(),
        source: Box::new(sqlx::Error::Io(error)),
    })?;
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("watcher.sqlite"))
        // Nobody opens it again.
        .synchronous(SqliteSynchronous::Off);
    sqlite(options, Some(Arc::new(folder))).await
}

async fn sqlite(options: SqliteConnectOptions, folder: Option<Arc<tempfile::TempDir>>) -> Result<Store> {
    let options =
        options.create_if_missing(true).foreign_keys(true).journal_mode(SqliteJournalMode::Wal).busy_timeout(PATIENCE);
    let path = options.get_filename().display().to_string();
    let open =
        |error: sqlx::Error| match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
            Some(code) if code.parse().is_ok_and(|code: i32| code & 0xff == 14) => {
                Error::CannotOpen { path: path.clone(), source: Box::new(error) }
            }
            _ => error.into(),
        };
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            // A file does not go away as a server does.
            .test_before_acquire(false)
            // When the disk is full SQLite ends a transaction by itself, and the driver goes on believing in it.
            .after_release(|connection, _| {
                Box::pin(async move {
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
    };
    let write = pool(1).connect_with(options.clone()).await.map_err(open)?;
    let read = pool(SQLITE_READERS).connect_with(options.pragma("query_only", "ON")).await.map_err(open)?;
    Ok(Store::Sqlite(SqliteStore { write, read, folder }))
}

fn bad_url(url: &str, error: &sqlx::Error) -> Error {
    Error::Url { url: without_password(url), reason: error.to_string() }
}

/// A URL as it may be shown: what stands between the first `:` after `//` and the last `@` is left out.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("//") else { return url.to_owned() };
    let Some((user, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = user.split(':').next().unwrap_or_default();
    format!("{scheme}//{user}@{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        assert_eq!(without_password("postgres://me:p@ss:w@host/db"), "postgres://me@host/db");
        assert_eq!(without_password("sqlite:///var/lib/x"), "sqlite:///var/lib/x");
    }
}
