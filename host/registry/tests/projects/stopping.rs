//! What becomes of those who use a version when it is deactivated for all.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;
use watcher_domain::plugin::{MemberStatus, PluginVisibility, VersionState};
use watcher_domain::{
    Action, ActionId, ActionPlan, ActionPlanId, ActionPlanState, ActionState, Audit, AuditId, AuditState, AuditType,
    Clock as _, Digest, Ids as _, PluginId, Stamps, Strategy,
};
use watcher_registry::{Changes, RegistryError, Stopped};
use watcher_store::plugin::{self, EventFilter};
use watcher_store::testing::backends;
use watcher_store::{Lease, SortDir, action, action_plan, audit};

use crate::stage::{Stage, action as action_of, actor, admin, project, strategy_of};

impl Stage {
    /// An audit that a decision engine works on.
    async fn at_work(&self, owner: &str, strategy: &Strategy) -> AuditId {
        let id = self.audit(owner, strategy, AuditState::Pending).await;
        let now = self.clock.now();
        let mut tx = self.store.begin().await.unwrap();
        let audit = audit::get(&mut tx, id).await.unwrap().unwrap().value;
        let audit = Audit { audit_type: AuditType::Oneshot, interval: None, ..audit };
        assert!(audit::update(&mut tx, &audit, now).await.unwrap());
        let lease = Lease { owner: Uuid::from_u128(1), hostname: "h".to_owned(), until: now, term: 0 };
        audit::claim(&mut tx, id, &lease, now).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// A plan of one action that this component handles.
    pub(crate) async fn plan(
        &self,
        owner: &str,
        strategy: &Strategy,
        handler: Digest,
        state: ActionPlanState,
    ) -> ActionPlanId {
        let audit_id = self.audit(owner, strategy, AuditState::Succeeded).await;
        let stamps = Stamps::new(self.clock.now());
        let plan = ActionPlan {
            id: ActionPlanId(self.ids.uuid()),
            project_id: Some(project(owner)),
            audit_id,
            strategy_id: strategy.id,
            state,
            global_efficacy: Vec::new(),
            hostname: None,
            status_message: None,
            strategy_digest: strategy.digest,
            planner_digest: Digest([8; 32]),
            snapshot_id: None,
            stamps,
        };
        let action = Action {
            id: ActionId(self.ids.uuid()),
            action_plan_id: plan.id,
            position: 0,
            action_type: "mine".to_owned(),
            input_parameters: serde_json::Map::new(),
            state: ActionState::Pending,
            parents: Vec::new(),
            status_message: None,
            digest: handler,
            stamps,
        };
        let mut tx = self.store.begin().await.unwrap();
        action_plan::insert(&mut tx, &plan).await.unwrap();
        action::insert_many(&mut tx, &[action]).await.unwrap();
        tx.commit().await.unwrap();
        plan.id
    }

    async fn audit_is(&self, id: AuditId) -> (AuditState, Option<String>) {
        let mut tx = self.store.read().await.unwrap();
        let audit = audit::get(&mut tx, id).await.unwrap().unwrap();
        (audit.state, audit.value.status_message)
    }

    async fn plan_is(&self, id: ActionPlanId) -> (ActionPlanState, Option<String>, ActionState) {
        let mut tx = self.store.read().await.unwrap();
        let plan = action_plan::get(&mut tx, id).await.unwrap().unwrap();
        let actions = action::list_of_plan(&mut tx, id).await.unwrap();
        (plan.state, plan.value.status_message, actions[0].state)
    }

    async fn share(&self, id: PluginId, with: &str) {
        let shared = Changes { visibility: Some(PluginVisibility::Shared), ..Changes::default() };
        self.registry.update(&actor("a"), id, &shared).await.unwrap();
        self.registry.offer(&actor("a"), id, &project(with)).await.unwrap();
        self.registry.answer(&actor(with), id, &project(with), MemberStatus::Accepted).await.unwrap();
    }

    async fn stop(&self, id: PluginId, version: &str) -> Stopped {
        let reason = Some("it loops");
        self.registry.set_state(&actor("a"), id, version, VersionState::Deactivated, reason).await.unwrap();
        self.registry.stop_users(&actor("a"), id, version, reason).await.unwrap()
    }
}

#[tokio::test]
async fn plans_that_a_deactivated_handler_carries_out_are_stopped_and_those_of_another_plugin_go_on() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let basic = stage.strategy("basic", "a").await.unwrap().value;
        let release = stage.upload("a", &action_of("mine", "1.0.0", "")).await.unwrap();
        let (id, digest) = (release.plugin.id, release.version.version.digest);
        stage.upload("b", &action_of("mine", "1.0.0", "")).await.unwrap();
        let other = stage.upload("a", &action_of("other", "1.0.0", "")).await.unwrap().version.version.digest;
        stage.share(id, "b").await;
        stage.share(id, "c").await;
        stage.share(id, "gone").await;
        let waiting = stage.plan("a", &basic, digest, ActionPlanState::Pending).await;
        let running = stage.plan("c", &basic, digest, ActionPlanState::Ongoing).await;
        let mut left = Vec::new();
        for (owner, handler, state) in [
            ("a", digest, ActionPlanState::Recommended),
            ("a", digest, ActionPlanState::Succeeded),
            ("a", other, ActionPlanState::Ongoing),
            ("b", digest, ActionPlanState::Ongoing),
            ("gone", digest, ActionPlanState::Ongoing),
        ] {
            left.push((stage.plan(owner, &basic, handler, state).await, state));
        }
        stage.registry.withdraw(&actor("a"), id, &project("gone")).await.unwrap();

        let nothing = stage.registry.stop_users(&actor("a"), id, "1.0.0", None).await.unwrap();
        assert_eq!(nothing, Stopped::default(), "{}: an active version is left alone", store.name);
        let stopped = stage.stop(id, "1.0.0").await;
        assert_eq!(stopped.audits, []);
        let expected = [
            (waiting, ActionPlanState::Pending, ActionPlanState::Cancelled),
            (running, ActionPlanState::Ongoing, ActionPlanState::Cancelling),
        ];
        assert_eq!(stopped.action_plans, expected, "{}", store.name);
        let told = "action mine 1.0.0 was deactivated, and what used it was stopped: it loops".to_owned();
        let cancelled = (ActionPlanState::Cancelled, Some(told.clone()), ActionState::Cancelled);
        assert_eq!(stage.plan_is(waiting).await, cancelled);
        let cancelling = (ActionPlanState::Cancelling, Some(told), ActionState::Pending);
        assert_eq!(stage.plan_is(running).await, cancelling, "its applier ends its actions");
        for (plan, state) in &left {
            assert_eq!(stage.plan_is(*plan).await, (*state, None, ActionState::Pending));
        }

        let again = stage.plan("c", &basic, digest, ActionPlanState::Pending).await;
        assert_eq!(stage.stop(id, "1.0.0").await.action_plans[0].0, again, "it may be repeated");
        let mut tx = store.read().await.unwrap();
        let events = plugin::events(&mut tx, id, &EventFilter::All, None, SortDir::Desc, 100).await.unwrap();
        let details: Vec<_> =
            events.iter().filter(|event| event.event == "stopped").map(|event| &event.detail).collect();
        let detail = |plans: u64| json!({"version": "1.0.0", "reason": "it loops", "audits": 0, "action_plans": plans});
        assert_eq!(details, [&detail(1)], "what others had is not told");
    }
}

#[tokio::test]
async fn who_may_use_a_handler_no_more_runs_it_through_the_only_plugin_that_has_it() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let basic = stage.strategy("basic", "a").await.unwrap().value;
        let release = stage.upload("a", &action_of("mine", "1.0.0", "")).await.unwrap();
        let id = release.plugin.id;
        stage.share(id, "b").await;
        let plan = stage.plan("b", &basic, release.version.version.digest, ActionPlanState::Ongoing).await;
        stage.registry.withdraw(&actor("a"), id, &project("b")).await.unwrap();
        assert_eq!(stage.stop(id, "1.0.0").await.action_plans.len(), 1, "{}", store.name);
        assert_eq!(stage.plan_is(plan).await.0, ActionPlanState::Cancelling);
    }
}

#[tokio::test]
async fn a_plan_that_began_needs_the_plugin_that_it_began_with_and_no_other_one_with_the_same_component() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let basic = stage.strategy("basic", "a").await.unwrap().value;
        let same = action_of("mine", "1.0.0", "");
        // Another project has the same bytes, and had them first.
        let other = stage.upload("c", &same).await.unwrap().plugin.id;
        let release = stage.upload("a", &same).await.unwrap();
        let (id, digest) = (release.plugin.id, release.version.version.digest);
        stage.share(id, "b").await;
        let plan = stage.plan("b", &basic, digest, ActionPlanState::Ongoing).await;
        let mut tx = store.begin().await.unwrap();
        plugin::run_through(&mut tx, plan, digest, id).await.unwrap();
        tx.commit().await.unwrap();
        stage.registry.withdraw(&actor("a"), id, &project("b")).await.unwrap();

        let refused = stage.registry.delete_version(&actor("a"), id, "1.0.0").await;
        assert!(matches!(refused, Err(RegistryError::InUse { has_others: true, .. })), "{}: {refused:?}", store.name);
        assert_eq!(stage.registry.stop_users(&actor("c"), other, "1.0.0", None).await.unwrap(), Stopped::default());
        stage.registry.delete_version(&actor("c"), other, "1.0.0").await.unwrap();
        assert_eq!(stage.stop(id, "1.0.0").await.action_plans.len(), 1, "{}", store.name);
        assert_eq!(stage.plan_is(plan).await.0, ActionPlanState::Cancelling);
    }
}

#[tokio::test]
async fn audits_of_a_deactivated_strategy_are_stopped_and_those_that_wait_run_the_version_that_takes_over() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let release = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap();
        let id = release.plugin.id;
        stage.share(id, "b").await;
        let (mine, basic) =
            (stage.strategy("mine", "a").await.unwrap().value, stage.strategy("basic", "a").await.unwrap().value);
        let other = stage.at_work("a", &basic).await;
        let (running, waiting) = (stage.at_work("b", &mine).await, stage.audit("b", &mine, AuditState::Pending).await);
        let (suspended, between) =
            (stage.audit("a", &mine, AuditState::Suspended).await, stage.audit("a", &mine, AuditState::Ongoing).await);
        stage.clock.advance(Duration::from_secs(1));
        stage.upload("a", &strategy_of("mine", "2.0.0", "g", "x")).await.unwrap();
        stage.clock.advance(Duration::from_secs(1));
        let later = stage.at_work("b", &stage.strategy("mine", "b").await.unwrap().value).await;

        let stopped = stage.stop(id, "1.0.0").await;
        assert_eq!(stopped.audits, [(running, AuditState::Ongoing)], "{}", store.name);
        let told = "strategy mine 1.0.0 was deactivated, and what used it was stopped: it loops".to_owned();
        assert_eq!(stage.audit_is(running).await, (AuditState::Cancelled, Some(told)));
        let stopped = stage.stop(id, "2.0.0").await.audits;
        let expected = [(waiting, AuditState::Pending), (between, AuditState::Ongoing), (later, AuditState::Ongoing)];
        assert_eq!(stopped, expected, "{}: nothing takes over", store.name);
        assert_eq!(stage.audit_is(suspended).await.0, AuditState::Suspended);
        assert_eq!(stage.audit_is(other).await, (AuditState::Ongoing, None));
    }
}

#[tokio::test]
async fn audits_at_work_that_could_ask_a_deactivated_planner_are_stopped() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let basic = stage.strategy("basic", "a").await.unwrap().value;
        let planner = |name: &str| json!({"name": name, "version": "1.0.0", "display_name": name, "description": "", "configuration_schema": {}});
        let id = stage.upload("a", &planner("weight")).await.unwrap().plugin.id;
        let unasked = stage.upload("a", &planner("mine")).await.unwrap().plugin.id;
        stage.clock.advance(std::time::Duration::from_secs(1));
        let (own, others) = (stage.at_work("a", &basic).await, stage.at_work("b", &basic).await);
        assert_eq!(stage.stop(unasked, "1.0.0").await.audits, [], "{}: it was not named", store.name);
        let waiting = stage.audit("a", &basic, AuditState::Pending).await;
        assert_eq!(stage.stop(id, "1.0.0").await.audits, [(own, AuditState::Ongoing)], "{}", store.name);
        assert_eq!(stage.audit_is(others).await.0, AuditState::Ongoing);
        assert_eq!(stage.audit_is(waiting).await.0, AuditState::Pending);
    }
}

#[tokio::test]
async fn audits_of_a_deactivated_built_in_strategy_are_stopped() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let basic = stage.strategy("basic", "a").await.unwrap().value;
        let mut tx = store.read().await.unwrap();
        let version = plugin::version(&mut tx, basic.digest).await.unwrap().unwrap();
        drop(tx);
        let running = stage.at_work("a", &basic).await;
        let (registry, id) = (&stage.registry, version.plugin_id);
        registry.set_state(&admin(), id, "1.0.0", VersionState::Deactivated, None).await.unwrap();
        let stopped = registry.stop_users(&admin(), id, "1.0.0", None).await.unwrap();
        assert_eq!(stopped.audits, [(running, AuditState::Ongoing)], "{}", store.name);
        let told = "strategy basic 1.0.0 was deactivated, and what used it was stopped".to_owned();
        assert_eq!(stage.audit_is(running).await, (AuditState::Cancelled, Some(told)));
    }
}
