//! What travels.

use bytes::Bytes;
use serde_json::Value;
use watcher_domain::{Digest, PluginKind};
use watcher_signature::Signature;

/// A plugin version outside of any database.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// The component.
    pub component: Bytes,
    /// Its name, if the artifact says one; what the component itself says counts.
    pub name: Option<String>,
    /// Its version, likewise.
    pub version: Option<String>,
    /// Its kind, likewise.
    pub kind: Option<PluginKind>,
    /// One paragraph for people, likewise.
    pub description: Option<String>,
    /// Its imports, likewise.
    pub imports: Vec<String>,
    /// The report of a check, made by whoever pushed it.
    pub report: Option<Value>,
    /// Who vouches for the component, unchecked.
    pub signatures: Vec<Signature>,
}

impl Artifact {
    /// A component and nothing more.
    pub fn of(component: impl Into<Bytes>) -> Self {
        Self {
            component: component.into(),
            name: None,
            version: None,
            kind: None,
            description: None,
            imports: Vec::new(),
            report: None,
            signatures: Vec::new(),
        }
    }

    /// The component's digest, which is that of its layer.
    pub fn digest(&self) -> Digest {
        use sha2::Digest as _;
        Digest(sha2::Sha256::digest(&self.component).into())
    }
}

/// What a push made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The component's digest.
    pub digest: Digest,
    /// Where the manifest can be pulled, as the registry says.
    pub manifest_url: String,
}
