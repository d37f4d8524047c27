//! Random deeds of several projects against a small model of who may see and run what.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use watcher_domain::plugin::{MemberStatus, PluginVisibility, VersionState};
use watcher_domain::{Digest, PluginId, PluginKind};
use watcher_registry::Changes;
use watcher_store::Visibility;
use watcher_store::testing::backends;

use crate::stage::{Stage, actor, project, strategy_of};

/// Who does something; the last one never does.
const PROJECTS: [&str; 4] = ["a", "b", "c", "idle"];
/// What strategies are called; the first one is built in, too.
const NAMES: [&str; 2] = ["basic", "mine"];

#[derive(Debug, Clone)]
enum Deed {
    Upload { owner: usize, name: usize },
    Show { plugin: usize, visibility: PluginVisibility },
    Offer { plugin: usize, to: usize },
    Withdraw { plugin: usize, from: usize },
    Answer { plugin: usize, who: usize, status: MemberStatus },
    Move { plugin: usize, version: usize, state: VersionState },
    Delete { plugin: usize },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let plugin = || 0..6_usize;
    let who = || 0..3_usize;
    let deed = prop_oneof![
        3 => (who(), 0..2_usize).prop_map(|(owner, name)| Deed::Upload { owner, name }),
        4 => (plugin(), prop::sample::select(PluginVisibility::ALL))
            .prop_map(|(plugin, visibility)| Deed::Show { plugin, visibility }),
        4 => (plugin(), who()).prop_map(|(plugin, to)| Deed::Offer { plugin, to }),
        1 => (plugin(), who()).prop_map(|(plugin, from)| Deed::Withdraw { plugin, from }),
        6 => (plugin(), who(), prop::sample::select(MemberStatus::ALL))
            .prop_map(|(plugin, who, status)| Deed::Answer { plugin, who, status }),
        2 => (plugin(), 0..3_usize, prop::sample::select(VersionState::ALL))
            .prop_map(|(plugin, version, state)| Deed::Move { plugin, version, state }),
        1 => plugin().prop_map(|plugin| Deed::Delete { plugin }),
    ];
    prop::collection::vec(deed, 1..30)
}

struct Membership {
    status: MemberStatus,
    is_offered: bool,
    since: usize,
}

struct Known {
    id: PluginId,
    owner: usize,
    name: usize,
    visibility: PluginVisibility,
    versions: Vec<(Digest, VersionState)>,
    members: BTreeMap<usize, Membership>,
    is_deleted: bool,
}

impl Known {
    fn is_seen(&self, who: usize) -> bool {
        let is_offered = self.members.get(&who).is_some_and(|member| member.is_offered);
        !self.is_deleted
            && (self.owner == who
                || match self.visibility {
                    PluginVisibility::Private => false,
                    PluginVisibility::Shared => is_offered,
                    PluginVisibility::Community | PluginVisibility::Public => true,
                })
    }

    fn is_usable(&self, who: usize) -> bool {
        let accepted = self.members.get(&who).is_some_and(|member| member.status == MemberStatus::Accepted);
        self.is_seen(who) && (self.owner == who || accepted)
    }

    fn running(&self) -> Option<Digest> {
        let newest = |wanted| self.versions.iter().rev().find(|(_, state)| *state == wanted);
        newest(VersionState::Active).or_else(|| newest(VersionState::Deprecated)).map(|(digest, _)| *digest)
    }
}

#[derive(Default)]
struct Model {
    plugins: Vec<Known>,
    deeds: usize,
}

impl Model {
    /// The version that a project gets by a name; none for the built-in one, or none at all.
    fn latest(&self, name: usize, who: usize) -> Option<Digest> {
        let mut found: Vec<&Known> =
            self.plugins.iter().filter(|plugin| plugin.name == name && plugin.is_usable(who)).collect();
        found.retain(|plugin| plugin.running().is_some());
        let since = |plugin: &Known| plugin.members.get(&who).map_or(usize::MAX, |member| member.since);
        found.into_iter().max_by_key(|plugin| (plugin.owner == who, since(plugin)))?.running()
    }

    /// Does a deed here and there; what one refuses the other refuses.
    async fn act(&mut self, stage: &Stage, deed: &Deed) {
        self.deeds += 1;
        stage.clock.advance(Duration::from_secs(1));
        let now = self.deeds;
        let registry = &stage.registry;
        let place = match *deed {
            Deed::Upload { .. } => None,
            Deed::Show { plugin, .. }
            | Deed::Offer { plugin, .. }
            | Deed::Withdraw { plugin, .. }
            | Deed::Answer { plugin, .. }
            | Deed::Move { plugin, .. }
            | Deed::Delete { plugin } => Some(plugin),
        };
        if place.is_some_and(|place| place >= self.plugins.len()) {
            return;
        }
        let owner = place.map(|place| actor(PROJECTS[self.plugins[place].owner])).unwrap_or_default();
        match *deed {
            Deed::Upload { owner, name } => {
                let component =
                    strategy_of(NAMES[name], &format!("1.{now}.0"), &format!("goal_of_{}", PROJECTS[owner]), "");
                let release = stage.upload(PROJECTS[owner], &component).await.unwrap();
                let digest = release.version.version.digest;
                let known = self.plugins.iter_mut().find(|plugin| plugin.id == release.plugin.id);
                if let Some(known) = known {
                    known.versions.push((digest, VersionState::Active));
                } else {
                    self.plugins.push(Known {
                        id: release.plugin.id,
                        owner,
                        name,
                        visibility: PluginVisibility::Private,
                        versions: vec![(digest, VersionState::Active)],
                        members: BTreeMap::new(),
                        is_deleted: false,
                    });
                }
            }
            Deed::Show { plugin, visibility } => {
                let known = &mut self.plugins[plugin];
                let changes = Changes { visibility: Some(visibility), ..Changes::default() };
                let done = registry.update(&owner, known.id, &changes).await;
                assert_eq!(done.is_ok(), !known.is_deleted, "{done:?}");
                known.visibility = visibility;
            }
            Deed::Offer { plugin, to } => {
                let known = &mut self.plugins[plugin];
                let was_offered = known.members.get(&to).is_some_and(|member| member.is_offered);
                let may = !known.is_deleted
                    && known.visibility == PluginVisibility::Shared
                    && to != known.owner
                    && !was_offered;
                let done = registry.offer(&owner, known.id, &project(PROJECTS[to])).await;
                assert_eq!(done.is_ok(), may, "{done:?}");
                if may {
                    let new = Membership { status: MemberStatus::Pending, is_offered: true, since: now };
                    known.members.entry(to).or_insert(new).is_offered = true;
                }
            }
            Deed::Withdraw { plugin, from } => {
                let known = &mut self.plugins[plugin];
                let is_member = known.members.get(&from).is_some_and(|member| member.is_offered);
                let done = registry.withdraw(&owner, known.id, &project(PROJECTS[from])).await;
                assert_eq!(done.is_ok(), !known.is_deleted && is_member, "{done:?}");
                if done.is_ok() {
                    known.members.remove(&from);
                }
            }
            Deed::Answer { plugin, who, status } => {
                let known = &mut self.plugins[plugin];
                let name = PROJECTS[who];
                let done = registry.answer(&actor(name), known.id, &project(name), status).await;
                assert_eq!(done.is_ok(), known.is_seen(who) && known.owner != who, "{done:?}");
                if done.is_err() {
                    return;
                }
                let accepts = status == MemberStatus::Accepted;
                let new = Membership { status, is_offered: false, since: now };
                let stays = known.members.get(&who).is_some_and(|member| member.is_offered) || accepts;
                if !stays {
                    known.members.remove(&who);
                    return;
                }
                let member = known.members.entry(who).or_insert(new);
                if member.status != status {
                    (member.status, member.since) = (status, now);
                }
            }
            Deed::Move { plugin, version, state } => {
                let known = &mut self.plugins[plugin];
                let Some((digest, now)) = known.versions.get_mut(version) else { return };
                let done = registry.set_state(&owner, known.id, &digest.to_string(), state, None).await;
                assert_eq!(done.is_ok(), !known.is_deleted, "{done:?}");
                if !known.is_deleted {
                    *now = state;
                }
            }
            Deed::Delete { plugin } => {
                let known = &mut self.plugins[plugin];
                let done = registry.delete(&owner, known.id).await;
                assert_eq!(done.is_ok(), !known.is_deleted, "{done:?}");
                known.is_deleted = true;
                known.members.clear();
            }
        }
    }

    /// Nobody sees or runs anything else than the model says, by any way that leads there.
    async fn compare(&self, stage: &Stage, built_in: Digest) {
        for (who, &name) in PROJECTS.iter().enumerate() {
            let mut strategies = vec!["basic".to_owned()];
            let mut goals = vec!["server_consolidation".to_owned()];
            for known in &self.plugins {
                assert_eq!(stage.sees(known.id, name).await, known.is_seen(who), "{name} sees {}", known.id);
                for (digest, state) in &known.versions {
                    let may = known.is_usable(who) && *state != VersionState::Deactivated;
                    assert_eq!(stage.runs(*digest, name).await, may, "{name} runs {digest}");
                }
                let by_owner = format!("{}/{}", PROJECTS[known.owner], NAMES[known.name]);
                if !known.is_deleted {
                    let wanted = known.running().filter(|_| known.is_usable(who));
                    let found = stage.latest(PluginKind::Strategy, &by_owner, name).await;
                    assert_eq!(found, wanted, "{name} names {by_owner}");
                    let found = stage.strategy(&by_owner, name).await.map(|row| row.value.digest);
                    assert_eq!(found, wanted, "{name} finds the row of {by_owner}");
                }
                if known.is_usable(who) && known.running().is_some() {
                    strategies.push(NAMES[known.name].to_owned());
                    goals.push(format!("goal_of_{}", PROJECTS[known.owner]));
                }
            }
            let mut found = stage.strategy_names(name).await;
            found.sort_unstable();
            strategies.sort_unstable();
            assert_eq!(found, strategies, "strategies of {name}");
            let mut found = stage.goal_names(&Visibility::Project(project(name))).await;
            found.sort_unstable();
            goals.sort_unstable();
            goals.dedup();
            assert_eq!(found, goals, "goals of {name}");
            for (place, text) in NAMES.iter().enumerate() {
                let wanted = self.latest(place, who).or((place == 0).then_some(built_in));
                assert_eq!(stage.latest(PluginKind::Strategy, text, name).await, wanted, "{name} names {text}");
                let found = stage.strategy(text, name).await.map(|row| row.value.digest);
                assert_eq!(found, wanted, "{name} finds the row of {text}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_sees_or_runs_what_they_may_not(deeds in deeds()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for store in backends().await {
                let stage = Stage::with_built_in(&store).await;
                let built_in = stage.latest(PluginKind::Strategy, "basic", "idle").await.unwrap();
                let mut model = Model::default();
                for deed in &deeds {
                    model.act(&stage, deed).await;
                    model.compare(&stage, built_in).await;
                }
            }
        });
    }
}
