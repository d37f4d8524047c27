//! What was deleted long ago goes for good, and nothing that is still needed.

use uuid::Uuid;
use watcher_domain::recording::Recording;
use watcher_domain::{ActionPlan, ActionPlanState, Audit, AuditState, Goal, SnapshotId, Strategy, Timestamp};
use watcher_store::purge::{self, Purge, Purged};
use watcher_store::testing::{Backend, backends, dump, run};
use watcher_store::{
    Reference, Tx, action, action_plan, audit, audit_template, efficacy_indicator, goal, recording, snapshot, strategy,
};

use crate::fixtures::{Fixtures, awkward, digest};

/// A goal with rows in every state that matters here. Names say what is expected of them.
struct World {
    make: Fixtures,
    goal: Goal,
    strategy: Strategy,
    snapshot: SnapshotId,
}

impl World {
    async fn new(tx: &mut Tx, make: Fixtures, name: &str) -> Self {
        let goal = make.goal(name);
        let strategy = make.strategy(name, &goal);
        goal::insert(tx, &goal).await.unwrap();
        strategy::insert(tx, &strategy).await.unwrap();
        let snapshot = SnapshotId(make.uuid());
        let snapshot = snapshot::insert(tx, snapshot, digest(1), b"cluster", make.now()).await.unwrap();
        Self { make, goal, strategy, snapshot }
    }

    async fn audit(&self, tx: &mut Tx, name: &str) -> Audit {
        let mut audit = self.make.audit(&format!("{name} {}", self.goal.name), &self.goal, Some(&self.strategy));
        audit.state = AuditState::Succeeded;
        audit::insert(tx, &audit).await.unwrap();
        audit
    }

    /// A plan of three actions and two indicators, with a recording.
    async fn plan(&self, tx: &mut Tx, audit: &Audit, state: ActionPlanState) -> ActionPlan {
        let mut plan = self.make.plan(audit, &self.strategy);
        plan.state = state;
        action_plan::insert(tx, &plan).await.unwrap();
        action::insert_many(tx, &self.make.actions(&plan, 3)).await.unwrap();
        let indicators = [self.make.indicator(&plan, "a", 1.0), self.make.indicator(&plan, "b", 2.0)];
        efficacy_indicator::insert_many(tx, &indicators, self.make.now()).await.unwrap();
        self.record(tx, audit, Some(&plan)).await;
        plan
    }

    async fn record(&self, tx: &mut Tx, audit: &Audit, plan: Option<&ActionPlan>) {
        let recorded = Recording {
            strategy_digest: digest(1),
            planner_digest: None,
            parameters: awkward(),
            configuration: awkward(),
            scope: audit.scope.clone(),
            snapshot_id: self.snapshot,
            seed: 1,
            time: self.make.now(),
            seen: Vec::new(),
        };
        let packed = recording::Packed::new(recorded, 0).await.unwrap();
        recording::insert(tx, audit.id, plan.map(|plan| plan.id), &packed, self.make.now()).await.unwrap();
    }

    async fn delete_audit(&self, tx: &mut Tx, audit: &Audit) {
        assert!(audit::soft_delete(tx, audit.id, self.make.now()).await.unwrap());
    }

    async fn delete_plan(&self, tx: &mut Tx, plan: &ActionPlan) {
        assert!(action_plan::soft_delete(tx, plan.id, self.make.now()).await.unwrap());
    }

    /// Everything; what is deleted is deleted now.
    async fn fill(&self, tx: &mut Tx) {
        let with_both = self.audit(tx, "goes with an orphan").await;
        let deleted = self.plan(tx, &with_both, ActionPlanState::Recommended).await;
        self.plan(tx, &with_both, ActionPlanState::Failed).await;
        let alone = self.audit(tx, "goes").await;
        self.record(tx, &alone, None).await;
        let needed = self.audit(tx, "stays for a plan that can be started").await;
        self.plan(tx, &needed, ActionPlanState::Recommended).await;
        let kept = self.audit(tx, "stays").await;
        let of_kept = self.plan(tx, &kept, ActionPlanState::Succeeded).await;
        self.plan(tx, &kept, ActionPlanState::Succeeded).await;
        for plan in [&deleted, &of_kept] {
            self.delete_plan(tx, plan).await;
        }
        for audit in [&with_both, &alone, &needed] {
            self.delete_audit(tx, audit).await;
        }
        for name in ["goes", "stays"] {
            let template = self.make.template(&format!("{name} {}", self.goal.name), &self.goal, None);
            audit_template::insert(tx, &template).await.unwrap();
            if name == "goes" {
                assert!(audit_template::soft_delete(tx, template.id, self.make.now()).await.unwrap());
            }
        }
    }
}

const ALL: Purged =
    Purged { audit_templates: 1, audits: 2, action_plans: 3, actions: 9, efficacy_indicators: 6, recordings: 4 };
const WITHOUT_ORPHANS: Purged =
    Purged { audit_templates: 1, audits: 1, action_plans: 2, actions: 6, efficacy_indicators: 4, recordings: 3 };

fn everything(before: Timestamp) -> Purge {
    Purge { before, goals: None, orphans: true, most: None }
}

async fn names(store: &Backend, table: &str) -> Vec<String> {
    let mut tx = store.begin().await.unwrap();
    dump(&mut tx, table, &["name"], "name").await.unwrap()
}

async fn rows(store: &Backend, table: &str) -> usize {
    let mut tx = store.begin().await.unwrap();
    dump(&mut tx, table, &["1"], "id").await.unwrap().len()
}

async fn world(store: &Backend, make: Fixtures, name: &str) -> World {
    let mut tx = store.begin().await.unwrap();
    let world = World::new(&mut tx, make, name).await;
    world.fill(&mut tx).await;
    tx.commit().await.unwrap();
    world
}

#[tokio::test]
async fn what_was_deleted_long_ago_goes_and_nothing_that_a_row_refers_to_which_stays() {
    for store in backends().await {
        let world = world(&store, Fixtures::default(), "g").await;
        let deleted_at = world.make.now();
        let just_before = deleted_at - chrono::TimeDelta::microseconds(1);
        assert_eq!(purge::run(&store, &everything(just_before)).await.unwrap(), Purged::default(), "{}", store.name);

        let without = Purge { orphans: false, ..everything(deleted_at) };
        assert_eq!(purge::count(&store, &without).await.unwrap(), WITHOUT_ORPHANS, "{}", store.name);
        assert_eq!(purge::count(&store, &everything(deleted_at)).await.unwrap(), ALL, "{}", store.name);
        assert_eq!(rows(&store, "actions").await, 15, "{}: to count removes nothing", store.name);

        assert_eq!(purge::run(&store, &without).await.unwrap(), WITHOUT_ORPHANS, "{}", store.name);
        let left = ["goes with an orphan g", "stays for a plan that can be started g", "stays g"];
        let mut found = names(&store, "audits").await;
        found.sort();
        let mut expected = left.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{}", store.name);

        let rest = purge::run(&store, &everything(deleted_at)).await.unwrap();
        let of_the_orphan = Purged {
            audits: 1,
            action_plans: 1,
            actions: 3,
            efficacy_indicators: 2,
            recordings: 1,
            ..Purged::default()
        };
        assert_eq!(rest, of_the_orphan, "{}", store.name);
        assert_eq!(names(&store, "audits").await.len(), 2);
        assert_eq!(names(&store, "audit_templates").await, ["stays g"]);
        for (table, count) in [("action_plans", 2), ("actions", 6), ("efficacy_indicators", 4), ("recordings", 2)] {
            assert_eq!(rows(&store, table).await, count, "{}: {table}", store.name);
        }
        assert_eq!(purge::run(&store, &everything(world.make.later(1000))).await.unwrap(), Purged::default());
    }
}

#[tokio::test]
async fn no_more_goes_than_was_asked_for_and_the_rest_the_next_time() {
    for store in backends().await {
        let world = world(&store, Fixtures::default(), "g").await;
        for most in [1, 4] {
            let mut sum = Purged::default();
            let what = Purge { most: Some(most), ..everything(world.make.now()) };
            loop {
                let done = purge::run(&store, &what).await.unwrap();
                let counted =
                    done.audit_templates + done.audits + done.action_plans + done.actions + done.efficacy_indicators;
                assert!(counted <= most, "{}: {done:?}", store.name);
                if counted == 0 {
                    break;
                }
                sum.audit_templates += done.audit_templates;
                sum.audits += done.audits;
                sum.action_plans += done.action_plans;
                sum.actions += done.actions;
                sum.efficacy_indicators += done.efficacy_indicators;
                sum.recordings += done.recordings;
            }
            assert_eq!(sum, ALL, "{}: {most} at a time", store.name);
            let mut tx = store.begin().await.unwrap();
            for table in ["recordings", "efficacy_indicators", "actions", "plan_components", "action_plans", "audits"] {
                run(&mut tx, &format!("DELETE FROM {table}")).await.unwrap();
            }
            run(&mut tx, "DELETE FROM audit_templates").await.unwrap();
            world.fill(&mut tx).await;
            tx.commit().await.unwrap();
        }
    }
}

#[tokio::test]
async fn only_what_is_for_a_goal_goes_if_one_is_named() {
    for store in backends().await {
        let one = world(&store, Fixtures::default(), "One").await;
        let two = world(&store, one.make, "two").await;
        let mut tx = store.read().await.unwrap();
        let goals =
            async |tx: &mut Tx, text: &str| purge::goals(tx, &text.parse::<Reference>().unwrap()).await.unwrap();
        let named = goals(&mut tx, "one").await;
        assert_eq!(named, [one.goal.id.0], "{}: in any letter case", store.name);
        assert_eq!(goals(&mut tx, &one.goal.id.to_string()).await, named);
        assert_eq!(goals(&mut tx, "three").await, Vec::<Uuid>::new());
        drop(tx);
        let what = Purge { goals: Some(named), ..everything(two.make.now()) };
        assert_eq!(purge::count(&store, &what).await.unwrap(), ALL, "{}", store.name);
        assert_eq!(purge::run(&store, &what).await.unwrap(), ALL, "{}", store.name);
        let left = purge::run(&store, &everything(two.make.now())).await.unwrap();
        assert_eq!(left, ALL, "{}: those of the other goal were left", store.name);
    }
}

#[tokio::test]
async fn a_large_plan_goes_piece_by_piece_with_what_its_actions_left_in_journals() {
    for store in backends().await {
        let make = Fixtures::default();
        let (plan, actions) = make.inserted_plan(&store, ActionPlanState::Failed, 2345).await;
        let mut tx = store.begin().await.unwrap();
        let entry = "INSERT INTO journal_entries (action_id, phase, sequence, call, term, begun_at) \
                     SELECT uuid, 'execute', 0, '{}', 1, created_at FROM actions WHERE \"position\" < 5";
        run(&mut tx, entry).await.unwrap();
        assert!(action_plan::soft_delete(&mut tx, plan.id, make.now()).await.unwrap());
        tx.commit().await.unwrap();
        let done = purge::run(&store, &everything(make.now())).await.unwrap();
        let expected = Purged { action_plans: 1, actions: actions.len() as u64, ..Purged::default() };
        assert_eq!(done, expected, "{}", store.name);
        assert_eq!(rows(&store, "journal_entries").await, 0);
    }
}
