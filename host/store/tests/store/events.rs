//! Who did what to a plugin, and who sees it.

use std::time::Duration;

use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use watcher_domain::{PluginId, PluginKind, ProjectId};
use watcher_store::plugin::{self, ANSWERS_KEPT, COUNTED, EventFilter, EventRow, NewEvent};
use watcher_store::testing::{Backend, backends, install};
use watcher_store::{SortDir, Tx};

use crate::fixtures::{Fixtures, digest, project};

async fn installed(make: &Fixtures, store: &Backend, name: &str, number: u8) -> PluginId {
    let mut tx = store.begin().await.unwrap();
    let mut version = make.version(name, PluginKind::Action, digest(number));
    version.project_id = project("owner");
    install(&mut tx, &version, b"bytes").await;
    tx.commit().await.unwrap();
    version.plugin_id
}

async fn note(make: &Fixtures, tx: &mut Tx, plugin: PluginId, project: Option<&ProjectId>, event: &str) {
    let event = NewEvent { plugin, project, user: None, event, digest: None, detail: json!({}) };
    plugin::insert_event(tx, &event, make.now()).await.unwrap();
}

async fn all(tx: &mut Tx, plugin: PluginId, filter: &EventFilter) -> Vec<EventRow> {
    plugin::events(tx, plugin, filter, None, SortDir::Asc, 10_000).await.unwrap()
}

#[tokio::test]
async fn an_owner_sees_page_by_page_all_but_what_others_do_for_themselves() {
    for store in backends().await {
        let make = Fixtures::default();
        let (one, other) = (installed(&make, &store, "one", 1).await, installed(&make, &store, "other", 2).await);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut tx = store.begin().await.unwrap();
        let events = ["updated", "granted", "accepted", "dropped", "member_accepted", "signed"];
        for _ in 0..400 {
            let whose = [project("owner"), project("b"), project("c"), None].choose(&mut random).unwrap().clone();
            let plugin = if random.random_bool(0.8) { one } else { other };
            note(&make, &mut tx, plugin, whose.as_ref(), events.choose(&mut random).unwrap()).await;
        }
        let owner = ProjectId("owner".to_owned());
        let mut expected = all(&mut tx, one, &EventFilter::All).await;
        assert!(expected.len() > 200 && expected.iter().all(|event| event.plugin_id == one));
        expected.retain(|event| {
            event.project_id.as_ref() == Some(&owner) || !["accepted", "dropped", "granted"].contains(&&*event.event)
        });
        let filter = EventFilter::Owner(owner);
        for dir in [SortDir::Asc, SortDir::Desc] {
            for limit in [1, 7, 10_000] {
                let (mut read, mut marker) = (Vec::new(), None);
                loop {
                    let page = plugin::events(&mut tx, one, &filter, marker, dir, limit).await.unwrap();
                    assert!(page.len() <= limit as usize);
                    let Some(last) = page.last() else { break };
                    marker = Some(last.serial);
                    read.extend(page);
                }
                assert!(read == expected, "{}: pages of {limit}, {dir:?}", store.name);
            }
            expected.reverse();
        }
    }
}

#[tokio::test]
async fn what_a_project_took_up_and_gave_up_long_ago_is_not_kept_for_ever() {
    for store in backends().await {
        let make = Fixtures::default();
        let (one, other) = (installed(&make, &store, "one", 1).await, installed(&make, &store, "other", 2).await);
        let (b, c) = (ProjectId("b".to_owned()), ProjectId("c".to_owned()));
        let mut tx = store.begin().await.unwrap();
        note(&make, &mut tx, one, Some(&b), "granted").await;
        for (plugin, project) in [(one, &c), (other, &b)] {
            note(&make, &mut tx, plugin, Some(project), "accepted").await;
        }
        let most = ANSWERS_KEPT as usize;
        for round in 0..most {
            note(&make, &mut tx, one, Some(&b), if round % 2 == 0 { "accepted" } else { "dropped" }).await;
        }
        make.later(1);
        for _ in 0..10 {
            note(&make, &mut tx, one, Some(&b), "accepted").await;
        }
        let counted = async |tx: &mut Tx| plugin::events_since(tx, &b, make.now() - COUNTED).await.unwrap();
        assert_eq!(counted(&mut tx).await, most as u64 + 12, "{}: what counts is kept", store.name);
        make.clock.advance(COUNTED.saturating_sub(Duration::from_secs(1)));
        note(&make, &mut tx, one, Some(&b), "updated").await;
        assert_eq!(all(&mut tx, one, &EventFilter::Project(b.clone())).await.len(), most + 12);
        assert_eq!(counted(&mut tx).await, 11, "{}: an hour ago", store.name);
        note(&make, &mut tx, one, Some(&b), "dropped").await;
        let left = all(&mut tx, one, &EventFilter::Project(b.clone())).await;
        let answers = left.iter().filter(|event| ["accepted", "dropped"].contains(&&*event.event)).count();
        assert_eq!((answers, left.len()), (most, most + 2), "{}: the newest", store.name);
        assert_eq!(left.last().unwrap().event, "dropped");
        assert_eq!(all(&mut tx, one, &EventFilter::Project(c)).await.len(), 1, "{}: those of others", store.name);
        assert_eq!(all(&mut tx, other, &EventFilter::All).await.len(), 1);
    }
}
