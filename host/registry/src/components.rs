//! Bytes of components, from the database or from the object store that their rows name.

use std::sync::Arc;

use async_trait::async_trait;
use sha2::Digest as _;
use tokio::task::JoinError;
use uuid::Uuid;
use watcher_domain::ports::ComponentSource;
use watcher_domain::{Digest, Timestamp};
use watcher_store::plugin::{self, Blob, Component, Content, Packed};
use watcher_store::{Store, Tx};

use crate::blobs::{BlobStores, BlobTrouble, name_of};
use crate::error::{RegistryError, Result};

/// How often a component is looked for that is moved from place to place meanwhile.
const ATTEMPTS: usize = 4;

/// A component whose bytes are not what its digest says: the database was changed behind our back, or its disk fails.
#[derive(Debug, thiserror::Error)]
#[error("the stored component {wanted} has the digest {found}")]
pub struct Tampered {
    /// The digest it is stored under.
    pub wanted: Digest,
    /// That of its bytes.
    pub found: Digest,
}

/// Why the bytes of a component cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// They are others.
    #[error(transparent)]
    Tampered(#[from] Tampered),
    /// An object store has them, or should have.
    #[error(transparent)]
    Blob(#[from] BlobTrouble),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] watcher_store::Error),
    /// The process ends.
    #[error("the digest of the component could not be computed")]
    Hash(#[source] JoinError),
}

/// Components of a database.
#[derive(Debug, Clone)]
pub struct StoredComponents {
    pub(crate) store: Store,
    pub(crate) blobs: Arc<BlobStores>,
}

impl StoredComponents {
    /// Components of this database, all of them within it.
    pub fn new(store: Store) -> Self {
        Self { store, blobs: Arc::default() }
    }

    /// Components of this database with bytes in object stores.
    pub fn with_blobs(store: Store, blobs: BlobStores) -> Self {
        Self { store, blobs: Arc::new(blobs) }
    }

    /// The bytes of a component; `None` if there is none.
    ///
    /// # Errors
    /// [`ComponentError::Tampered`] if they do not have this digest.
    pub async fn read(&self, digest: Digest) -> std::result::Result<Option<Vec<u8>>, ComponentError> {
        let mut gone = None;
        for _ in 0..ATTEMPTS {
            let mut tx = self.store.read().await?;
            let found = plugin::component(&mut tx, digest).await?;
            drop(tx);
            let (size_bytes, blob) = match found {
                None => return Ok(None),
                Some(Component::Here(bytes)) => return checked(digest, bytes).await.map(Some),
                Some(Component::There { size_bytes, blob }) => (size_bytes, blob),
            };
            match self.blobs.get(&blob, size_bytes).await {
                // It may have been moved since its row was read; if the row says the same again, it was not.
                Err(BlobTrouble::Missing) if gone.as_ref() != Some(&blob) => gone = Some(blob),
                other => return checked(digest, other?).await.map(Some),
            }
        }
        Err(BlobTrouble::Missing.into())
    }

    /// Puts bytes where new components go, before there are rows that need them.
    pub(crate) async fn keep(&self, digest: Digest, bytes: &Arc<[u8]>, id: Uuid, now: Timestamp) -> Result<Content> {
        let bytes = Arc::clone(bytes);
        let Some(place) = self.blobs.keep_in() else {
            let packed = watcher_fair::chore(move || Packed::new(&bytes)).await;
            return Ok(Content::Packed(packed.map_err(|error| RegistryError::Check(error.into()))??));
        };
        let blob = Blob { place: place.to_owned(), name: name_of(digest, id) };
        self.put(&blob, &bytes, now).await?;
        Ok(Content::Blob { size_bytes: bytes.len() as u64, blob })
    }

    /// Writes a blob, after a row that names it. If that fails, nobody knows what the store has of it: the row stays, and the sweep removes both.
    pub(crate) async fn put(
        &self,
        blob: &Blob,
        bytes: &Arc<[u8]>,
        now: Timestamp,
    ) -> std::result::Result<(), ComponentError> {
        let mut tx = self.store.begin().await?;
        plugin::expect_blob(&mut tx, blob, now).await?;
        tx.commit().await?;
        Ok(self.blobs.put(blob, Arc::clone(bytes)).await?)
    }

    /// Gives up bytes that no row came to need.
    pub(crate) async fn discard(&self, content: &Content, now: Timestamp) {
        let Some(blob) = content.blob() else { return };
        let doom = async {
            let mut tx = self.store.begin().await?;
            plugin::doom_blob(&mut tx, blob, now).await?;
            tx.commit().await
        };
        if let Err(error) = doom.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a blob that nobody needs stays until it is old enough to be swept away"
            );
        }
        self.blobs.loose.notify_one();
    }
}

/// Settles whose a blob is that was written for an upload: the component's, if its row is new, or nobody's.
pub(crate) async fn settle(tx: &mut Tx, content: &Content, is_new: bool, now: Timestamp) -> Result<()> {
    let Some(blob) = content.blob() else { return Ok(()) };
    if !is_new {
        return Ok(plugin::doom_blob(tx, blob, now).await?);
    }
    if plugin::adopt_blob(tx, blob).await? { Ok(()) } else { Err(RegistryError::Blob(BlobTrouble::GivenUp)) }
}

#[async_trait]
impl ComponentSource for StoredComponents {
    async fn component(
        &self,
        digest: Digest,
    ) -> std::result::Result<Option<Arc<[u8]>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.read(digest).await?.map(Into::into))
    }
}

async fn checked(wanted: Digest, bytes: Vec<u8>) -> std::result::Result<Vec<u8>, ComponentError> {
    let (found, bytes) = hashed(bytes).await.map_err(ComponentError::Hash)?;
    if found == wanted { Ok(bytes) } else { Err(Tampered { wanted, found }.into()) }
}

/// SHA-256 of a component, away from the threads that serve others: megabytes take tens of milliseconds.
pub(crate) async fn hashed<T: AsRef<[u8]> + Send + 'static>(bytes: T) -> std::result::Result<(Digest, T), JoinError> {
    watcher_fair::chore(move || (digest_of(bytes.as_ref()), bytes)).await
}

/// SHA-256 of a component.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}
