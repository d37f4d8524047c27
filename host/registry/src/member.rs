//! Sharing: a plugin is offered to projects, and each says whether it uses it.

use serde_json::json;
use watcher_domain::plugin::{MemberStatus, PluginVisibility};
use watcher_domain::{PluginId, ProjectId};
use watcher_signature::Stage;
use watcher_store::Visibility;
use watcher_store::plugin::{self, Member};

use crate::Registry;
use crate::actor::Actor;
use crate::error::{Deactivated, RegistryError, Result};
use crate::lifecycle::hold;
use crate::quota::ask;
use crate::signing;

impl Registry {
    /// Offers a shared plugin to a project.
    pub async fn offer(&self, actor: &Actor, id: PluginId, project: &ProjectId) -> Result<Member> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let plugin = hold(&mut tx, &actor.visibility(), id, now).await?;
        let owner = plugin.project_id.clone().ok_or(RegistryError::BuiltIn)?;
        if plugin.visibility != PluginVisibility::Shared {
            return Err(RegistryError::NotShared(plugin.visibility));
        }
        if owner == *project {
            return Err(RegistryError::NothingToAccept);
        }
        let standing = self.standing_in(&mut tx, &owner, now).await?;
        if !plugin::offer(&mut tx, id, project, now).await? {
            return Err(RegistryError::Member(project.0.clone()));
        }
        ask("members of plugins", standing.usage.members, 1, standing.limits.members)?;
        self.may_change(&mut tx, actor, now).await?;
        actor.note(&mut tx, id, "member_offered", None, json!({"member": project}), now).await?;
        let member = plugin::find_member(&mut tx, id, project).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        tracing::info!(plugin.id = %id, "plugin {id} was offered to another project");
        member.ok_or_else(|| RegistryError::NoMember(project.0.clone()))
    }

    /// Takes an offer back. The project may not use the plugin for new runs from now on.
    pub async fn withdraw(&self, actor: &Actor, id: PluginId, project: &ProjectId) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        hold(&mut tx, &actor.visibility(), id, now).await?;
        let is_member = plugin::find_member(&mut tx, id, project).await?.is_some_and(|member| member.is_offered);
        if !is_member || !plugin::remove_member(&mut tx, id, project).await? {
            return Err(RegistryError::NoMember(project.0.clone()));
        }
        actor.note(&mut tx, id, "member_withdrawn", None, json!({"member": project}), now).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        tracing::info!(plugin.id = %id, "plugin {id} was withdrawn from another project");
        Ok(())
    }

    /// What a project says to a plugin: to one that it was offered, or to one that is for everybody.
    pub async fn answer(
        &self,
        actor: &Actor,
        id: PluginId,
        project: &ProjectId,
        status: MemberStatus,
    ) -> Result<MemberStatus> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let plugin = hold(&mut tx, &Visibility::of(Some(project)), id, now).await?;
        if plugin.project_id.is_none() || plugin.project_id.as_ref() == Some(project) {
            return Err(RegistryError::NothingToAccept);
        }
        if status == MemberStatus::Accepted {
            match plugin::effective(&mut tx, id).await? {
                Some(version) => {
                    signing::require(&mut tx, Stage::Acceptance, Some(project), version.digest, &[]).await?;
                }
                // Whatever is activated later would be accepted unseen.
                None if signing::is_required(&mut tx, Stage::Acceptance, Some(project)).await? => {
                    return Err(RegistryError::Deactivated(Deactivated::Acceptance));
                }
                None => {}
            }
        }
        let member = plugin::find_member(&mut tx, id, project).await?;
        let is_offered = member.as_ref().is_some_and(|member| member.is_offered);
        let changed = match (is_offered, status) {
            (true, _) => plugin::set_status(&mut tx, id, project, status, now).await?,
            (false, MemberStatus::Accepted) => plugin::accept(&mut tx, id, project, now).await?,
            (false, MemberStatus::Pending | MemberStatus::Rejected) => {
                plugin::remove_member(&mut tx, id, project).await?
            }
        };
        if !changed {
            return Ok(status);
        }
        let event = match (is_offered, status) {
            (true, MemberStatus::Accepted) => "member_accepted",
            (true, MemberStatus::Rejected) => "member_rejected",
            (true, MemberStatus::Pending) => "member_undecided",
            (false, MemberStatus::Accepted) => "accepted",
            (false, MemberStatus::Pending | MemberStatus::Rejected) => "dropped",
        };
        if member.is_none_or(|member| member.status != MemberStatus::Accepted) {
            self.may_change(&mut tx, actor, now).await?;
        }
        actor.note(&mut tx, id, event, None, json!({"member": project}), now).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        tracing::info!(plugin.id = %id, project.id = %project, "project {project} is {status} for plugin {id}");
        Ok(status)
    }
}
