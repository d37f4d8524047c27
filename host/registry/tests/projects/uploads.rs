//! Uploads, and the life of what was uploaded.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use watcher_cluster::AuditScope;
use watcher_domain::plugin::{MemberStatus, VersionState};
use watcher_domain::ports::ComponentSource as _;
use watcher_domain::report::{CheckError, CheckOptions, PluginChecker, Problem, ProblemCode, Report};
use watcher_domain::{
    ActionPlanState, AuditState, AuditTemplate, AuditTemplateId, Clock as _, Digest, Ids as _, PluginKind, Stamps,
};
use watcher_registry::{
    Change, Changes, Deactivated, Quotas, RegistryError, RegistryOptions, StoredComponents, changes,
};
use watcher_store::plugin::EventFilter;
use watcher_store::testing::{backends, dump};
use watcher_store::{Store, Visibility, action_plan, audit, audit_template, goal, plugin};

use crate::stage::{Stage, action, actor, admin, project, strategy_of, upload};

#[tokio::test]
async fn an_upload_is_a_version_with_rows_of_its_project_and_an_event() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let before = changes(&store).await.unwrap();
        let mine = strategy_of("mine", "1.0.0", "my_goal", "");
        let mut sent = upload(&mine);
        (sent.notes, sent.signature) = (
            Some("First.".to_owned()),
            Some(format!(r#"{{"key": "0123456789abcdef", "signature": "{}=="}}"#, "A".repeat(86))),
        );
        let release = stage.send(&actor("a"), sent.clone()).await.unwrap();
        let (found, version) = (&release.plugin.value, &release.version);
        assert_eq!((found.project_id.as_ref(), found.name.as_str()), (Some(&project("a")), "mine"), "{}", store.name);
        assert_eq!((found.kind, found.visibility.as_str()), (PluginKind::Strategy, "private"));
        assert_eq!((version.state, version.version.size_bytes), (VersionState::Active, sent.component.len() as u64));
        assert_eq!(version.about.notes.as_deref(), Some("First."));
        assert_eq!(version.about.uploaded_by.as_deref(), Some("user-of-a"));
        let report = version.about.report.as_ref().unwrap();
        assert_eq!((&report["kind"], &report["version"]), (&json!("strategy"), &json!("1.0.0")));
        assert_eq!(report["digest"], json!(version.version.digest));

        assert_eq!(stage.strategy_names("a").await, ["basic", "mine"]);
        assert_eq!(stage.strategy_names("b").await, ["basic"]);
        assert_eq!(stage.goal_names(&Visibility::Project(project("a"))).await, ["server_consolidation", "my_goal"]);
        assert_eq!(stage.goal_names(&Visibility::Project(project("b"))).await, ["server_consolidation"]);
        assert_eq!(stage.events(found.id, &EventFilter::All).await, ["uploaded"]);
        assert_eq!(changes(&store).await.unwrap(), before + 1);
        let bytes = StoredComponents::new(store.clone()).component(version.version.digest).await.unwrap();
        assert_eq!(bytes.unwrap(), sent.component);
    }
}

#[tokio::test]
async fn the_same_component_and_the_same_number_are_refused_with_what_is_there() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let first = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap();
        let digest = first.version.version.digest;
        let error = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap_err().to_string();
        assert_eq!(error, format!("strategy mine has this component as version 1.0.0 ({digest})"), "{}", store.name);
        let error = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "other")).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("strategy mine has a version 1.0.0 that is another component ({digest})")));
        let error = stage.upload("a", &strategy_of("mine", "1.0.0+b", "g", "")).await.unwrap_err().to_string();
        assert!(error.starts_with("strategy mine has a version 1.0.0 that is another component"), "{error}");
        stage.upload("a", &strategy_of("mine", "1.0.0-rc.1+a", "g", "")).await.unwrap();
        let error = stage.upload("a", &strategy_of("mine", "1.0.0-rc.1", "g", "")).await.unwrap_err().to_string();
        assert!(error.starts_with("strategy mine has a version 1.0.0-rc.1+a that is another component"), "{error}");
        // Another project's plugins are no reason to refuse, and not told.
        let other = stage.upload("b", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap();
        assert_ne!(other.plugin.id, first.plugin.id);
        assert_eq!(other.version.version.digest, digest);
    }
}

#[tokio::test]
async fn of_a_refused_component_nothing_is_kept_but_that_it_was_sent() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let before = changes(&store).await.unwrap();
        let mut bad = strategy_of("Not A Name", "one", "also/bad", "");
        bad["goal"]["name"] = json!("also/bad");
        let error = stage.upload("a", &bad).await.unwrap_err();
        let RegistryError::Refused(refusal) = error else { panic!("{error}") };
        assert_eq!(refusal.problems.len(), 3, "{}: everything is said at once: {refusal}", store.name);
        let garbage = watcher_registry::Upload { component: b"garbage".as_slice().into(), ..upload(&bad) };
        let error = stage.send(&actor("a"), garbage).await.unwrap_err().to_string();
        assert_eq!(error, "The component was refused: not a component; no magic number");
        let standing = stage.registry.standing(&project("a")).await.unwrap();
        assert_eq!((standing.uploads, standing.usage), (2, plugin::Usage::default()));
        assert_eq!(changes(&store).await.unwrap(), before);
        assert_eq!(stage.strategy_names("a").await, ["basic"]);
    }
}

/// Accepts what is JSON with a kind, and finds two things wrong with anything else.
struct Checker;

#[async_trait::async_trait]
impl PluginChecker for Checker {
    async fn check(&self, component: Arc<[u8]>, _: CheckOptions) -> Result<Report, CheckError> {
        let mut report = Report::new(Digest([0; 32]), component.len() as u64);
        if let Ok(description) = serde_json::from_slice(&component) {
            (report.kind, report.description) = (Some(PluginKind::Action), Some(description));
            return Ok(report);
        }
        let problem = |at: &str, message: &str, expected: &str| Problem {
            code: ProblemCode::Import,
            at: at.to_owned(),
            message: message.to_owned(),
            expected: expected.to_owned(),
        };
        report.refuse(problem("", "it is too short", ""));
        report.refuse(problem("wasi:sockets/tcp", "sockets are never offered", "ask for requests"));
        Ok(report)
    }
}

#[tokio::test]
async fn a_checker_decides_and_its_report_is_kept() {
    let store = watcher_store::testing::sqlite().await;
    let mut stage = Stage::with_built_in(&store).await;
    stage.registry = stage.registry.with_checker(Arc::new(Checker));
    let release = stage.upload("a", &action("mine", "1.0.0", "")).await.unwrap();
    let report: Report = serde_json::from_value(release.version.about.report.unwrap()).unwrap();
    assert!(report.accepted() && report.description.unwrap().name == "mine");
    let garbage = watcher_registry::Upload { component: b"garbage".as_slice().into(), notes: None, signature: None };
    let error = stage.send(&actor("a"), garbage).await.unwrap_err();
    let told =
        "The component was refused: it is too short; wasi:sockets/tcp: sockets are never offered (ask for requests)";
    assert_eq!(error.to_string(), told);
    let RegistryError::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.report.unwrap()["problems"][1]["code"], "import");
}

#[tokio::test]
async fn a_new_version_runs_at_once_under_the_same_row_and_stops_nobody() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let first = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap();
        let before = stage.strategy("mine", "a").await.unwrap();
        let watching = stage.audit("a", &before, AuditState::Ongoing).await;
        let mut next = strategy_of("mine", "1.1.0", "g", "new");
        next["parameters_schema"]["properties"]["more"] = json!({"type": "number"});
        let second = stage.upload("a", &next).await.unwrap();
        let after = stage.strategy("mine", "a").await.unwrap();
        assert_eq!((after.id, after.serial), (before.id, before.serial), "{}", store.name);
        assert_eq!((after.digest, &after.display_name), (second.version.version.digest, &"mine new".to_owned()));
        assert!(after.parameters_spec["properties"]["more"].is_object());
        let mut tx = store.read().await.unwrap();
        assert_eq!(audit::get(&mut tx, watching).await.unwrap().unwrap().state, AuditState::Ongoing);
        drop(tx);
        let back = Changes { default_version: Change::Set("1.0.0".to_owned()), ..Changes::default() };
        stage.registry.update(&actor("a"), first.plugin.id, &back).await.unwrap();
        assert_eq!(stage.strategy("mine", "a").await.unwrap().digest, first.version.version.digest);
        let newest = Changes { default_version: Change::Clear, ..Changes::default() };
        stage.registry.update(&actor("a"), first.plugin.id, &newest).await.unwrap();
        assert_eq!(stage.strategy("mine", "a").await.unwrap().digest, second.version.version.digest);
    }
}

#[tokio::test]
async fn a_deprecated_version_gives_way_and_a_deactivated_one_runs_no_more() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let first = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap();
        let second = stage.upload("a", &strategy_of("mine", "2.0.0", "g", "x")).await.unwrap();
        let (id, old, new) = (first.plugin.id, first.version.version.digest, second.version.version.digest);
        let running = async || stage.strategy("mine", "a").await.map(|row| row.value.digest);
        let to = async |version: &str, state| {
            stage.registry.set_state(&actor("a"), id, version, state, Some("why")).await.unwrap();
        };
        assert_eq!(running().await, Some(new), "{}", store.name);
        to("2.0.0", VersionState::Deprecated).await;
        assert_eq!(running().await, Some(old));
        to("1.0.0", VersionState::Deactivated).await;
        assert_eq!(running().await, Some(new), "a deprecated version is better than none");
        assert!(!stage.runs(old, "a").await && stage.runs(new, "a").await);
        to("2.0.0", VersionState::Deactivated).await;
        assert_eq!((running().await, stage.latest(PluginKind::Strategy, "mine", "a").await), (None, None));
        assert_eq!(stage.goal_names(&Visibility::Project(project("a"))).await, ["server_consolidation"]);
        to("1.0.0", VersionState::Active).await;
        assert_eq!(running().await, Some(old));
        let wanted = ["uploaded", "uploaded", "deprecated", "deactivated", "deactivated", "reactivated"];
        assert_eq!(stage.events(id, &EventFilter::All).await, wanted);
        let default = Changes { default_version: Change::Set("2.0.0".to_owned()), ..Changes::default() };
        let error = stage.registry.update(&actor("a"), id, &default).await.unwrap_err();
        assert!(matches!(error, RegistryError::Deactivated(Deactivated::Default(version)) if version == "2.0.0"));
    }
}

#[tokio::test]
async fn what_is_used_is_not_deleted_and_the_answer_names_only_the_callers_own() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let release = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap();
        let (id, row) = (release.plugin.id, stage.strategy("mine", "a").await.unwrap());
        let shared = Changes { visibility: Some("shared".parse().unwrap()), ..Changes::default() };
        stage.registry.update(&actor("a"), id, &shared).await.unwrap();
        let (own, others) =
            (stage.audit("a", &row, AuditState::Ongoing).await, stage.audit("b", &row, AuditState::Pending).await);
        let refusal = stage.registry.delete(&actor("a"), id).await.unwrap_err().to_string();
        let told = format!("it is still used by audit {own}, others of other projects");
        assert_eq!(refusal, told, "{}", store.name);
        assert_eq!(stage.registry.delete_version(&actor("a"), id, "1.0.0").await.unwrap_err().to_string(), told);
        let refusal = stage.registry.delete(&admin(), id).await.unwrap_err().to_string();
        assert_eq!(refusal, format!("it is still used by audit {own}, audit {others}"));
        let mut tx = store.begin().await.unwrap();
        let (now, ended) = (stage.clock.now(), AuditState::Cancelled);
        assert!(audit::transition(&mut tx, own, AuditState::Ongoing, ended, now).await.unwrap());
        tx.commit().await.unwrap();
        let private = Changes { visibility: Some("private".parse().unwrap()), ..Changes::default() };
        stage.registry.update(&actor("a"), id, &private).await.unwrap();
        stage.registry.delete(&actor("a"), id).await.unwrap();
        assert!(!stage.sees(id, "a").await && stage.strategy("mine", "a").await.is_none());
        assert_eq!(stage.goal_names(&Visibility::All).await, ["server_consolidation"]);
        let source = StoredComponents::new(store.clone());
        assert_eq!(source.component(release.version.version.digest).await.unwrap(), None, "its bytes are gone");
        assert!(matches!(stage.registry.delete(&actor("a"), id).await, Err(RegistryError::NoPlugin)));
        let again = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap();
        assert_ne!(again.plugin.id, id);
    }
}

#[tokio::test]
async fn bytes_that_another_plugin_has_stay() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let one = stage.upload("a", &action("mine", "1.0.0", "")).await.unwrap();
        let other = stage.upload("b", &action("mine", "1.0.0", "")).await.unwrap();
        let digest = one.version.version.digest;
        stage.registry.delete_version(&actor("a"), one.plugin.id, "1.0.0").await.unwrap();
        assert!(!stage.runs(digest, "a").await && stage.runs(digest, "b").await, "{}", store.name);
        stage.registry.delete(&actor("b"), other.plugin.id).await.unwrap();
        assert_eq!(StoredComponents::new(store.clone()).component(digest).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projects_that_upload_and_delete_equal_components_at_once_neither_fail_nor_leave_any() {
    for store in backends().await {
        let projects = ["a", "b", "c"];
        let stage = Stage::with_built_in(&store).await;
        let built_in = dump(&mut store.read().await.unwrap(), "components", &["1"], "digest").await.unwrap().len();
        let mut tasks = tokio::task::JoinSet::new();
        for (place, owner) in projects.into_iter().enumerate() {
            let quotas = Quotas { uploads_per_hour: 1000, ..Quotas::default() };
            let mut stage = Stage::new(&store, 1_000_000 * (place as u64 + 1));
            stage.registry = stage.registry.with_options(RegistryOptions { quotas, ..RegistryOptions::default() });
            tasks.spawn(async move {
                for _ in 0..6 {
                    let mut names = ["1.0.0", "1.0.1", "1.0.2", "1.0.3"];
                    // Each in another order.
                    names.rotate_left(place);
                    let mut id = None;
                    for version in names {
                        let release = stage.upload(owner, &action("mine", version, "")).await;
                        id = Some(release.unwrap_or_else(|error| panic!("{owner}: {error:?}")).plugin.id);
                    }
                    let id = id.unwrap();
                    stage.registry.delete_version(&actor(owner), id, names[1]).await.unwrap();
                    stage.registry.delete(&actor(owner), id).await.unwrap();
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap_or_else(|error| panic!("{}: {error}", store.name));
        }
        drop(stage);
        let left = dump(&mut store.read().await.unwrap(), "components", &["1"], "digest").await.unwrap();
        assert_eq!(left.len(), built_in, "{}: nothing is left behind", store.name);
    }
}

#[tokio::test]
async fn of_equal_components_each_project_needs_the_one_that_it_runs() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let basic = stage.strategy("basic", "a").await.unwrap().value;
        let mut plugins = Vec::new();
        for owner in ["a", "b", "d"] {
            plugins.push(stage.upload(owner, &action("mine", "1.0.0", "")).await.unwrap());
        }
        let digest = plugins[0].version.version.digest;
        let [a, b, d] = [0, 1, 2].map(|place| plugins[place].plugin.id);
        let shared = Changes { visibility: Some("shared".parse().unwrap()), ..Changes::default() };
        stage.registry.update(&actor("d"), d, &shared).await.unwrap();
        stage.registry.offer(&actor("d"), d, &project("c")).await.unwrap();
        stage.registry.answer(&actor("c"), d, &project("c"), MemberStatus::Accepted).await.unwrap();
        let own = stage.plan("b", &basic, digest, ActionPlanState::Ongoing).await;
        let accepted = stage.plan("c", &basic, digest, ActionPlanState::Ongoing).await;
        let refusal = async |owner: &str, id| {
            let refused = stage.registry.delete_version(&actor(owner), id, "1.0.0").await;
            refused.unwrap_err().to_string()
        };
        let told = refusal("b", b).await;
        assert_eq!(told, format!("it is still used by action plan {own}"), "{}: it runs its own", store.name);
        let told = refusal("d", d).await;
        assert_eq!(told, "it is still used by others of other projects", "{}: it runs what it accepted", store.name);
        stage.registry.delete_version(&actor("a"), a, "1.0.0").await.unwrap();
        let mut tx = store.begin().await.unwrap();
        for plan in [own, accepted] {
            let (from, to, now) = (ActionPlanState::Ongoing, ActionPlanState::Succeeded, stage.clock.now());
            assert!(action_plan::transition(&mut tx, plan, from, to, now).await.unwrap(), "{}", store.name);
        }
        tx.commit().await.unwrap();
        stage.registry.delete_version(&actor("b"), b, "1.0.0").await.unwrap();
        stage.registry.delete(&actor("d"), d).await.unwrap();
    }
}

#[tokio::test]
async fn a_project_has_no_more_than_it_may_have() {
    for store in backends().await {
        let mut stage = Stage::with_built_in(&store).await;
        let quotas =
            Quotas { plugins: 2, versions: 3, bytes: 10_000, members: 1, uploads_per_hour: 7, ..Quotas::default() };
        stage.registry = stage.registry.with_options(RegistryOptions { quotas, ..RegistryOptions::default() });
        let refused = async |name: &str, version: &str, extra: &str| {
            stage.upload("a", &action(name, version, extra)).await.unwrap_err().to_string()
        };
        stage.upload("a", &action("one", "1.0.0", "")).await.unwrap();
        stage.upload("a", &action("two", "1.0.0", "")).await.unwrap();
        let told = refused("three", "1.0.0", "").await;
        assert_eq!(told, "quota exceeded: the project may have 2 plugins, has 2 and asks for 1 more", "{}", store.name);
        let told = refused("two", "1.1.0", &"x".repeat(10_000)).await;
        assert!(told.starts_with("quota exceeded: the project may have 10000 bytes of components, has "), "{told}");
        stage.upload("a", &action("two", "2.0.0", "")).await.unwrap();
        let told = refused("two", "3.0.0", "").await;
        assert_eq!(told, "quota exceeded: the project may have 3 versions of plugins, has 3 and asks for 1 more");
        stage.upload("b", &action("three", "1.0.0", "")).await.unwrap();
        let more = [("versions".to_owned(), Some(4))];
        assert_eq!(stage.registry.set_limits(&project("a"), &more).await.unwrap().limits.versions, 4);
        stage.upload("a", &action("two", "3.0.0", "")).await.unwrap();
        let told = refused("two", "4.0.0", "").await;
        assert_eq!(told, "quota exceeded: the project may begin 7 uploads per hour");
        stage.clock.advance(Duration::from_hours(1));
        assert!(refused("two", "4.0.0", "").await.contains("4 versions of plugins"));
        let default = [("versions".to_owned(), None)];
        assert_eq!(stage.registry.set_limits(&project("a"), &default).await.unwrap().limits, quotas);
        let error = stage.registry.set_limits(&project("a"), &[("wishes".to_owned(), Some(3))]).await.unwrap_err();
        assert_eq!(error.to_string(), "wishes is not a limit");
    }
}

#[tokio::test]
async fn an_upload_is_counted_when_it_begins_and_if_nothing_more_comes_of_it() {
    for store in backends().await {
        let mut stage = Stage::with_built_in(&store).await;
        let quotas = Quotas { uploads_per_hour: 3, ..Quotas::default() };
        let options = RegistryOptions { quotas, uploads_per_project: 2, ..RegistryOptions::default() };
        stage.registry = stage.registry.with_options(options);
        let a = actor("a");
        let uploads = async || stage.registry.standing(&project("a")).await.unwrap().uploads;
        drop(stage.registry.begin_upload(&a).await.unwrap());
        assert_eq!(uploads().await, 1, "{}: it was broken off", store.name);
        stage.upload("a", &action("mine", "1.0.0", "")).await.unwrap();
        assert_eq!(uploads().await, 2, "{}: it is counted once", store.name);
        let place = stage.registry.begin_upload(&a).await.unwrap();
        for _ in 0..3 {
            let refused = stage.registry.begin_upload(&a).await;
            assert!(matches!(refused, Err(RegistryError::TooManyUploads { limit: 3 })), "a refused one has no place");
        }
        assert_eq!(uploads().await, 3, "{}", store.name);
        drop(place);
        stage.clock.advance(Duration::from_hours(1));
        let _two = [stage.registry.begin_upload(&a).await.unwrap(), stage.registry.begin_upload(&a).await.unwrap()];
        let third = stage.registry.begin_upload(&a).await;
        assert!(matches!(third, Err(RegistryError::TooManyAtOnce { limit: 2 })), "{}", store.name);
        assert_eq!(uploads().await, 2, "{}: it did not begin", store.name);
    }
}

#[tokio::test]
async fn audits_go_along_when_a_new_version_has_another_goal() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let id = stage.upload("a", &strategy_of("mine", "1.0.0", "my_goal", "")).await.unwrap().plugin.id;
        let shared = Changes { visibility: Some("shared".parse().unwrap()), ..Changes::default() };
        stage.registry.update(&actor("a"), id, &shared).await.unwrap();
        stage.registry.offer(&actor("a"), id, &project("b")).await.unwrap();
        stage.registry.answer(&actor("b"), id, &project("b"), MemberStatus::Accepted).await.unwrap();
        let mine = stage.strategy("mine", "a").await.unwrap();
        let theirs = stage.audit("b", &mine, AuditState::Ongoing).await;
        for (version, goal) in [("1.1.0", "another_goal"), ("1.2.0", "server_consolidation")] {
            stage.upload("a", &strategy_of("mine", version, goal, "")).await.unwrap();
            let mine = stage.strategy("mine", "a").await.unwrap();
            let mut tx = store.read().await.unwrap();
            let found = audit::get(&mut tx, theirs).await.unwrap().unwrap();
            assert_eq!((found.state, found.goal_id), (AuditState::Ongoing, mine.goal_id), "{} {goal}", store.name);
        }
        assert_eq!(stage.goal_names(&Visibility::All).await, ["server_consolidation"]);
    }
}

#[tokio::test]
async fn who_may_not_use_a_strategy_any_more_is_not_told_its_next_goal() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let id = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap().plugin.id;
        let show = async |visibility: &str| {
            let changes = Changes { visibility: Some(visibility.parse().unwrap()), ..Changes::default() };
            stage.registry.update(&actor("a"), id, &changes).await.unwrap();
        };
        show("shared").await;
        for who in ["b", "c"] {
            stage.registry.offer(&actor("a"), id, &project(who)).await.unwrap();
            stage.registry.answer(&actor(who), id, &project(who), MemberStatus::Accepted).await.unwrap();
        }
        let goal = async |owner: &str, id| {
            let mut tx = store.read().await.unwrap();
            let found = audit::get(&mut tx, id).await.unwrap().unwrap();
            let names = goal::names(&mut tx, &[found.goal_id], true).await.unwrap();
            let found = (found.state, names[0].value.1.clone());
            assert_eq!(names.len(), 1, "{}: {owner}", store.name);
            found
        };
        let mine = stage.strategy("mine", "a").await.unwrap();
        let (own, theirs, former, ended) = (
            stage.audit("a", &mine, AuditState::Ongoing).await,
            stage.audit("b", &mine, AuditState::Ongoing).await,
            stage.audit("c", &mine, AuditState::Ongoing).await,
            stage.audit("c", &mine, AuditState::Succeeded).await,
        );
        let template = AuditTemplate {
            id: AuditTemplateId(stage.ids.uuid()),
            project_id: Some(project("c")),
            name: "theirs".to_owned(),
            description: None,
            goal_id: mine.goal_id,
            strategy_id: Some(mine.id),
            scope: AuditScope::default(),
            default_parameters: serde_json::Map::new(),
            stamps: Stamps::new(stage.clock.now()),
        };
        let mut tx = store.begin().await.unwrap();
        audit_template::insert(&mut tx, &template).await.unwrap();
        tx.commit().await.unwrap();
        stage.registry.withdraw(&actor("a"), id, &project("c")).await.unwrap();
        stage.upload("a", &strategy_of("mine", "1.1.0", "secret", "")).await.unwrap();
        let ongoing = |goal: &str| (AuditState::Ongoing, goal.to_owned());
        assert_eq!(goal("a", own).await, ongoing("secret"));
        assert_eq!(goal("b", theirs).await, ongoing("secret"));
        assert_eq!(goal("c", former).await, (AuditState::Cancelled, "g".to_owned()), "it could not run again");
        assert_eq!(goal("c", ended).await, (AuditState::Succeeded, "g".to_owned()), "it says what it was for");
        let mut tx = store.read().await.unwrap();
        let kept = audit_template::get(&mut tx, template.id).await.unwrap().unwrap();
        assert_eq!((kept.goal_id, kept.stamps.deleted_at.is_some()), (mine.goal_id, true), "{}", store.name);
        drop(tx);
        show("private").await;
        stage.upload("a", &strategy_of("mine", "1.2.0", "more_secret", "")).await.unwrap();
        assert_eq!(goal("a", own).await, ongoing("more_secret"));
        assert_eq!(goal("b", theirs).await, (AuditState::Cancelled, "secret".to_owned()));
    }
}

#[tokio::test]
async fn a_strategy_reaches_a_built_in_goal_as_it_is_and_shares_its_projects_own() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let mut greedy = strategy_of("greedy", "1.0.0", "server_consolidation", "");
        greedy["goal"]["display_name"] = json!("Mine now");
        stage.upload("a", &greedy).await.unwrap();
        let (basic, greedy) =
            (stage.strategy("basic", "a").await.unwrap(), stage.strategy("greedy", "a").await.unwrap());
        assert_eq!(greedy.goal_id, basic.goal_id, "{}", store.name);
        let own = stage.upload("a", &strategy_of("one", "1.0.0", "ours", "")).await.unwrap();
        let mut other = strategy_of("two", "1.0.0", "ours", "");
        other["goal"]["display_name"] = json!("Renamed");
        stage.upload("a", &other).await.unwrap();
        let theirs = stage.upload("b", &strategy_of("one", "1.0.0", "ours", "theirs")).await.unwrap();
        let (one, two) = (stage.strategy("one", "a").await.unwrap(), stage.strategy("two", "a").await.unwrap());
        assert_eq!(one.goal_id, two.goal_id);
        assert_ne!(stage.strategy("one", "b").await.unwrap().goal_id, one.goal_id);
        let name = async |goal| {
            let mut tx = store.read().await.unwrap();
            watcher_store::goal::get(&mut tx, goal).await.unwrap().unwrap().value.display_name
        };
        assert_eq!(
            (name(basic.goal_id).await.as_str(), name(one.goal_id).await.as_str()),
            ("Goal server_consolidation", "Goal ours")
        );
        stage.registry.delete(&actor("a"), own.plugin.id).await.unwrap();
        let mut alone = strategy_of("two", "1.1.0", "ours", "");
        alone["goal"]["display_name"] = json!("Renamed");
        stage.upload("a", &alone).await.unwrap();
        assert_eq!(name(one.goal_id).await, "Renamed", "whoever has a goal alone says what it is called");
        stage.registry.delete(&actor("b"), theirs.plugin.id).await.unwrap();
        assert_eq!(stage.goal_names(&Visibility::All).await, ["server_consolidation", "ours"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_uploads_of_one_component_at_once_one_is_kept() {
    for store in backends().await {
        Stage::with_built_in(&store).await;
        let mut tasks = tokio::task::JoinSet::new();
        for process in 1..=4 {
            let url = store.url.clone();
            tasks.spawn(async move {
                let store = Store::connect(&url).await.unwrap();
                let stage = Stage::new(&store, process * 1000);
                stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.map(|release| release.plugin.id)
            });
        }
        let outcomes = tasks.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{}: {outcomes:?}", store.name);
        let others = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        assert!(others.into_iter().all(|error| matches!(error, RegistryError::SameComponent { .. })), "{outcomes:?}");
        let mut tx = store.read().await.unwrap();
        assert_eq!(plugin::versions(&mut tx, PluginKind::Strategy).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn built_in_plugins_are_switched_off_and_not_shared_or_deleted() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let mut tx = store.read().await.unwrap();
        let nop = plugin::find_plugin(&mut tx, PluginKind::Action, "nop", None).await.unwrap().unwrap();
        drop(tx);
        let private = Changes { visibility: Some("private".parse().unwrap()), ..Changes::default() };
        let (registry, admin) = (&stage.registry, admin());
        assert!(
            matches!(registry.update(&admin, nop.id, &private).await, Err(RegistryError::BuiltIn)),
            "{}",
            store.name
        );
        assert!(matches!(registry.delete(&admin, nop.id).await, Err(RegistryError::BuiltIn)));
        assert!(matches!(registry.offer(&admin, nop.id, &project("a")).await, Err(RegistryError::BuiltIn)));
        let running: Option<Digest> = stage.latest(PluginKind::Action, "nop", "a").await;
        registry.set_state(&admin, nop.id, "1.0.0", VersionState::Deactivated, None).await.unwrap();
        assert!(running.is_some() && stage.latest(PluginKind::Action, "nop", "a").await.is_none());
    }
}
