//! What projects let plugins ask of their clouds. Kept here, enforced where requests are sent.

use serde_json::json;
use watcher_domain::cloud::Grant;
use watcher_domain::{PluginId, ProjectId, Timestamp};
use watcher_store::{Store, Visibility, plugin};

use crate::Registry;
use crate::actor::Actor;
use crate::error::{RegistryError, Result};

/// What a project lets a plugin ask, and since when; none if it never said.
pub async fn grant_for(store: &Store, project: &ProjectId, plugin: PluginId) -> Result<Option<(Grant, Timestamp)>> {
    let mut tx = store.read().await?;
    Ok(plugin::grant_of(&mut tx, plugin, project).await?)
}

impl Registry {
    /// Writes what a project lets a plugin ask.
    pub async fn set_grant(
        &self,
        actor: &Actor,
        id: PluginId,
        project: &ProjectId,
        grant: &Grant,
    ) -> Result<Timestamp> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let visible = Visibility::of(Some(project));
        plugin::find(&mut tx, id, false, &visible).await?.ok_or(RegistryError::NoPlugin)?;
        plugin::set_grant(&mut tx, id, project, grant, now).await?;
        let detail = json!({"project": project, "requests": grant});
        actor.note(&mut tx, id, "granted", None, detail, now).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        tracing::info!(plugin.id = %id, project.id = %project, "project {project} grants plugin {id} requests");
        Ok(now)
    }
}
