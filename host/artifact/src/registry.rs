//! One registry: push and pull.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use futures::StreamExt as _;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use sha2::Digest as _;
use watcher_domain::Digest;

use crate::artifact::{Artifact, Pushed};
use crate::error::Error;
use crate::layout::{self, Pieces};

/// How long a registry may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);

/// Where an artifact is: `REGISTRY/REPOSITORY:TAG`, or `REGISTRY/REPOSITORY@sha256:DIGEST` of its manifest. An `oci://` before it is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference(oci_client::Reference);

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let plain = text.strip_prefix("oci://").unwrap_or(text);
        let reference = plain.parse().map_err(|source| Error::Reference { text: text.to_owned(), source })?;
        Ok(Self(reference))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How a registry is talked to.
#[derive(Clone, Default)]
pub struct Access {
    /// User and password; without them nobody.
    pub login: Option<(String, String)>,
    /// Without TLS: for a registry on this machine.
    pub plain_http: bool,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.login.as_ref().map(|(user, _)| user);
        f.debug_struct("Access").field("user", &user).field("plain_http", &self.plain_http).finish()
    }
}

/// A registry that an operator gave.
pub struct OciRegistry {
    client: Client,
    auth: RegistryAuth,
}

impl OciRegistry {
    /// Speaks to nobody yet.
    ///
    /// # Errors
    /// If there is no TLS to be had on this machine.
    pub fn new(access: Access) -> Result<Self, Error> {
        let config = ClientConfig {
            protocol: if access.plain_http { ClientProtocol::Http } else { ClientProtocol::Https },
            // A component is no image of a platform: an index of several is refused.
            platform_resolver: None,
            read_timeout: Some(SILENCE),
            connect_timeout: Some(CONNECT),
            user_agent: concat!("watcher-host/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|source| Error::Registry {
            registry: String::new(),
            what: "get a client for",
            reference: String::new(),
            source: Box::new(source),
        })?;
        let auth = access.login.map_or(RegistryAuth::Anonymous, |(user, password)| RegistryAuth::Basic(user, password));
        Ok(Self { client, auth })
    }

    /// Pushes an artifact under a tag.
    pub async fn push(&self, to: &Reference, artifact: &Artifact) -> Result<Pushed, Error> {
        if to.0.tag().is_none() {
            return Err(Error::NoTag(to.to_string()));
        }
        let Pieces { layer, config, manifest } = Pieces::of(artifact)?;
        let pushed = self.client.push(&to.0, &[layer], config, &self.auth, Some(manifest)).await;
        let pushed = pushed.map_err(|source| failed("take", to, source))?;
        Ok(Pushed { digest: artifact.digest(), manifest_url: pushed.manifest_url })
    }

    /// Pulls an artifact whose component has at most so many bytes.
    pub async fn pull(&self, from: &Reference, limit: u64) -> Result<Artifact, Error> {
        let (manifest, _, config) = self
            .client
            .pull_manifest_and_config(&from.0, &self.auth)
            .await
            .map_err(|source| failed("give", from, source))?;
        let layer = layout::layer(&manifest).map_err(|reason| Error::Layout { reference: from.to_string(), reason })?;
        let too_large = |size| Error::TooLarge { reference: from.to_string(), size, limit };
        if layer.size > limit {
            return Err(too_large(layer.size));
        }
        let stream = self.client.pull_blob_stream(&from.0, layer.descriptor).await;
        let mut stream = stream.map_err(|source| failed("give the component of", from, source))?;
        let mut component = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk =
                chunk.map_err(|source| Error::Transfer { registry: from.0.resolve_registry().to_owned(), source })?;
            component.extend_from_slice(&chunk);
            if component.len() as u64 > limit {
                return Err(too_large(component.len() as u64));
            }
        }
        let found = Digest(sha2::Sha256::digest(&component).into());
        if found != layer.digest {
            return Err(Error::Digest { reference: from.to_string(), wanted: layer.digest, found });
        }
        Ok(Artifact { component: component.into(), ..layout::described(&manifest, &config) })
    }
}

impl fmt::Debug for OciRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OciRegistry").field("auth", &self.auth).finish_non_exhaustive()
    }
}

fn failed(what: &'static str, reference: &Reference, source: OciDistributionError) -> Error {
    Error::Registry {
        registry: reference.0.resolve_registry().to_owned(),
        what,
        reference: reference.to_string(),
        source: Box::new(source),
    }
}
