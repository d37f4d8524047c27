//! Brings a database to the tables that this program needs.
//!
//! The migrations are part of the program. `schema_migrations` says which were applied, with a checksum of each, so that one that was
//! edited afterwards is noticed. All that are missing are applied in one transaction, under a lock: a failure leaves the database as
//! it was, and of two processes one waits and then finds nothing to do.

use sqlx::AssertSqlSafe;

use crate::error::{Error, Result};
use crate::store::{Store, Tx};

/// Number of the lock that the one who migrates holds.
const LOCK: i32 = 1;

struct Migration {
    version: i64,
    name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal,)*) => {
        &[$(Migration {
            version: $version,
            name: $name,
            postgres: include_str!(concat!("../../../migrations/postgres/", $name, ".sql")),
            sqlite: include_str!(concat!("../../../migrations/sqlite/", $name, ".sql")),
        },)*]
    };
}

const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_optimization",
    2 "0002_plugins",
    3 "0003_runs",
    10 "0010_schedule",
    20 "0020_registry",
    30 "0030_signatures",
    40 "0040_usage",
    50 "0050_signatures_of_projects",
    70 "0070_versions_of_grants",
    75 "0075_blobs",
    80 "0080_retention",
    90 "0090_active",
    100 "0100_journals",
    110 "0110_bounds",
    120 "0120_runs",
};

/// FNV-1a. It finds accidents; whoever means harm can write to the database anyway.
fn checksum(text: &str) -> i64 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash.cast_signed()
}

impl Migration {
    fn text(&self, tx: &Tx) -> &'static str {
        match tx {
            Tx::Postgres(_) => self.postgres,
            Tx::Sqlite(_) => self.sqlite,
        }
    }
}

/// What was applied: version and checksum.
async fn applied(tx: &mut Tx) -> Result<Vec<(i64, i64)>> {
    let there = match tx {
        Tx::Postgres(tx) => {
            let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_migrations'";
            sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut **tx).await?
        }
        Tx::Sqlite(tx) => {
            let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'";
            sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut **tx).await?
        }
    };
    if there == 0 {
        return Ok(Vec::new());
    }
    let sql = "SELECT version, checksum FROM schema_migrations ORDER BY version";
    Ok(on_backend!(tx, |conn| sqlx::query_as(sql).fetch_all(conn).await?))
}

/// The migrations that are missing, if those that were applied are ours.
fn missing(tx: &Tx, applied: &[(i64, i64)]) -> Result<&'static [Migration]> {
    let newest = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if let Some(&(have, _)) = applied.last()
        && have > newest
    {
        return Err(Error::Newer { have, want: newest });
    }
    for (migration, &(version, found)) in MIGRATIONS.iter().zip(applied) {
        if version != migration.version || found != checksum(migration.text(tx)) {
            return Err(Error::Edited { version });
        }
    }
    Ok(MIGRATIONS.get(applied.len()..).unwrap_or_default())
}

impl Store {
    /// Applies the migrations that are missing. Doing it twice, or in two processes at once, does no harm.
    ///
    /// # Errors
    /// [`Error::Newer`] and [`Error::Edited`] if the database is not one that this program may upgrade.
    pub async fn migrate(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        if let Tx::Postgres(tx) = &mut tx {
            // Changing a large table takes as long as it takes.
            sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut **tx).await?;
        }
        tx.lock(LOCK).await?;
        let applied = applied(&mut tx).await?;
        let missing = missing(&tx, &applied)?;
        if missing.is_empty() {
            return Ok(());
        }
        let table = "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint NOT NULL PRIMARY KEY, name text NOT NULL, \
                     checksum bigint NOT NULL, applied_at text NOT NULL)";
        execute!(&mut tx, table)?;
        for migration in missing {
            let text = migration.text(&tx);
            on_backend!(&mut tx, |conn| sqlx::raw_sql(AssertSqlSafe(text)).execute(conn).await.map(|_| ()))?;
            let sql = "INSERT INTO schema_migrations (version, name, checksum, applied_at) \
                       VALUES ($1, $2, $3, CAST(CURRENT_TIMESTAMP AS text))";
            execute!(&mut tx, sql, migration.version, migration.name, checksum(text))?;
            tracing::info!(migration = migration.name, "applied migration {}", migration.name);
        }
        tx.commit().await
    }

    /// Whether the database has the tables that this program needs.
    ///
    /// # Errors
    /// [`Error::Outdated`], [`Error::Newer`] and [`Error::Edited`] say what to do.
    pub async fn check_migrations(&self) -> Result<()> {
        let mut tx = self.read().await?;
        let applied = applied(&mut tx).await?;
        match missing(&tx, &applied)?.last() {
            None => Ok(()),
            Some(newest) => {
                Err(Error::Outdated { have: applied.last().map_or(0, |&(have, _)| have), want: newest.version })
            }
        }
    }
}
