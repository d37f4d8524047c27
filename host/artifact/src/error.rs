//! Why an artifact did not travel.

use oci_client::errors::OciDistributionError;
use watcher_domain::Digest;
use watcher_domain::plugin::InvalidDigest;

/// Why an artifact did not travel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text that names no artifact.
    #[error("{text:?} is not of the form REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:DIGEST")]
    Reference {
        /// The text.
        text: String,
        /// What is wrong with it.
        #[source]
        source: oci_client::ParseError,
    },
    /// A push to a digest: only a tag can be given to what is new.
    #[error("{0} has no tag: a push needs one")]
    NoTag(String),
    /// The registry could not be reached, or refused.
    #[error("the registry {registry} did not {what} {reference}")]
    Registry {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: &'static str,
        /// The artifact.
        reference: String,
        /// Why.
        #[source]
        source: Box<OciDistributionError>,
    },
    /// The transfer broke off.
    #[error("the registry {registry} broke off the transfer of the component")]
    Transfer {
        /// Host and port.
        registry: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{reference} is not a WebAssembly component: {reason}")]
    Layout {
        /// The artifact.
        reference: String,
        /// What is missing or too much.
        reason: String,
    },
    /// It is too large.
    #[error("the component of {reference} has {size} bytes, more than the {limit} that are taken")]
    TooLarge {
        /// The artifact.
        reference: String,
        /// Its size, or what arrived before it was broken off.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The registry sent other bytes than it promised.
    #[error("the component of {reference} has the digest {found}, the manifest says {wanted}")]
    Digest {
        /// The artifact.
        reference: String,
        /// What the manifest says.
        wanted: Digest,
        /// What arrived.
        found: Digest,
    },
    /// A digest that is none.
    #[error(transparent)]
    InvalidDigest(#[from] InvalidDigest),
    /// What cannot be written as JSON.
    #[error("the artifact cannot be described")]
    Json(#[from] serde_json::Error),
}
