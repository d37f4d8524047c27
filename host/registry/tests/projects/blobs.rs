//! Components whose bytes are in object stores: folders, and a store that fails on purpose.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use watcher_blobs::{BlobOptions, Place, open};
use watcher_domain::Clock as _;
use watcher_domain::ports::{BlobStore, ComponentSource as _};
use watcher_registry::{
    BlobStores, BlobTrouble, ComponentError, RegistryError, RelocateError, Relocated, Relocation, StoredComponents,
    Swept,
};
use watcher_store::Store;
use watcher_store::plugin::{self, Blob, Component};
use watcher_store::testing::backends;

use crate::shelf::{Mood, Shelf};
use crate::stage::{Stage, actor, strategy_of, upload};

const HOUR: Duration = Duration::from_hours(1);

/// Components with stores by place, new ones going to the first.
fn keeping(store: &Store, stores: &[(&str, &Arc<dyn BlobStore>)]) -> StoredComponents {
    let keep_in = stores.first().map(|(place, _)| (*place).to_owned());
    let stores = stores.iter().map(|(place, blobs)| ((*place).to_owned(), Arc::clone(blobs)));
    StoredComponents::with_blobs(store.clone(), BlobStores::new(stores, keep_in))
}

fn folder(path: &Path) -> (String, Arc<dyn BlobStore>) {
    let place = Place::Folder(path.to_owned());
    (place.to_string(), Arc::new(open(&place, &BlobOptions::default()).unwrap()))
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A stage whose uploads go to a shelf.
async fn shelved(store: &Store) -> (Stage, Arc<Shelf>, StoredComponents) {
    let shelf = Shelf::new();
    let blobs: Arc<dyn BlobStore> = shelf.clone();
    let components = keeping(store, &[("s3://bucket", &blobs)]);
    (Stage::with_built_in(store).await.keeping(&components), shelf, components)
}

async fn count(store: &Store, table: &str) -> usize {
    let mut tx = store.read().await.unwrap();
    let order = if table == "components" { "size_bytes" } else { "id" };
    watcher_store::testing::dump(&mut tx, table, &[order], order).await.unwrap().len()
}

#[tokio::test]
async fn bytes_of_uploads_are_in_the_folder_for_every_process_until_their_last_version_is_deleted() {
    for store in backends().await {
        let dir = tempfile::tempdir().unwrap();
        let (place, blobs) = folder(dir.path());
        let components = keeping(&store, &[(&place, &blobs)]);
        let stage = Stage::with_built_in(&store).await.keeping(&components);
        assert!(files(dir.path()).is_empty(), "built-in components stay in the database");
        let mine = strategy_of("mine", "1.0.0", "g", "");
        let one = stage.upload("a", &mine).await.unwrap();
        let (digest, bytes) = (one.version.version.digest, upload(&mine).component);
        let found = files(dir.path());
        assert_eq!((found.len(), std::fs::read(&found[0]).unwrap()), (1, bytes.to_vec()), "{}", store.name);
        let hex = digest.to_string().replace("sha256:", "");
        let name = found[0].strip_prefix(dir.path()).unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("sha256/{}/{hex}.", &hex[..2])) && name.contains(".wasm"), "{name}");
        {
            let mut tx = store.read().await.unwrap();
            let Some(Component::There { size_bytes, blob }) = plugin::component(&mut tx, digest).await.unwrap() else {
                panic!("the bytes are in the database")
            };
            assert_eq!((size_bytes, blob.place, blob.name.as_str()), (bytes.len() as u64, place.clone(), name));
        }
        let (_, elsewhere) = folder(dir.path());
        let other = keeping(&store, &[(&place, &elsewhere)]);
        assert_eq!(other.component(digest).await.unwrap().unwrap(), bytes);

        // The same bytes in another project are kept once, and as long as one of them has them.
        let two = stage.upload("b", &mine).await.unwrap();
        components.sweep(stage.clock.now()).await.unwrap();
        assert_eq!(files(dir.path()), found, "{}", store.name);
        stage.registry.delete_version(&actor("a"), one.plugin.id, "1.0.0").await.unwrap();
        assert_eq!(components.sweep(stage.clock.now()).await.unwrap(), Swept::default());
        assert_eq!(other.component(digest).await.unwrap().unwrap(), bytes);
        stage.registry.delete(&actor("b"), two.plugin.id).await.unwrap();
        assert_eq!(files(dir.path()), found, "what is deleted is removed after it was committed");
        assert_eq!(other.sweep(stage.clock.now()).await.unwrap(), Swept { removed: 1, left: 0 });
        assert!(files(dir.path()).is_empty());
        assert_eq!(count(&store, "loose_blobs").await, 0);
        assert_eq!(components.component(digest).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_was_uploaded_before_works_on_and_is_moved_there_and_back() {
    for store in backends().await {
        let (dir, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let stage = Stage::with_built_in(&store).await;
        let mut digests = Vec::new();
        for number in 0..3 {
            let release = stage.upload("a", &strategy_of("mine", &format!("1.{number}.0"), "g", "")).await.unwrap();
            digests.push(release.version.version.digest);
        }
        let ((place, blobs), (new_place, new_blobs)) = (folder(dir.path()), folder(new.path()));
        let components = keeping(&store, &[(&place, &blobs), (&new_place, &new_blobs)]);
        let readable = async || {
            for digest in &digests {
                assert!(components.component(*digest).await.unwrap().is_some(), "{}", store.name);
            }
        };
        readable().await;
        let relocate = async |to: Option<&str>| {
            let mut steps = Vec::new();
            let told = |step: &watcher_registry::Step<'_>| steps.push((step.number, step.of));
            let done = components.relocate(to, &*stage.clock, &*stage.ids, told).await.unwrap();
            readable().await;
            (done, steps)
        };
        let three = Relocation { moved: 3, ..Relocation::default() };
        assert_eq!(relocate(Some(&place)).await, (three, vec![(1, 3), (2, 3), (3, 3)]));
        assert_eq!((files(dir.path()).len(), relocate(Some(&place)).await.0), (3, Relocation::default()));
        assert_eq!(relocate(Some(&new_place)).await.0, three);
        assert_eq!((files(dir.path()).len(), files(new.path()).len()), (0, 3));
        let error = components.relocate(Some("s3://other"), &*stage.clock, &*stage.ids, |_| {}).await.unwrap_err();
        assert!(matches!(error, RelocateError::NoPlace(_)), "{error:?}");

        // A damaged one stays, and the others go on.
        let damaged = files(new.path()).remove(0);
        let bytes = std::fs::read(&damaged).unwrap();
        std::fs::write(&damaged, vec![b'x'; bytes.len()]).unwrap();
        let mut told = 0;
        let done = components.relocate(None, &*stage.clock, &*stage.ids, |step| {
            told += usize::from(matches!(step.outcome, Relocated::Broken(ComponentError::Tampered(_))));
        });
        assert_eq!(done.await.unwrap(), Relocation { moved: 2, broken: 1, left: 0 });
        assert_eq!((told, files(new.path())), (1, vec![damaged.clone()]));
        std::fs::write(&damaged, bytes).unwrap();
        assert_eq!(relocate(None).await.0, Relocation { moved: 1, ..Relocation::default() });
        assert!(files(new.path()).is_empty() && components.unknown_places().await.unwrap().is_empty());
        assert_eq!(count(&store, "loose_blobs").await, 0);
    }
}

#[tokio::test]
async fn an_upload_that_cannot_be_stored_leaves_no_row_and_in_the_end_no_blob() {
    for store in backends().await {
        let (stage, shelf, components) = shelved(&store).await;
        let (mine, before) = (strategy_of("mine", "1.0.0", "g", ""), count(&store, "components").await);
        for (mood, want, blobs) in [
            (Mood::Away, BlobTrouble::Unreachable, 0),
            (Mood::Full, BlobTrouble::Refused, 0),
            (Mood::Late, BlobTrouble::Unreachable, 1),
        ] {
            shelf.be(mood);
            let error = stage.upload("a", &mine).await.unwrap_err();
            assert!(matches!(error, RegistryError::Blob(trouble) if trouble == want), "{mood:?}: {error:?}");
            assert!(!error.to_string().contains("s3"), "{error}");
            assert_eq!(shelf.names().len(), blobs, "{mood:?}");
            assert_eq!((count(&store, "components").await, count(&store, "plugin_versions").await), (before, before));
        }
        shelf.be(Mood::Well);
        let good = stage.upload("a", &mine).await.unwrap().version.version.digest;
        assert_eq!(components.sweep(stage.clock.now()).await.unwrap(), Swept::default(), "uploads may be under way");
        assert_eq!(shelf.names().len(), 2);
        stage.clock.advance(HOUR);
        assert_eq!(components.sweep(stage.clock.now()).await.unwrap(), Swept { removed: 3, left: 0 });
        assert_eq!((shelf.names().len(), count(&store, "loose_blobs").await), (1, 0));
        assert!(components.component(good).await.unwrap().is_some(), "{}", store.name);
    }
}

#[tokio::test]
async fn an_upload_that_was_refused_after_its_bytes_were_stored_leaves_none() {
    for store in backends().await {
        let (stage, shelf, components) = shelved(&store).await;
        stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap();
        let error = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "other")).await.unwrap_err();
        assert!(matches!(error, RegistryError::SameNumber { .. }), "{error:?}");
        components.has_loose().await;
        assert_eq!(components.sweep(stage.clock.now()).await.unwrap(), Swept { removed: 1, left: 0 }, "{}", store.name);
        assert_eq!(shelf.names().len(), 1);
    }
}

#[tokio::test]
async fn an_upload_whose_blob_was_swept_away_meanwhile_is_refused() {
    for store in backends().await {
        let (stage, shelf, components) = shelved(&store).await;
        let (sweeper, clock) = (components.clone(), Arc::clone(&stage.clock));
        shelf.meanwhile(async move {
            clock.advance(HOUR);
            assert_eq!(sweeper.sweep(clock.now()).await.unwrap(), Swept { removed: 1, left: 0 });
        });
        let error = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap_err();
        assert!(matches!(error, RegistryError::Blob(BlobTrouble::GivenUp)), "{}: {error:?}", store.name);
        assert!(stage.strategy("mine", "a").await.is_none());
    }
}

#[tokio::test]
async fn what_is_not_what_was_stored_is_not_handed_out() {
    for store in backends().await {
        let (stage, shelf, components) = shelved(&store).await;
        let digest = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap().version.version.digest;
        let name = shelf.names().remove(0);
        let damage = |with: &dyn Fn(&mut Vec<u8>)| with(shelf.blobs.lock().unwrap().get_mut(&name).unwrap());
        let trouble = async |components: &StoredComponents| match components.read(digest).await.unwrap_err() {
            ComponentError::Blob(trouble) => Some(trouble),
            ComponentError::Tampered(_) => None,
            ComponentError::Store(error) => panic!("{error:?}"),
            ComponentError::Hash(error) => panic!("{error:?}"),
        };
        damage(&|bytes| bytes[0] ^= 1);
        assert_eq!(trouble(&components).await, None, "{}", store.name);
        damage(&|bytes| bytes.push(0));
        assert_eq!(trouble(&components).await, Some(BlobTrouble::Damaged));
        shelf.be(Mood::Away);
        assert_eq!(trouble(&components).await, Some(BlobTrouble::Unreachable));
        let told = components.component(digest).await.unwrap_err();
        assert_eq!(told.to_string(), "the object store of plugins cannot be reached");
        assert!(told.source().is_none(), "the rest is for the log");
        shelf.be(Mood::Well);
        shelf.blobs.lock().unwrap().clear();
        assert_eq!(trouble(&components).await, Some(BlobTrouble::Missing));
        let unaware = StoredComponents::new(store.clone());
        assert_eq!(trouble(&unaware).await, Some(BlobTrouble::Elsewhere));
        assert_eq!(unaware.unknown_places().await.unwrap(), ["s3://bucket"]);
        let basic = stage.strategy("basic", "a").await.unwrap().value.digest;
        assert!(unaware.component(basic).await.unwrap().is_some(), "the rest goes on");
    }
}

#[tokio::test]
async fn a_component_that_is_moved_while_it_is_read_is_read_from_where_it_is_then() {
    for store in backends().await {
        let (stage, shelf, components) = shelved(&store).await;
        let digest = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap().version.version.digest;
        let (mover, clock, ids) = (components.clone(), Arc::clone(&stage.clock), Arc::clone(&stage.ids));
        shelf.meanwhile(async move {
            let done = mover.relocate(None, &*clock, &*ids, |_| {}).await.unwrap();
            assert_eq!(done.moved, 1);
        });
        assert!(components.component(digest).await.unwrap().is_some(), "{}", store.name);
        assert!(shelf.names().is_empty());
        // One that is deleted while it is moved stays deleted.
        let plugin = stage.strategy("mine", "a").await.unwrap();
        let id = {
            let mut tx = store.read().await.unwrap();
            plugin::owned_version(&mut tx, &crate::stage::project("a"), plugin.value.digest)
                .await
                .unwrap()
                .unwrap()
                .plugin_id
        };
        let other = Stage::new(&store, 1000);
        shelf.meanwhile(async move { other.registry.delete_version(&actor("a"), id, "1.0.0").await.unwrap() });
        let mut outcomes = Vec::new();
        let told = |step: &watcher_registry::Step<'_>| outcomes.push(matches!(step.outcome, Relocated::Changed));
        let done = components.relocate(Some("s3://bucket"), &*stage.clock, &*stage.ids, told).await.unwrap();
        assert_eq!((done, outcomes), (Relocation::default(), vec![true]));
        assert!(shelf.names().is_empty() && components.component(digest).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_store_that_fails_is_asked_once_by_a_sweep_and_holds_up_no_other() {
    for store in backends().await {
        let (away, well) = (Shelf::new(), Shelf::new());
        let (first, second): (Arc<dyn BlobStore>, Arc<dyn BlobStore>) = (away.clone(), well.clone());
        let components = keeping(&store, &[("s3://away", &first), ("s3://well", &second)]);
        let stage = Stage::new(&store, 0);
        let mut tx = store.begin().await.unwrap();
        for (place, number) in (0..150).map(|number| ("s3://away", number)).chain([("s3://well", 0), ("s3://gone", 0)])
        {
            let blob = Blob { place: place.to_owned(), name: number.to_string() };
            plugin::expect_blob(&mut tx, &blob, stage.clock.now()).await.unwrap();
        }
        tx.commit().await.unwrap();
        away.be(Mood::Away);
        stage.clock.advance(HOUR);
        assert_eq!(components.sweep(stage.clock.now()).await.unwrap(), Swept { removed: 0, left: 100 });
        assert_eq!(*away.calls.lock().unwrap(), 1);
        stage.clock.advance(HOUR);
        assert_eq!(
            components.sweep(stage.clock.now()).await.unwrap(),
            Swept { removed: 1, left: 99 },
            "{}",
            store.name
        );
        away.be(Mood::Well);
        for _ in 0..3 {
            stage.clock.advance(HOUR);
            components.sweep(stage.clock.now()).await.unwrap();
        }
        assert_eq!(count(&store, "loose_blobs").await, 1, "only what is in a store that nobody knows");
    }
}
