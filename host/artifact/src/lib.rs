//! A plugin version as an OCI artifact, in the layout of the CNCF for WebAssembly components
//! (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>): one layer `application/wasm` with the component as it is, so that
//! the layer's digest is the version's digest, and a config `application/vnd.wasm.config.v0+json`. Other tools for WebAssembly read it too.
//!
//! What is ours beside it: the report of the check stands in the config as `watcher.report`, the signatures in the manifest's annotations
//! ([`SIGNATURES`]), because they may come after the component.
//!
//! [`OciRegistry`] is one registry as an operator names it. Nothing that comes from it is believed: sizes are bounded, the component must have the
//! digest that the manifest says, and report and signatures are for the caller to check.

mod artifact;
mod error;
mod layout;
mod registry;

pub use artifact::{Artifact, Pushed};
pub use error::Error;
pub use layout::{COMPONENT_TYPE, CONFIG_TYPE, SIGNATURES};
pub use registry::{Access, OciRegistry, Reference};
