//! Snapshots, recordings and journals.

use std::time::Duration;

use watcher_domain::cloud::{CloudRequest, CloudResponse, Method};
use watcher_domain::journal::{ActionPhase, JournalAnswer, JournalCall};
use watcher_domain::metric::{Aggregate, ResourceKind, Samples, StatisticQuery};
use watcher_domain::recording::{Recording, Seen};
use watcher_domain::{ActionPlan, ActionPlanState, ActionState, Audit, Blame, Failure, SnapshotId, Timestamp};
use watcher_store::journal::Entry;
use watcher_store::testing::backends;
use watcher_store::{Error, Lease, Tx, action, action_plan, audit, journal, recording, snapshot};

use crate::fixtures::{Fixtures, awkward, digest, project};

#[tokio::test]
async fn a_snapshot_is_kept_once() {
    for store in backends().await {
        let make = Fixtures::default();
        let (first, second) = (SnapshotId(make.uuid()), SnapshotId(make.uuid()));
        let mut tx = store.begin().await.unwrap();
        assert_eq!(snapshot::insert(&mut tx, first, digest(1), b"cluster", make.now()).await.unwrap(), first);
        assert_eq!(snapshot::insert(&mut tx, second, digest(1), b"cluster", make.now()).await.unwrap(), first);
        assert_eq!(snapshot::insert(&mut tx, second, digest(2), b"other", make.now()).await.unwrap(), second);
        assert_eq!(snapshot::get(&mut tx, first).await.unwrap(), Some((digest(1), b"cluster".to_vec())));
        assert_eq!(snapshot::get(&mut tx, SnapshotId(make.uuid())).await.unwrap(), None);
    }
}

#[tokio::test]
async fn who_looks_at_the_same_cluster_does_not_wait_for_a_plan_that_is_being_written() {
    for store in backends().await {
        let make = Fixtures::default();
        let (chain, kept) = (make.chain(&store).await, SnapshotId(make.uuid()));
        let mut tx = store.begin().await.unwrap();
        snapshot::insert(&mut tx, kept, digest(1), b"cluster", make.now()).await.unwrap();
        tx.commit().await.unwrap();
        let mut writing = store.begin().await.unwrap();
        let plan = ActionPlan { snapshot_id: Some(kept), ..make.plan(&chain.audit, &chain.strategy) };
        action_plan::insert(&mut writing, &plan).await.unwrap();
        let mut other = store.read().await.unwrap();
        assert_eq!(snapshot::find(&mut other, digest(1), make.now()).await.unwrap(), Some(kept), "{}", store.name);
        assert_eq!(snapshot::find(&mut other, digest(2), make.now()).await.unwrap(), None);
        drop(other);
        if matches!(writing, Tx::Postgres(_)) {
            // Where several write at a time, another plan can name it, too.
            let mut other = store.begin().await.unwrap();
            let id = SnapshotId(make.uuid());
            assert_eq!(snapshot::insert(&mut other, id, digest(1), b"cluster", make.now()).await.unwrap(), kept);
            let plan = ActionPlan { snapshot_id: Some(kept), ..make.plan(&chain.audit, &chain.strategy) };
            action_plan::insert(&mut other, &plan).await.unwrap();
            other.commit().await.unwrap();
        }
        writing.commit().await.unwrap();
    }
}

/// Keeps a recording of an audit that saw a cluster; the bytes that it takes.
async fn record(tx: &mut Tx, audit: &Audit, seed: u64, snapshot_id: SnapshotId, now: Timestamp) -> u64 {
    let recorded = Recording {
        strategy_digest: digest(1),
        planner_digest: None,
        parameters: awkward(),
        configuration: awkward(),
        scope: audit.scope.clone(),
        snapshot_id,
        seed,
        time: now,
        seen: Vec::new(),
    };
    let packed = recording::Packed::new(recorded, 0).await.unwrap();
    recording::insert(tx, audit.id, None, &packed, now).await.unwrap();
    packed.bytes()
}

#[tokio::test]
async fn recordings_are_dropped_by_age_and_beyond_the_bytes_of_their_project() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let theirs = Audit { project_id: project("theirs"), ..make.audit("theirs", &chain.goal, None) };
        let mut tx = store.begin().await.unwrap();
        audit::insert(&mut tx, &theirs).await.unwrap();
        let kept = snapshot::insert(&mut tx, SnapshotId(make.uuid()), digest(1), b"cluster", make.now()).await.unwrap();
        let mut bytes = Vec::new();
        for seed in 0..4 {
            bytes.push(record(&mut tx, &chain.audit, seed, kept, make.later(10)).await);
        }
        record(&mut tx, &theirs, 9, kept, make.now()).await;

        let most = bytes[2] + bytes[3];
        assert_eq!(
            recording::drop_beyond(&mut tx, most, 1).await.unwrap(),
            1,
            "{}: as many as are asked for",
            store.name
        );
        assert_eq!(
            recording::drop_beyond(&mut tx, most, 10).await.unwrap(),
            1,
            "{}: the newest two remain",
            store.name
        );
        assert_eq!(recording::drop_beyond(&mut tx, most, 10).await.unwrap(), 0);
        let mut seeds = async |audit: &Audit| recording::get(&mut tx, audit.id).await.unwrap().map(|found| found.seed);
        assert_eq!((seeds(&chain.audit).await, seeds(&theirs).await), (Some(3), Some(9)));

        let now = make.now();
        assert_eq!(recording::drop_old(&mut tx, now, 1).await.unwrap(), 1, "what is as old as that is kept");
        assert_eq!(recording::drop_old(&mut tx, now, 10).await.unwrap(), 0);
        let later = now + Duration::from_secs(1);
        assert_eq!(recording::drop_old(&mut tx, later, 10).await.unwrap(), 2);
        assert_eq!(recording::get(&mut tx, chain.audit.id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_snapshot_is_dropped_some_time_after_the_last_recording_that_names_it() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let begin = make.now();
        let mut tx = store.begin().await.unwrap();
        let keep = async |tx: &mut Tx, byte: u8, now| {
            snapshot::insert(tx, SnapshotId(make.uuid()), digest(byte), b"cluster", now).await.unwrap()
        };
        let (named, unused, used_again) =
            (keep(&mut tx, 1, begin).await, keep(&mut tx, 2, begin).await, keep(&mut tx, 3, begin).await);
        record(&mut tx, &chain.audit, 1, named, begin).await;
        let now = make.later(60);
        assert_eq!(snapshot::find(&mut tx, digest(3), now).await.unwrap(), None, "{}: too long ago", store.name);
        assert_eq!(keep(&mut tx, 3, now).await, used_again, "it is the same one");
        assert_eq!(snapshot::find(&mut tx, digest(3), now).await.unwrap(), Some(used_again));

        assert_eq!(snapshot::drop_unused(&mut tx, begin, 10).await.unwrap(), 0, "{}", store.name);
        assert_eq!(snapshot::drop_unused(&mut tx, now, 10).await.unwrap(), 1);
        assert_eq!(snapshot::get(&mut tx, unused).await.unwrap(), None);
        assert!(snapshot::get(&mut tx, named).await.unwrap().is_some());
        assert!(snapshot::get(&mut tx, used_again).await.unwrap().is_some());
        recording::drop_old(&mut tx, now, 10).await.unwrap();
        assert_eq!(snapshot::drop_unused(&mut tx, now, 10).await.unwrap(), 1);
        assert_eq!(snapshot::get(&mut tx, named).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_recording_is_read_back_to_the_last_bit() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let query = StatisticQuery {
            metric: "instance_cpu_usage".to_owned(),
            kind: ResourceKind::Instance,
            aggregate: Aggregate::Mean,
            period_s: 300.0,
            granularity_s: 1.0 / 3.0,
        };
        let mut values: Vec<f64> = (1..2000_u32).map(|value| f64::from(value).sqrt() / 7.0).collect();
        values.extend([-0.0, 5e-324, 1e16, 1e300]);
        let samples = Samples { rows: (0..2003).collect(), values };
        let failure = Failure::new(Blame::Cloud, "unreachable", "nobody answers").retryable();
        let recorded = Recording {
            strategy_digest: digest(1),
            planner_digest: Some(digest(2)),
            parameters: awkward(),
            configuration: awkward(),
            scope: chain.audit.scope.clone(),
            snapshot_id: SnapshotId(make.uuid()),
            seed: u64::MAX,
            time: make.now(),
            seen: vec![
                Seen::Available { metrics: vec!["m".to_owned()], answer: vec![true] },
                Seen::Statistic { query: query.clone(), answer: Ok(samples) },
                Seen::Statistic { query, answer: Err(failure) },
            ],
        };
        let second = Recording { seed: 1, ..recorded.clone() };
        let packed = recording::Packed::new(recorded.clone(), 0).await.unwrap();
        let repacked = recording::Packed::new(second.clone(), 0).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let refused = recording::insert(&mut tx, chain.audit.id, None, &packed, make.now()).await;
        assert!(matches!(refused, Err(Error::Reference(_))), "the snapshot is not there");
        let mut tx = {
            drop(tx);
            store.begin().await.unwrap()
        };
        snapshot::insert(&mut tx, recorded.snapshot_id, digest(3), b"cluster", make.now()).await.unwrap();
        recording::insert(&mut tx, chain.audit.id, None, &packed, make.now()).await.unwrap();
        recording::insert(&mut tx, chain.audit.id, Some(chain.plan.id), &repacked, make.now()).await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = store.read().await.unwrap();
        let read = recording::get(&mut tx, chain.audit.id).await.unwrap().unwrap();
        assert_eq!(read, second, "{}: the last run", store.name);
        assert_eq!(serde_json::to_string(&read).unwrap(), serde_json::to_string(&second).unwrap());
        assert_eq!(recording::of_plan(&mut tx, chain.plan.id).await.unwrap(), Some(second));
    }
}

#[tokio::test]
async fn a_journal_knows_what_left_and_what_was_answered() {
    for store in backends().await {
        let make = Fixtures::default();
        let (plan, actions) = make.inserted_plan(&store, ActionPlanState::Pending, 2).await;
        let action = actions[0].id;
        let request = JournalCall::Request {
            request: CloudRequest {
                service_type: "compute".to_owned(),
                method: Method::Post,
                path: "/servers/1/action".to_owned(),
                query: vec![("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())],
                body: Some("{\"os-migrateLive\": {}}".to_owned()),
                microversion: Some("2.56".to_owned()),
            },
        };
        let response = CloudResponse { status: 202, headers: Vec::new(), body: "{}".to_owned() };
        let answer = JournalAnswer::Response { response };
        let (phase, now) = (ActionPhase::Execute, make.now());
        let mut tx = store.begin().await.unwrap();
        let lease = |hostname: &str| Lease {
            owner: make.uuid(),
            hostname: hostname.to_owned(),
            until: make.now() + Duration::from_secs(1),
            term: 0,
        };
        let fenced = journal::begin(&mut tx, action, phase, 0, &request, 1, now).await.unwrap();
        assert_eq!(fenced, Entry::Fenced, "nobody claimed the plan");
        let term = action_plan::claim(&mut tx, plan.id, &lease("one"), now).await.unwrap().unwrap();

        assert_eq!(journal::begin(&mut tx, action, phase, 0, &request, term, now).await.unwrap(), Entry::New);
        let in_doubt = Entry::Found { call: request.clone(), answer: None };
        assert_eq!(journal::begin(&mut tx, action, phase, 0, &JournalCall::Now, term, now).await.unwrap(), in_doubt);
        assert!(journal::finish(&mut tx, action, phase, 0, &answer, term, make.later(1)).await.unwrap());
        let found = Entry::Found { call: request.clone(), answer: Some(answer.clone()) };
        assert_eq!(journal::begin(&mut tx, action, phase, 0, &request, term, now).await.unwrap(), found);
        let sleep = JournalCall::Sleep { duration_ms: u64::MAX };
        assert_eq!(journal::begin(&mut tx, action, phase, 1, &sleep, term, now).await.unwrap(), Entry::New);
        let revert = ActionPhase::Revert;
        assert_eq!(journal::begin(&mut tx, action, revert, 0, &JournalCall::Now, term, now).await.unwrap(), Entry::New);
        assert!(
            !journal::finish(&mut tx, action, phase, 9, &answer, term, now).await.unwrap(),
            "there is no such call"
        );

        // Another applier takes the plan over.
        let (ongoing, pending) = (ActionPlanState::Ongoing, ActionPlanState::Pending);
        assert!(action_plan::transition(&mut tx, plan.id, ongoing, pending, now).await.unwrap());
        let newer = action_plan::claim(&mut tx, plan.id, &lease("two"), now).await.unwrap().unwrap();
        assert_eq!(journal::begin(&mut tx, action, phase, 2, &sleep, term, now).await.unwrap(), Entry::Fenced);
        assert!(!journal::finish(&mut tx, action, phase, 1, &JournalAnswer::Slept, term, now).await.unwrap());
        assert!(journal::finish(&mut tx, action, phase, 1, &JournalAnswer::Slept, newer, now).await.unwrap());

        let entries = journal::list(&mut tx, action).await.unwrap();
        let calls: Vec<_> = entries.iter().map(|entry| (entry.phase, entry.sequence, entry.term)).collect();
        assert_eq!(calls, [(phase, 0, term), (phase, 1, newer), (revert, 0, term)], "{}", store.name);
        assert_eq!(entries[0].call, request);
        assert_eq!(entries[0].answer, Some(answer));
        assert_eq!((entries[0].begun_at, entries[0].ended_at), (now, Some(make.now())));
        assert_eq!((&entries[2].answer, entries[2].ended_at), (&None, None));
        assert!(journal::list(&mut tx, actions[1].id).await.unwrap().is_empty());

        // Whoever has ended is not taken up again.
        let other = actions[1].id;
        assert_eq!(journal::begin(&mut tx, other, phase, 0, &sleep, newer, now).await.unwrap(), Entry::New);
        let (pending, failed) = (ActionState::Pending, ActionState::Failed);
        assert!(action::transition(&mut tx, action, pending, failed, None, now).await.unwrap());
        assert!(journal::list(&mut tx, action).await.unwrap().is_empty());
        assert_eq!(journal::list(&mut tx, other).await.unwrap().len(), 1);
        journal::forget_plan(&mut tx, plan.id).await.unwrap();
        assert!(journal::list(&mut tx, other).await.unwrap().is_empty());
        assert!(!action::has_many(&mut tx, plan.id).await.unwrap());
    }
}
