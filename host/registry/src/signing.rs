//! Signatures: whose count for a project, and what happens without them.

use async_trait::async_trait;
use serde_json::{Value, json};
use watcher_domain::ports::{GuardError, RunGuard};
use watcher_domain::{Digest, PluginId, ProjectId, Timestamp};
use watcher_signature::{Signature, SigningPolicy, Stage};
use watcher_store::{Store, Tx, plugin};

use crate::Registry;
use crate::actor::Actor;
use crate::error::{RegistryError, Result};
use crate::lifecycle::hold;
use crate::upload::release;

/// Signatures that one text may have.
const MOST_AT_ONCE: usize = 16;

/// Reads one signature, or a list of them.
pub(crate) fn read(text: &str) -> Result<Vec<Signature>> {
    let bad = |error: serde_json::Error| RegistryError::BadSignature(error.to_string());
    let value: Value = serde_json::from_str(text).map_err(bad)?;
    let items = match value {
        Value::Array(items) => items,
        one => vec![one],
    };
    if items.len() > MOST_AT_ONCE {
        return Err(RegistryError::BadSignature(format!(
            "there are {} of them, at most {MOST_AT_ONCE} are taken",
            items.len()
        )));
    }
    items.into_iter().map(|item| serde_json::from_value(item).map_err(bad)).collect()
}

/// A stored policy. One that cannot be read any more lets nothing through.
async fn policy(tx: &mut Tx, project: Option<&ProjectId>) -> Result<SigningPolicy> {
    let Some((stored, _)) = plugin::signing_policy(tx, project).await? else { return Ok(SigningPolicy::default()) };
    Ok(serde_json::from_value(stored).map_err(watcher_store::Error::Json)?)
}

/// The policies that ask for a signature at a stage: the one for all, and that of the project.
async fn policies(tx: &mut Tx, stage: Stage, project: Option<&ProjectId>) -> Result<Vec<SigningPolicy>> {
    let mut policies = vec![policy(tx, None).await?];
    if project.is_some() {
        policies.push(policy(tx, project).await?);
    }
    policies.retain(|policy| policy.require.contains(&stage));
    Ok(policies)
}

/// Whether a signature is needed at a stage.
pub(crate) async fn is_required(tx: &mut Tx, stage: Stage, project: Option<&ProjectId>) -> Result<bool> {
    Ok(!policies(tx, stage, project).await?.is_empty())
}

/// Refuses a component that neither the project's policy nor the one for all lets through. `fresh` came with the request.
pub(crate) async fn require(
    tx: &mut Tx,
    stage: Stage,
    project: Option<&ProjectId>,
    digest: Digest,
    fresh: &[Signature],
) -> Result<()> {
    let policies = policies(tx, stage, project).await?;
    if policies.is_empty() {
        return Ok(());
    }
    let mut signatures = fresh.to_vec();
    let mut keys: Vec<_> = policies.iter().flat_map(|policy| &policy.keys).map(|key| key.public_key.id()).collect();
    keys.sort_unstable();
    keys.dedup();
    // By the keys that are asked about only: whatever others say of the same component, in any number, is nothing to this project.
    for key in keys {
        for stored in plugin::signatures_by(tx, digest, key.as_str(), project).await? {
            // One that cannot be read does not count.
            signatures.extend(serde_json::from_value::<Signature>(stored));
        }
    }
    for policy in policies {
        policy.admits(stage, digest, &signatures).map_err(RegistryError::Unsigned)?;
    }
    Ok(())
}

/// Writes signatures down that are given for a plugin of a project, or for a built-in one.
pub(crate) async fn keep(
    tx: &mut Tx,
    digest: Digest,
    project: Option<&ProjectId>,
    signatures: &[Signature],
    now: Timestamp,
) -> Result<()> {
    for signature in signatures {
        let text = serde_json::to_value(signature).map_err(watcher_store::Error::Json)?;
        if !plugin::add_signature(tx, digest, project, signature.key.as_str(), &text, now).await? {
            return Err(RegistryError::BadSignature("the version has too many signatures already".to_owned()));
        }
    }
    Ok(())
}

/// The policy of a project, or the one for all, and since when.
pub async fn signing_policy(store: &Store, project: Option<&ProjectId>) -> Result<(SigningPolicy, Option<Timestamp>)> {
    let mut tx = store.read().await?;
    let since = plugin::signing_policy(&mut tx, project).await?.map(|(_, since)| since);
    Ok((policy(&mut tx, project).await?, since))
}

/// The signatures over a component that were given for plugins of a project, or for built-in ones. What other projects that have the same
/// component were given is not told.
pub async fn signatures(tx: &mut Tx, digest: Digest, project: Option<&ProjectId>) -> Result<Vec<Signature>> {
    let stored = plugin::signatures(tx, digest, project).await?;
    Ok(stored.into_iter().filter_map(|signature| serde_json::from_value(signature).ok()).collect())
}

impl Registry {
    /// Sets the policy of a project, or the one for all.
    ///
    /// # Errors
    /// [`RegistryError::BadPolicy`] for one that cannot be kept.
    pub async fn set_signing_policy(&self, project: Option<&ProjectId>, policy: &SigningPolicy) -> Result<Timestamp> {
        policy.check().map_err(|error| RegistryError::BadPolicy(error.to_string()))?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let text = serde_json::to_value(policy).map_err(watcher_store::Error::Json)?;
        plugin::set_signing_policy(&mut tx, project, &text, now).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        let whose = project.map_or("all projects", |project| project.0.as_str());
        tracing::info!("the signing policy of {whose} was set");
        Ok(now)
    }

    /// Adds signatures to a version.
    ///
    /// # Errors
    /// [`RegistryError::BadSignature`] if the text is none. Whether it counts is asked when one is needed.
    pub async fn sign(&self, actor: &Actor, id: PluginId, version: &str, text: &str) -> Result<Vec<Signature>> {
        let added = read(text)?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        hold(&mut tx, &actor.visibility(), id, now).await?;
        let release = release(&mut tx, actor, id, version).await?;
        let digest = release.version.version.digest;
        let owner = release.plugin.value.project_id.as_ref();
        let before = signatures(&mut tx, digest, owner).await?;
        keep(&mut tx, digest, owner, &added, now).await?;
        let all = signatures(&mut tx, digest, owner).await?;
        if all == before {
            return Ok(all);
        }
        self.may_change(&mut tx, actor, now).await?;
        let keys: Vec<&str> = added.iter().map(|signature| signature.key.as_str()).collect();
        actor.note(&mut tx, id, "signed", Some(digest), json!({"keys": keys}), now).await?;
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        Ok(all)
    }
}

/// Lets a version run only if the signatures are there that its run needs: asked whenever a sandbox is about to be started.
#[derive(Debug, Clone)]
pub struct SigningGuard(pub Store);

#[async_trait]
impl RunGuard for SigningGuard {
    async fn may_run(&self, project: Option<&ProjectId>, digest: Digest) -> std::result::Result<(), GuardError> {
        let mut tx = self.0.read().await.map_err(|error| GuardError::Unavailable(error.into()))?;
        match require(&mut tx, Stage::Execution, project, digest, &[]).await {
            Ok(()) => Ok(()),
            Err(RegistryError::Unsigned(unsigned)) => Err(GuardError::Refused(unsigned.to_string())),
            Err(error) => Err(GuardError::Unavailable(error.into())),
        }
    }
}
