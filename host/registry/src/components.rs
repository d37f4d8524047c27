//! Bytes of components, from the database.

use std::sync::Arc;

use async_trait::async_trait;
use sha2::Digest as _;
use watcher_domain::Digest;
use watcher_domain::ports::ComponentSource;
use watcher_store::{Store, plugin};

/// A component whose bytes are not what its digest says: the database was changed behind our back, or its disk fails.
#[derive(Debug, thiserror::Error)]
#[error("the stored component {wanted} has the digest {found}")]
pub struct Tampered {
    /// The digest it is stored under.
    pub wanted: Digest,
    /// That of its bytes.
    pub found: Digest,
}

/// Components of a database.
#[derive(Debug, Clone)]
pub struct StoredComponents {
    store: Store,
}

impl StoredComponents {
    /// Components of this database.
    pub const fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl ComponentSource for StoredComponents {
    async fn component(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, Box<dyn std::error::Error + Send + Sync>> {
        let mut tx = self.store.read().await?;
        let Some(bytes) = plugin::component(&mut tx, digest).await? else { return Ok(None) };
        let found = digest_of(&bytes);
        if found != digest {
            return Err(Tampered { wanted: digest, found }.into());
        }
        Ok(Some(bytes.into()))
    }
}

/// SHA-256 of a component.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}
