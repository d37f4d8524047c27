//! From a core WebAssembly module to a component that the service would accept.

use anyhow::{Context as _, Result, bail};
use wasmparser::{ComponentTypeRef, Parser, Payload};
use wit_component::ComponentEncoder;

/// What guests may import: nothing but the interfaces of this project's WIT.
const OUR_NAMESPACE: &str = "watcher:";

/// The custom section in which the bindings leave the types of their world.
const WORLD_SECTION: &str = "component-type";

/// Encodes a module as a component, validates it, and refuses it when it imports anything but our interfaces.
pub(crate) fn encode(module: &[u8]) -> Result<Vec<u8>> {
    if !has_world(module)? {
        bail!(
            "the module has no `{WORLD_SECTION}` section: it does not say which WIT world it implements \
             (does the crate call the SDK's export macro?)"
        );
    }
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .context("the module does not fit its WIT world")?
        .encode()
        .context("the module cannot become a component")?;
    check_borders(&component)?;
    Ok(component)
}

/// Whether the module says which world it implements.
fn has_world(module: &[u8]) -> Result<bool> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CustomSection(section) = payload.context("not a WebAssembly module")?
            && section.name().starts_with(WORLD_SECTION)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses a component that imports something foreign or exports nothing.
fn check_borders(component: &[u8]) -> Result<()> {
    let mut depth = 0_usize;
    let mut exports = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload.context("the encoder made something unreadable")? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            // Modules and components inside have imports of their own, satisfied within.
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import?;
                    let name = import.name.name;
                    // A type is no capability.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) && !name.starts_with(OUR_NAMESPACE) {
                        bail!("it imports `{name}`; only `{OUR_NAMESPACE}*` may be imported");
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => exports += section.count(),
            _ => {}
        }
    }
    if exports == 0 {
        bail!("it exports nothing: its WIT world is empty");
    }
    Ok(())
}
