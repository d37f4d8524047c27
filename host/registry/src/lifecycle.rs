//! The life of plugins and versions after their upload: who sees them, what runs, and their end.

use serde_json::{Value, json};
use watcher_domain::plugin::{PluginVisibility, VersionState};
use watcher_domain::{Digest, PluginId, Timestamp};
use watcher_store::plugin::{self, Plugin, User, VersionRecord};
use watcher_store::{SortDir, Stored, Tx, Visibility};

use crate::Registry;
use crate::actor::Actor;
use crate::built_in;
use crate::error::{Deactivated, RegistryError, Result};
use crate::upload::{Release, release};

/// Most users that are looked for before a deletion.
const MOST_USERS: u32 = 100;

/// What is to be made of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Change {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is taken away.
    Clear,
    /// It becomes another one.
    Set(String),
}

impl Change {
    /// To a text, or to none.
    pub fn to(text: Option<String>) -> Self {
        text.map_or(Self::Clear, Self::Set)
    }
}

/// What is to be different about a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Who sees it.
    pub visibility: Option<PluginVisibility>,
    /// What its owner says about it.
    pub description: Change,
    /// The version that runs, by digest or number; without one, the newest does.
    pub default_version: Change,
}

impl Registry {
    /// Changes a plugin.
    pub async fn update(&self, actor: &Actor, id: PluginId, changes: &Changes) -> Result<Stored<Plugin>> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let before = hold(&mut tx, &actor.visibility(), id, now).await?;
        let mut after = before.value.clone();
        let mut detail = serde_json::Map::new();
        if let Some(visibility) = changes.visibility
            && visibility != before.visibility
        {
            if before.project_id.is_none() {
                return Err(RegistryError::BuiltIn);
            }
            detail.insert("visibility".to_owned(), json!([before.visibility, visibility]));
            after.visibility = visibility;
            if !visibility.is_for_everybody() {
                // Who said yes to what was for everybody is asked again, should it be once more.
                plugin::drop_not_offered(&mut tx, id).await?;
            }
        }
        match &changes.description {
            Change::Keep => {}
            Change::Clear => after.description = None,
            Change::Set(text) => after.description = Some(text.clone()),
        }
        if after.description != before.description {
            detail.insert("description".to_owned(), json!(after.description));
        }
        match &changes.default_version {
            Change::Keep => {}
            Change::Clear => after.default_digest = None,
            Change::Set(text) => after.default_digest = Some(runnable(&mut tx, id, text).await?),
        }
        if after.default_digest != before.default_digest {
            detail.insert("default_version".to_owned(), json!(after.default_digest));
        }
        if after == before.value {
            return Ok(before);
        }
        self.may_change(&mut tx, actor, now).await?;
        plugin::update(&mut tx, &after, now).await?;
        actor.note(&mut tx, id, "updated", after.default_digest, Value::Object(detail), now).await?;
        self.follow(&mut tx, &after, now).await?;
        let updated = find(&mut tx, actor, id).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        tracing::info!(plugin.id = %id, "plugin {id} changed");
        Ok(updated)
    }

    /// Moves a version to a state. New runs look at it; what runs goes on, until [`Registry::stop_users`] stops it.
    pub async fn set_state(
        &self,
        actor: &Actor,
        id: PluginId,
        version: &str,
        state: VersionState,
        reason: Option<&str>,
    ) -> Result<Release> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        hold(&mut tx, &actor.visibility(), id, now).await?;
        let before = found_release(&mut tx, actor, id, version).await?;
        if before.version.state == state {
            return Ok(before);
        }
        if state != VersionState::Deactivated {
            self.may_change(&mut tx, actor, now).await?;
        }
        let digest = before.version.version.digest;
        plugin::set_state_of(&mut tx, id, digest, state, now).await?;
        let event = match state {
            VersionState::Active => "reactivated",
            VersionState::Deprecated => "deprecated",
            VersionState::Deactivated => "deactivated",
        };
        let detail = json!({"version": before.version.version.description.version, "reason": reason});
        actor.note(&mut tx, id, event, Some(digest), detail, now).await?;
        self.follow(&mut tx, &before.plugin.value, now).await?;
        let after = found_release(&mut tx, actor, id, &digest.to_string()).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        tracing::info!(plugin.id = %id, plugin.digest = %digest, "version {digest} of plugin {id} is {state}");
        Ok(after)
    }

    /// Deletes a version with its bytes.
    ///
    /// # Errors
    /// [`RegistryError::InUse`] while an audit or an action plan needs it.
    pub async fn delete_version(&self, actor: &Actor, id: PluginId, version: &str) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        hold(&mut tx, &actor.visibility(), id, now).await?;
        let Release { plugin, version } = found_release(&mut tx, actor, id, version).await?;
        let digest = version.version.digest;
        refuse_if_used(&mut tx, actor, &plugin, Some(digest)).await?;
        remove_version(&mut tx, actor, &plugin, &version, now).await?;
        self.follow(&mut tx, &plugin, now).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        self.components.blobs.loose.notify_one();
        tracing::info!(plugin.id = %id, plugin.digest = %digest, "version {digest} of plugin {id} deleted");
        Ok(())
    }

    /// Deletes a plugin with all its versions.
    ///
    /// # Errors
    /// [`RegistryError::InUse`] while an audit or an action plan needs one of them.
    pub async fn delete(&self, actor: &Actor, id: PluginId) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let plugin = hold(&mut tx, &actor.visibility(), id, now).await?;
        refuse_if_used(&mut tx, actor, &plugin, None).await?;
        plugin::hold_components(&mut tx, id, None).await?;
        // Page by page: there may be as many as the project's quota allows.
        loop {
            let versions = plugin::versions_of(&mut tx, id, None, SortDir::Asc, 100).await?;
            if versions.is_empty() {
                break;
            }
            for version in versions {
                remove_version(&mut tx, actor, &plugin, &version, now).await?;
            }
        }
        self.retire(&mut tx, &plugin, now).await?;
        plugin::soft_delete(&mut tx, id, now).await?;
        actor.note(&mut tx, id, "deleted", None, json!({}), now).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        self.components.blobs.loose.notify_one();
        tracing::info!(plugin.id = %id, "plugin {id} deleted");
        Ok(())
    }
}

/// The plugin, if the caller sees it.
pub(crate) async fn find(tx: &mut Tx, actor: &Actor, id: PluginId) -> Result<Stored<Plugin>> {
    plugin::find(tx, id, false, &actor.visibility()).await?.ok_or(RegistryError::NoPlugin)
}

/// The plugin, if it is seen, with all that its owner has held until the transaction ends: nobody undoes what another one writes at the
/// same time, a version does not come to a plugin that is being deleted, and a goal stays while a strategy is given it.
///
/// Every change of a plugin begins with this, before it holds anything else, so that no two wait for each other.
pub(crate) async fn hold(tx: &mut Tx, visible: &Visibility, id: PluginId, now: Timestamp) -> Result<Stored<Plugin>> {
    let seen = plugin::find(tx, id, false, visible).await?.ok_or(RegistryError::NoPlugin)?;
    match &seen.project_id {
        Some(owner) => plugin::lock_project(tx, owner, now).await?,
        None => tx.lock(built_in::LOCK).await?,
    }
    // Whoever was waited for may have changed it, hidden it or deleted it.
    plugin::find(tx, id, false, visible).await?.ok_or(RegistryError::NoPlugin)
}

async fn found_release(tx: &mut Tx, actor: &Actor, id: PluginId, version: &str) -> Result<Release> {
    release(tx, actor, id, version).await.map_err(|error| match error {
        RegistryError::NoVersion(_) => RegistryError::NoVersion(version.to_owned()),
        other => other,
    })
}

/// The digest of a version that may run.
async fn runnable(tx: &mut Tx, id: PluginId, version: &str) -> Result<Digest> {
    let found = plugin::find_version(tx, id, version).await?;
    let found = found.ok_or_else(|| RegistryError::NoVersion(version.to_owned()))?;
    match found.state {
        VersionState::Active | VersionState::Deprecated => Ok(found.version.digest),
        VersionState::Deactivated => Err(RegistryError::Deactivated(Deactivated::Default(version.to_owned()))),
    }
}

async fn remove_version(
    tx: &mut Tx,
    actor: &Actor,
    plugin: &Plugin,
    version: &VersionRecord,
    now: Timestamp,
) -> Result<()> {
    let digest = version.version.digest;
    plugin::delete_version(tx, plugin.id, digest, now).await?;
    let detail = json!({"version": version.version.description.version});
    Ok(actor.note(tx, plugin.id, "version_deleted", Some(digest), detail, now).await?)
}

/// Refuses to delete what somebody needs. What other projects have is counted and not named; where the plugin is private now,
/// only what runs counts.
async fn refuse_if_used(tx: &mut Tx, actor: &Actor, plugin: &Plugin, digest: Option<Digest>) -> Result<()> {
    if plugin.project_id.is_none() {
        return Err(RegistryError::BuiltIn);
    }
    let is_private = plugin.visibility == PluginVisibility::Private;
    let users: Vec<User> = plugin::users(tx, plugin.id, digest, MOST_USERS)
        .await?
        .into_iter()
        .filter(|user| user.is_running || !is_private || user.project_id == plugin.project_id)
        .collect();
    if users.is_empty() {
        return Ok(());
    }
    let (own, others): (Vec<&User>, Vec<&User>) = users
        .iter()
        .partition(|user| user.project_id.is_some() && actor.sees(user.project_id.as_ref()) || actor.is_admin);
    Err(RegistryError::InUse {
        own: own.into_iter().map(|user| (user.noun, user.id)).collect(),
        has_others: !others.is_empty(),
    })
}
