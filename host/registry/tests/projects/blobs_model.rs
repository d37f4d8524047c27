//! Random deeds over a store that fails at random: whatever a version needs is there, and in the end nothing else is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use watcher_domain::Clock as _;
use watcher_domain::ports::{BlobStore, ComponentSource as _};
use watcher_registry::{BlobStores, StoredComponents};
use watcher_store::plugin::{self, Component};
use watcher_store::testing::sqlite;

use crate::shelf::{Mood, Shelf};
use crate::stage::{Stage, actor, strategy_of};

const PROJECTS: [&str; 2] = ["a", "b"];
const PLACE: &str = "s3://bucket";

#[derive(Debug, Clone)]
enum Deed {
    Upload { project: usize, version: usize, mood: Mood },
    Delete { upload: usize },
    Move { back: bool, mood: Mood },
    Sweep { mood: Mood },
    Wait { minutes: u64 },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let mood =
        || prop_oneof![5 => Just(Mood::Well), 1 => Just(Mood::Away), 1 => Just(Mood::Late), 1 => Just(Mood::Full)];
    let deed = prop_oneof![
        5 => (0..2_usize, 0..4_usize, mood()).prop_map(|(project, version, mood)| Deed::Upload { project, version, mood }),
        3 => (0..10_usize).prop_map(|upload| Deed::Delete { upload }),
        1 => (any::<bool>(), mood()).prop_map(|(back, mood)| Deed::Move { back, mood }),
        2 => mood().prop_map(|mood| Deed::Sweep { mood }),
        1 => (1..90_u64).prop_map(|minutes| Deed::Wait { minutes }),
    ];
    prop::collection::vec(deed, 1..25)
}

async fn play(deeds: Vec<Deed>) {
    let store = sqlite().await;
    let shelf = Shelf::new();
    let blobs: Arc<dyn BlobStore> = shelf.clone();
    let stores = BlobStores::new([(PLACE.to_owned(), blobs)], Some(PLACE.to_owned()));
    let components = StoredComponents::with_blobs(store.clone(), stores);
    let stage = Stage::new(&store, 0).keeping(&components);
    let mut kept = Vec::new();
    for deed in deeds {
        match deed {
            Deed::Upload { project, version, mood } => {
                shelf.be(mood);
                let owner = PROJECTS[project];
                let description = strategy_of("mine", &format!("1.{version}.0"), "g", "");
                if let Ok(release) = stage.upload(owner, &description).await {
                    let version = release.version.version;
                    kept.push((owner, release.plugin.id, version.description.version, version.digest));
                }
            }
            Deed::Delete { upload } if upload < kept.len() => {
                let (owner, id, version, _) = kept.remove(upload);
                stage.registry.delete_version(&actor(owner), id, &version).await.unwrap();
            }
            Deed::Delete { .. } => {}
            Deed::Move { back, mood } => {
                shelf.be(mood);
                let to = if back { None } else { Some(PLACE) };
                let _ = components.relocate(to, &*stage.clock, &*stage.ids, |_| {}).await;
            }
            Deed::Sweep { mood } => {
                shelf.be(mood);
                components.sweep(stage.clock.now()).await.unwrap();
            }
            Deed::Wait { minutes } => stage.clock.advance(Duration::from_mins(minutes)),
        }
        shelf.be(Mood::Well);
        for (_, _, version, digest) in &kept {
            assert!(components.component(*digest).await.unwrap().is_some(), "{version}");
        }
    }
    stage.clock.advance(Duration::from_hours(1));
    while components.sweep(stage.clock.now()).await.unwrap().removed > 0 {}
    let mut needed = BTreeSet::new();
    let mut tx = store.read().await.unwrap();
    for (_, _, _, digest) in &kept {
        if let Some(Component::There { blob, .. }) = plugin::component(&mut tx, *digest).await.unwrap() {
            needed.insert(blob.name);
        }
    }
    assert!(shelf.names().iter().eq(&needed), "{:?} instead of {needed:?}", shelf.names());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_needed_is_there_and_in_the_end_nothing_else_is(deeds in deeds()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(deeds));
    }
}
