//! Schedules of CONTINUOUS audits: when they are due, and what makes a schedule worthless.

use std::time::Duration;

use watcher_domain::{Audit, AuditId, AuditState, AuditType, Timestamp};
use watcher_store::schedule::{self, Unscheduled};
use watcher_store::testing::backends;
use watcher_store::{Lease, Store, Tx, audit};

use crate::fixtures::{Fixtures, reread_audit};

async fn continuous(make: &Fixtures, store: &Store, change: impl FnOnce(&mut Audit)) -> Audit {
    make.inserted_audit(store, |audit| {
        audit.audit_type = AuditType::Continuous;
        audit.interval = Some("60".to_owned());
        change(audit);
    })
    .await
}

/// The audits that have no schedule, of those that were made as CONTINUOUS.
async fn unscheduled(tx: &mut Tx, now: Timestamp) -> Vec<Unscheduled> {
    schedule::unscheduled(tx, now, now, 10).await.unwrap()
}

async fn ids(tx: &mut Tx, now: Timestamp) -> Vec<AuditId> {
    unscheduled(tx, now).await.into_iter().map(|audit| audit.id).collect()
}

/// Gives the only audit without a schedule one.
async fn schedule_at(tx: &mut Tx, at: Timestamp, now: Timestamp) {
    let found = unscheduled(tx, now).await;
    let [one] = &found[..] else { panic!("{found:?}") };
    assert!(schedule::set(tx, one, at, "host", now).await.unwrap());
}

fn lease(make: &Fixtures) -> Lease {
    Lease { owner: make.uuid(), hostname: "host".to_owned(), until: make.now() + Duration::from_mins(1), term: 0 }
}

async fn is_due(tx: &mut Tx, id: AuditId, now: Timestamp, since: Timestamp) -> bool {
    audit::due(tx, now, since, 1000).await.unwrap().contains(&id)
}

#[tokio::test]
async fn a_continuous_audit_is_due_at_its_time_and_stays_ongoing_between_runs() {
    for store in backends().await {
        let make = Fixtures::default();
        let audit = continuous(&make, &store, |_| {}).await;
        let mut tx = store.begin().await.unwrap();
        let begin = make.now();
        assert_eq!(audit::claim(&mut tx, audit.id, &lease(&make), begin).await.unwrap(), None, "it has no time");
        let at = begin + Duration::from_secs(10);
        schedule_at(&mut tx, at, begin).await;
        let read = reread_audit(&mut tx, audit.id).await;
        assert_eq!(
            (read.state, read.next_run_time, read.hostname.as_deref()),
            (AuditState::Pending, Some(at), Some("host"))
        );
        assert_eq!(schedule::next_time(&mut tx, begin).await.unwrap(), Some(at));
        assert!(!is_due(&mut tx, audit.id, begin, begin).await);
        assert_eq!(audit::claim(&mut tx, audit.id, &lease(&make), begin).await.unwrap(), None, "too early");

        let now = make.later(10);
        assert!(is_due(&mut tx, audit.id, now, begin).await, "{}", store.name);
        let term = audit::claim(&mut tx, audit.id, &lease(&make), now).await.unwrap().unwrap();
        assert_eq!(audit::claim(&mut tx, audit.id, &lease(&make), now).await.unwrap(), None, "it runs");
        assert!(!is_due(&mut tx, audit.id, now, begin).await);
        assert!(unscheduled(&mut tx, now).await.is_empty(), "it runs");
        assert_eq!(schedule::next_time(&mut tx, now).await.unwrap(), None, "it runs");

        let next = now + Duration::from_mins(1);
        assert!(!schedule::end_run(&mut tx, audit.id, term + 1, Some(next), now).await.unwrap());
        assert!(schedule::end_run(&mut tx, audit.id, term, Some(next), now).await.unwrap());
        assert!(!schedule::end_run(&mut tx, audit.id, term, Some(next), now).await.unwrap(), "it ended");
        let read = reread_audit(&mut tx, audit.id).await;
        assert_eq!((read.state, read.next_run_time), (AuditState::Ongoing, Some(next)));
        assert!(audit::release_expired(&mut tx, make.later(30)).await.unwrap().is_empty(), "nobody has it");
        let now = make.later(30);
        assert!(is_due(&mut tx, audit.id, now, begin).await);
        assert_eq!(audit::claim(&mut tx, audit.id, &lease(&make), now).await.unwrap(), Some(term + 1));
    }
}

#[tokio::test]
async fn a_run_is_left_out_once() {
    for store in backends().await {
        let make = Fixtures::default();
        let audit = continuous(&make, &store, |_| {}).await;
        let mut tx = store.begin().await.unwrap();
        let now = make.now();
        schedule_at(&mut tx, now, now).await;
        let next = now + Duration::from_mins(1);
        for is_first in [true, false] {
            let left_out = schedule::postpone(&mut tx, audit.id, Some(now), Some(next), "not now", now).await.unwrap();
            assert_eq!(left_out, is_first);
        }
        let read = reread_audit(&mut tx, audit.id).await;
        assert_eq!((read.state, read.next_run_time), (AuditState::Pending, Some(next)));
        assert_eq!(read.status_message.as_deref(), Some("not now"));
        assert!(schedule::postpone(&mut tx, audit.id, Some(next), None, "never", now).await.unwrap());
        assert_eq!(ids(&mut tx, now).await, [audit.id], "without a next time there is no schedule");
    }
}

#[tokio::test]
async fn another_interval_and_every_move_by_hand_make_a_schedule_worthless() {
    for store in backends().await {
        let make = Fixtures::default();
        let audit = continuous(&make, &store, |_| {}).await;
        let mut tx = store.begin().await.unwrap();
        let now = make.now();
        schedule_at(&mut tx, now, now).await;
        let renamed = Audit { name: "other".to_owned(), ..reread_audit(&mut tx, audit.id).await };
        assert!(audit::update(&mut tx, &renamed, now).await.unwrap());
        assert!(ids(&mut tx, now).await.is_empty());
        let changed = Audit { interval: Some("5".to_owned()), ..reread_audit(&mut tx, audit.id).await };
        assert!(audit::update(&mut tx, &changed, now).await.unwrap());
        assert!(!is_due(&mut tx, audit.id, now, now).await);
        assert_eq!(audit::claim(&mut tx, audit.id, &lease(&make), now).await.unwrap(), None, "{}", store.name);
        let mut stale = unscheduled(&mut tx, now).await.remove(0);
        assert_eq!((stale.interval.as_deref(), stale.next_run_time), (Some("5"), Some(now)));
        stale.interval = Some("60".to_owned());
        assert!(!schedule::set(&mut tx, &stale, now, "host", now).await.unwrap(), "it was worked out for the old one");
        schedule_at(&mut tx, now, now).await;

        let term = audit::claim(&mut tx, audit.id, &lease(&make), now).await.unwrap().unwrap();
        let (ongoing, suspended) = (AuditState::Ongoing, AuditState::Suspended);
        assert!(audit::transition(&mut tx, audit.id, ongoing, suspended, now).await.unwrap());
        assert!(ids(&mut tx, now).await.is_empty(), "a suspended audit has no schedule");
        assert!(audit::transition(&mut tx, audit.id, suspended, ongoing, now).await.unwrap());
        assert_eq!(ids(&mut tx, now).await, [audit.id]);
        assert!(!schedule::end_run(&mut tx, audit.id, term, Some(now), now).await.unwrap(), "that claim is gone");
        assert!(!audit::release(&mut tx, audit.id, term, now).await.unwrap());
        let later = make.later(1);
        schedule_at(&mut tx, later, later).await;
        assert!(ids(&mut tx, later).await.is_empty());
        assert_eq!(
            ids(&mut tx, make.later(1)).await,
            [audit.id],
            "a decision engine that starts later works it out again"
        );
    }
}

#[tokio::test]
async fn an_audit_runs_only_between_its_start_and_its_end() {
    for store in backends().await {
        let make = Fixtures::default();
        let (start, end) = (make.now() + Duration::from_secs(10), make.now() + Duration::from_secs(20));
        let audit = continuous(&make, &store, |audit| {
            (audit.start_time, audit.end_time) = (Some(start), Some(end));
        })
        .await;
        let mut tx = store.begin().await.unwrap();
        let begin = make.now();
        assert!(ids(&mut tx, begin).await.is_empty(), "not yet");
        assert_eq!(schedule::next_time(&mut tx, begin).await.unwrap(), Some(start));
        schedule_at(&mut tx, start, make.later(10)).await;
        assert_eq!(schedule::next_time(&mut tx, make.now()).await.unwrap(), Some(end), "{}", store.name);
        let term = audit::claim(&mut tx, audit.id, &lease(&make), make.now()).await.unwrap().unwrap();
        let after = make.later(11);
        assert!(schedule::expire(&mut tx, after).await.unwrap().is_empty(), "a run is not broken off");
        assert!(schedule::end_run(&mut tx, audit.id, term, Some(after), after).await.unwrap());
        assert_eq!(schedule::expire(&mut tx, after).await.unwrap(), [(audit.id, AuditState::Ongoing)]);
        assert_eq!(reread_audit(&mut tx, audit.id).await.state, AuditState::Succeeded);

        tx.commit().await.unwrap();
        let late = continuous(&make, &store, |audit| audit.end_time = Some(begin)).await;
        let mut tx = store.begin().await.unwrap();
        assert_eq!(schedule::expire(&mut tx, after).await.unwrap(), [(late.id, AuditState::Pending)]);
    }
}

#[tokio::test]
async fn a_claim_that_is_given_back_or_runs_out_leaves_the_audit_to_others() {
    for store in backends().await {
        let make = Fixtures::default();
        let audit = continuous(&make, &store, |_| {}).await;
        let oneshot = make.inserted_audit(&store, |_| {}).await;
        let event = make.inserted_audit(&store, |audit| audit.audit_type = AuditType::Event).await;
        let mut tx = store.begin().await.unwrap();
        let now = make.now();
        schedule_at(&mut tx, now, now).await;
        assert!(audit::trigger(&mut tx, event.id, now).await.unwrap());
        for (id, state) in
            [(audit.id, AuditState::Ongoing), (oneshot.id, AuditState::Pending), (event.id, AuditState::Pending)]
        {
            let term = audit::claim(&mut tx, id, &lease(&make), now).await.unwrap().unwrap();
            assert!(!audit::release(&mut tx, id, term + 1, now).await.unwrap());
            assert!(audit::release(&mut tx, id, term, now).await.unwrap(), "{}", store.name);
            assert!(!audit::release(&mut tx, id, term, now).await.unwrap());
            assert_eq!(reread_audit(&mut tx, id).await.state, state);
            assert_eq!(is_due(&mut tx, id, now, now).await, state == AuditState::Pending);
        }
        schedule_at(&mut tx, now, now).await;
        assert!(audit::claim(&mut tx, audit.id, &lease(&make), now).await.unwrap().is_some());
        let later = make.later(61);
        assert!(audit::release_expired(&mut tx, later).await.unwrap().is_empty(), "it does not return to the queue");
        assert_eq!(ids(&mut tx, later).await, [audit.id]);
    }
}
