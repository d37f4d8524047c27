//! Where bytes are kept that are not in the database.
//!
//! A name is written once: whoever stores something takes a new name, so that a removal never meets bytes that somebody needs.

use std::sync::Arc;

use async_trait::async_trait;

/// Why a store of blobs did not do what was asked. The chain is for the log: it names addresses.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is nothing of this name.
    #[error("there is no blob of this name")]
    Missing,
    /// What is there is not what was stored.
    #[error("the blob has {found} bytes instead of {wanted}")]
    Size {
        /// How many it should have.
        wanted: u64,
        /// How many it has, or at least has.
        found: u64,
    },
    /// It does not answer, or not in time. Whether a `put` or `delete` was carried out is not known.
    #[error("the object store cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answers, and says no: wrong credentials, no permission, no room, a broken disk.
    #[error("the object store refuses")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Keeps blobs by name. Every call ends within a time that the store was given.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Stores bytes under a name. Doing it twice with the same bytes does no harm; nobody sees half of them.
    async fn put(&self, name: &str, bytes: Arc<[u8]>) -> Result<(), BlobError>;

    /// The bytes of a name, of which there are `size_bytes`. More are never read into memory.
    async fn get(&self, name: &str, size_bytes: u64) -> Result<Vec<u8>, BlobError>;

    /// Removes a name with whatever an interrupted `put` left of it. It is no error if there is none.
    async fn delete(&self, name: &str) -> Result<(), BlobError>;
}
