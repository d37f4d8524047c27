//! What still needs a component, told without a look at the actions of all plans.

use std::collections::BTreeSet;
use std::time::Instant;

use uuid::Uuid;
use watcher_domain::{ActionPlan, ActionPlanId, ActionPlanState, Digest, PluginId, PluginKind, ProjectId};
use watcher_store::plugin::{self, Handled, User};
use watcher_store::testing::{Backend, backends, dump, install, run};
use watcher_store::{Lease, Page, SortDir, Tx, Visibility, action, action_plan};

use crate::fixtures::{Chain, Fixtures, UNDO, digest, project, reread_plan};

/// Components of the plans here: a strategy, two planners and four handlers, each that of a built-in plugin.
const COMPONENTS: [(u8, PluginKind); 7] = [
    (1, PluginKind::Strategy),
    (2, PluginKind::Planner),
    (7, PluginKind::Planner),
    (3, PluginKind::Action),
    (4, PluginKind::Action),
    (5, PluginKind::Action),
    (6, PluginKind::Action),
];

async fn plugins(make: &Fixtures, store: &Backend) -> Vec<(PluginId, Digest)> {
    let mut tx = store.begin().await.unwrap();
    let mut plugins = Vec::new();
    for (number, kind) in COMPONENTS {
        let version = make.version(&format!("c{number}"), kind, digest(number));
        install(&mut tx, &version, b"bytes").await;
        plugins.push((version.plugin_id, version.digest));
    }
    tx.commit().await.unwrap();
    plugins
}

/// Inserts a plan of a project whose actions have these handlers, in turns.
async fn insert(
    make: &Fixtures,
    tx: &mut Tx,
    chain: &Chain,
    owner: Option<ProjectId>,
    state: ActionPlanState,
    handlers: &[u8],
) -> ActionPlan {
    let planner_digest = digest(if handlers.len() > 2 { 7 } else { 2 });
    let plan = ActionPlan { project_id: owner, state, planner_digest, ..make.plan(&chain.audit, &chain.strategy) };
    let mut actions = make.actions(&plan, u32::try_from(handlers.len() * 2).unwrap());
    for (action, handler) in actions.iter_mut().zip(handlers.iter().cycle()) {
        action.digest = digest(*handler);
    }
    action_plan::insert(tx, &plan).await.unwrap();
    action::insert_many(tx, &actions).await.unwrap();
    plan
}

/// What needs a component as plans and all of their actions say it, and which of these are carried out or wait for it.
async fn as_rows_say(tx: &mut Tx, digest: Digest) -> (BTreeSet<Uuid>, Vec<ActionPlanId>) {
    let sort = action_plan::Sort::Serial;
    let page = Page { limit: 1000, marker: None, sort, dir: SortDir::Asc, show_deleted: false };
    let (mut users, mut handled) = (BTreeSet::new(), Vec::new());
    for plan in action_plan::list(tx, &action_plan::ActionPlanFilter::default(), &page, &Visibility::All).await.unwrap()
    {
        let is_underway = matches!(plan.state, ActionPlanState::Pending | ActionPlanState::Ongoing);
        if !is_underway && !matches!(plan.state, ActionPlanState::Recommended | ActionPlanState::Cancelling) {
            continue;
        }
        let actions = action::list_of_plan(tx, plan.id).await.unwrap();
        let is_handler = actions.iter().any(|action| action.digest == digest);
        if is_handler || [plan.strategy_digest, plan.planner_digest].contains(&digest) {
            users.insert(plan.id.0);
        }
        if is_handler && is_underway {
            handled.push(plan.id);
        }
    }
    (users, handled)
}

async fn check(tx: &mut Tx, plugins: &[(PluginId, Digest)], store: &str, step: &str) {
    for ((plugin, digest), (number, kind)) in plugins.iter().zip(COMPONENTS) {
        let (expected, handled) = as_rows_say(tx, *digest).await;
        let mut told: Vec<User> = plugin::users(tx, *plugin, Some(*digest), 1000).await.unwrap();
        assert_eq!(told, plugin::users(tx, *plugin, None, 1000).await.unwrap());
        told.retain(|user| user.noun == "action plan");
        assert_eq!(told.len(), expected.len(), "{store}, {step}: nothing is told twice");
        let told: BTreeSet<Uuid> = told.into_iter().map(|user| user.id).collect();
        assert_eq!(told, expected, "{store}, {step}: what needs {number}");
        if kind == PluginKind::Action {
            let page = plugin::plans_handled_by(tx, *digest, 0, 1000).await.unwrap();
            let told: Vec<ActionPlanId> = page.iter().map(|plan| plan.id).collect();
            assert_eq!(told, handled, "{store}, {step}: what {number} handles");
            if let [Handled { serial: first, .. }, ..] = page[..] {
                let rest = plugin::plans_handled_by(tx, *digest, first, 1000).await.unwrap();
                assert_eq!(rest, page[1..]);
                assert_eq!(plugin::plans_handled_by(tx, *digest, 0, 1).await.unwrap(), page[..1]);
            }
        }
    }
    // What has ended is not kept.
    let kept = "action_plan_id IN (SELECT uuid FROM action_plans WHERE deleted = 0 \
                AND state IN ('RECOMMENDED', 'PENDING', 'ONGOING', 'CANCELLING'))";
    let kept = dump(tx, "plan_components", &[&format!("CASE WHEN {kept} THEN 1 ELSE 0 END")], "1").await.unwrap();
    assert!(!kept.contains(&"0".to_owned()), "{store}, {step}: {kept:?}");
}

#[tokio::test]
async fn what_needs_a_component_is_what_the_actions_of_all_plans_say() {
    for store in backends().await {
        let make = Fixtures::default();
        let plugins = plugins(&make, &store).await;
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();
        let mut plans = Vec::new();
        for state in ActionPlanState::ALL {
            for (owner, handlers) in [(None, &[3][..]), (project("p"), &[3, 4]), (project("q"), &[4, 5, 3, 5])] {
                plans.push(insert(&make, &mut tx, &chain, owner, *state, handlers).await);
            }
        }
        // No actions at all.
        plans.push(insert(&make, &mut tx, &chain, project("p"), ActionPlanState::Recommended, &[]).await);
        check(&mut tx, &plugins, store.name, "inserted").await;

        let at = |state: ActionPlanState, place: usize| {
            plans.iter().filter(|plan| plan.state == state).nth(place).unwrap().id
        };
        let now = make.later(60);
        let (recommended, pending) = (ActionPlanState::Recommended, ActionPlanState::Pending);
        assert!(action_plan::transition(&mut tx, at(recommended, 0), recommended, pending, now).await.unwrap());
        check(&mut tx, &plugins, store.name, "started").await;
        let failed = ActionPlanState::Failed;
        assert!(action_plan::transition(&mut tx, at(pending, 0), pending, failed, now).await.unwrap());
        check(&mut tx, &plugins, store.name, "failed").await;
        let lease = Lease { owner: make.uuid(), hostname: "h".to_owned(), until: now, term: 0 };
        for (place, end) in [(1, ActionPlanState::Succeeded), (2, ActionPlanState::Failed)] {
            let id = at(pending, place);
            let term = action_plan::claim(&mut tx, id, &lease, now).await.unwrap().unwrap();
            check(&mut tx, &plugins, store.name, "claimed").await;
            assert!(action_plan::finish(&mut tx, id, term, end, None, now).await.unwrap());
            check(&mut tx, &plugins, store.name, "finished").await;
        }
        assert!(action_plan::soft_delete(&mut tx, at(recommended, 1), now).await.unwrap());
        check(&mut tx, &plugins, store.name, "deleted").await;
        let superseded = action_plan::supersede(&mut tx, now, "old", now, 1).await.unwrap();
        assert_eq!(superseded.len(), 1);
        check(&mut tx, &plugins, store.name, "superseded").await;
        let fresh = insert(&make, &mut tx, &chain, project("p"), recommended, &[6]).await;
        check(&mut tx, &plugins, store.name, "inserted another").await;
        let cancelled = action_plan::cancel_recommended_of_audit(&mut tx, chain.audit.id, "new", now).await.unwrap();
        assert!(cancelled.contains(&fresh.id));
        check(&mut tx, &plugins, store.name, "cancelled").await;
        let fresh = insert(&make, &mut tx, &chain, project("p"), pending, &[6, 5]).await;
        let cancelled = action_plan::cancel_of_strategy(&mut tx, chain.strategy.id, "new", now).await.unwrap();
        assert!(cancelled.contains(&fresh.id));
        check(&mut tx, &plugins, store.name, "cancelled with the strategy").await;
        assert_eq!(reread_plan(&mut tx, fresh.id).await.state, ActionPlanState::Cancelled);
    }
}

#[tokio::test]
async fn plans_that_were_made_before_are_known_after_the_upgrade() {
    for store in backends().await {
        let make = Fixtures::default();
        let plugins = plugins(&make, &store).await;
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();
        for state in ActionPlanState::ALL {
            let plan = insert(&make, &mut tx, &chain, project("p"), *state, &[3, 4, 5, 4]).await;
            if *state == ActionPlanState::Deleted {
                let sql = "UPDATE action_plans SET deleted = id WHERE state = 'DELETED'; \
                           UPDATE actions SET deleted = id WHERE action_plan_id IN (SELECT uuid FROM action_plans WHERE deleted <> 0)";
                run(&mut tx, sql).await.unwrap();
                assert_eq!(action::list_of_plan(&mut tx, plan.id).await.unwrap(), []);
            }
        }
        run(&mut tx, UNDO).await.unwrap();
        tx.commit().await.unwrap();
        store.migrate().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        check(&mut tx, &plugins, store.name, "upgraded").await;
        assert_eq!(dump(&mut tx, "plan_components", &["1"], "1").await.unwrap().len(), 4 * 5 + 2);
    }
}

#[tokio::test]
async fn who_asks_what_needs_a_component_does_not_read_the_actions_of_others() {
    for store in backends().await {
        let make = Fixtures::default();
        let plugins = plugins(&make, &store).await;
        let chain = make.chain(&store).await;
        let mut tx = store.begin().await.unwrap();
        let mut large = make.plan(&chain.audit, &chain.strategy);
        large.state = ActionPlanState::Ongoing;
        let actions = make.actions(&large, 20_000);
        action_plan::insert(&mut tx, &large).await.unwrap();
        action::insert_many(&mut tx, &actions).await.unwrap();
        tx.commit().await.unwrap();
        let kept = dump(&mut store.begin().await.unwrap(), "plan_components", &["1"], "1").await.unwrap();
        assert_eq!(
            kept.len(),
            2 + 3,
            "{}: a row for each component of a plan, however many actions it has",
            store.name
        );
        let mut tx = store.begin().await.unwrap();
        let begun = Instant::now();
        let (plugin, digest) = plugins[6];
        assert_eq!(plugin::users(&mut tx, plugin, Some(digest), 10).await.unwrap(), []);
        assert_eq!(plugin::plans_handled_by(&mut tx, digest, 0, 10).await.unwrap(), []);
        println!("{}: nobody needs it, told in {:?}", store.name, begun.elapsed());
    }
}
