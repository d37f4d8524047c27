//! What can go wrong with a database is said in one sentence, and leaves no half state.

use std::error::Error as _;

use watcher_domain::ActionPlanState;
use watcher_store::testing::{POSTGRES_URL, backends, run, sqlite_backend};
use watcher_store::{Error, Store, action, goal};

use crate::fixtures::Fixtures;

/// The error and its causes, as the log shows them.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

async fn refusal(url: &str) -> Error {
    Store::connect(url).await.expect_err("such a database cannot be opened")
}

#[tokio::test]
async fn a_url_of_no_database_is_refused_without_its_password() {
    let error = refusal("mysql://me:secret@host/db").await;
    assert_eq!(
        error.to_string(),
        "\"mysql://me@host/db\" is not the URL of a database: it begins neither with postgres:// nor with sqlite://"
    );
    assert!(matches!(refusal("postgres://host:port/db").await, Error::Url { .. }));
    assert!(matches!(refusal("sqlite://x?mode=none").await, Error::Url { .. }));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unreachable_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = refusal(&format!("postgres://me@127.0.0.1:{port}/db")).await;
    assert!(matches!(error, Error::Unreachable(_)), "{}", chain(&error));
    assert_eq!(error.to_string(), "the database server cannot be reached");
    let error = refusal("postgres://me@host.invalid/db").await;
    assert!(matches!(error, Error::Unreachable(_)), "{}", chain(&error));
}

#[tokio::test]
async fn a_user_or_database_that_the_server_does_not_know_is_said() {
    let Some(backend) = backends().await.into_iter().find(|backend| backend.name == "postgres") else { return };
    let (server, _) = backend.url.split_once("://").unwrap();
    let rest = backend.url.split_once("://").unwrap().1;
    let (authority, path) = rest.split_once('/').unwrap();
    let host = authority.rsplit('@').next().unwrap();
    let error = refusal(&format!("{server}://nobody-knows-me:wrong@{host}/{path}")).await;
    assert!(matches!(error, Error::Refused(_)), "{POSTGRES_URL}: {}", chain(&error));
    let (_, query) = path.split_once('?').unwrap();
    let error = refusal(&format!("{server}://{authority}/no-such-database?{query}")).await;
    assert!(matches!(error, Error::NoDatabase(_)), "{}", chain(&error));
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("watcher.sqlite");
    let error = refusal(&format!("sqlite://{}", path.display())).await;
    let path = path.display();
    assert_eq!(
        error.to_string(),
        format!("the SQLite database {path} cannot be opened or created: look at its folder and permissions")
    );
    let error = refusal(&format!("sqlite://{}", folder.path().display())).await;
    assert!(matches!(error, Error::CannotOpen { .. }), "a folder is no file: {}", chain(&error));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "These are notes, not rows. ".repeat(200);
    std::fs::write(&path, &text).unwrap();
    let error = refusal(&format!("sqlite://{}", path.display())).await;
    assert_eq!(error.to_string(), "the file is not a SQLite database", "{}", chain(&error));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_damaged_file_is_noticed() {
    let store = sqlite_backend().await;
    store.migrate().await.unwrap();
    let make = Fixtures::default();
    make.inserted_plan(&store, ActionPlanState::Recommended, 2000).await;
    store.close().await;
    let path = store.url.strip_prefix("sqlite://").unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let length = bytes.len();
    bytes[8192..length / 2].fill(0xa5);
    std::fs::write(path, bytes).unwrap();
    let error = match Store::connect(&store.url).await {
        Err(error) => error,
        Ok(store) => store.migrate().await.expect_err("a database with half its pages overwritten cannot be read"),
    };
    assert!(matches!(error, Error::Damaged(_)), "{}", chain(&error));
    assert_eq!(error.to_string(), "the SQLite database is damaged");
}

#[tokio::test]
async fn a_database_that_may_only_be_read_says_so() {
    let store = sqlite_backend().await;
    store.migrate().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    run(&mut tx, "PRAGMA query_only = ON").await.unwrap();
    let error = goal::insert(&mut tx, &Fixtures::default().goal("g")).await.unwrap_err();
    assert!(matches!(error, Error::ReadOnly(_)), "{}", chain(&error));
}

#[tokio::test]
async fn a_full_disk_leaves_no_half_state_and_can_be_made_room_on() {
    let store = sqlite_backend().await;
    store.migrate().await.unwrap();
    let make = Fixtures::default();
    let (plan, _) = make.inserted_plan(&store, ActionPlanState::Recommended, 0).await;
    let actions = make.actions(&plan, 4_000);
    for _ in 0..2 {
        let mut tx = store.begin().await.unwrap();
        // SQLite reports a file that may not grow as it does a full disk.
        run(&mut tx, "PRAGMA max_page_count = 200").await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let error = action::insert_many(&mut tx, &actions).await.unwrap_err();
        assert!(matches!(error, Error::Full(_)), "{}", chain(&error));
        assert_eq!(error.to_string(), "the disk of the database is full");
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        assert!(action::list_of_plan(&mut tx, plan.id).await.unwrap().is_empty());
        run(&mut tx, "PRAGMA max_page_count = 1000000").await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = store.begin().await.unwrap();
    action::insert_many(&mut tx, &actions).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.read().await.unwrap();
    assert_eq!(action::list_of_plan(&mut tx, plan.id).await.unwrap().len(), actions.len());
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_named() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();
        run(&mut tx, "UPDATE goals SET efficacy_specification = '{'").await.unwrap();
        let error = goal::get(&mut tx, chain.goal.id).await.unwrap_err();
        assert_eq!(error.to_string(), "goals.efficacy_specification of row 1 in the database makes no sense");
        let mut tx = {
            drop(tx);
            store.begin().await.unwrap()
        };
        let refused = run(&mut tx, "UPDATE audits SET state = 'NONSENSE'").await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{}: the table takes known states only", store.name);
    }
}
