//! The object stores that this service is set up for, and what their errors mean for whoever needs a component.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;
use uuid::Uuid;
use watcher_domain::Digest;
use watcher_domain::ports::{BlobError, BlobStore};
use watcher_store::plugin::Blob;

/// Largest component that is read from a store, in bytes: as large as the option `registry.max_component_bytes` may ever be.
const MOST_BYTES: u64 = 1 << 30;

/// Why bytes cannot be had or kept, in words for users: neither addresses nor names. The log has those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlobTrouble {
    /// It does not answer.
    #[error("the object store of plugins cannot be reached")]
    Unreachable,
    /// It answers, and says no.
    #[error("the object store of plugins refuses the service, is full, or fails")]
    Refused,
    /// The component is in a store that the configuration does not name.
    #[error("the service is not set up for the object store that has the component")]
    Elsewhere,
    /// An upload took so long that it was given up.
    #[error("it took too long to store the component")]
    GivenUp,
    /// The store does not have what it should have.
    #[error("the component is missing in the object store of plugins")]
    Missing,
    /// The store has something else.
    #[error("the component in the object store of plugins is not what was stored")]
    Damaged,
}

impl BlobTrouble {
    /// Whether the same may work later, when an operator has helped or without.
    pub const fn is_temporary(self) -> bool {
        match self {
            Self::Unreachable | Self::Refused | Self::Elsewhere | Self::GivenUp => true,
            Self::Missing | Self::Damaged => false,
        }
    }

    fn of(error: &BlobError) -> Self {
        match error {
            BlobError::Missing => Self::Missing,
            BlobError::Size { .. } => Self::Damaged,
            BlobError::Unreachable(_) => Self::Unreachable,
            BlobError::Refused(_) => Self::Refused,
        }
    }
}

/// Object stores by place, and the one that new components go to.
#[derive(Default)]
pub struct BlobStores {
    stores: BTreeMap<String, Arc<dyn BlobStore>>,
    keep_in: Option<String>,
    /// There is something to remove.
    pub(crate) loose: Notify,
}

impl std::fmt::Debug for BlobStores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobStores")
            .field("places", &self.stores.keys())
            .field("keep_in", &self.keep_in)
            .finish_non_exhaustive()
    }
}

impl BlobStores {
    /// Stores, each under its place, which rows name it by. New components go to `keep_in`, which is one of them, or to the database.
    pub fn new(stores: impl IntoIterator<Item = (String, Arc<dyn BlobStore>)>, keep_in: Option<String>) -> Self {
        Self { stores: stores.into_iter().collect(), keep_in, loose: Notify::new() }
    }

    /// Where new components go; `None` for the database.
    pub fn keep_in(&self) -> Option<&str> {
        self.keep_in.as_deref()
    }

    /// Whether this is one of them.
    pub fn has(&self, place: &str) -> bool {
        self.stores.contains_key(place)
    }

    fn store(&self, place: &str) -> Result<&Arc<dyn BlobStore>, BlobTrouble> {
        self.stores.get(place).ok_or_else(|| {
            tracing::error!(
                blob.place = place,
                "plugins are kept in {place}, which neither blobs.store nor blobs.others names"
            );
            BlobTrouble::Elsewhere
        })
    }

    pub(crate) async fn put(&self, blob: &Blob, bytes: Arc<[u8]>) -> Result<(), BlobTrouble> {
        let put = self.store(&blob.place)?.put(&blob.name, bytes).await;
        put.map_err(|error| logged("store", blob, &error))
    }

    pub(crate) async fn get(&self, blob: &Blob, size_bytes: u64) -> Result<Vec<u8>, BlobTrouble> {
        let store = self.store(&blob.place)?;
        if size_bytes > MOST_BYTES {
            return Err(BlobTrouble::Damaged);
        }
        store.get(&blob.name, size_bytes).await.map_err(|error| logged("read", blob, &error))
    }

    pub(crate) async fn delete(&self, blob: &Blob) -> Result<(), BlobTrouble> {
        let delete = self.store(&blob.place)?.delete(&blob.name).await;
        delete.map_err(|error| logged("remove", blob, &error))
    }
}

/// A name that nothing was ever stored under.
pub(crate) fn name_of(digest: Digest, id: Uuid) -> String {
    let digest = digest.to_string();
    let hex = digest.strip_prefix("sha256:").unwrap_or(&digest);
    format!("sha256/{}/{hex}.{}.wasm", &hex[..2], id.simple())
}

fn logged(verb: &str, blob: &Blob, error: &BlobError) -> BlobTrouble {
    let Blob { place, name } = blob;
    tracing::error!(
        blob.place = place,
        blob.name = name,
        error = error as &dyn std::error::Error,
        "cannot {verb} {name} in {place}"
    );
    BlobTrouble::of(error)
}
