//! Who does something to a plugin, and how it is written down.

use serde_json::Value;
use watcher_domain::{Digest, PluginId, ProjectId, Timestamp};
use watcher_store::plugin::{self, NewEvent};
use watcher_store::{Tx, Visibility};

/// Somebody who does something to a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actor {
    /// The project they act for.
    pub project: Option<ProjectId>,
    /// The user.
    pub user: Option<String>,
    /// Whether they see what every project owns.
    pub is_admin: bool,
}

impl Actor {
    /// What they see.
    pub fn visibility(&self) -> Visibility {
        if self.is_admin { Visibility::All } else { Visibility::of(self.project.as_ref()) }
    }

    /// Whether they may be told of what a project has.
    pub(crate) fn sees(&self, project: Option<&ProjectId>) -> bool {
        self.is_admin || project.is_none() || project == self.project.as_ref()
    }

    /// Writes down what they do.
    pub(crate) async fn note(
        &self,
        tx: &mut Tx,
        plugin: PluginId,
        event: &'static str,
        digest: Option<Digest>,
        detail: Value,
        now: Timestamp,
    ) -> watcher_store::Result<()> {
        let (project, user) = (self.project.as_ref(), self.user.as_deref());
        let event = NewEvent { plugin, project, user, event, digest, detail };
        plugin::insert_event(tx, &event, now).await
    }
}
