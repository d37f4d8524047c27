//! What projects let plugins ask of their clouds. Kept here, enforced where requests are sent.

use serde_json::json;
use watcher_domain::cloud::{Grant, GrantedVersion, GrantedVersions, RequestPattern};
use watcher_domain::plugin::PluginVersion;
use watcher_domain::{PluginId, ProjectId, Timestamp};
use watcher_store::{Store, Tx, Visibility, plugin};

use crate::Registry;
use crate::actor::Actor;
use crate::error::{RegistryError, Result};
use crate::lifecycle::hold;

/// Which versions a grant is to be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantFor {
    /// The one that runs now.
    Running,
    /// All, also those that the plugin's owner uploads later.
    Any,
    /// These, by number or digest.
    These(Vec<String>),
}

/// What a project lets a plugin ask, and since when; none if it never said.
pub async fn grant_for(store: &Store, project: &ProjectId, plugin: PluginId) -> Result<Option<(Grant, Timestamp)>> {
    let mut tx = store.read().await?;
    Ok(plugin::grant_of(&mut tx, plugin, project).await?)
}

impl Registry {
    /// Writes what a project lets versions of a plugin ask.
    ///
    /// # Errors
    /// [`RegistryError::NoPlugin`] if the project does not see it, [`RegistryError::NoVersion`] with what names no version of it,
    /// [`RegistryError::NothingRuns`].
    pub async fn set_grant(
        &self,
        actor: &Actor,
        id: PluginId,
        project: &ProjectId,
        requests: Vec<RequestPattern>,
        versions: GrantFor,
    ) -> Result<(Grant, Timestamp)> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        hold(&mut tx, &Visibility::of(Some(project)), id, now).await?;
        let versions = match versions {
            GrantFor::Any => GrantedVersions::Any,
            // To let nothing be asked needs no version.
            GrantFor::Running if requests.is_empty() => GrantedVersions::These(Vec::new()),
            GrantFor::Running => {
                let running = plugin::effective(&mut tx, id).await?.ok_or(RegistryError::NothingRuns)?;
                GrantedVersions::These(vec![granted(running)])
            }
            GrantFor::These(names) => GrantedVersions::These(these(&mut tx, id, names).await?),
        };
        let grant = Grant { requests, versions };
        if let Some(before) = plugin::grant_of(&mut tx, id, project).await?
            && before.0 == grant
        {
            return Ok(before);
        }
        self.may_change(&mut tx, actor, now).await?;
        plugin::set_grant(&mut tx, id, project, &grant, now).await?;
        let versions = match &grant.versions {
            GrantedVersions::Any => json!("any"),
            GrantedVersions::These(versions) => json!(versions),
        };
        let detail = json!({"project": project, "requests": grant.requests, "versions": versions});
        actor.note(&mut tx, id, "granted", None, detail, now).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        tracing::info!(plugin.id = %id, project.id = %project, "project {project} grants plugin {id} requests");
        Ok((grant, now))
    }
}

fn granted(version: PluginVersion) -> GrantedVersion {
    GrantedVersion { version: version.description.version, digest: version.digest }
}

async fn these(tx: &mut Tx, id: PluginId, names: Vec<String>) -> Result<Vec<GrantedVersion>> {
    let mut found: Vec<GrantedVersion> = Vec::new();
    for name in names {
        let record = plugin::find_version(tx, id, &name).await?.ok_or(RegistryError::NoVersion(name))?;
        let version = granted(record.version);
        if !found.contains(&version) {
            found.push(version);
        }
    }
    Ok(found)
}
