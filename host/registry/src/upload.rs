//! Uploads: a component becomes a version of a plugin of the project that sends it.

use std::sync::Arc;

use serde_json::json;
use watcher_domain::plugin::{PluginVersion, PluginVisibility};
use watcher_domain::{Digest, PluginId, ProjectId, Stamps};
use watcher_signature::{Signature, Stage};
use watcher_store::plugin::{self, About, Content, Plugin, VersionRecord};
use watcher_store::{Stored, Tx};

use crate::Registry;
use crate::actor::Actor;
use crate::check::Checked;
use crate::components::{hashed, settle};
use crate::error::{RegistryError, Result};
use crate::place::Place;
use crate::quota::ask;
use crate::signing;

/// What somebody uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The component.
    pub component: Arc<[u8]>,
    /// What is new in it, for people.
    pub notes: Option<String>,
    /// A detached signature over its digest, or a JSON list of them.
    pub signature: Option<String>,
}

/// A version of a plugin, with the plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The plugin.
    pub plugin: Stored<Plugin>,
    /// The version.
    pub version: VersionRecord,
}

impl Registry {
    /// Checks a component and makes it a version of the project whose upload began with [`Registry::begin_upload`]. On refusal nothing of
    /// it is kept.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] says everything that is wrong with the component. What can be refused without looking into it is refused
    /// before. [`RegistryError::Blob`] if its bytes could not be stored.
    pub async fn upload(&self, place: Place, actor: &Actor, upload: Upload) -> Result<Release> {
        let project = place.project.clone();
        let hashed = hashed(Arc::clone(&upload.component)).await;
        let (digest, _) = hashed.map_err(|error| RegistryError::Check(error.into()))?;
        let size_bytes = upload.component.len() as u64;
        let signatures = upload.signature.as_deref().map(signing::read).transpose()?.unwrap_or_default();
        self.admit(&project, digest, size_bytes).await?;
        let mut tx = self.store.read().await?;
        signing::require(&mut tx, Stage::Upload, Some(&project), digest, &signatures).await?;
        drop(tx);
        let checked = self.check(Arc::clone(&upload.component), digest, &project).await?;
        let content = self.components.keep(digest, &upload.component, self.ids.uuid(), self.clock.now()).await?;
        let release =
            match self.insert(actor, &project, digest, size_bytes, checked, &content, upload, &signatures).await {
                Ok(release) => release,
                Err(error) => {
                    self.components.discard(&content, self.clock.now()).await;
                    return Err(error);
                }
            };
        let (plugin, version) = (&release.plugin.value, &release.version.version);
        tracing::info!(
            plugin.id = %plugin.id,
            plugin.digest = %version.digest,
            project.id = %project,
            "{} {} has version {} now", plugin.kind, plugin.name, version.description.version
        );
        // The component is in memory until here.
        drop(place);
        Ok(release)
    }

    /// Refuses what needs no look into the component. It is asked again when the version is inserted.
    async fn admit(&self, project: &ProjectId, digest: Digest, size_bytes: u64) -> Result<()> {
        let mut tx = self.store.read().await?;
        let standing = self.standing_in(&mut tx, project, self.clock.now()).await?;
        ask("bytes in one component", 0, size_bytes, standing.limits.component_bytes)?;
        ask("versions of plugins", standing.usage.versions, 1, standing.limits.versions)?;
        ask("bytes of components", standing.usage.bytes, size_bytes, standing.limits.bytes)?;
        refuse_same_component(&mut tx, project, digest).await
    }

    #[expect(clippy::too_many_arguments, reason = "they are what an upload has come to, used in this one place")]
    async fn insert(
        &self,
        actor: &Actor,
        project: &ProjectId,
        digest: Digest,
        size_bytes: u64,
        checked: Checked,
        content: &Content,
        upload: Upload,
        signatures: &[Signature],
    ) -> Result<Release> {
        let Checked { inspection, report } = checked;
        let (kind, description) = (inspection.kind, inspection.description);
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        plugin::lock_project(&mut tx, project, now).await?;
        refuse_same_component(&mut tx, project, digest).await?;
        let standing = self.standing_in(&mut tx, project, now).await?;
        let found = plugin::find_plugin(&mut tx, kind, &description.name, Some(project)).await?;
        let plugin_id = if let Some(found) = found {
            if let Some(same) = plugin::version_numbered(&mut tx, found.id, &description.version).await? {
                let (name, version) = (description.name, same.version.description.version);
                return Err(RegistryError::SameNumber { kind, name, version, digest: same.version.digest });
            }
            found.id
        } else {
            ask("plugins", standing.usage.plugins, 1, standing.limits.plugins)?;
            let new = Plugin {
                id: PluginId(self.ids.uuid()),
                project_id: Some(project.clone()),
                kind,
                name: description.name.clone(),
                visibility: PluginVisibility::Private,
                description: None,
                default_digest: None,
                stamps: Stamps::new(now),
            };
            plugin::insert_plugin(&mut tx, &new).await?;
            new.id
        };
        ask("bytes in one component", 0, size_bytes, standing.limits.component_bytes)?;
        ask("versions of plugins", standing.usage.versions, 1, standing.limits.versions)?;
        ask("bytes of components", standing.usage.bytes, size_bytes, standing.limits.bytes)?;
        let number = description.version.clone();
        let version = PluginVersion {
            plugin_id,
            project_id: Some(project.clone()),
            kind,
            digest,
            description,
            imports: inspection.imports,
            size_bytes,
            stamps: Stamps::new(now),
        };
        let about = About {
            report: Some(report),
            notes: upload.notes,
            signature: upload.signature,
            uploaded_by: actor.user.clone(),
        };
        let is_new = plugin::insert_content(&mut tx, &version, content, &about).await?;
        settle(&mut tx, content, is_new, now).await?;
        signing::keep(&mut tx, digest, Some(project), signatures, now).await?;
        // Asked again: a key may have been revoked while the component was checked.
        signing::require(&mut tx, Stage::Upload, Some(project), digest, &[]).await?;
        let detail = json!({"version": number, "size_bytes": size_bytes});
        actor.note(&mut tx, plugin_id, "uploaded", Some(digest), detail, now).await?;
        let release = release(&mut tx, actor, plugin_id, &digest.to_string()).await?;
        self.follow(&mut tx, &release.plugin.value, now).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        Ok(release)
    }
}

/// Refuses a component that a plugin of the project has.
async fn refuse_same_component(tx: &mut Tx, project: &ProjectId, digest: Digest) -> Result<()> {
    let Some(same) = plugin::owned_version(tx, project, digest).await? else { return Ok(()) };
    Err(RegistryError::SameComponent {
        kind: same.kind,
        name: same.description.name,
        version: same.description.version,
        digest,
    })
}

/// A version that the caller sees, with its plugin.
pub(crate) async fn release(tx: &mut Tx, actor: &Actor, id: PluginId, version: &str) -> Result<Release> {
    let found = plugin::find(tx, id, false, &actor.visibility()).await?.ok_or(RegistryError::NoPlugin)?;
    let version = plugin::find_version(tx, id, version).await?;
    let version = version.ok_or_else(|| RegistryError::NoVersion(String::new()))?;
    Ok(Release { plugin: found, version })
}
