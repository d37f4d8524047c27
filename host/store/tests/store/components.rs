//! Bytes that several plugins have, while these come and go at the same time.

use std::time::Duration;

use tokio::task::JoinHandle;
use watcher_domain::PluginKind;
use watcher_domain::plugin::PluginVersion;
use watcher_store::plugin::{self, About, Blob, Component, Content};
use watcher_store::testing::{Backend, backends, dump, install, run};
use watcher_store::{Result, Store, Tx};

use crate::fixtures::{Fixtures, UNDO, digest, project};

/// How long somebody is given to do what must not be done yet.
const MOMENT: Duration = Duration::from_millis(200);

/// Plugins of several projects with the same bytes.
async fn plugins<const COUNT: usize>(make: &Fixtures, store: &Backend) -> [PluginVersion; COUNT] {
    let mut tx = store.begin().await.unwrap();
    let mut versions = Vec::new();
    for number in 0..COUNT {
        let mut version = make.version("mine", PluginKind::Action, digest(1));
        version.project_id = project(&format!("p{number}"));
        install(&mut tx, &version, b"bytes").await;
        versions.push(version);
    }
    tx.commit().await.unwrap();
    versions.try_into().unwrap()
}

async fn delete(tx: &mut Tx, version: &PluginVersion) {
    assert!(plugin::delete_version(tx, version.plugin_id, version.digest, version.stamps.created_at).await.unwrap());
}

/// Inserts the version again with its bytes in an object store: whether the component is new.
async fn insert(tx: &mut Tx, version: &PluginVersion) -> Result<bool> {
    let blob = Blob { place: "shelf".to_owned(), name: "new".to_owned() };
    plugin::insert_content(tx, version, &Content::Blob { size_bytes: 5, blob }, &About::default()).await
}

/// Lets a task go on as far as it can while we have not ended: not to its end.
async fn held<T>(task: &mut JoinHandle<T>, backend: &str) {
    assert!(tokio::time::timeout(MOMENT, task).await.is_err(), "{backend}: it does not wait");
}

async fn left(store: &Store) -> Vec<String> {
    let mut tx = store.begin().await.unwrap();
    dump(&mut tx, "components", &["blob_name"], "digest").await.unwrap()
}

#[tokio::test]
async fn bytes_go_when_all_who_have_them_delete_them_at_once() {
    for store in backends().await {
        let make = Fixtures::default();
        let [one, two, three] = plugins(&make, &store).await;
        let mut tx = store.begin().await.unwrap();
        delete(&mut tx, &one).await;
        let mut tasks = Vec::new();
        for version in [two, three] {
            let beside = Store::clone(&store);
            let mut task = tokio::spawn(async move {
                let mut tx = beside.begin().await.unwrap();
                delete(&mut tx, &version).await;
                tx.commit().await.unwrap();
            });
            held(&mut task, store.name).await;
            tasks.push(task);
        }
        tx.commit().await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(left(&store).await, [""; 0], "{}", store.name);
    }
}

#[tokio::test]
async fn who_uploads_bytes_that_are_being_deleted_keeps_them() {
    for store in backends().await {
        let make = Fixtures::default();
        let [one, two] = plugins(&make, &store).await;
        let mut tx = store.begin().await.unwrap();
        delete(&mut tx, &two).await;
        tx.commit().await.unwrap();

        // The last one goes, and is not gone yet.
        let mut tx = store.begin().await.unwrap();
        delete(&mut tx, &one).await;
        let (beside, version) = (Store::clone(&store), two.clone());
        let mut task = tokio::spawn(async move {
            let mut tx = beside.begin().await.unwrap();
            let is_new = insert(&mut tx, &version).await.unwrap();
            tx.commit().await.unwrap();
            is_new
        });
        held(&mut task, store.name).await;
        tx.commit().await.unwrap();
        assert!(task.await.unwrap(), "{}: it is new", store.name);
        assert_eq!(left(&store).await, ["new"]);

        // Another one comes, and is not there yet, while the last one goes.
        let mut tx = store.begin().await.unwrap();
        assert!(!insert(&mut tx, &one).await.unwrap());
        let (beside, version) = (Store::clone(&store), two.clone());
        let mut task = tokio::spawn(async move {
            let mut tx = beside.begin().await.unwrap();
            delete(&mut tx, &version).await;
            tx.commit().await.unwrap();
        });
        held(&mut task, store.name).await;
        tx.commit().await.unwrap();
        task.await.unwrap();
        assert_eq!(left(&store).await, ["new"], "{}", store.name);
        let mut tx = store.begin().await.unwrap();
        assert!(matches!(plugin::component(&mut tx, digest(1)).await.unwrap(), Some(Component::There { .. })));
        assert!(plugin::version_of(&mut tx, one.plugin_id, digest(1)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn who_gives_up_a_deletion_lets_the_upload_that_waited_have_what_is_there() {
    for store in backends().await {
        let make = Fixtures::default();
        let [one, two] = plugins(&make, &store).await;
        let mut tx = store.begin().await.unwrap();
        delete(&mut tx, &two).await;
        tx.commit().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        delete(&mut tx, &one).await;
        let beside = Store::clone(&store);
        let mut task = tokio::spawn(async move {
            let mut tx = beside.begin().await.unwrap();
            let is_new = insert(&mut tx, &two).await.unwrap();
            tx.commit().await.unwrap();
            is_new
        });
        held(&mut task, store.name).await;
        drop(tx);
        assert!(!task.await.unwrap(), "{}: it was there", store.name);
        assert_eq!(left(&store).await, [""]);
    }
}

#[tokio::test]
async fn components_that_were_left_behind_before_go_with_the_upgrade() {
    for store in backends().await {
        let make = Fixtures::default();
        let [_one] = plugins(&make, &store).await;
        let mut tx = store.begin().await.unwrap();
        let mut gone = make.version("gone", PluginKind::Action, digest(2));
        gone.project_id = project("p");
        install(&mut tx, &gone, b"other").await;
        let mut elsewhere = make.version("elsewhere", PluginKind::Action, digest(3));
        elsewhere.plugin_id = gone.plugin_id;
        insert(&mut tx, &elsewhere).await.unwrap();
        run(&mut tx, "DELETE FROM plugin_versions WHERE plugin_id IN (SELECT uuid FROM plugins WHERE name = 'gone')")
            .await
            .unwrap();
        run(&mut tx, UNDO).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(left(&store).await, ["", "", "new"]);

        store.migrate().await.unwrap();
        assert_eq!(left(&store).await, [""], "{}: what a version has stays", store.name);
        let mut tx = store.begin().await.unwrap();
        let loose = plugin::loose_blobs(&mut tx, make.now(), 10).await.unwrap();
        assert_eq!(loose, [Blob { place: "shelf".to_owned(), name: "new".to_owned() }], "it is to be removed");
    }
}
