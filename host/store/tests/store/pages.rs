//! Pages cover lists, in the same order on every backend.

use uuid::Uuid;
use watcher_domain::{ActionPlanState, ActionState, AuditState, AuditType};
use watcher_store::testing::backends;
use watcher_store::{
    Page, SortDir, Stored, Tx, Visibility, action, action_plan, audit, audit_template, goal, strategy,
};

use crate::fixtures::{Fixtures, project};

const ALL: &Visibility = &Visibility::All;

/// Walks a list page by page and in one piece, in both directions; gives the serial numbers of the ascending walk.
macro_rules! walk {
    ($tx:expr, $sort:expr, $id:expr, |$page:ident, $inner:ident| $list:expr) => {{
        let mut walks = Vec::new();
        for dir in [SortDir::Asc, SortDir::Desc] {
            let $page = Page { limit: 1000, marker: None, sort: $sort, dir, show_deleted: true };
            let $inner: &mut Tx = $tx;
            let whole: Vec<i64> = $list.await.unwrap().iter().map(|row: &Stored<_>| row.serial).collect();
            let mut paged = Vec::new();
            let mut marker: Option<Uuid> = None;
            loop {
                let $page = Page { limit: 2, marker, sort: $sort, dir, show_deleted: true };
                let $inner: &mut Tx = $tx;
                let rows = $list.await.unwrap();
                let Some(last) = rows.last() else { break };
                marker = Some($id(last));
                paged.extend(rows.iter().map(|row| row.serial));
                assert!(paged.len() <= whole.len(), "{:?} {dir:?}: {paged:?} goes round in circles", $sort);
            }
            assert_eq!(paged, whole, "{:?} {dir:?}", $sort);
            walks.push(whole);
        }
        let reversed: Vec<i64> = walks[1].iter().rev().copied().collect();
        assert_eq!(walks[0], reversed, "{:?}: the directions are each other's reverse", $sort);
        walks.remove(0)
    }};
}

#[tokio::test]
async fn pages_cover_every_list_once_in_every_order() {
    let mut orders: Vec<Vec<Vec<i64>>> = Vec::new();
    for store in backends().await {
        let make = Fixtures::default();
        let mut tx = store.begin().await.unwrap();
        let goals: Vec<_> = ["b", "a", "Z", "ä", "_"].iter().map(|name| make.goal(name)).collect();
        for goal in &goals {
            goal::insert(&mut tx, goal).await.unwrap();
        }
        goal::soft_delete(&mut tx, goals[1].id, make.later(1)).await.unwrap();
        let strategies: Vec<_> =
            ["y", "X", "z"].iter().zip([2, 0, 2]).map(|(name, goal)| make.strategy(name, &goals[goal])).collect();
        for strategy in &strategies {
            strategy::insert(&mut tx, strategy).await.unwrap();
        }
        strategy::set_digest(&mut tx, strategies[1].id, crate::fixtures::digest(4), make.later(1)).await.unwrap();
        for index in 0..7_usize {
            let strategy = (index % 3 != 0).then(|| &strategies[index % 3]);
            let mut audit = make.audit(&format!("audit {}", index * 7 % 5), &goals[index % 4], strategy);
            audit.name.push_str(&"'".repeat(index));
            audit.audit_type = AuditType::ALL[index % 3];
            audit.state = AuditState::ALL[index % 4];
            audit.auto_trigger = index % 2 == 0;
            audit.interval = (index % 3 == 1).then(|| "60".to_owned());
            audit.next_run_time = (index % 2 == 1).then(|| make.later(5));
            audit.hostname = (index % 4 == 0).then(|| format!("host{}", 9 - index));
            audit.start_time = (index > 4).then(|| make.now());
            audit.stamps.updated_at = (index % 3 == 2).then(|| make.now());
            audit::insert(&mut tx, &audit).await.unwrap();
            let mut template = make.template(&audit.name, &goals[index % 4], strategy);
            template.description = (index % 2 == 0).then(|| "same".to_owned());
            audit_template::insert(&mut tx, &template).await.unwrap();
            let mut plan = make.plan(&audit, &strategies[(index + 1) % 3]);
            plan.state = ActionPlanState::ALL[index];
            plan.status_message = (index % 2 == 0).then(|| "why".to_owned());
            action_plan::insert(&mut tx, &plan).await.unwrap();
            let mut actions = make.actions(&plan, 2);
            actions[1].state = ActionState::ALL[index];
            actions[0].status_message = (index % 2 == 0).then(|| format!("because {}", index % 3));
            action::insert_many(&mut tx, &actions).await.unwrap();
        }

        let mut order = Vec::new();
        for &sort in goal::Sort::ALL {
            order.push(walk!(&mut tx, sort, |row: &Stored<watcher_domain::Goal>| row.id.0, |page, db| goal::list(
                db, &page, ALL
            )));
        }
        for &sort in strategy::Sort::ALL {
            let filter = strategy::StrategyFilter::default();
            order.push(walk!(&mut tx, sort, |row: &Stored<watcher_domain::Strategy>| row.id.0, |page, db| {
                strategy::list(db, &filter, &page, ALL)
            }));
        }
        for &sort in audit_template::Sort::ALL {
            let filter = audit_template::AuditTemplateFilter::default();
            order.push(walk!(&mut tx, sort, |row: &Stored<watcher_domain::AuditTemplate>| row.id.0, |page, db| {
                audit_template::list(db, &filter, &page, ALL)
            }));
        }
        for &sort in audit::Sort::ALL {
            let filter = audit::AuditFilter::default();
            order.push(walk!(&mut tx, sort, |row: &Stored<watcher_domain::Audit>| row.id.0, |page, db| {
                audit::list(db, &filter, &page, ALL)
            }));
        }
        for &sort in action_plan::Sort::ALL {
            let filter = action_plan::ActionPlanFilter::default();
            order.push(walk!(&mut tx, sort, |row: &Stored<watcher_domain::ActionPlan>| row.id.0, |page, db| {
                action_plan::list(db, &filter, &page, ALL)
            }));
        }
        for &sort in action::Sort::ALL {
            let filter = action::ActionFilter::default();
            order.push(walk!(&mut tx, sort, |row: &Stored<watcher_domain::Action>| row.id.0, |page, db| {
                action::list(db, &filter, &page, ALL)
            }));
        }
        assert!(order.iter().all(|serials| !serials.is_empty()));
        orders.push(order);
    }
    assert!(orders.iter().all(|order| *order == orders[0]), "the backends disagree about an order");
}

#[tokio::test]
async fn filters_leave_out_what_does_not_fit() {
    for store in backends().await {
        let make = Fixtures::default();
        let (one, two) = (make.chain(&store).await, make.chain(&store).await);
        let mut tx = store.begin().await.unwrap();
        let actions = make.actions(&two.plan, 3);
        action::insert_many(&mut tx, &actions).await.unwrap();

        let page =
            Page { limit: 9, marker: None, sort: strategy::Sort::Serial, dir: SortDir::Asc, show_deleted: false };
        let filter = strategy::StrategyFilter { goal: Some(two.goal.id) };
        let found = strategy::list(&mut tx, &filter, &page, ALL).await.unwrap();
        assert_eq!(found.into_iter().map(|row| row.value).collect::<Vec<_>>(), std::slice::from_ref(&two.strategy));

        let page = Page { limit: 9, marker: None, sort: audit::Sort::Serial, dir: SortDir::Asc, show_deleted: false };
        let none = audit::AuditFilter::default();
        for (filter, count) in [
            (audit::AuditFilter { goal: Some(one.goal.id), ..none.clone() }, 1),
            (audit::AuditFilter { strategy: Some(one.strategy.id), ..none.clone() }, 1),
            (audit::AuditFilter { state: Some(AuditState::Pending), ..none.clone() }, 2),
            (audit::AuditFilter { state: Some(AuditState::Failed), ..none.clone() }, 0),
            (audit::AuditFilter { audit_type: Some(AuditType::Event), ..none.clone() }, 0),
            (audit::AuditFilter { goal: Some(one.goal.id), strategy: Some(two.strategy.id), ..none.clone() }, 0),
        ] {
            assert_eq!(audit::list(&mut tx, &filter, &page, ALL).await.unwrap().len(), count, "{filter:?}");
        }

        let page =
            Page { limit: 9, marker: None, sort: action_plan::Sort::Serial, dir: SortDir::Asc, show_deleted: false };
        let none = action_plan::ActionPlanFilter::default();
        for (filter, count) in [
            (action_plan::ActionPlanFilter { audit: Some(one.audit.id), ..none.clone() }, 1),
            (action_plan::ActionPlanFilter { strategy: Some(two.strategy.id), ..none.clone() }, 1),
            (action_plan::ActionPlanFilter { state: Some(ActionPlanState::Recommended), ..none.clone() }, 2),
            (action_plan::ActionPlanFilter { state: Some(ActionPlanState::Ongoing), ..none.clone() }, 0),
        ] {
            assert_eq!(action_plan::list(&mut tx, &filter, &page, ALL).await.unwrap().len(), count, "{filter:?}");
        }

        let page = Page { limit: 2, marker: None, sort: action::Sort::Serial, dir: SortDir::Asc, show_deleted: false };
        for (filter, count) in [
            (action::ActionFilter { action_plan: Some(one.plan.id), audit: None }, 0),
            (action::ActionFilter { action_plan: Some(two.plan.id), audit: None }, 2),
            (action::ActionFilter { action_plan: None, audit: Some(two.audit.id) }, 2),
            (action::ActionFilter { action_plan: None, audit: Some(one.audit.id) }, 0),
        ] {
            assert_eq!(action::list(&mut tx, &filter, &page, ALL).await.unwrap().len(), count, "{filter:?}");
        }
    }
}

#[tokio::test]
async fn a_list_after_a_row_that_is_not_there_is_empty() {
    for store in backends().await {
        let make = Fixtures::default();
        make.chain(&store).await;
        let mut tx = store.read().await.unwrap();
        for &sort in audit::Sort::ALL {
            for dir in [SortDir::Asc, SortDir::Desc] {
                let page = Page { limit: 9, marker: Some(make.uuid()), sort, dir, show_deleted: true };
                let rows = audit::list(&mut tx, &audit::AuditFilter::default(), &page, ALL).await.unwrap();
                assert!(rows.is_empty(), "{} {sort:?} {dir:?}", store.name);
            }
        }
    }
}

#[tokio::test]
async fn a_project_lists_what_it_has_and_who_has_none_lists_what_is_nobodys() {
    for store in backends().await {
        let make = Fixtures::default();
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();
        for (owner, count) in [(None, 1), (project("p"), 2), (project("q"), 3)] {
            for number in 0..count {
                let name = format!("{owner:?}{number}");
                let mut audit = make.audit(&name, &chain.goal, Some(&chain.strategy));
                audit.project_id.clone_from(&owner);
                audit::insert(&mut tx, &audit).await.unwrap();
                let plan = make.plan(&audit, &chain.strategy);
                action_plan::insert(&mut tx, &plan).await.unwrap();
                action::insert_many(&mut tx, &make.actions(&plan, 1)).await.unwrap();
                let mut template = make.template(&name, &chain.goal, None);
                template.project_id.clone_from(&owner);
                audit_template::insert(&mut tx, &template).await.unwrap();
                for (seen_by, sees) in [(None, owner.is_none()), (project("p"), owner == project("p"))] {
                    let visible = &Visibility::of(seen_by.as_ref());
                    let page = everything(action::Sort::Serial);
                    for filter in [
                        action::ActionFilter { action_plan: Some(plan.id), audit: None },
                        action::ActionFilter { action_plan: None, audit: Some(audit.id) },
                    ] {
                        let listed = action::list(&mut tx, &filter, &page, visible).await.unwrap();
                        assert_eq!(
                            listed.len(),
                            usize::from(sees),
                            "{}: actions of {owner:?} for {seen_by:?}",
                            store.name
                        );
                    }
                    let page = everything(action_plan::Sort::Serial);
                    let filter = action_plan::ActionPlanFilter { audit: Some(audit.id), ..Default::default() };
                    let listed = action_plan::list(&mut tx, &filter, &page, visible).await.unwrap();
                    assert_eq!(listed.len(), usize::from(sees), "{}: plans of {owner:?} for {seen_by:?}", store.name);
                }
            }
        }
        // One audit and one plan more are of the chain, which is nobody's.
        for (seen_by, audits, templates, actions) in
            [(None, 2, 1, 1), (project("p"), 2, 2, 2), (project("none"), 0, 0, 0)]
        {
            let visible = &Visibility::of(seen_by.as_ref());
            let tx = &mut tx;
            let listed = audit::list(tx, &audit::AuditFilter::default(), &everything(audit::Sort::Name), visible).await;
            assert_eq!(listed.unwrap().len(), audits, "{}: audits for {seen_by:?}", store.name);
            let (filter, page) = (action_plan::ActionPlanFilter::default(), everything(action_plan::Sort::AuditSerial));
            let listed = action_plan::list(tx, &filter, &page, visible).await;
            assert_eq!(listed.unwrap().len(), audits, "{}: plans for {seen_by:?}", store.name);
            let (filter, page) = (action::ActionFilter::default(), everything(action::Sort::ActionPlanSerial));
            assert_eq!(action::list(tx, &filter, &page, visible).await.unwrap().len(), actions, "{}", store.name);
            let (filter, page) =
                (audit_template::AuditTemplateFilter::default(), everything(audit_template::Sort::Name));
            assert_eq!(
                audit_template::list(tx, &filter, &page, visible).await.unwrap().len(),
                templates,
                "{}",
                store.name
            );
        }
    }
}

const fn everything<S>(sort: S) -> Page<S> {
    Page { limit: 1000, marker: None, sort, dir: SortDir::Asc, show_deleted: false }
}
