//! Rows come back as they were written; names, references and owners.

use chrono::{TimeZone as _, Utc};
use watcher_cluster::AuditScope;
use watcher_domain::{AuditState, AuditType, PluginKind, ProjectId};
use watcher_store::plugin::{Component, VersionState};
use watcher_store::testing::{backends, install, run};
use watcher_store::{
    Error, Page, Reference, SortDir, Visibility, action, action_description, action_plan, audit, audit_template,
    efficacy_indicator, goal, plugin, scoring_engine, service, strategy,
};

use crate::fixtures::{Fixtures, awkward, digest, project};

const ALL: Visibility = Visibility::All;

fn named(name: &str) -> Reference {
    Reference::Name(name.to_owned())
}

#[tokio::test]
async fn goals_and_strategies_are_found_in_any_letter_case() {
    for store in backends().await {
        let make = Fixtures::default();
        let (small, capital) = (make.goal("thermal"), make.goal("THERMAL"));
        let strategy = make.strategy("outlet", &small);
        let mut tx = store.begin().await.unwrap();
        goal::insert(&mut tx, &small).await.unwrap();
        strategy::insert(&mut tx, &strategy).await.unwrap();
        for name in ["thermal", "Thermal", "THERMAL"] {
            let found = goal::find(&mut tx, &named(name), false, &Visibility::All).await.unwrap().unwrap();
            assert_eq!(found.value.id, small.id, "{name} on {}", store.name);
        }
        let found = strategy::find(&mut tx, &named("OUTLET"), false, &Visibility::All).await.unwrap().unwrap();
        assert_eq!(found.value.id, strategy.id, "{}", store.name);
        goal::insert(&mut tx, &capital).await.unwrap();
        let exact = goal::find(&mut tx, &named("THERMAL"), false, &Visibility::All).await.unwrap().unwrap();
        assert_eq!(exact.value.id, capital.id, "the exact name comes first");
        assert!(goal::find(&mut tx, &named("frost"), false, &Visibility::All).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn rows_read_back_as_they_were_written() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();

        let mut template = make.template("Ünïcode", &chain.goal, Some(&chain.strategy));
        template.project_id = project("p");
        template.description = Some("with 'quotes' and $1".to_owned());
        audit_template::insert(&mut tx, &template).await.unwrap();

        let micros = Utc.timestamp_micros(1_767_225_600_123_456).single();
        let mut full = make.audit("full", &chain.goal, None);
        full.project_id = project("p");
        full.audit_type = AuditType::Continuous;
        full.state = AuditState::Ongoing;
        full.interval = Some("*/5 * * * *".to_owned());
        full.scope = AuditScope(vec![serde_json::Value::Object(awkward())]);
        full.auto_trigger = true;
        full.next_run_time = micros;
        full.start_time = Utc.timestamp_micros(-1).single();
        full.end_time = Utc.timestamp_micros(1_767_225_600_120_000).single();
        full.hostname = Some("host".to_owned());
        full.status_message = Some(String::new());
        audit::insert(&mut tx, &full).await.unwrap();

        let actions = make.actions(&chain.plan, 3);
        action::insert_many(&mut tx, &actions).await.unwrap();
        let indicators = [make.indicator(&chain.plan, "b", 0.1 + 0.2), make.indicator(&chain.plan, "a", -1e300)];
        efficacy_indicator::insert_many(&mut tx, &indicators, make.now()).await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = store.read().await.unwrap();
        assert_eq!(goal::get(&mut tx, chain.goal.id).await.unwrap().unwrap().value, chain.goal, "{}", store.name);
        assert_eq!(strategy::get(&mut tx, chain.strategy.id).await.unwrap().unwrap().value, chain.strategy);
        assert_eq!(audit_template::get(&mut tx, template.id).await.unwrap().unwrap().value, template);
        assert_eq!(audit::get(&mut tx, chain.audit.id).await.unwrap().unwrap().value, chain.audit);
        let read = audit::get(&mut tx, full.id).await.unwrap().unwrap().value;
        assert_eq!(read, full);
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            serde_json::to_string(&full).unwrap(),
            "the order of keys and the spelling of numbers survive"
        );
        assert_eq!(action_plan::get(&mut tx, chain.plan.id).await.unwrap().unwrap().value, chain.plan);
        assert_eq!(action::get(&mut tx, actions[2].id).await.unwrap().unwrap().value, actions[2]);
        assert_eq!(action::list_of_plan(&mut tx, chain.plan.id).await.unwrap(), actions);
        assert_eq!(efficacy_indicator::list_of_plan(&mut tx, chain.plan.id).await.unwrap(), indicators);
        let of_plans = efficacy_indicator::list_of_plans(&mut tx, &[chain.plan.id]).await.unwrap();
        assert_eq!(of_plans[&chain.plan.id], indicators);
        assert!(efficacy_indicator::list_of_plans(&mut tx, &[]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn rows_are_found_by_number_uuid_and_name() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();
        let template = make.template("t", &chain.goal, None);
        audit_template::insert(&mut tx, &template).await.unwrap();
        let actions = make.actions(&chain.plan, 1);
        action::insert_many(&mut tx, &actions).await.unwrap();

        for reference in [Reference::Serial(1), Reference::Uuid(chain.goal.id.0), named(&chain.goal.name)] {
            assert_eq!(
                goal::find(&mut tx, &reference, false, &Visibility::All).await.unwrap().unwrap().value,
                chain.goal
            );
        }
        for reference in [Reference::Serial(1), Reference::Uuid(chain.strategy.id.0), named(&chain.strategy.name)] {
            assert_eq!(
                strategy::find(&mut tx, &reference, false, &Visibility::All).await.unwrap().unwrap().value,
                chain.strategy
            );
        }
        for reference in [Reference::Serial(1), Reference::Uuid(template.id.0), named("t")] {
            assert_eq!(audit_template::find(&mut tx, &reference, false, &ALL).await.unwrap().unwrap().value, template);
        }
        for reference in [Reference::Serial(1), Reference::Uuid(chain.audit.id.0), named(&chain.audit.name)] {
            assert_eq!(audit::find(&mut tx, &reference, false, &ALL).await.unwrap().unwrap().value, chain.audit);
        }
        for reference in [Reference::Serial(1), Reference::Uuid(chain.plan.id.0)] {
            assert_eq!(action_plan::find(&mut tx, &reference, false, &ALL).await.unwrap().unwrap().value, chain.plan);
        }
        for reference in [Reference::Serial(1), Reference::Uuid(actions[0].id.0)] {
            assert_eq!(action::find(&mut tx, &reference, false, &ALL).await.unwrap().unwrap().value, actions[0]);
        }
        for reference in [Reference::Serial(9), Reference::Serial(i64::MIN), Reference::Uuid(make.uuid()), named("")] {
            assert!(goal::find(&mut tx, &reference, true, &Visibility::All).await.unwrap().is_none());
            assert!(action::find(&mut tx, &reference, true, &ALL).await.unwrap().is_none());
            assert!(action_plan::find(&mut tx, &reference, true, &ALL).await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn a_taken_name_is_a_conflict_that_says_the_name() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let name = chain.goal.name.clone();

        let mut tx = store.begin().await.unwrap();
        let error = goal::insert(&mut tx, &make.goal(&name)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("goal {name} already exists"), "{}", store.name);
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        let error = strategy::insert(&mut tx, &make.strategy(&name, &chain.goal)).await.unwrap_err();
        assert!(matches!(error, Error::Conflict { what: "strategy", .. }));
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        let error = audit::insert(&mut tx, &make.audit(&name, &chain.goal, None)).await.unwrap_err();
        assert!(matches!(error, Error::Conflict { what: "audit", .. }));
        drop(tx);

        let mut tx = store.begin().await.unwrap();
        let (first, mut second) = (make.template("t", &chain.goal, None), make.template("u", &chain.goal, None));
        audit_template::insert(&mut tx, &first).await.unwrap();
        audit_template::insert(&mut tx, &second).await.unwrap();
        second.name = "t".to_owned();
        let error = audit_template::update(&mut tx, &second, make.now()).await.unwrap_err();
        assert!(matches!(error, Error::Conflict { what: "audit template", name } if name == "t"));
    }
}

#[tokio::test]
async fn two_projects_may_use_one_name() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();
        for owner in [None, project("a"), project("b")] {
            let mut audit = make.audit("same", &chain.goal, None);
            audit.project_id.clone_from(&owner);
            audit::insert(&mut tx, &audit).await.unwrap();
            let mut template = make.template("same", &chain.goal, None);
            template.project_id = owner;
            audit_template::insert(&mut tx, &template).await.unwrap();
        }
        for owner in ["a", "b"] {
            let visible = Visibility::Project(ProjectId(owner.to_owned()));
            let found = audit::find(&mut tx, &named("same"), false, &visible).await.unwrap().unwrap();
            assert_eq!(found.project_id, project(owner), "its own");
        }
        let stranger = Visibility::Project(ProjectId("c".to_owned()));
        assert!(audit::find(&mut tx, &named("same"), false, &stranger).await.unwrap().is_none());
        let nobody = Visibility::of(None);
        let found = audit::find(&mut tx, &named("same"), false, &nobody).await.unwrap().unwrap();
        assert_eq!(found.project_id, None, "for whoever acts for no project");
        let page = Page {
            limit: 10,
            marker: None,
            sort: audit_template::Sort::Serial,
            dir: SortDir::Asc,
            show_deleted: false,
        };
        let seen = |visible: Visibility| (audit_template::AuditTemplateFilter::default(), visible);
        for (visible, count) in
            [(ALL, 3), (Visibility::Project(ProjectId("a".to_owned())), 1), (stranger, 0), (nobody, 1)]
        {
            let (filter, visible) = seen(visible);
            assert_eq!(audit_template::list(&mut tx, &filter, &page, &visible).await.unwrap().len(), count);
        }
    }
}

#[tokio::test]
async fn rows_of_another_project_are_not_there() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();
        let mut secret = make.audit("secret", &chain.goal, None);
        secret.project_id = project("owner");
        audit::insert(&mut tx, &secret).await.unwrap();
        let plan = make.plan(&secret, &chain.strategy);
        action_plan::insert(&mut tx, &plan).await.unwrap();
        let actions = make.actions(&plan, 1);
        action::insert_many(&mut tx, &actions).await.unwrap();

        let owner = Visibility::Project(ProjectId("owner".to_owned()));
        let other = Visibility::Project(ProjectId("other".to_owned()));
        let (plan, action) = (Reference::Uuid(plan.id.0), Reference::Uuid(actions[0].id.0));
        for (visible, is_seen) in [(&owner, true), (&ALL, true), (&other, false)] {
            assert_eq!(audit::find(&mut tx, &named("secret"), true, visible).await.unwrap().is_some(), is_seen);
            assert_eq!(action_plan::find(&mut tx, &plan, true, visible).await.unwrap().is_some(), is_seen);
            assert_eq!(action::find(&mut tx, &action, true, visible).await.unwrap().is_some(), is_seen);
            let page =
                Page { limit: 9, marker: None, sort: action::Sort::Serial, dir: SortDir::Asc, show_deleted: true };
            let filter = action::ActionFilter { audit: Some(secret.id), action_plan: None };
            assert_eq!(action::list(&mut tx, &filter, &page, visible).await.unwrap().len(), usize::from(is_seen));
        }
    }
}

#[tokio::test]
async fn a_row_that_refers_to_nothing_is_refused() {
    for store in backends().await {
        let make = Fixtures::default();
        let goal = make.goal("nowhere");
        let strategy = make.strategy("s", &goal);
        let audit = make.audit("a", &goal, Some(&strategy));
        let plan = make.plan(&audit, &strategy);
        let mut tx = store.begin().await.unwrap();
        assert!(matches!(strategy::insert(&mut tx, &strategy).await, Err(Error::Reference(_))), "{}", store.name);
        let mut tx = {
            drop(tx);
            store.begin().await.unwrap()
        };
        assert!(matches!(audit::insert(&mut tx, &audit).await, Err(Error::Reference(_))));
        let mut tx = {
            drop(tx);
            store.begin().await.unwrap()
        };
        assert!(matches!(action_plan::insert(&mut tx, &plan).await, Err(Error::Reference(_))));
        let mut tx = {
            drop(tx);
            store.begin().await.unwrap()
        };
        let actions = make.actions(&plan, 2);
        assert!(matches!(action::insert_many(&mut tx, &actions).await, Err(Error::Reference(_))));
        let mut tx = {
            drop(tx);
            store.begin().await.unwrap()
        };
        let version = make.version("weight", PluginKind::Planner, digest(9));
        assert!(matches!(plugin::insert_version(&mut tx, &version, b"bytes").await, Err(Error::Reference(_))));
    }
}

#[tokio::test]
async fn an_indicator_that_is_no_number_is_refused() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut tx = store.begin().await.unwrap();
            let indicators = [make.indicator(&chain.plan, "x", value)];
            let refused = efficacy_indicator::insert_many(&mut tx, &indicators, make.now()).await;
            assert!(matches!(refused, Err(Error::Invalid(_))), "{}: {value} gave {refused:?}", store.name);
        }
        let mut tx = store.begin().await.unwrap();
        let extremes = [make.indicator(&chain.plan, "x", f64::MAX), make.indicator(&chain.plan, "y", f64::MIN)];
        efficacy_indicator::insert_many(&mut tx, &extremes, make.now()).await.unwrap();
        assert_eq!(efficacy_indicator::list_of_plan(&mut tx, chain.plan.id).await.unwrap(), extremes);
    }
}

#[tokio::test]
async fn a_change_since_reading_is_noticed() {
    for store in backends().await {
        let make = Fixtures::default();
        let audit = make.inserted_audit(&store, |_| {}).await;
        let now = make.later(1);
        let mut tx = store.begin().await.unwrap();
        let mine = watcher_domain::Audit { status_message: Some("mine".to_owned()), ..audit.clone() };
        assert!(audit::update(&mut tx, &mine, now).await.unwrap());
        let theirs = watcher_domain::Audit { status_message: Some("theirs".to_owned()), ..audit };
        assert!(!audit::update(&mut tx, &theirs, make.later(1)).await.unwrap(), "{}", store.name);
        let read = audit::get(&mut tx, mine.id).await.unwrap().unwrap();
        assert_eq!((read.status_message.as_deref(), read.stamps.updated_at), (Some("mine"), Some(now)));
        assert!(audit::update(&mut tx, &read, make.now()).await.unwrap());
    }
}

#[tokio::test]
async fn a_template_takes_changes_until_it_is_deleted() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();
        let template = make.template("t", &chain.goal, None);
        audit_template::insert(&mut tx, &template).await.unwrap();
        let mut changed = template.clone();
        changed.name = "renamed".to_owned();
        changed.strategy_id = Some(chain.strategy.id);
        changed.description = Some("new".to_owned());
        changed.default_parameters.clear();
        let now = make.later(1);
        assert!(audit_template::update(&mut tx, &changed, now).await.unwrap());
        changed.stamps.updated_at = Some(now);
        assert_eq!(audit_template::get(&mut tx, template.id).await.unwrap().unwrap().value, changed);

        assert!(audit_template::soft_delete(&mut tx, template.id, now).await.unwrap());
        assert!(!audit_template::soft_delete(&mut tx, template.id, now).await.unwrap());
        assert!(!audit_template::update(&mut tx, &changed, now).await.unwrap());
        assert!(audit_template::find(&mut tx, &named("renamed"), false, &ALL).await.unwrap().is_none());
        let deleted = audit_template::find(&mut tx, &named("renamed"), true, &ALL).await.unwrap().unwrap();
        assert_eq!(deleted.stamps.deleted_at, Some(now));
    }
}

#[tokio::test]
async fn a_name_is_free_again_after_deletion_however_often() {
    for store in backends().await {
        let make = Fixtures::default();
        let mut tx = store.begin().await.unwrap();
        let mut last = make.goal("again");
        goal::insert(&mut tx, &last).await.unwrap();
        for _ in 0..3 {
            assert!(goal::soft_delete(&mut tx, last.id, make.later(1)).await.unwrap());
            assert!(!goal::soft_delete(&mut tx, last.id, make.now()).await.unwrap());
            last = make.goal("again");
            goal::insert(&mut tx, &last).await.unwrap();
            let strategy = make.strategy("again", &last);
            strategy::insert(&mut tx, &strategy).await.unwrap();
            assert_eq!(strategy::list_for_goal(&mut tx, last.id, &Visibility::All).await.unwrap().len(), 1);
            assert!(strategy::soft_delete(&mut tx, strategy.id, make.now()).await.unwrap());
            assert!(strategy::list_for_goal(&mut tx, last.id, &Visibility::All).await.unwrap().is_empty());
        }
        let found = goal::find(&mut tx, &named("again"), true, &Visibility::All).await.unwrap().unwrap();
        assert_eq!(found.value, last, "the living one comes before the deleted ones");
        let page = Page { limit: 9, marker: None, sort: goal::Sort::Serial, dir: SortDir::Asc, show_deleted: true };
        assert_eq!(goal::list(&mut tx, &page, &Visibility::All).await.unwrap().len(), 4);
        assert_eq!(goal::list(&mut tx, &Page { show_deleted: false, ..page }, &ALL).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn references_move_from_an_old_row_to_a_new_one() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();
        let template = make.template("t", &chain.goal, Some(&chain.strategy));
        audit_template::insert(&mut tx, &template).await.unwrap();
        let goal = make.goal("new");
        goal::insert(&mut tx, &goal).await.unwrap();
        let strategy = make.strategy("new", &goal);
        strategy::insert(&mut tx, &strategy).await.unwrap();
        let now = make.later(1);

        assert_eq!(audit_template::repoint_goal(&mut tx, chain.goal.id, goal.id, now).await.unwrap(), 1);
        let moved = audit_template::repoint_strategy(&mut tx, chain.strategy.id, Some(strategy.id), now).await;
        assert_eq!(moved.unwrap(), 1);
        assert_eq!(audit::repoint_goal(&mut tx, chain.goal.id, goal.id, now).await.unwrap(), 1);
        assert_eq!(audit::cancel_of_goal(&mut tx, chain.goal.id, "-", now).await.unwrap(), []);
        let cancelled = audit::cancel_of_strategy(&mut tx, chain.strategy.id, "strategy changed", now).await.unwrap();
        assert_eq!(cancelled, [chain.audit.id]);
        assert_eq!(audit::repoint_strategy(&mut tx, chain.strategy.id, strategy.id, now).await.unwrap(), 1);
        let cancelled = action_plan::cancel_of_strategy(&mut tx, chain.strategy.id, "strategy changed", now).await;
        assert_eq!(cancelled.unwrap(), [chain.plan.id]);
        assert_eq!(action_plan::repoint_strategy(&mut tx, chain.strategy.id, strategy.id, now).await.unwrap(), 1);

        let template = audit_template::get(&mut tx, template.id).await.unwrap().unwrap();
        assert_eq!((template.goal_id, template.strategy_id), (goal.id, Some(strategy.id)));
        let audit = audit::get(&mut tx, chain.audit.id).await.unwrap().unwrap();
        assert_eq!(
            (audit.goal_id, audit.strategy_id, audit.state),
            (goal.id, Some(strategy.id), AuditState::Cancelled)
        );
        assert_eq!(audit.status_message.as_deref(), Some("strategy changed"));
        assert_eq!(audit_template::soft_delete_of_goal(&mut tx, goal.id, now).await.unwrap(), 1);
        assert!(strategy::set_digest(&mut tx, strategy.id, digest(7), now).await.unwrap());
        assert_eq!(strategy::get(&mut tx, strategy.id).await.unwrap().unwrap().digest, digest(7));
    }
}

#[tokio::test]
async fn the_version_that_runs_is_the_default_or_the_last_one_that_is_active() {
    for store in backends().await {
        let make = Fixtures::default();
        let mut tx = store.begin().await.unwrap();
        let old = make.version("weight", PluginKind::Planner, digest(1));
        install(&mut tx, &old, b"old  ").await;
        let new = watcher_domain::plugin::PluginVersion { digest: digest(2), ..old.clone() };
        install(&mut tx, &new, b"newer").await;
        tx.commit().await.unwrap();

        let mut tx = store.begin().await.unwrap();
        assert_eq!(plugin::version(&mut tx, old.digest).await.unwrap().unwrap(), old, "{}", store.name);
        assert_eq!(plugin::version(&mut tx, digest(9)).await.unwrap(), None);
        assert_eq!(plugin::component(&mut tx, old.digest).await.unwrap().unwrap(), Component::Here(b"old  ".to_vec()));
        assert_eq!(plugin::component(&mut tx, digest(9)).await.unwrap(), None);
        assert_eq!(plugin::versions(&mut tx, PluginKind::Planner).await.unwrap(), [old.clone(), new.clone()]);
        assert_eq!(plugin::versions(&mut tx, PluginKind::Action).await.unwrap(), []);

        let latest = async |tx: &mut _, visible: &Visibility| {
            plugin::latest(tx, PluginKind::Planner, "weight", visible).await.unwrap().map(|version| version.digest)
        };
        assert_eq!(latest(&mut tx, &ALL).await, Some(new.digest));
        assert!(plugin::set_default(&mut tx, old.plugin_id, old.digest, make.now()).await.unwrap());
        assert_eq!(latest(&mut tx, &ALL).await, Some(old.digest));
        assert!(plugin::set_state(&mut tx, old.digest, VersionState::Deactivated, make.now()).await.unwrap());
        assert_eq!(latest(&mut tx, &ALL).await, Some(new.digest));
        assert!(plugin::set_state(&mut tx, old.digest, VersionState::Active, make.now()).await.unwrap());
        assert!(!plugin::set_state(&mut tx, digest(9), VersionState::Active, make.now()).await.unwrap());

        let mut own = make.version("weight", PluginKind::Planner, digest(3));
        own.project_id = project("a");
        install(&mut tx, &own, b"mine!").await;
        assert_eq!(latest(&mut tx, &ALL).await, Some(old.digest), "who acts for nobody gets the built-in one");
        assert_eq!(latest(&mut tx, &Visibility::Project(ProjectId("a".to_owned()))).await, Some(own.digest));
        assert_eq!(latest(&mut tx, &Visibility::Project(ProjectId("b".to_owned()))).await, Some(old.digest));
        let found = plugin::find_plugin(&mut tx, PluginKind::Planner, "weight", own.project_id.as_ref()).await;
        assert_eq!(found.unwrap().unwrap().id, own.plugin_id);

        let twice = plugin::insert_version(&mut tx, &new, b"newer").await;
        assert!(matches!(twice, Err(Error::Conflict { what: "plugin version", .. })));
    }
}

#[tokio::test]
async fn the_versions_that_run_are_found_for_all_names_of_a_kind() {
    for store in backends().await {
        let make = Fixtures::default();
        let mut tx = store.begin().await.unwrap();
        for (number, name) in (1..).zip(["b", "a", "gone", "off"]) {
            install(&mut tx, &make.version(name, PluginKind::ScoringEngine, digest(number)), b"bytes").await;
        }
        let mut own = make.version("mine", PluginKind::ScoringEngine, digest(5));
        own.project_id = project("p");
        install(&mut tx, &own, b"mine!").await;
        install(&mut tx, &make.version("a", PluginKind::Planner, digest(6)), b"other").await;
        plugin::set_state(&mut tx, digest(4), VersionState::Deactivated, make.now()).await.unwrap();
        run(&mut tx, "UPDATE plugins SET deleted = id WHERE name = 'gone'").await.unwrap();
        let names = async |tx: &mut _, visible: &Visibility| {
            let found = plugin::all_latest(tx, PluginKind::ScoringEngine, visible).await.unwrap();
            found.into_iter().map(|version| version.description.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&mut tx, &ALL).await, ["a", "b", "mine"], "{}", store.name);
        assert_eq!(names(&mut tx, &Visibility::Project(ProjectId("q".to_owned()))).await, ["a", "b"]);
        assert_eq!(names(&mut tx, &Visibility::Project(ProjectId("p".to_owned()))).await, ["a", "b", "mine"]);
    }
}

#[tokio::test]
async fn scoring_engines_read_back_and_their_names_are_free_again_when_they_are_deleted() {
    for store in backends().await {
        let make = Fixtures::default();
        let mut tx = store.begin().await.unwrap();
        let first = make.scoring_engine("dummy_scorer");
        scoring_engine::insert(&mut tx, &first).await.unwrap();
        let found = async |tx: &mut _, reference: &Reference, deleted| {
            scoring_engine::find(tx, reference, deleted, &Visibility::All).await.unwrap().map(|row| row.value)
        };
        assert_eq!(found(&mut tx, &named("dummy_scorer"), false).await, Some(first.clone()), "{}", store.name);
        assert_eq!(found(&mut tx, &Reference::Uuid(first.id.0), false).await, Some(first.clone()));
        assert_eq!(found(&mut tx, &Reference::Serial(1), false).await, Some(first.clone()));
        assert!(scoring_engine::soft_delete(&mut tx, first.id, make.later(1)).await.unwrap());
        assert!(!scoring_engine::soft_delete(&mut tx, first.id, make.later(2)).await.unwrap());
        assert_eq!(found(&mut tx, &named("dummy_scorer"), false).await, None);
        assert!(found(&mut tx, &named("dummy_scorer"), true).await.unwrap().stamps.deleted_at.is_some());
        let second = make.scoring_engine("dummy_scorer");
        scoring_engine::insert(&mut tx, &second).await.unwrap();
        let built_in = scoring_engine::list_built_in(&mut tx).await.unwrap();
        assert_eq!(built_in.into_iter().map(|row| row.value).collect::<Vec<_>>(), std::slice::from_ref(&second));
        let twice = scoring_engine::insert(&mut tx, &make.scoring_engine("dummy_scorer")).await;
        assert!(matches!(twice, Err(Error::Conflict { what: "scoring engine", .. })));
    }
}

#[tokio::test]
async fn names_are_read_without_the_rest_of_their_rows() {
    for store in backends().await {
        let make = Fixtures::default();
        let mut tx = store.begin().await.unwrap();
        let goals: Vec<_> = ["b", "a", "c"].iter().map(|name| make.goal(name)).collect();
        for goal in &goals {
            goal::insert(&mut tx, goal).await.unwrap();
        }
        let strategy = make.strategy("s", &goals[0]);
        strategy::insert(&mut tx, &strategy).await.unwrap();
        goal::soft_delete(&mut tx, goals[2].id, make.later(1)).await.unwrap();
        let names = async |tx: &mut _, among: &[usize], deleted| {
            let among: Vec<_> = among.iter().map(|&place| goals[place].id).collect();
            let rows = goal::names(tx, &among, deleted).await.unwrap();
            rows.into_iter().map(|row| row.value.1).collect::<Vec<_>>()
        };
        assert_eq!(names(&mut tx, &[2, 1], true).await, ["a", "c"], "{}", store.name);
        assert_eq!(names(&mut tx, &[2, 1], false).await, ["a"]);
        assert!(names(&mut tx, &[], true).await.is_empty());
        let strategies = strategy::names(&mut tx, &[strategy.id], false).await.unwrap();
        assert_eq!((strategies[0].serial, &strategies[0].value), (1, &(strategy.id, "s".to_owned())));
    }
}

#[tokio::test]
async fn services_give_signs_of_life() {
    for store in backends().await {
        let make = Fixtures::default();
        let mut tx = store.begin().await.unwrap();
        service::heartbeat(&mut tx, "watcher-applier", "one", make.now()).await.unwrap();
        service::heartbeat(&mut tx, "watcher-applier", "two", make.now()).await.unwrap();
        let now = make.later(60);
        service::heartbeat(&mut tx, "watcher-applier", "one", now).await.unwrap();
        let page = Page { limit: 9, marker: None, sort: service::Sort::Serial, dir: SortDir::Asc, show_deleted: false };
        let services = service::list(&mut tx, &page).await.unwrap();
        assert_eq!(services.iter().map(|service| service.host.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!((services[0].last_seen_up, services[0].stamps.updated_at), (Some(now), Some(now)));
        let after = service::list(&mut tx, &Page { marker: Some(services[0].serial), ..page }).await.unwrap();
        assert_eq!(after, &services[1..]);
        let found = service::find(&mut tx, &Reference::Serial(services[1].serial), false).await.unwrap();
        assert_eq!(found.unwrap(), services[1]);
        let found = service::find(&mut tx, &named("watcher-applier"), false).await.unwrap();
        assert_eq!(found.unwrap(), services[0]);
    }
}

#[tokio::test]
async fn a_description_is_written_only_when_it_changed() {
    for store in backends().await {
        let make = Fixtures::default();
        let mut tx = store.begin().await.unwrap();
        assert!(action_description::upsert(&mut tx, "nop", "Does nothing.", make.now()).await.unwrap());
        assert!(!action_description::upsert(&mut tx, "nop", "Does nothing.", make.now()).await.unwrap());
        assert!(action_description::upsert(&mut tx, "nop", "Does nothing at all.", make.now()).await.unwrap());
        let descriptions = action_description::list(&mut tx).await.unwrap();
        assert_eq!(descriptions.len(), 1);
        assert_eq!(descriptions["nop"], "Does nothing at all.");
    }
}
