//! The manifest and the config.

use std::collections::BTreeMap;

use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use watcher_domain::{Digest, PluginKind};
use watcher_signature::Signature;

use crate::artifact::Artifact;
use crate::error::Error;

/// Media type of the config.
pub const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// Media type of the component's layer.
pub const COMPONENT_TYPE: &str = "application/wasm";
/// Annotation with the signatures, a JSON list.
pub const SIGNATURES: &str = "io.openstack.watcher.signatures";
/// Annotation with the kind of plugin.
const KIND: &str = "io.openstack.watcher.kind";
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";
const DESCRIPTION: &str = "org.opencontainers.image.description";
/// Signatures that are read at most.
const MOST_SIGNATURES: usize = 64;
/// Bytes of a config that are read at most.
const LARGEST_CONFIG: usize = 4 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig {
    architecture: String,
    os: String,
    layer_digests: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    component: Option<Interfaces>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watcher: Option<Ours>,
}

#[derive(Serialize, Deserialize)]
struct Interfaces {
    #[serde(default)]
    exports: Vec<String>,
    #[serde(default)]
    imports: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Ours {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report: Option<Value>,
}

/// An artifact taken to pieces, as a registry keeps it.
pub(crate) struct Pieces {
    pub(crate) layer: ImageLayer,
    pub(crate) config: Config,
    pub(crate) manifest: OciImageManifest,
}

impl Pieces {
    pub(crate) fn of(artifact: &Artifact) -> Result<Self, Error> {
        let digest = artifact.digest();
        let config = WasmConfig {
            architecture: "wasm".to_owned(),
            // What the layout calls every component, whatever it imports.
            os: "wasip2".to_owned(),
            layer_digests: vec![digest.to_string()],
            component: Some(Interfaces { exports: Vec::new(), imports: artifact.imports.clone() }),
            watcher: artifact.report.clone().map(|report| Ours { report: Some(report) }),
        };
        let config = Config::new(serde_json::to_vec(&config)?, CONFIG_TYPE.to_owned(), None);
        let layer = ImageLayer::new(artifact.component.clone(), COMPONENT_TYPE.to_owned(), None);
        let descriptor = |media_type: &str, digest: String, size: usize| OciDescriptor {
            media_type: media_type.to_owned(),
            digest,
            size: i64::try_from(size).unwrap_or(i64::MAX),
            ..OciDescriptor::default()
        };
        let manifest = OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            config: descriptor(CONFIG_TYPE, config.sha256_digest(), config.data.len()),
            layers: vec![descriptor(COMPONENT_TYPE, digest.to_string(), artifact.component.len())],
            annotations: Some(annotations(artifact)?),
            ..OciImageManifest::default()
        };
        Ok(Self { layer, config, manifest })
    }
}

fn annotations(artifact: &Artifact) -> Result<BTreeMap<String, String>, Error> {
    let mut annotations = BTreeMap::new();
    let named = [(TITLE, &artifact.name), (VERSION, &artifact.version), (DESCRIPTION, &artifact.description)];
    for (name, value) in named {
        if let Some(value) = value {
            annotations.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(kind) = artifact.kind {
        annotations.insert(KIND.to_owned(), kind.as_str().to_owned());
    }
    if !artifact.signatures.is_empty() {
        annotations.insert(SIGNATURES.to_owned(), serde_json::to_string(&artifact.signatures)?);
    }
    Ok(annotations)
}

/// What a manifest says about its only layer.
pub(crate) struct Layer<'a> {
    pub(crate) descriptor: &'a OciDescriptor,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// The layer with the component. The reason says what else the artifact is.
pub(crate) fn layer(manifest: &OciImageManifest) -> Result<Layer<'_>, String> {
    let [descriptor] = manifest.layers.as_slice() else {
        return Err(format!("it has {} layers, a component has one", manifest.layers.len()));
    };
    if descriptor.media_type != COMPONENT_TYPE {
        return Err(format!("its layer is {:?}, a component is {COMPONENT_TYPE:?}", descriptor.media_type));
    }
    let digest = descriptor.digest.parse().map_err(|error: watcher_domain::plugin::InvalidDigest| error.to_string())?;
    let size = u64::try_from(descriptor.size).map_err(|_| format!("its layer has {} bytes", descriptor.size))?;
    Ok(Layer { descriptor, digest, size })
}

/// Everything but the component. What is missing or makes no sense is left out: it is for people, or checked by whoever believes it.
pub(crate) fn described(manifest: &OciImageManifest, config: &str) -> Artifact {
    let annotation = |name: &str| manifest.annotations.as_ref()?.get(name).cloned();
    let config: Option<WasmConfig> = Some(config)
        .filter(|config| config.len() <= LARGEST_CONFIG)
        .and_then(|config| serde_json::from_str(config).ok());
    let signatures: Vec<Value> =
        annotation(SIGNATURES).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let signatures = signatures.into_iter().take(MOST_SIGNATURES);
    let (component, watcher) = config.map(|config| (config.component, config.watcher)).unwrap_or_default();
    Artifact {
        name: annotation(TITLE),
        version: annotation(VERSION),
        kind: annotation(KIND).and_then(|kind| kind.parse::<PluginKind>().ok()),
        description: annotation(DESCRIPTION),
        imports: component.map(|component| component.imports).unwrap_or_default(),
        report: watcher.and_then(|watcher| watcher.report),
        signatures: signatures.filter_map(|value| serde_json::from_value::<Signature>(value).ok()).collect(),
        ..Artifact::of(Vec::new())
    }
}
