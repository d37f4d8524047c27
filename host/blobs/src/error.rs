//! Why an object store cannot be used, and what its answers come down to.

use std::error::Error as StdError;

use object_store::client::{HttpError, HttpErrorKind};
use watcher_domain::ports::BlobError;

/// Why a place cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A text that names no place.
    #[error("{text:?} is no place for blobs: {reason}")]
    Place {
        /// The text, without what may be a password.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The folder is not there. It is not made: a disk that is not mounted must not be mistaken for an empty one.
    #[error("the folder {path} for blobs cannot be used: it must be there, and be writable")]
    Folder {
        /// The folder.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A bucket without an S3 service.
    #[error("{0} needs the key of an S3 service")]
    NoKey(String),
    /// An option of the S3 service that makes no sense.
    #[error("option {option} of the object store makes no sense: {reason}")]
    Option {
        /// Which one.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// What an error of a store comes down to.
pub(crate) fn kind(error: object_store::Error) -> BlobError {
    match error {
        object_store::Error::NotFound { .. } => BlobError::Missing,
        error if is_away(&error) => BlobError::Unreachable(error.into()),
        error => BlobError::Refused(error.into()),
    }
}

/// Whether there was no answer at all.
fn is_away(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return !matches!(http.kind(), HttpErrorKind::Decode);
        }
        cause = error.source();
    }
    false
}
