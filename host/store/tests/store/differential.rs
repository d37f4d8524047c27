//! The same random operations on every backend give the same answers and the same rows.

use std::time::Duration;

use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use watcher_domain::journal::{ActionPhase, JournalAnswer, JournalCall};
use watcher_domain::{
    Action, ActionPlan, ActionPlanState, ActionState, Audit, AuditState, AuditTemplate, AuditType, Goal, ProjectId,
    Strategy,
};
use watcher_store::testing::{Backend, backends, dump};
use watcher_store::{
    Lease, Page, Reference, Result, SortDir, Stored, Tx, Visibility, action, action_plan, audit, audit_template,
    efficacy_indicator, goal, journal, schedule, service, strategy,
};

use crate::fixtures::{Fixtures, project};

const SEEDS: u64 = 6;
const STEPS: usize = 400;
const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f"];

/// What was made so far. Now and then it has what was not kept, so that later steps refer to nothing.
#[derive(Default)]
struct World {
    make: Fixtures,
    goals: Vec<Goal>,
    strategies: Vec<Strategy>,
    templates: Vec<AuditTemplate>,
    audits: Vec<Audit>,
    plans: Vec<ActionPlan>,
    actions: Vec<Action>,
}

/// What a caller can tell of a step: values, and of errors the kind.
fn told<T: std::fmt::Debug>(result: Result<T>) -> (String, bool) {
    match result {
        Ok(value) => (format!("{value:?}"), true),
        // What the driver says differs; the sentence does not.
        Err(error) => (format!("error: {error}"), false),
    }
}

impl World {
    const fn lengths(&self) -> [usize; 6] {
        [
            self.goals.len(),
            self.strategies.len(),
            self.templates.len(),
            self.audits.len(),
            self.plans.len(),
            self.actions.len(),
        ]
    }

    fn forget(&mut self, [goals, strategies, templates, audits, plans, actions]: [usize; 6]) {
        self.goals.truncate(goals);
        self.strategies.truncate(strategies);
        self.templates.truncate(templates);
        self.audits.truncate(audits);
        self.plans.truncate(plans);
        self.actions.truncate(actions);
    }

    /// One random step. The string says what it was and what came of it; `false` if the transaction cannot go on.
    async fn step(&mut self, tx: &mut Tx, random: &mut ChaCha8Rng) -> (String, bool) {
        let now = self.make.later(random.random_range(0..20));
        let name = *NAMES.choose(random).unwrap();
        let owner = [None, project("p"), project("q")].choose(random).unwrap().clone();
        let visible = match &owner {
            None => Visibility::All,
            Some(project) => Visibility::Project(ProjectId::clone(project)),
        };
        let term = random.random_range(0..4_i64);
        let audit_state = *AuditState::ALL.choose(random).unwrap();
        let other_state = *AuditState::ALL.choose(random).unwrap();
        let plan_state = *ActionPlanState::ALL.choose(random).unwrap();
        let other_plan_state = *ActionPlanState::ALL.choose(random).unwrap();
        let action_state = *ActionState::ALL.choose(random).unwrap();
        let lease = Lease {
            owner: self.make.uuid(),
            hostname: name.to_owned(),
            until: now + Duration::from_secs(random.random_range(0..60)),
            term: 0,
        };
        let kind = random.random_range(0..36);
        let (told, goes_on) = match kind {
            0 => {
                let goal = self.make.goal(name);
                self.goals.push(goal.clone());
                told(goal::insert(tx, &goal).await)
            }
            1 => {
                let Some(goal) = self.goals.choose(random) else { return ("none".to_owned(), true) };
                let strategy = self.make.strategy(name, goal);
                self.strategies.push(strategy.clone());
                told(strategy::insert(tx, &strategy).await)
            }
            2 => {
                let Some(goal) = self.goals.choose(random) else { return ("none".to_owned(), true) };
                let mut template = self.make.template(name, goal, self.strategies.choose(random));
                template.project_id = owner;
                self.templates.push(template.clone());
                told(audit_template::insert(tx, &template).await)
            }
            3..=5 => {
                let Some(goal) = self.goals.choose(random) else { return ("none".to_owned(), true) };
                let mut audit = self.make.audit(
                    &format!("{name}{}", random.random_range(0..4)),
                    goal,
                    self.strategies.choose(random),
                );
                audit.project_id = owner;
                audit.audit_type = *AuditType::ALL.choose(random).unwrap();
                audit.interval = random.random::<bool>().then(|| "60".to_owned());
                audit.start_time = random.random_bool(0.3).then_some(now + Duration::from_secs(40));
                audit.end_time = random.random_bool(0.3).then_some(now + Duration::from_secs(80));
                self.audits.push(audit.clone());
                told(audit::insert(tx, &audit).await)
            }
            6..=8 => {
                let (Some(audit), Some(strategy)) = (self.audits.choose(random), self.strategies.choose(random)) else {
                    return ("none".to_owned(), true);
                };
                let mut plan = self.make.plan(audit, strategy);
                plan.state = plan_state;
                let actions = self.make.actions(&plan, random.random_range(0..4));
                let indicators = [self.make.indicator(&plan, name, random.random())];
                self.plans.push(plan.clone());
                self.actions.extend(actions.iter().cloned());
                let inserted = async {
                    action_plan::insert(tx, &plan).await?;
                    action::insert_many(tx, &actions).await?;
                    efficacy_indicator::insert_many(tx, &indicators, now).await
                };
                told(inserted.await)
            }
            9 => told(goal::find(tx, &Reference::Name(name.to_owned()), random.random(), &visible).await.map(value)),
            10 => {
                told(audit::find(tx, &Reference::Name(format!("{name}1")), random.random(), &visible).await.map(value))
            }
            11 => told(
                audit_template::find(tx, &Reference::Name(name.to_owned()), random.random(), &visible).await.map(value),
            ),
            12 => {
                told(strategy::find(tx, &Reference::Name(name.to_owned()), random.random(), &visible).await.map(value))
            }
            13 => {
                let Some(goal) = self.goals.choose(random) else { return ("none".to_owned(), true) };
                if random.random_bool(0.3) {
                    told(goal::soft_delete(tx, goal.id, now).await)
                } else {
                    told(
                        strategy::list_for_goal(tx, goal.id, &Visibility::All)
                            .await
                            .map(|rows| rows.into_iter().map(Some).map(value).collect::<Vec<_>>()),
                    )
                }
            }
            14 => {
                let Some(strategy) = self.strategies.choose(random) else { return ("none".to_owned(), true) };
                match random.random_range(0..4) {
                    0 => told(strategy::soft_delete(tx, strategy.id, now).await),
                    1 => told(audit::cancel_of_strategy(tx, strategy.id, "x", now).await.map(sorted)),
                    2 => told(action_plan::cancel_of_strategy(tx, strategy.id, "x", now).await.map(sorted)),
                    _ => {
                        let Some(new) = self.strategies.choose(random) else { return ("none".to_owned(), true) };
                        told(audit::repoint_strategy(tx, strategy.id, new.id, now).await)
                    }
                }
            }
            15 => {
                let Some(template) = self.templates.choose(random) else { return ("none".to_owned(), true) };
                let changed = AuditTemplate { name: name.to_owned(), ..template.clone() };
                if random.random() {
                    told(audit_template::update(tx, &changed, now).await)
                } else {
                    told(audit_template::soft_delete(tx, template.id, now).await)
                }
            }
            16..=24 => {
                let Some(audit) = self.audits.choose(random) else { return ("none".to_owned(), true) };
                match kind {
                    16 | 17 => told(audit::claim(tx, audit.id, &lease, now).await),
                    18 => told(audit::renew(tx, audit.id, term, lease.until).await),
                    19 => told(audit::finish(tx, audit.id, term, audit_state, Some(name), now).await),
                    20 => told(audit::transition(tx, audit.id, audit_state, other_state, now).await),
                    21 => told(audit::trigger(tx, audit.id, now).await),
                    22 => told(audit::soft_delete(tx, audit.id, now).await),
                    23 => {
                        let found = audit::get(tx, audit.id).await;
                        let Ok(Some(found)) = found else { return told(found) };
                        let changed = Audit { name: format!("{name}2"), state: audit_state, ..found.value };
                        told(audit::update(tx, &changed, now).await)
                    }
                    _ => told(action_plan::cancel_recommended_of_audit(tx, audit.id, name, now).await.map(sorted)),
                }
            }
            25..=30 => {
                let Some(plan) = self.plans.choose(random) else { return ("none".to_owned(), true) };
                match kind {
                    25 => told(action_plan::claim(tx, plan.id, &lease, now).await),
                    26 => told(action_plan::renew(tx, plan.id, term, lease.until).await),
                    27 => told(action_plan::finish(tx, plan.id, term, plan_state, None, now).await),
                    28 => told(action_plan::transition(tx, plan.id, plan_state, other_plan_state, now).await),
                    29 => told(action_plan::soft_delete(tx, plan.id, now).await),
                    _ => told(action::cancel_pending_of_plan(tx, plan.id, now).await),
                }
            }
            31 | 32 => {
                let Some(action) = self.actions.choose(random) else { return ("none".to_owned(), true) };
                let (phase, sequence) = (ActionPhase::Execute, random.random_range(0..3));
                match random.random_range(0..4) {
                    0 => told(journal::begin(tx, action.id, phase, sequence, &JournalCall::Now, term, now).await),
                    1 => told(journal::finish(tx, action.id, phase, sequence, &JournalAnswer::Slept, term, now).await),
                    2 => {
                        let from = ActionState::Pending;
                        told(action::transition_under(tx, action.id, term, from, action_state, Some(name), now).await)
                    }
                    _ => told(action::transition(tx, action.id, ActionState::Pending, action_state, None, now).await),
                }
            }
            33 => {
                let Some(audit) = self.audits.choose(random) else { return ("none".to_owned(), true) };
                match random.random_range(0..5) {
                    0 => told(audit::release(tx, audit.id, term, now).await),
                    1 => told(audit::drop_trigger(tx, audit.id, name, now).await),
                    2 => told(schedule::end_run(tx, audit.id, term, random.random::<bool>().then_some(now), now).await),
                    3 => told(schedule::postpone(tx, audit.id, None, Some(now), name, now).await),
                    _ => match schedule::unscheduled(tx, now, now, 3).await {
                        Ok(found) => match found.choose(random) {
                            Some(one) => told(schedule::set(tx, one, now, name, now).await),
                            None => ("none".to_owned(), true),
                        },
                        Err(error) => told(Err::<(), _>(error)),
                    },
                }
            }
            _ => match random.random_range(0..9) {
                0 => told(audit::release_expired(tx, now).await.map(sorted)),
                1 => told(audit::due(tx, now, now, 3).await),
                2 => told(action_plan::due(tx, now, 3).await),
                3 => told(action_plan::lapsed(tx, now, 3).await),
                4 => told(action_plan::any_ongoing(tx, &visible).await),
                5 => told(schedule::expire(tx, now).await.map(sorted)),
                6 => told(schedule::next_time(tx, now).await),
                7 => told(action_plan::supersede(tx, now, name, now, 3).await.map(|plans| plans.len())),
                _ => told(service::heartbeat(tx, "watcher-applier", name, now).await),
            },
        };
        (format!("step {kind}: {told}"), goes_on)
    }
}

/// A row without its serial number: PostgreSQL does not give the numbers of a dropped transaction out again, SQLite does.
fn value<T>(row: Option<Stored<T>>) -> Option<T> {
    row.map(|row| row.value)
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort();
    values
}

fn everything<S>(sort: S) -> Page<S> {
    Page { limit: 10_000, marker: None, sort, dir: SortDir::Asc, show_deleted: true }
}

/// Every row of every table that steps write, as the domain sees it, with the columns that it does not see.
async fn rows(tx: &mut Tx) -> Vec<String> {
    let all = &Visibility::All;
    let mut rows = Vec::new();
    let mut add = |text: String| rows.push(text);
    for row in goal::list(tx, &everything(goal::Sort::Serial), all).await.unwrap() {
        add(format!("{:?}", row.value));
    }
    for row in strategy::list(tx, &strategy::StrategyFilter::default(), &everything(strategy::Sort::Serial), all)
        .await
        .unwrap()
    {
        add(format!("{:?}", row.value));
    }
    let (filter, page) = (audit_template::AuditTemplateFilter::default(), everything(audit_template::Sort::Serial));
    for row in audit_template::list(tx, &filter, &page, all).await.unwrap() {
        add(format!("{:?}", row.value));
    }
    let (filter, page) = (audit::AuditFilter::default(), everything(audit::Sort::Serial));
    for row in audit::list(tx, &filter, &page, all).await.unwrap() {
        add(format!("{:?}", row.value));
    }
    let (filter, page) = (action_plan::ActionPlanFilter::default(), everything(action_plan::Sort::Serial));
    for row in action_plan::list(tx, &filter, &page, all).await.unwrap() {
        add(format!("{:?} {:?}", row.value, efficacy_indicator::list_of_plan(tx, row.id).await.unwrap()));
    }
    let (filter, page) = (action::ActionFilter::default(), everything(action::Sort::Serial));
    for row in action::list(tx, &filter, &page, all).await.unwrap() {
        add(format!("{:?} {:?}", row.value, journal::list(tx, row.id).await.unwrap()));
    }
    let page = Page { limit: 100, marker: None, sort: service::Sort::Serial, dir: SortDir::Asc, show_deleted: true };
    for row in service::list(tx, &page).await.unwrap() {
        add(format!("{:?}", row.value));
    }
    let deletion = "CASE WHEN deleted = 0 THEN 'there' WHEN deleted = id THEN 'deleted' ELSE 'wrong' END";
    let lease = "CASE WHEN lease_until IS NULL THEN 'free' ELSE 'leased' END";
    let scheduled = "CASE WHEN scheduled_at IS NULL THEN 'not scheduled' ELSE 'scheduled' END";
    rows.extend(dump(tx, "audits", &[scheduled], "id").await.unwrap());
    for table in ["audits", "action_plans"] {
        rows.extend(dump(tx, table, &["project_id", "lease_term", lease, deletion], "id").await.unwrap());
    }
    rows.extend(dump(tx, "actions", &["project_id", deletion], "id").await.unwrap());
    let needed = "(SELECT COUNT(*) FROM plan_components c WHERE c.action_plan_id = action_plans.uuid)";
    rows.extend(dump(tx, "action_plans", &[needed], "id").await.unwrap());
    rows
}

/// Runs the steps of a seed; everything that a caller was told, and all rows in the end.
async fn history(store: &Backend, seed: u64) -> (Vec<String>, Vec<String>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut world = World::default();
    let mut told = Vec::new();
    let mut step = 0;
    while step < STEPS {
        let mut tx = store.begin().await.unwrap();
        let before = world.lengths();
        let length = random.random_range(1..8);
        let mut goes_on = true;
        for _ in 0..length {
            let (text, ok) = world.step(&mut tx, &mut random).await;
            told.push(text);
            step += 1;
            goes_on = ok;
            if !ok {
                break;
            }
        }
        if goes_on && random.random_bool(0.9) {
            tx.commit().await.unwrap();
        } else if random.random_bool(0.95) {
            world.forget(before);
        }
    }
    let mut tx = store.read().await.unwrap();
    (told, rows(&mut tx).await)
}

#[tokio::test]
async fn random_operations_do_the_same_on_every_backend() {
    for seed in 0..SEEDS {
        let mut histories = Vec::new();
        for store in backends().await {
            histories.push((store.name, history(&store, seed).await));
        }
        let (first, (told, rows)) = &histories[0];
        assert!(rows.len() > 50, "seed {seed} made {} rows", rows.len());
        for (name, (other_told, other_rows)) in &histories[1..] {
            for (step, (one, other)) in told.iter().zip(other_told).enumerate() {
                assert_eq!(one, other, "seed {seed}, step {step}: {first} and {name} differ");
            }
            assert_eq!(told.len(), other_told.len());
            assert_eq!(rows, other_rows, "seed {seed}: rows of {first} and {name} differ");
        }
    }
}
