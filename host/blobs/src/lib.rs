//! Blobs in object stores: a folder, or a bucket of an S3 service.
//!
//! [`Place`] is what an operator writes and what rows remember; [`open`] makes an [`ObjectBlobs`] of it, which answers the port
//! `domain::ports::BlobStore`. This is the only room that knows the crate `object_store`. What blobs are, and which of them are needed, is no business of it.

mod error;
mod http;
mod objects;
mod place;

use std::time::Duration;

pub use error::OpenError;
pub use objects::{ObjectBlobs, open};
pub use place::Place;

/// How object stores are used.
#[derive(Debug, Clone)]
pub struct BlobOptions {
    /// The S3 service, if places are buckets.
    pub s3: Option<S3Options>,
    /// How long one call may take, with its repetitions.
    pub timeout: Duration,
    /// Calls at a time; more wait, and that counts as part of their time.
    pub max_requests: usize,
}

impl Default for BlobOptions {
    fn default() -> Self {
        Self { s3: None, timeout: Duration::from_secs(30), max_requests: 16 }
    }
}

/// An S3 service, and who this service is there.
#[derive(Clone)]
pub struct S3Options {
    /// Base address without the bucket; none for Amazon's own of the region.
    pub endpoint: Option<String>,
    /// Region that requests are signed for.
    pub region: String,
    /// Id of the key that signs.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// Whether the address may be without TLS.
    pub allow_http: bool,
    /// Whether the bucket is part of the host's name rather than of the path.
    pub virtual_hosted: bool,
    /// Certificates in PEM that are trusted besides those of the system.
    pub ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for S3Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Options")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}
