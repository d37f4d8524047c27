//! Migrations: applied once, noticed when they do not fit, the same on both sides.

use std::collections::BTreeMap;

use watcher_store::testing::{backends, run, sqlite_backend};
use watcher_store::{Error, Store};

/// Newest migration.
const NEWEST: i64 = 120;

#[tokio::test]
async fn an_empty_database_is_told_how_to_be_upgraded() {
    let store = sqlite_backend().await;
    let error = store.check_migrations().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the database is at migration 0, this program needs 120: run `watcher-host db upgrade`"
    );
    store.migrate().await.unwrap();
    store.check_migrations().await.unwrap();
}

#[tokio::test]
async fn migrating_again_does_nothing() {
    for store in backends().await {
        store.migrate().await.unwrap();
        store.migrate().await.unwrap();
        store.check_migrations().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_may_migrate_at_once() {
    for backend in backends().await {
        let mut tx = backend.begin().await.unwrap();
        // Back to an empty database.
        let drops = [
            "journal_entries",
            "plan_components",
            "recordings",
            "snapshots",
            "signing_policies",
            "plugin_signatures",
            "plugin_changes",
            "plugin_events",
            "plugin_uploads",
            "plugin_usage",
            "plugin_quotas",
            "plugin_grants",
            "plugin_members",
            "plugin_versions",
            "components",
            "services",
            "scoring_engines",
            "action_descriptions",
            "efficacy_indicators",
            "actions",
            "action_plans",
            "audits",
            "audit_templates",
            "strategies",
            "plugins",
            "goals",
            "loose_blobs",
            "schema_migrations",
        ];
        for table in drops {
            run(&mut tx, &format!("DROP TABLE {table}")).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let url = backend.url.clone();
            tasks.spawn(async move { Store::connect(&url).await.unwrap().migrate().await });
        }
        for outcome in tasks.join_all().await {
            outcome.unwrap_or_else(|error| panic!("{}: {error:?}", backend.name));
        }
        backend.check_migrations().await.unwrap();
    }
}

#[tokio::test]
async fn a_database_of_another_program_version_is_refused() {
    for store in backends().await {
        let mut tx = store.begin().await.unwrap();
        run(&mut tx, "DELETE FROM schema_migrations WHERE version >= 90").await.unwrap();
        tx.commit().await.unwrap();
        let error = store.check_migrations().await.unwrap_err();
        assert!(matches!(error, Error::Outdated { have: 80, want: NEWEST }), "{error:?}");
        assert!(store.migrate().await.is_err(), "what the missing migration makes is there");

        let mut tx = store.begin().await.unwrap();
        run(&mut tx, "INSERT INTO schema_migrations VALUES (90, 'x', 0, 'now'), (129, 'later', 0, 'now')")
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let error = store.check_migrations().await.unwrap_err();
        assert!(matches!(error, Error::Newer { have: 129, want: NEWEST }), "{error:?}");
        assert!(matches!(store.migrate().await, Err(Error::Newer { .. })));

        let mut tx = store.begin().await.unwrap();
        run(&mut tx, "DELETE FROM schema_migrations WHERE version = 129").await.unwrap();
        tx.commit().await.unwrap();
        let error = store.check_migrations().await.unwrap_err();
        assert_eq!(error.to_string(), "migration 90 of the database is not the one that this program has");
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_database_as_it_was() {
    let store = sqlite_backend().await;
    let mut tx = store.begin().await.unwrap();
    run(&mut tx, "CREATE TABLE recordings (mine text)").await.unwrap();
    tx.commit().await.unwrap();
    assert!(store.migrate().await.is_err());
    assert!(matches!(store.check_migrations().await, Err(Error::Outdated { have: 0, .. })));
    let mut tx = store.begin().await.unwrap();
    run(&mut tx, "DROP TABLE recordings; CREATE TABLE goals (x text); DROP TABLE goals").await.unwrap();
    tx.commit().await.unwrap();
    store.migrate().await.unwrap();
}

/// Tables of a folder of migrations, each with the names of its columns and whether they may be NULL, in order.
fn tables(folder: &str) -> BTreeMap<String, Vec<(String, bool)>> {
    let folder = format!("{}/../../migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut tables = BTreeMap::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        tables.insert(name, Vec::new());
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(table) = line.strip_prefix("CREATE TABLE ") else { continue };
            let columns = lines.by_ref().take_while(|line| *line != ");").filter_map(|line| {
                let column = line.strip_prefix("    ")?;
                let name = column.split(' ').next().filter(|name| !name.is_empty() && *name != ")" && *name != "),")?;
                Some((name.to_owned(), column.contains("NOT NULL") || column.contains("PRIMARY KEY")))
            });
            tables.insert(table.to_owned(), columns.collect());
        }
    }
    tables
}

#[test]
fn both_databases_have_the_same_migrations_tables_and_columns() {
    let (postgres, sqlite) = (tables("postgres"), tables("sqlite"));
    assert!(postgres.len() > 20, "{postgres:?}");
    assert_eq!(postgres, sqlite);
}
