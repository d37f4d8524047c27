//! Claims, leases and terms: who may write, and who may not any more.

use std::time::Duration;

use watcher_domain::{ActionPlanId, ActionPlanState, ActionState, AuditId, AuditState, AuditType, Timestamp};
use watcher_store::testing::backends;
use watcher_store::{Lease, Result, Store, Visibility, action, action_plan, audit, efficacy_indicator};

use crate::fixtures::{Fixtures, reread_audit, reread_plan};

fn lease(make: &Fixtures, hostname: &str, until: Timestamp) -> Lease {
    Lease { owner: make.uuid(), hostname: hostname.to_owned(), until, term: 0 }
}

async fn claim_audit(store: &Store, id: AuditId, lease: &Lease, now: Timestamp) -> Result<Option<i64>> {
    let mut tx = store.begin().await?;
    let term = audit::claim(&mut tx, id, lease, now).await?;
    tx.commit().await?;
    Ok(term)
}

async fn claim_plan(store: &Store, id: ActionPlanId, lease: &Lease, now: Timestamp) -> Result<Option<i64>> {
    let mut tx = store.begin().await?;
    let term = action_plan::claim(&mut tx, id, lease, now).await?;
    tx.commit().await?;
    Ok(term)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_claims_at_once_exactly_one_wins() {
    for store in backends().await {
        let make = Fixtures::default();
        // As other processes would open it.
        let mut stores = vec![Store::clone(&store)];
        for _ in 0..3 {
            stores.push(Store::connect(&store.url).await.unwrap());
        }
        let until = make.now() + Duration::from_mins(1);
        for round in 0..5 {
            let audit = make.inserted_audit(&store, |_| {}).await;
            let (plan, _) = make.inserted_plan(&store, ActionPlanState::Pending, 0).await;
            let mut tasks = tokio::task::JoinSet::new();
            for (worker, store) in stores.iter().cloned().enumerate() {
                let (lease, now) = (lease(&make, &worker.to_string(), until), make.now());
                tasks.spawn(async move {
                    let audit = claim_audit(&store, audit.id, &lease, now).await.unwrap();
                    let plan = claim_plan(&store, plan.id, &lease, now).await.unwrap();
                    (worker, audit, plan)
                });
            }
            let claims = tasks.join_all().await;
            let winners: Vec<_> = claims.iter().filter(|(_, audit, _)| audit.is_some()).collect();
            assert_eq!(winners.len(), 1, "{} round {round}: {claims:?}", store.name);
            assert_eq!(winners[0].1, Some(1));
            assert_eq!(claims.iter().filter(|(_, _, plan)| plan.is_some()).count(), 1);
            let mut tx = store.read().await.unwrap();
            let read = reread_audit(&mut tx, audit.id).await;
            assert_eq!((read.state, read.hostname), (AuditState::Ongoing, Some(winners[0].0.to_string())));
        }
    }
}

#[tokio::test]
async fn an_audit_is_claimed_renewed_and_finished() {
    for store in backends().await {
        let make = Fixtures::default();
        let audit = make.inserted_audit(&store, |_| {}).await;
        let minute = Duration::from_mins(1);
        let term = claim_audit(&store, audit.id, &lease(&make, "one", make.now() + minute), make.now())
            .await
            .unwrap()
            .unwrap();
        let mut tx = store.begin().await.unwrap();
        let now = make.later(50);
        assert!(audit::renew(&mut tx, audit.id, term, now + minute).await.unwrap());
        assert!(audit::release_expired(&mut tx, make.later(50)).await.unwrap().is_empty(), "the renewal counts");
        assert!(!audit::renew(&mut tx, audit.id, term + 1, now + minute).await.unwrap());
        let done = audit::finish(&mut tx, audit.id, term, AuditState::Failed, Some("no metrics"), make.now()).await;
        assert!(done.unwrap());
        let again = audit::finish(&mut tx, audit.id, term, AuditState::Succeeded, None, make.now()).await;
        assert!(!again.unwrap(), "it has ended");
        let read = reread_audit(&mut tx, audit.id).await;
        assert_eq!((read.state, read.status_message.as_deref()), (AuditState::Failed, Some("no metrics")));
        assert_eq!(read.stamps.updated_at, Some(make.now()));
    }
}

#[tokio::test]
async fn an_audit_whose_worker_is_gone_returns_to_the_queue_and_the_old_worker_writes_nothing() {
    for store in backends().await {
        let make = Fixtures::default();
        let audit = make.inserted_audit(&store, |_| {}).await;
        let until = make.now() + Duration::from_mins(1);
        let old = claim_audit(&store, audit.id, &lease(&make, "old", until), make.now()).await.unwrap().unwrap();

        let mut tx = store.begin().await.unwrap();
        make.later(60);
        assert!(audit::release_expired(&mut tx, make.now()).await.unwrap().is_empty(), "it runs out after its end");
        let now = make.later(1);
        assert_eq!(audit::release_expired(&mut tx, now).await.unwrap(), [audit.id], "{}", store.name);
        assert!(audit::due(&mut tx, now, now, 10).await.unwrap().contains(&audit.id));
        assert!(!audit::finish(&mut tx, audit.id, old, AuditState::Succeeded, None, now).await.unwrap());
        tx.commit().await.unwrap();

        let new = claim_audit(&store, audit.id, &lease(&make, "new", now + Duration::from_mins(1)), now).await.unwrap();
        assert_eq!(new, Some(old + 1));
        let mut tx = store.begin().await.unwrap();
        assert!(!audit::renew(&mut tx, audit.id, old, now).await.unwrap());
        assert!(!audit::finish(&mut tx, audit.id, old, AuditState::Succeeded, None, now).await.unwrap());
        let read = reread_audit(&mut tx, audit.id).await;
        assert_eq!((read.state, read.hostname.as_deref()), (AuditState::Ongoing, Some("new")));
        assert!(audit::finish(&mut tx, audit.id, old + 1, AuditState::Succeeded, None, now).await.unwrap());
    }
}

#[tokio::test]
async fn an_event_audit_is_due_once_per_trigger() {
    for store in backends().await {
        let make = Fixtures::default();
        let event = make.inserted_audit(&store, |audit| audit.audit_type = AuditType::Event).await;
        let oneshot = make.inserted_audit(&store, |_| {}).await;
        let mut tx = store.begin().await.unwrap();
        let due = async |tx: &mut _, limit| audit::due(tx, make.now(), make.now(), limit).await.unwrap();
        assert!(!due(&mut tx, 10).await.contains(&event.id), "it waits for its webhook");
        assert!(!audit::trigger(&mut tx, oneshot.id, make.now()).await.unwrap());
        let lease_now = lease(&make, "host", make.now());
        assert_eq!(audit::claim(&mut tx, event.id, &lease_now, make.now()).await.unwrap(), None, "nobody called it");
        for _ in 0..2 {
            assert!(audit::trigger(&mut tx, event.id, make.now()).await.unwrap(), "calls while it waits are one");
        }
        assert_eq!(reread_audit(&mut tx, event.id).await.state, AuditState::Pending);
        assert!(due(&mut tx, 10).await.contains(&event.id));
        assert_eq!(due(&mut tx, 1).await.len(), 1);
        let lease = lease(&make, "host", make.now() + Duration::from_secs(9));
        let term = audit::claim(&mut tx, event.id, &lease, make.now()).await.unwrap().unwrap();
        assert!(!audit::trigger(&mut tx, event.id, make.now()).await.unwrap(), "it runs");
        assert!(audit::finish(&mut tx, event.id, term, AuditState::Succeeded, None, make.now()).await.unwrap());
        assert!(!due(&mut tx, 10).await.contains(&event.id));
        assert!(audit::trigger(&mut tx, event.id, make.now()).await.unwrap());
        assert!(due(&mut tx, 10).await.contains(&event.id));
        assert_eq!(reread_audit(&mut tx, event.id).await.state, AuditState::Succeeded, "nobody took it yet");
        assert!(audit::drop_trigger(&mut tx, event.id, "not now", make.now()).await.unwrap());
        assert!(!audit::drop_trigger(&mut tx, event.id, "not now", make.now()).await.unwrap());
        assert!(!due(&mut tx, 10).await.contains(&event.id));
        let read = reread_audit(&mut tx, event.id).await;
        assert_eq!((read.state, read.status_message.as_deref()), (AuditState::Succeeded, Some("not now")));
    }
}

#[tokio::test]
async fn an_audit_moves_only_from_the_state_that_was_meant() {
    for store in backends().await {
        let make = Fixtures::default();
        let audit = make.inserted_audit(&store, |_| {}).await;
        let mut tx = store.begin().await.unwrap();
        let (pending, ongoing, cancelled) = (AuditState::Pending, AuditState::Ongoing, AuditState::Cancelled);
        assert!(!audit::transition(&mut tx, audit.id, ongoing, cancelled, make.now()).await.unwrap());
        assert!(audit::transition(&mut tx, audit.id, pending, ongoing, make.now()).await.unwrap());
        assert!(!audit::stop(&mut tx, audit.id, pending, cancelled, "too late", make.now()).await.unwrap());
        assert!(audit::stop(&mut tx, audit.id, ongoing, cancelled, "stopped", make.now()).await.unwrap());
        assert_eq!(reread_audit(&mut tx, audit.id).await.status_message.as_deref(), Some("stopped"));
        assert!(audit::soft_delete(&mut tx, audit.id, make.later(1)).await.unwrap());
        assert!(!audit::soft_delete(&mut tx, audit.id, make.now()).await.unwrap());
        let read = reread_audit(&mut tx, audit.id).await;
        assert_eq!((read.state, read.stamps.deleted_at), (AuditState::Deleted, Some(make.now())));
    }
}

#[tokio::test]
async fn a_row_that_is_not_at_its_end_is_not_deleted() {
    for store in backends().await {
        let make = Fixtures::default();
        let audit = make.inserted_audit(&store, |audit| audit.state = AuditState::Ongoing).await;
        let (plan, _) = make.inserted_plan(&store, ActionPlanState::Ongoing, 1).await;
        let mut tx = store.begin().await.unwrap();
        assert!(!audit::soft_delete(&mut tx, audit.id, make.now()).await.unwrap());
        assert!(!audit::soft_delete(&mut tx, AuditId(make.uuid()), make.now()).await.unwrap());
        assert!(!action_plan::soft_delete(&mut tx, plan.id, make.now()).await.unwrap());
        assert!(!action_plan::soft_delete(&mut tx, ActionPlanId(make.uuid()), make.now()).await.unwrap());
    }
}

#[tokio::test]
async fn a_plan_is_claimed_renewed_and_finished() {
    for store in backends().await {
        let make = Fixtures::default();
        let (plan, actions) = make.inserted_plan(&store, ActionPlanState::Recommended, 2).await;
        let mut tx = store.begin().await.unwrap();
        let (minute, now) = (Duration::from_mins(1), make.now());
        let lease = lease(&make, "host", now + minute);
        assert_eq!(action_plan::claim(&mut tx, plan.id, &lease, now).await.unwrap(), None, "nobody started it");
        assert!(action_plan::due(&mut tx, now, 10).await.unwrap().is_empty());
        let (recommended, pending) = (ActionPlanState::Recommended, ActionPlanState::Pending);
        assert!(action_plan::transition(&mut tx, plan.id, recommended, pending, now).await.unwrap());
        assert_eq!(action_plan::due(&mut tx, now, 10).await.unwrap(), [plan.id]);
        assert!(!action_plan::any_ongoing(&mut tx, &Visibility::All).await.unwrap());
        let term = action_plan::claim(&mut tx, plan.id, &lease, now).await.unwrap().unwrap();
        assert!(action_plan::any_ongoing(&mut tx, &Visibility::All).await.unwrap());
        assert!(action_plan::due(&mut tx, now, 10).await.unwrap().is_empty());

        assert!(action_plan::lapsed(&mut tx, make.later(60), 10).await.unwrap().is_empty());
        assert_eq!(action_plan::lapsed(&mut tx, make.later(1), 10).await.unwrap(), [plan.id]);
        assert!(action_plan::renew(&mut tx, plan.id, term, make.now() + minute).await.unwrap());
        assert!(!action_plan::renew(&mut tx, plan.id, term + 1, make.now() + minute).await.unwrap());
        assert!(action_plan::lapsed(&mut tx, make.now(), 10).await.unwrap().is_empty());

        let (a, b) = (ActionState::Pending, ActionState::Ongoing);
        assert!(!action::transition_under(&mut tx, actions[0].id, term + 1, a, b, None, make.now()).await.unwrap());
        assert!(action::transition_under(&mut tx, actions[0].id, term, a, b, Some("on"), make.now()).await.unwrap());
        assert!(!action::transition(&mut tx, actions[0].id, a, b, None, make.now()).await.unwrap());
        let end = ActionState::Succeeded;
        assert!(action::transition(&mut tx, actions[0].id, b, end, None, make.now()).await.unwrap());
        let read = action::get(&mut tx, actions[0].id).await.unwrap().unwrap();
        assert_eq!((read.state, read.status_message.as_deref()), (end, Some("on")), "no message leaves the old one");
        assert!(action::update_message(&mut tx, actions[0].id, "changed", make.now()).await.unwrap());
        assert_eq!(action::cancel_pending_of_plan(&mut tx, plan.id, make.now()).await.unwrap(), 1);
        let states: Vec<_> =
            action::list_of_plan(&mut tx, plan.id).await.unwrap().iter().map(|action| action.state).collect();
        assert_eq!(states, [ActionState::Succeeded, ActionState::Cancelled]);

        for is_first in [true, false] {
            let to = ActionPlanState::Succeeded;
            let done = action_plan::finish(&mut tx, plan.id, term, to, Some("done"), make.now()).await;
            assert_eq!(done.unwrap(), is_first);
        }
        let read = reread_plan(&mut tx, plan.id).await;
        assert_eq!((read.state, read.hostname.as_deref()), (ActionPlanState::Succeeded, Some("host")));
        assert_eq!(read.status_message.as_deref(), Some("done"));
    }
}

#[tokio::test]
async fn a_plan_that_was_stopped_while_it_ran_is_not_succeeded() {
    for store in backends().await {
        let make = Fixtures::default();
        let (plan, _) = make.inserted_plan(&store, ActionPlanState::Pending, 0).await;
        let mut tx = store.begin().await.unwrap();
        let now = make.now();
        let lease = lease(&make, "host", now + Duration::from_mins(1));
        let term = action_plan::claim(&mut tx, plan.id, &lease, now).await.unwrap().unwrap();
        let (ongoing, cancelling) = (ActionPlanState::Ongoing, ActionPlanState::Cancelling);
        assert!(action_plan::transition(&mut tx, plan.id, ongoing, cancelling, now).await.unwrap());
        assert!(action_plan::renew(&mut tx, plan.id, term, now + Duration::from_secs(90)).await.unwrap());
        assert!(!action_plan::finish(&mut tx, plan.id, term, ActionPlanState::Succeeded, None, now).await.unwrap());
        assert!(action_plan::finish(&mut tx, plan.id, term, ActionPlanState::Cancelled, None, now).await.unwrap());
        assert!(action_plan::set_status_message(&mut tx, plan.id, "stopped", now).await.unwrap());
        let read = reread_plan(&mut tx, plan.id).await;
        assert_eq!((read.state, read.status_message.as_deref()), (ActionPlanState::Cancelled, Some("stopped")));
    }
}

#[tokio::test]
async fn a_newer_run_cancels_what_the_older_ones_recommended() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();
        action::insert_many(&mut tx, &make.actions(&chain.plan, 2)).await.unwrap();
        let mut started = make.plan(&chain.audit, &chain.strategy);
        started.state = ActionPlanState::Ongoing;
        action_plan::insert(&mut tx, &started).await.unwrap();
        let ended = action_plan::cancel_recommended_of_audit(&mut tx, chain.audit.id, "newer", make.now()).await;
        assert_eq!(ended.unwrap(), [chain.plan.id]);
        let read = reread_plan(&mut tx, chain.plan.id).await;
        assert_eq!((read.state, read.status_message.as_deref()), (ActionPlanState::Cancelled, Some("newer")));
        let actions = action::list_of_plan(&mut tx, chain.plan.id).await.unwrap();
        assert!(actions.iter().all(|action| action.state == ActionState::Cancelled));
        assert_eq!(reread_plan(&mut tx, started.id).await.state, ActionPlanState::Ongoing);
    }
}

#[tokio::test]
async fn plans_that_nobody_started_are_superseded_by_age() {
    for store in backends().await {
        let make = Fixtures::default();
        let (old, _) = make.inserted_plan(&store, ActionPlanState::Recommended, 0).await;
        let (started, _) = make.inserted_plan(&store, ActionPlanState::Ongoing, 0).await;
        let now = make.later(60);
        let (young, _) = make.inserted_plan(&store, ActionPlanState::Recommended, 0).await;
        let mut tx = store.begin().await.unwrap();
        let expired = action_plan::supersede(&mut tx, now, "old", now, 2).await.unwrap();
        assert_eq!(expired.len(), 2, "two at a time: its chain's plan, and itself");
        let expired = [expired, action_plan::supersede(&mut tx, now, "old", now, 9).await.unwrap()].concat();
        assert!(expired.contains(&old.id), "{}", store.name);
        assert!(!expired.contains(&young.id) && !expired.contains(&started.id));
        let read = reread_plan(&mut tx, old.id).await;
        assert_eq!((read.state, read.status_message.as_deref()), (ActionPlanState::Superseded, Some("old")));
        assert!(action_plan::supersede(&mut tx, now, "old", now, 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_plan_that_is_abandoned_lapses_at_once() {
    for store in backends().await {
        let make = Fixtures::default();
        let (plan, _) = make.inserted_plan(&store, ActionPlanState::Pending, 0).await;
        let mut tx = store.begin().await.unwrap();
        let now = make.now();
        let lease = lease(&make, "host", now + Duration::from_mins(1));
        let term = action_plan::claim(&mut tx, plan.id, &lease, now).await.unwrap().unwrap();
        assert!(!action_plan::abandon(&mut tx, plan.id, term + 1).await.unwrap());
        assert!(action_plan::lapsed(&mut tx, now, 9).await.unwrap().is_empty());
        assert!(action_plan::abandon(&mut tx, plan.id, term).await.unwrap());
        assert_eq!(action_plan::lapsed(&mut tx, now, 9).await.unwrap(), [plan.id]);
    }
}

#[tokio::test]
async fn deleting_a_plan_deletes_its_actions_and_indicators_and_nothing_else() {
    for store in backends().await {
        let make = Fixtures::default();
        let (plan, actions) = make.inserted_plan(&store, ActionPlanState::Succeeded, 3).await;
        let (other, others) = make.inserted_plan(&store, ActionPlanState::Succeeded, 1).await;
        let mut tx = store.begin().await.unwrap();
        let indicators = [make.indicator(&plan, "x", 1.0), make.indicator(&other, "x", 2.0)];
        efficacy_indicator::insert_many(&mut tx, &indicators, make.now()).await.unwrap();
        let now = make.later(1);
        assert!(action_plan::soft_delete(&mut tx, plan.id, now).await.unwrap());
        assert!(!action_plan::soft_delete(&mut tx, plan.id, now).await.unwrap());
        assert!(action::list_of_plan(&mut tx, plan.id).await.unwrap().is_empty());
        assert!(efficacy_indicator::list_of_plan(&mut tx, plan.id).await.unwrap().is_empty());
        let read = action::get(&mut tx, actions[1].id).await.unwrap().unwrap();
        assert_eq!((read.state, read.stamps.deleted_at), (ActionState::Deleted, Some(now)));
        let read = reread_plan(&mut tx, plan.id).await;
        assert_eq!((read.state, read.stamps.deleted_at), (ActionPlanState::Deleted, Some(now)));
        assert_eq!(action::list_of_plan(&mut tx, other.id).await.unwrap(), others);
        assert_eq!(efficacy_indicator::list_of_plan(&mut tx, other.id).await.unwrap(), indicators[1..]);
    }
}

#[tokio::test]
async fn a_transaction_that_is_not_committed_leaves_nothing() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let plan = make.plan(&chain.audit, &chain.strategy);
        // Its worker dies: the connection is cut with the transaction open, and dropped, and aborted as a task.
        let other = Store::connect(&store.url).await.unwrap();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (inserted, actions) = (plan.clone(), make.actions(&plan, 20));
        let task = tokio::spawn(async move {
            let mut tx = other.begin().await.unwrap();
            action_plan::insert(&mut tx, &inserted).await.unwrap();
            action::insert_many(&mut tx, &actions).await.unwrap();
            sender.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        receiver.await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());

        let mut tx = store.begin().await.unwrap();
        assert!(action_plan::get(&mut tx, plan.id).await.unwrap().is_none(), "{}", store.name);
        assert!(action::list_of_plan(&mut tx, plan.id).await.unwrap().is_empty());
        action_plan::insert(&mut tx, &plan).await.unwrap();
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_sees_one_moment_and_does_not_stand_in_the_way_of_a_writer() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let mut reader = store.read().await.unwrap();
        assert!(audit::get(&mut reader, chain.audit.id).await.unwrap().is_some());
        let mut writer = store.begin().await.unwrap();
        let (from, to) = (AuditState::Pending, AuditState::Cancelled);
        assert!(audit::transition(&mut writer, chain.audit.id, from, to, make.now()).await.unwrap());
        writer.commit().await.unwrap();
        assert_eq!(reread_audit(&mut reader, chain.audit.id).await.state, from, "{}", store.name);
        drop(reader);
        let mut reader = store.read().await.unwrap();
        assert_eq!(reread_audit(&mut reader, chain.audit.id).await.state, to);
        let written = audit::transition(&mut reader, chain.audit.id, to, from, make.now()).await;
        assert!(written.is_err(), "a reading transaction does not write");
    }
}
