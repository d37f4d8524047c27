//! Who sees and uses the plugins of others.

use std::time::Duration;

use watcher_domain::cloud::{Grant, GrantedVersion, GrantedVersions, RequestPattern};
use watcher_domain::plugin::MemberStatus::{Accepted, Pending, Rejected};
use watcher_domain::plugin::{PluginVisibility, VersionState};
use watcher_domain::{PluginId, PluginKind};
use watcher_registry::{Change, Changes, GrantFor, Quotas, RegistryError, RegistryOptions, Release, grant_for};
use watcher_store::plugin::{self, EventFilter};
use watcher_store::testing::backends;
use watcher_store::{Reference, SortDir, Store, Visibility, goal};

use crate::stage::{Stage, action, actor, admin, project, strategy_of, visible};

impl Stage {
    async fn show(&self, id: PluginId, visibility: PluginVisibility) {
        let changes = Changes { visibility: Some(visibility), ..Changes::default() };
        self.registry.update(&admin(), id, &changes).await.unwrap();
    }
}

#[tokio::test]
async fn a_shared_plugin_is_used_by_those_who_accepted_it_until_it_is_withdrawn() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let release = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap();
        let (id, digest) = (release.plugin.id, release.version.version.digest);
        let (a, b) = (actor("a"), actor("b"));
        let error = stage.registry.offer(&a, id, &project("b")).await.unwrap_err();
        assert!(matches!(error, RegistryError::NotShared(PluginVisibility::Private)), "{}: {error}", store.name);
        assert!(matches!(stage.registry.answer(&b, id, &project("b"), Accepted).await, Err(RegistryError::NoPlugin)));
        stage.show(id, PluginVisibility::Shared).await;
        assert!(!stage.sees(id, "b").await);
        stage.registry.offer(&a, id, &project("b")).await.unwrap();
        assert!(matches!(stage.registry.offer(&a, id, &project("b")).await, Err(RegistryError::Member(_))));
        assert!(stage.sees(id, "b").await && !stage.sees(id, "c").await);
        assert!(!stage.runs(digest, "b").await, "what is not accepted is not used");
        for (answer, uses) in [(Accepted, true), (Rejected, false), (Pending, false), (Accepted, true)] {
            stage.registry.answer(&b, id, &project("b"), answer).await.unwrap();
            assert_eq!(stage.runs(digest, "b").await, uses, "{answer}");
            assert_eq!(stage.strategy_names("b").await.contains(&"mine".to_owned()), uses, "{answer}");
            assert_eq!(stage.latest(PluginKind::Strategy, "mine", "b").await.is_some(), uses, "{answer}");
        }
        stage.show(id, PluginVisibility::Private).await;
        assert!(!stage.sees(id, "b").await && !stage.runs(digest, "b").await);
        stage.show(id, PluginVisibility::Shared).await;
        assert!(stage.runs(digest, "b").await);
        stage.registry.withdraw(&a, id, &project("b")).await.unwrap();
        assert!(!stage.sees(id, "b").await && !stage.runs(digest, "b").await && stage.runs(digest, "a").await);
        assert!(matches!(stage.registry.withdraw(&a, id, &project("b")).await, Err(RegistryError::NoMember(_))));
    }
}

#[tokio::test]
async fn a_plugin_for_everybody_is_used_by_those_who_accepted_it() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let release = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap();
        let (id, digest, b) = (release.plugin.id, release.version.version.digest, actor("b"));
        for visibility in [PluginVisibility::Community, PluginVisibility::Public] {
            stage.show(id, visibility).await;
            assert!(stage.sees(id, "b").await && !stage.runs(digest, "b").await, "{}: {visibility}", store.name);
            stage.registry.answer(&b, id, &project("b"), Accepted).await.unwrap();
            assert!(stage.runs(digest, "b").await && !stage.runs(digest, "c").await);
            stage.registry.answer(&b, id, &project("b"), Rejected).await.unwrap();
            assert!(!stage.runs(digest, "b").await);
        }
        stage.registry.answer(&b, id, &project("b"), Accepted).await.unwrap();
        stage.show(id, PluginVisibility::Shared).await;
        assert!(!stage.sees(id, "b").await && !stage.runs(digest, "b").await, "to accept is not to be a member");
        stage.show(id, PluginVisibility::Community).await;
        assert!(!stage.runs(digest, "b").await, "who could not say no meanwhile is asked again");
        let own = stage.registry.answer(&actor("a"), id, &project("a"), Accepted).await;
        assert!(matches!(own, Err(RegistryError::NothingToAccept)));
    }
}

#[tokio::test]
async fn of_goals_of_one_name_the_one_counts_whose_strategy_was_accepted_last() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let mut goals = Vec::new();
        for owner in ["a", "c"] {
            let id = stage.upload(owner, &strategy_of("mine", "1.0.0", "g", owner)).await.unwrap().plugin.id;
            stage.show(id, PluginVisibility::Community).await;
            goals.push((id, stage.strategy("mine", owner).await.unwrap().goal_id));
        }
        for (id, goal) in [goals[1], goals[0]] {
            stage.clock.advance(Duration::from_secs(1));
            stage.registry.answer(&actor("b"), id, &project("b"), Accepted).await.unwrap();
            let mut tx = store.read().await.unwrap();
            let found = goal::find(&mut tx, &Reference::Name("g".to_owned()), false, &visible("b")).await.unwrap();
            assert_eq!(found.unwrap().id, goal, "{}", store.name);
        }
    }
}

#[tokio::test]
async fn an_own_plugin_shadows_an_accepted_one_which_shadows_a_built_in_one() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let latest = async |name: &str, who: &str| stage.latest(PluginKind::Action, name, who).await;
        let built_in = latest("nop", "b").await;
        let mut accepted = Vec::new();
        for (owner, visibility) in [("a", PluginVisibility::Shared), ("c", PluginVisibility::Community)] {
            let release = stage.upload(owner, &action("nop", "1.0.0", owner)).await.unwrap();
            stage.show(release.plugin.id, visibility).await;
            if visibility == PluginVisibility::Shared {
                stage.registry.offer(&actor(owner), release.plugin.id, &project("b")).await.unwrap();
            }
            assert_eq!(latest("nop", "b").await, accepted.last().copied().or(built_in), "{}", store.name);
            stage.clock.advance(Duration::from_secs(1));
            stage.registry.answer(&actor("b"), release.plugin.id, &project("b"), Accepted).await.unwrap();
            accepted.push(release.version.version.digest);
            assert_eq!(latest("nop", "b").await, accepted.last().copied(), "the one accepted last");
        }
        let own = stage.upload("b", &action("nop", "1.0.0", "b")).await.unwrap().version.version.digest;
        assert_eq!(latest("nop", "b").await, Some(own));
        assert_eq!(latest("nop", "d").await, built_in);
        for (name, who, wanted) in [
            ("built-in/nop", "b", built_in),
            ("a/nop", "b", Some(accepted[0])),
            ("c/nop", "b", Some(accepted[1])),
            ("b/nop", "b", Some(own)),
            ("a/nop", "d", None),
            ("b/nop", "a", None),
            ("d/nop", "d", None),
        ] {
            assert_eq!(latest(name, who).await, wanted, "{name} for {who}");
        }
        let owner = |digest| {
            [("built-in", built_in.unwrap()), ("a", accepted[0]), ("c", accepted[1]), ("b", own)]
                .into_iter()
                .find(|(_, known)| *known == digest)
                .unwrap()
                .0
        };
        let mut tx = store.read().await.unwrap();
        let all = watcher_store::plugin::all_latest(&mut tx, PluginKind::Action, &crate::stage::visible("b")).await;
        assert_eq!(all.unwrap().iter().map(|version| owner(version.digest)).collect::<Vec<_>>(), ["b"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_at_once_neither_undoes_the_other() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let id = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap().plugin.id;
        let other = Stage::new(&Store::connect(&store.url).await.unwrap(), 1000);
        for round in 0..20 {
            stage.show(id, PluginVisibility::Community).await;
            let private = Changes { visibility: Some(PluginVisibility::Private), ..Changes::default() };
            let text = format!("text {round}");
            let described = Changes { description: Change::Set(text.clone()), ..Changes::default() };
            let a = actor("a");
            let (hidden, described) =
                tokio::join!(stage.registry.update(&a, id, &private), other.registry.update(&a, id, &described));
            assert!(hidden.is_ok() && described.is_ok(), "{hidden:?} {described:?}");
            let mut tx = store.read().await.unwrap();
            let found = plugin::find(&mut tx, id, false, &Visibility::All).await.unwrap().unwrap();
            let told = (found.visibility, found.description.as_deref());
            assert_eq!(told, (PluginVisibility::Private, Some(text.as_str())), "{}: round {round}", store.name);
            drop(tx);
            assert!(!stage.sees(id, "b").await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goal_that_one_strategy_leaves_while_another_comes_to_it_stays() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let other = Stage::new(&Store::connect(&store.url).await.unwrap(), 100_000);
        let goals = ["g", "server_consolidation"];
        let mut plugins = Vec::new();
        for (name, at_first) in [("one", [0, 1]), ("two", [1, 0])] {
            let mut id = None;
            for (version, goal) in [("1.0.0", goals[at_first[0]]), ("2.0.0", goals[at_first[1]])] {
                id = Some(stage.upload("a", &strategy_of(name, version, goal, "")).await.unwrap().plugin.id);
            }
            plugins.push(id.unwrap());
        }
        let run = |version: &str| Changes { default_version: Change::Set(version.to_owned()), ..Changes::default() };
        for round in 0..20 {
            let (a, first, second) = (actor("a"), run("1.0.0"), run("2.0.0"));
            for plugin in &plugins {
                stage.registry.update(&a, *plugin, &first).await.unwrap();
            }
            // `one` leaves the goal, `two` comes.
            let (left, came) = tokio::join!(
                stage.registry.update(&a, plugins[0], &second),
                other.registry.update(&a, plugins[1], &second)
            );
            assert!(left.is_ok() && came.is_ok(), "{left:?} {came:?}");
            let two = stage.strategy("two", "a").await.unwrap();
            let mut tx = store.read().await.unwrap();
            let goal = watcher_store::goal::get(&mut tx, two.goal_id).await.unwrap();
            assert!(goal.is_some_and(|goal| goal.stamps.deleted_at.is_none()), "{}: round {round}", store.name);
        }
    }
}

#[tokio::test]
async fn the_owner_sees_what_was_done_to_a_plugin_and_others_what_they_did() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let id = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap().plugin.id;
        stage.show(id, PluginVisibility::Shared).await;
        stage.registry.offer(&actor("a"), id, &project("b")).await.unwrap();
        stage.registry.answer(&actor("b"), id, &project("b"), Accepted).await.unwrap();
        stage.show(id, PluginVisibility::Public).await;
        stage.registry.answer(&actor("c"), id, &project("c"), Accepted).await.unwrap();
        let owner = stage.events(id, &EventFilter::Owner(project("a"))).await;
        assert_eq!(owner, ["uploaded", "updated", "member_offered", "member_accepted", "updated"], "{}", store.name);
        assert_eq!(stage.events(id, &EventFilter::Project(project("b"))).await, ["member_accepted"]);
        assert_eq!(stage.events(id, &EventFilter::Project(project("c"))).await, ["accepted"]);
        assert_eq!(stage.events(id, &EventFilter::All).await.len(), 6);
    }
}

#[tokio::test]
async fn events_keep_the_beginning_of_a_text_and_nothing_of_what_changed_nothing() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let a = actor("a");
        let id = stage.upload("a", &action("mine", "1.0.0", "")).await.unwrap().plugin.id;
        let long = "😀".repeat(4096);
        let described = Changes { description: Change::Set(long.clone()), ..Changes::default() };
        for _ in 0..3 {
            let updated = stage.registry.update(&a, id, &described).await.unwrap();
            assert_eq!(updated.value.description.as_deref(), Some(long.as_str()), "{}", store.name);
        }
        for _ in 0..2 {
            stage.registry.set_state(&a, id, "1.0.0", VersionState::Deactivated, Some(&long)).await.unwrap();
            stage.registry.stop_users(&a, id, "1.0.0", Some(&long)).await.unwrap();
            stage.registry.set_grant(&admin(), id, &project("a"), asks(), GrantFor::Any).await.unwrap();
        }
        let short = format!("{}…", "😀".repeat(199));
        let mut tx = store.read().await.unwrap();
        let events = plugin::events(&mut tx, id, &EventFilter::All, None, SortDir::Asc, 100).await.unwrap();
        let told: Vec<_> = events.iter().map(|event| event.event.as_str()).collect();
        assert_eq!(told, ["uploaded", "updated", "deactivated", "granted"], "{}", store.name);
        assert_eq!(events[1].detail["description"], short);
        assert_eq!(events[2].detail["reason"], short);
        assert_eq!(events[3].detail["requests"][0]["path"], "/servers/{id}");
    }
}

fn asks() -> Vec<RequestPattern> {
    vec![RequestPattern::new("compute", "GET".parse().unwrap(), "/servers/{id}").with_query(&["fields"])]
}

#[tokio::test]
async fn grants_are_kept_for_each_project() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let id = stage.upload("a", &action("mine", "1.0.0", "")).await.unwrap().plugin.id;
        let refused = stage.registry.set_grant(&admin(), id, &project("b"), asks(), GrantFor::Any).await;
        assert!(matches!(refused, Err(RegistryError::NoPlugin)), "{}", store.name);
        let (grant, _) = stage.registry.set_grant(&admin(), id, &project("a"), asks(), GrantFor::Any).await.unwrap();
        assert_eq!(grant, Grant { requests: asks(), versions: GrantedVersions::Any });
        assert_eq!(grant_for(&store, &project("a"), id).await.unwrap().unwrap().0, grant);
        assert_eq!(grant_for(&store, &project("b"), id).await.unwrap(), None);
        stage.registry.set_grant(&admin(), id, &project("a"), Vec::new(), GrantFor::Running).await.unwrap();
        assert_eq!(grant_for(&store, &project("a"), id).await.unwrap().unwrap().0.requests, []);
    }
}

#[tokio::test]
async fn a_grant_is_for_the_version_that_was_looked_at_and_not_for_what_its_owner_uploads_later() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let first = stage.upload("a", &action("mine", "1.0.0", "")).await.unwrap();
        let (id, own) = (first.plugin.id, project("a"));
        let grant = async |versions: GrantFor| {
            let granted = stage.registry.set_grant(&admin(), id, &own, asks(), versions).await?.0;
            assert_eq!(grant_for(&store, &own, id).await.unwrap().unwrap().0, granted, "{}", store.name);
            Ok::<_, RegistryError>(granted.versions)
        };
        let version = |release: &Release| GrantedVersion {
            version: release.version.version.description.version.clone(),
            digest: release.version.version.digest,
        };
        let running = grant(GrantFor::Running).await.unwrap();
        assert_eq!(running, GrantedVersions::These(vec![version(&first)]));
        let second = stage.upload("a", &action("mine", "1.1.0", "")).await.unwrap();
        let kept = grant_for(&store, &own, id).await.unwrap().unwrap().0;
        assert_eq!(kept.versions, running, "an upload is no grant");
        let both = vec!["1.1.0".to_owned(), version(&first).digest.to_string(), "1.0.0".to_owned()];
        let both = grant(GrantFor::These(both)).await.unwrap();
        assert_eq!(both, GrantedVersions::These(vec![version(&second), version(&first)]));
        let unknown = grant(GrantFor::These(vec!["2.0.0".to_owned()])).await;
        assert!(matches!(unknown, Err(RegistryError::NoVersion(name)) if name == "2.0.0"));
        for number in ["1.0.0", "1.1.0"] {
            stage.registry.set_state(&actor("a"), id, number, VersionState::Deactivated, None).await.unwrap();
        }
        assert!(matches!(grant(GrantFor::Running).await, Err(RegistryError::NothingRuns)));
    }
}

#[tokio::test]
async fn offers_are_counted() {
    for store in backends().await {
        let mut stage = Stage::with_built_in(&store).await;
        let quotas = Quotas { members: 1, ..Quotas::default() };
        stage.registry = stage.registry.with_options(RegistryOptions { quotas, ..RegistryOptions::default() });
        let id = stage.upload("a", &action("mine", "1.0.0", "")).await.unwrap().plugin.id;
        stage.show(id, PluginVisibility::Shared).await;
        stage.registry.offer(&actor("a"), id, &project("b")).await.unwrap();
        let error = stage.registry.offer(&actor("a"), id, &project("c")).await.unwrap_err();
        assert!(matches!(error, RegistryError::Quota { what: "members of plugins", limit: 1, .. }), "{error}");
        assert!(!stage.sees(id, "c").await, "{}", store.name);
    }
}

#[tokio::test]
async fn a_project_that_changes_plugins_too_often_waits_and_can_still_switch_off_and_take_back() {
    for store in backends().await {
        let mut stage = Stage::with_built_in(&store).await;
        let quotas = Quotas { changes_per_hour: 4, ..Quotas::default() };
        stage.registry = stage.registry.with_options(RegistryOptions { quotas, ..RegistryOptions::default() });
        let (a, b, registry) = (actor("a"), actor("b"), &stage.registry);
        let told = "quota exceeded: the project may make 4 changes of plugins per hour";
        let describe = async |actor: &_, id, text: &str| {
            let changes = Changes { description: Change::Set(text.to_owned()), ..Changes::default() };
            registry.update(actor, id, &changes).await.map_err(|error| error.to_string())
        };
        let id = stage.upload("a", &action("mine", "1.0.0", "")).await.unwrap().plugin.id;
        stage.show(id, PluginVisibility::Shared).await;
        registry.offer(&a, id, &project("b")).await.unwrap();
        registry.answer(&b, id, &project("b"), Accepted).await.unwrap();
        describe(&a, id, "one").await.unwrap();
        registry.set_state(&a, id, "1.0.0", VersionState::Deprecated, None).await.unwrap();
        assert_eq!(registry.standing(&project("a")).await.unwrap().changes, 4, "{}: the upload, too", store.name);

        assert_eq!(describe(&a, id, "two").await.unwrap_err(), told, "{}", store.name);
        assert_eq!(describe(&a, id, "one").await.unwrap().description.as_deref(), Some("one"), "nothing changes");
        let reactivated = registry.set_state(&a, id, "1.0.0", VersionState::Active, None).await;
        assert_eq!(reactivated.unwrap_err().to_string(), told);
        assert_eq!(registry.offer(&a, id, &project("c")).await.unwrap_err().to_string(), told);
        assert!(!stage.sees(id, "c").await, "nothing of it is done");
        describe(&admin(), id, "by an administrator").await.unwrap();
        // What switches off and takes back is never refused, nor are uploads, which have a limit of their own.
        registry.set_state(&a, id, "1.0.0", VersionState::Deactivated, None).await.unwrap();
        registry.stop_users(&a, id, "1.0.0", None).await.unwrap();
        registry.withdraw(&a, id, &project("b")).await.unwrap();
        let other = stage.upload("a", &action("other", "1.0.0", "")).await.unwrap().plugin.id;
        registry.delete_version(&a, other, "1.0.0").await.unwrap();
        registry.delete(&a, other).await.unwrap();

        stage.clock.advance(Duration::from_hours(1));
        describe(&a, id, "two").await.unwrap();
        let more = [("changes_per_hour".to_owned(), Some(1))];
        registry.set_limits(&project("a"), &more).await.unwrap();
        assert!(describe(&a, id, "three").await.unwrap_err().contains("may make 1 changes"));
    }
}

#[tokio::test]
async fn who_accepts_too_often_waits_and_can_still_drop() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let id = stage.upload("a", &action("mine", "1.0.0", "")).await.unwrap().plugin.id;
        stage.show(id, PluginVisibility::Community).await;
        let b = actor("b");
        let limits = [("changes_per_hour".to_owned(), Some(3))];
        stage.registry.set_limits(&project("b"), &limits).await.unwrap();
        let answer = async |status| stage.registry.answer(&b, id, &project("b"), status).await;
        for status in [Accepted, Rejected, Accepted] {
            answer(status).await.unwrap();
        }
        assert_eq!(answer(Rejected).await.unwrap(), Rejected, "{}: it was accepted before", store.name);
        let refused = answer(Accepted).await;
        assert!(matches!(refused, Err(RegistryError::TooManyChanges { limit: 3 })), "{}", store.name);
    }
}
