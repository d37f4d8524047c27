//! Databases that a test has to itself, with all tables, gone when the test is over.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use watcher_domain::plugin::{PluginVersion, PluginVisibility};

use crate::plugin::{self, Plugin};
use crate::store::{Store, Tx};

/// Names the PostgreSQL server, or the database on it, that tests make schemas in.
pub const POSTGRES_URL: &str = "WATCHER_TEST_POSTGRES_URL";

/// A database on one backend.
pub struct Backend {
    /// `sqlite` or `postgres`, for messages.
    pub name: &'static str,
    /// Opens the same database again, as another process would.
    pub url: String,
    store: Store,
    schema: Option<Schema>,
    folder: Option<tempfile::TempDir>,
}

impl Deref for Backend {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        drop(self.folder.take());
        if let Some(schema) = self.schema.take() {
            schema.remove();
        }
    }
}

/// Lets a SQLite file grow to so many pages, or not at all if it has more: SQLite reports the next page as it does a full disk.
///
/// # Panics
/// If the database is none of SQLite's.
pub async fn limit_pages(store: &Store, pages: u32) {
    let Tx::Sqlite(mut tx) = store.begin().await.expect("a database") else {
        panic!("only a SQLite file has a limit of pages")
    };
    sqlx::query(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).execute(&mut *tx).await.expect("a pragma");
    tx.commit().await.expect("a commit");
}

/// A schema of a PostgreSQL database.
struct Schema {
    server: String,
    name: String,
}

impl Schema {
    async fn make(server: String) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("watcher_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let schema = Self { server, name };
        // A process of the same number may have been killed before it cleaned up.
        schema.run(format!("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}", schema.name)).await;
        schema
    }

    async fn run(&self, sql: String) {
        let mut connection =
            PgConnection::connect(&self.server).await.expect("the PostgreSQL server for tests answers");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("schemas for tests can be made");
        connection.close().await.expect("a connection can be closed");
    }

    fn url(&self) -> String {
        let separator = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{separator}options[search_path]={}", self.server, self.name)
    }

    /// Drops the schema from a thread of its own: a `drop` cannot wait within the runtime that it is called from.
    fn remove(self) {
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let name = &self.name;
            // The rollback of a transaction that the test dropped may still wait for the runtime that waits for this thread.
            let sql = format!(
                "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{name}' AND l.pid <> pg_backend_pid(); \
                 DROP SCHEMA {name} CASCADE"
            );
            runtime.expect("a runtime can be built").block_on(self.run(sql));
        });
        if thread.join().is_err() {
            eprintln!("a schema for tests was left behind");
        }
    }
}

/// A SQLite database that goes away with its last handle.
pub async fn sqlite() -> Store {
    let store = Store::connect("sqlite::memory:").await.expect("a temporary database can be made");
    store.migrate().await.expect("migrations can be applied");
    store
}

/// A fresh database on each backend: SQLite always, PostgreSQL if `WATCHER_TEST_POSTGRES_URL` names a server.
///
/// # Panics
/// If it names none although `CI` or `WATCHER_REQUIRE_POSTGRES` is set: there, half the tests are no tests.
pub async fn backends() -> Vec<Backend> {
    let mut backends = vec![sqlite_backend().await];
    if let Some(server) = variable(POSTGRES_URL) {
        backends.push(postgres_backend(server).await);
    } else {
        assert!(
            variable("CI").or_else(|| variable("WATCHER_REQUIRE_POSTGRES")).is_none(),
            "{POSTGRES_URL} is not set: tests need a PostgreSQL server here"
        );
        eprintln!("{POSTGRES_URL} is not set: this test ran on SQLite only");
    }
    for backend in &backends {
        backend.migrate().await.expect("migrations can be applied");
    }
    backends
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A SQLite file without tables.
pub async fn sqlite_backend() -> Backend {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let url = format!("sqlite://{}", folder.path().join("watcher.sqlite").display());
    let store = Store::connect(&url).await.expect("a SQLite file can be made");
    Backend { name: "sqlite", url, store, schema: None, folder: Some(folder) }
}

async fn postgres_backend(server: String) -> Backend {
    let schema = Schema::make(server).await;
    let url = schema.url();
    let store = Store::connect(&url).await.expect("the PostgreSQL server for tests answers");
    Backend { name: "postgres", url, store, schema: Some(schema), folder: None }
}

/// Inserts a version with its plugin, if that is not there. Its component is `bytes`, whatever its digest says.
pub async fn install(tx: &mut Tx, version: &PluginVersion, bytes: &[u8]) {
    let description = &version.description;
    let found = plugin::find_plugin(tx, version.kind, &description.name, version.project_id.as_ref()).await;
    let mut version = version.clone();
    if let Some(plugin) = found.expect("plugins can be read") {
        version.plugin_id = plugin.id;
    } else {
        let plugin = Plugin {
            id: version.plugin_id,
            project_id: version.project_id.clone(),
            kind: version.kind,
            name: version.description.name.clone(),
            visibility: if version.project_id.is_some() { PluginVisibility::Private } else { PluginVisibility::Public },
            description: None,
            default_digest: None,
            stamps: version.stamps,
        };
        plugin::insert_plugin(tx, &plugin).await.expect("a plugin can be inserted");
    }
    plugin::insert_version(tx, &version, bytes).await.expect("a plugin version can be inserted");
}

/// Runs a statement as it is, for what the functions of this crate never do.
pub async fn run(tx: &mut Tx, sql: &str) -> crate::Result<()> {
    on_backend!(tx, |conn| sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Every row of a table as text, one column after the other, in the order of serial numbers: the same on both backends for the same rows.
pub async fn dump(tx: &mut Tx, table: &str, columns: &[&str], order: &str) -> crate::Result<Vec<String>> {
    let columns: Vec<String> = columns.iter().map(|column| format!("COALESCE(CAST({column} AS text), '-')")).collect();
    let sql = format!("SELECT {} FROM {table} ORDER BY {order}", columns.join(" || '|' || "));
    Ok(on_backend!(tx, |conn| sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(conn).await?))
}
