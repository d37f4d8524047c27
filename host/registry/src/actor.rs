//! Who does something to a plugin, and how it is written down.

use serde_json::Value;
use watcher_domain::{Digest, PluginId, ProjectId, Timestamp};
use watcher_store::plugin::{self, NewEvent};
use watcher_store::{Tx, Visibility};

/// Most characters of a text that an event keeps: events are never removed, and whoever owns a plugin changes it as often as they like.
const LONGEST_TEXT: usize = 200;

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

    /// Writes down what they do. Long texts in the detail are cut.
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
        let event = NewEvent { plugin, project, user, event, digest, detail: brief(detail) };
        plugin::insert_event(tx, &event, now).await
    }
}

/// A detail whose texts are no longer than an event keeps; one that was cut ends with an ellipsis. What is nested is written by administrators, and
/// kept as it is.
fn brief(detail: Value) -> Value {
    let cut = |text: String| match text.char_indices().nth(LONGEST_TEXT) {
        Some(_) => text.chars().take(LONGEST_TEXT - 1).chain(['…']).collect(),
        None => text,
    };
    match detail {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| match value {
                Value::String(text) => (name, Value::String(cut(text))),
                other => (name, other),
            });
            Value::Object(members.collect())
        }
        other => other,
    }
}
