//! Blobs as objects.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig};
use tokio::sync::Semaphore;
use watcher_domain::ports::{BlobError, BlobStore};

use crate::error::{OpenError, kind};
use crate::http::Connector;
use crate::{BlobOptions, Place, S3Options};

/// How often a request is repeated that had no answer, or one that says to try again.
const REPETITIONS: usize = 2;

/// Blobs of one place.
pub struct ObjectBlobs {
    objects: Arc<dyn ObjectStore>,
    /// The folder, if it is one.
    folder: Option<PathBuf>,
    timeout: Duration,
    slots: Arc<Semaphore>,
}

impl fmt::Debug for ObjectBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectBlobs").field("objects", &self.objects).finish_non_exhaustive()
    }
}

/// Opens a place. A folder is looked at, a bucket is not: whether it answers shows when it is used.
///
/// # Errors
/// [`OpenError`] says what an operator has to change.
pub fn open(place: &Place, options: &BlobOptions) -> Result<ObjectBlobs, OpenError> {
    let (objects, folder): (Arc<dyn ObjectStore>, _) = match place {
        Place::Folder(path) => {
            let unusable = |source: Box<dyn std::error::Error + Send + Sync>| OpenError::Folder {
                path: path.display().to_string(),
                source,
            };
            let files = LocalFileSystem::new_with_prefix(path).map_err(|error| unusable(error.into()))?;
            if !path.is_dir() {
                return Err(unusable(std::io::Error::from(std::io::ErrorKind::NotADirectory).into()));
            }
            (Arc::new(files.with_automatic_cleanup(true).with_fsync(true)), Some(path.clone()))
        }
        Place::Bucket { bucket, prefix } => {
            let s3 = options.s3.as_ref().ok_or_else(|| OpenError::NoKey(place.to_string()))?;
            let objects = bucket_of(s3, bucket, options.timeout)?;
            let objects: Arc<dyn ObjectStore> = if prefix.is_empty() {
                Arc::new(objects)
            } else {
                Arc::new(PrefixStore::new(objects, prefix.as_str()))
            };
            (objects, None)
        }
    };
    let slots = Arc::new(Semaphore::new(options.max_requests.clamp(1, Semaphore::MAX_PERMITS)));
    Ok(ObjectBlobs { objects, folder, timeout: options.timeout, slots })
}

fn bucket_of(s3: &S3Options, bucket: &str, timeout: Duration) -> Result<object_store::aws::AmazonS3, OpenError> {
    if s3.access_key_id.is_empty() || s3.secret_access_key.is_empty() {
        // Without a key the library would ask the metadata service of a cloud for one.
        return Err(OpenError::NoKey(format!("s3://{bucket}")));
    }
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&s3.region)
        .with_access_key_id(&s3.access_key_id)
        .with_secret_access_key(&s3.secret_access_key)
        .with_virtual_hosted_style_request(s3.virtual_hosted)
        // Not every service has the other way to delete.
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(1),
                base: 2.0,
            },
            max_retries: REPETITIONS,
            retry_timeout: timeout,
        })
        .with_http_connector(Connector::new(timeout, s3.ca.as_deref())?);
    if let Some(endpoint) = &s3.endpoint {
        let bad = |reason: &str| OpenError::Option { option: "endpoint", reason: reason.to_owned() };
        let url = url::Url::parse(endpoint).map_err(|_| bad("it is no address"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("credentials do not belong into it"));
        }
        match url.scheme() {
            "https" => {}
            "http" if s3.allow_http => {}
            "http" => return Err(bad("it is without TLS, and allow_http is off")),
            _ => return Err(bad("it is neither https:// nor http://")),
        }
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    builder.build().map_err(|error| OpenError::Option { option: "store", reason: error.to_string() })
}

impl ObjectBlobs {
    /// Runs a call to its end in a task of its own, and waits as long as calls may take. A call that hangs, as one on a network file system does whose
    /// server is gone, keeps its slot: so no more than there are slots ever hang.
    async fn within<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, BlobError>> + Send + 'static,
    ) -> Result<T, BlobError> {
        let (slots, folder) = (Arc::clone(&self.slots), self.folder.clone());
        let work = async move {
            let slot = slots.acquire_owned().await.map_err(|error| BlobError::Unreachable(error.into()))?;
            let call = tokio::spawn(async move {
                let _slot = slot;
                tokio::task::spawn_blocking(move || is_there(folder.as_deref()))
                    .await
                    .map_err(|error| BlobError::Refused(error.into()))??;
                call.await
            });
            call.await.map_err(|error| BlobError::Refused(error.into()))?
        };
        tokio::time::timeout(self.timeout, work).await.map_err(|error| BlobError::Unreachable(error.into()))?
    }
}

/// Whether the folder is there, if it is one: nothing is in, or goes into, a folder whose disk is not mounted any more.
fn is_there(folder: Option<&std::path::Path>) -> Result<(), BlobError> {
    match folder.map(std::fs::metadata) {
        None => Ok(()),
        Some(Ok(found)) if found.is_dir() => Ok(()),
        Some(Ok(_)) => Err(BlobError::Unreachable(std::io::Error::from(std::io::ErrorKind::NotADirectory).into())),
        Some(Err(error)) => Err(BlobError::Unreachable(error.into())),
    }
}

/// The path of a name. Names are ours; one that is no path is no name of ours.
fn path(name: &str) -> Result<Path, BlobError> {
    Path::parse(name).map_err(|error| BlobError::Refused(error.into()))
}

#[async_trait]
impl BlobStore for ObjectBlobs {
    async fn put(&self, name: &str, bytes: Arc<[u8]>) -> Result<(), BlobError> {
        let (objects, path) = (Arc::clone(&self.objects), path(name)?);
        self.within(async move {
            let payload = PutPayload::from(Bytes::from_owner(bytes));
            match objects.put(&path, payload).await {
                Ok(_) => Ok(()),
                // Of a bucket, or a folder.
                Err(error @ object_store::Error::NotFound { .. }) => Err(BlobError::Refused(error.into())),
                Err(error) => Err(kind(error)),
            }
        })
        .await
    }

    async fn get(&self, name: &str, size_bytes: u64) -> Result<Vec<u8>, BlobError> {
        let (objects, path) = (Arc::clone(&self.objects), path(name)?);
        self.within(async move {
            let found = objects.get(&path).await.map_err(kind)?;
            if found.meta.size != size_bytes {
                return Err(BlobError::Size { wanted: size_bytes, found: found.meta.size });
            }
            let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or_default());
            let mut chunks = found.into_stream();
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(kind)?;
                let size = (bytes.len() + chunk.len()) as u64;
                if size > size_bytes {
                    return Err(BlobError::Size { wanted: size_bytes, found: size });
                }
                bytes.extend_from_slice(&chunk);
            }
            if bytes.len() as u64 == size_bytes {
                Ok(bytes)
            } else {
                Err(BlobError::Size { wanted: size_bytes, found: bytes.len() as u64 })
            }
        })
        .await
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        let (objects, path) = (Arc::clone(&self.objects), path(name)?);
        // What a `put` left that was killed.
        let half = self.folder.as_ref().map(|folder| folder.join(format!("{name}#1")));
        self.within(async move {
            if let Some(half) = half {
                let removed = tokio::task::spawn_blocking(move || std::fs::remove_file(half)).await;
                match removed.map_err(|error| BlobError::Refused(error.into()))? {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(BlobError::Refused(error.into()));
                    }
                    _ => {}
                }
            }
            match objects.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(kind(error)),
            }
        })
        .await
    }
}
