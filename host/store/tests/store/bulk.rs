//! Plans of the size that large clusters give.

use std::time::{Duration, Instant};

use watcher_domain::ActionPlanState;
use watcher_store::testing::backends;
use watcher_store::{Page, SortDir, Visibility, action};

use crate::fixtures::Fixtures;

#[tokio::test]
async fn a_plan_of_fifty_thousand_actions_is_written_and_read_in_order() {
    for store in backends().await {
        let make = Fixtures::default();
        let (plan, _) = make.inserted_plan(&store, ActionPlanState::Recommended, 0).await;
        let actions = make.actions(&plan, 50_000);
        let begun = Instant::now();
        let mut tx = store.begin().await.unwrap();
        action::insert_many(&mut tx, &actions).await.unwrap();
        tx.commit().await.unwrap();
        println!("{}: {} actions written in {:?}", store.name, actions.len(), begun.elapsed());

        let mut tx = store.read().await.unwrap();
        let begun = Instant::now();
        let read = action::list_of_plan(&mut tx, plan.id).await.unwrap();
        assert!(action::has_many(&mut tx, plan.id).await.unwrap());
        println!("{}: read in {:?}", store.name, begun.elapsed());
        assert!(read == actions, "{}: an action is not what it was", store.name);

        for sort in [action::Sort::Serial, action::Sort::State] {
            let page =
                Page { limit: 50, marker: Some(actions[40_000].id.0), sort, dir: SortDir::Asc, show_deleted: false };
            let filter = action::ActionFilter { action_plan: Some(plan.id), audit: None };
            let mut best = Duration::MAX;
            let mut rows = Vec::new();
            for _ in 0..5 {
                let begun = Instant::now();
                rows = action::list(&mut tx, &filter, &page, &Visibility::All).await.unwrap();
                best = best.min(begun.elapsed());
            }
            println!("{}: a page by {sort:?} in {best:?}", store.name);
            assert_eq!(rows.len(), 50);
            assert_eq!(rows[0].value, actions[40_001]);
        }
    }
}

#[tokio::test]
async fn no_actions_are_no_error() {
    for store in backends().await {
        let mut tx = store.begin().await.unwrap();
        action::insert_many(&mut tx, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn full_and_broken_statements_are_written_alike() {
    for store in backends().await {
        let make = Fixtures::default();
        for count in [1, 499, 500, 501, 1001] {
            let (plan, actions) = make.inserted_plan(&store, ActionPlanState::Recommended, count).await;
            let mut tx = store.read().await.unwrap();
            assert_eq!(action::list_of_plan(&mut tx, plan.id).await.unwrap(), actions, "{} {count}", store.name);
        }
    }
}
