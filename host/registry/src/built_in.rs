//! Built-in plugins: registered at start by digest, owned by nobody, public.
//!
//! A version is immutable: other bytes are another version, even under the same number, and the one registered last runs. That lets a
//! newer program replace its own plugins; plans made before keep their digests.

use std::sync::Arc;

use watcher_domain::plugin::{PluginVersion, PluginVisibility, Specifics};
use watcher_domain::ports::Inspection;
use watcher_domain::{Digest, PluginId, Stamps, Timestamp};
use watcher_store::plugin::Plugin;
use watcher_store::{Tx, action_description, plugin};

use crate::Registry;
use crate::components::digest_of;
use crate::sync::Present;

/// Number of the database lock under which built-in plugins are registered and changed, by one process at a time.
pub(crate) const LOCK: i32 = 2;

/// What became of one built-in component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// It is in the database now.
    New {
        /// Where it came from.
        name: String,
        /// Its digest.
        digest: Digest,
    },
    /// It was there before.
    Known {
        /// Where it came from.
        name: String,
        /// Its digest.
        digest: Digest,
    },
    /// It cannot be used.
    Unavailable {
        /// Where it came from.
        name: String,
        /// Why.
        reason: String,
    },
}

/// A component with what the inspector found out.
struct Inspected {
    name: String,
    bytes: Arc<[u8]>,
    digest: Digest,
    inspection: Inspection,
}

impl Registry {
    /// Registers components, given with a name for messages, and brings goals, strategies, scoring engines and action descriptions in step
    /// with them. Rows are made in the order given. All of it is one transaction. A component that cannot be used does not stop the others,
    /// but while there is one, nothing is taken for removed.
    pub async fn register_built_in(
        &self,
        components: Vec<(String, Arc<[u8]>)>,
    ) -> Result<Vec<Registered>, watcher_store::Error> {
        let mut outcomes = Vec::with_capacity(components.len());
        let mut usable = Vec::new();
        for (name, bytes) in components {
            let digest = digest_of(&bytes);
            match self.inspector.inspect(Arc::clone(&bytes)).await {
                Ok(inspection) => usable.push(Inspected { name, bytes, digest, inspection }),
                Err(error) => outcomes.push(Registered::Unavailable { name, reason: chain(&error) }),
            }
        }
        // What cannot be used may be any of the strategies that seem to be gone: they are broken, not removed.
        let is_complete = outcomes.is_empty();
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        tx.lock(LOCK).await?;
        for inspected in &usable {
            outcomes.push(self.register(&mut tx, inspected, now).await?);
        }
        let mut present = Present::default();
        for inspected in &usable {
            present.add(inspected.digest, &inspected.inspection.description);
        }
        self.sync(&mut tx, &present, now).await?;
        if is_complete {
            self.retire_others(&mut tx, &present, now).await?;
        }
        plugin::bump(&mut tx).await?;
        tx.commit().await?;
        Ok(outcomes)
    }

    async fn register(
        &self,
        tx: &mut Tx,
        inspected: &Inspected,
        now: Timestamp,
    ) -> Result<Registered, watcher_store::Error> {
        let Inspected { name, bytes, digest, inspection } = inspected;
        let (digest, description) = (*digest, &inspection.description);
        if let Specifics::Action(_) = description.specifics {
            action_description::upsert(tx, &description.name, &description.description, now).await?;
        }
        let found = plugin::find_plugin(tx, inspection.kind, &description.name, None).await?;
        let plugin_id = if let Some(plugin) = found {
            plugin.id
        } else {
            let plugin = Plugin {
                id: PluginId(self.ids.uuid()),
                project_id: None,
                kind: inspection.kind,
                name: description.name.clone(),
                visibility: PluginVisibility::Public,
                description: None,
                default_digest: None,
                stamps: Stamps::new(now),
            };
            plugin::insert_plugin(tx, &plugin).await?;
            plugin.id
        };
        let is_known = plugin::version_of(tx, plugin_id, digest).await?.is_some();
        if !is_known {
            let version = PluginVersion {
                plugin_id,
                project_id: None,
                kind: inspection.kind,
                digest,
                description: description.clone(),
                imports: inspection.imports.clone(),
                size_bytes: bytes.len() as u64,
                stamps: Stamps::new(now),
            };
            plugin::insert_version(tx, &version, bytes).await?;
        }
        plugin::set_default(tx, plugin_id, digest, now).await?;
        let name = name.clone();
        Ok(if is_known { Registered::Known { name, digest } } else { Registered::New { name, digest } })
    }
}

/// An error with everything behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
