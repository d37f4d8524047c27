//! Removes blobs that no component has: of deleted versions, and what uploads left that did not end.
//!
//! Nothing that is needed can be removed. A name is used for one upload only, so it is loose before that upload ends, or after its component was deleted,
//! and nobody can begin to need it again. While an upload is under way, it and the sweep both want the row that names the blob, and one of
//! them gets it: the upload, and then a component has the blob; or the sweep, and then the upload is refused, whose blob may be gone. Its age only keeps the
//! sweep from getting there first.

use std::collections::HashSet;
use std::time::Duration;

use watcher_domain::Timestamp;
use watcher_store::plugin::{self, Blob};

use crate::components::StoredComponents;

/// How often a service looks for loose blobs, besides when it knows of one.
pub const SWEPT_EVERY: Duration = Duration::from_mins(1);
/// How long an upload may take from before it writes its blob until its rows are there: far more than the two together can take.
const UPLOAD_ENDS_WITHIN: Duration = Duration::from_hours(1);
/// Blobs of one sweep.
const MOST: u32 = 100;

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Blobs that are gone.
    pub removed: usize,
    /// Blobs that could not be removed; they come last next time.
    pub left: usize,
}

impl StoredComponents {
    /// Waits until a blob may have become loose in this process.
    pub async fn has_loose(&self) {
        self.blobs.loose.notified().await;
    }

    /// Removes loose blobs, at most a hundred. Several processes may do so at a time.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, watcher_store::Error> {
        let before = now - UPLOAD_ENDS_WITHIN;
        let mut tx = self.store.read().await?;
        let found = plugin::loose_blobs(&mut tx, before, MOST).await?;
        drop(tx);
        if found.is_empty() {
            return Ok(Swept::default());
        }
        let mut ours = Vec::with_capacity(found.len());
        let mut tx = self.store.begin().await?;
        for blob in found {
            if plugin::give_up_blob(&mut tx, &blob, before).await? {
                ours.push(blob);
            }
        }
        tx.commit().await?;
        let (removed, left) = self.remove(ours).await;
        let mut tx = self.store.begin().await?;
        for blob in &removed {
            plugin::forget_blob(&mut tx, blob).await?;
        }
        for blob in &left {
            plugin::doom_blob(&mut tx, blob, now).await?;
        }
        tx.commit().await?;
        Ok(Swept { removed: removed.len(), left: left.len() })
    }

    /// Which of them are gone, and which are not. A store that fails once is not asked again.
    async fn remove(&self, blobs: Vec<Blob>) -> (Vec<Blob>, Vec<Blob>) {
        let mut failing = HashSet::new();
        let (mut removed, mut left) = (Vec::new(), Vec::new());
        for blob in blobs {
            if failing.contains(&blob.place) {
                left.push(blob);
            } else if self.blobs.delete(&blob).await.is_ok() {
                removed.push(blob);
            } else {
                failing.insert(blob.place.clone());
                left.push(blob);
            }
        }
        (removed, left)
    }
}
