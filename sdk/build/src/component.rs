//! From a core WebAssembly module to a component that the service would accept.

use anyhow::{Context as _, Result, bail};
use wasmparser::{ComponentTypeRef, Parser, Payload};
use wit_component::ComponentEncoder;

/// What guests may import: nothing but the interfaces of this project's WIT.
const OUR_NAMESPACE: &str = "watcher:";

/// The custom section in which the bindings leave the types of their world.
const WORLD_SECTION: &str = "component-type";

/// Encodes a module as a component, validates it, and refuses it when it imports anything but our interfaces.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
    const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        let mut section = vec![id, u8::try_from(content.len()).unwrap()];
        section.extend(content);
        section
    }

    /// A vector of one name in the binary format of components, followed by what it refers to.
    fn named(name: &str, what: &[u8]) -> Vec<u8> {
        let mut bytes = vec![1, 0, u8::try_from(name.len()).unwrap()];
        bytes.extend(name.as_bytes());
        bytes.extend(what);
        bytes
    }

    fn importing(name: &str, what: &[u8]) -> Vec<u8> {
        let imports = section(10, &named(name, what));
        // Exports the instance 0 without a type.
        let exports = section(11, &named("watcher:strategy/strategy@0.1.0", &[5, 0, 0]));
        [&COMPONENT[..], &imports, &exports].concat()
    }

    const INSTANCE: [u8; 2] = [5, 0];
    const FUNCTION: [u8; 2] = [1, 0];
    const SUB_RESOURCE_TYPE: [u8; 2] = [3, 1];

    #[test]
    fn our_own_interfaces_may_be_imported() {
        check_borders(&importing("watcher:log/log@0.1.0", &INSTANCE)).unwrap();
        check_borders(&importing("failure", &SUB_RESOURCE_TYPE)).unwrap();
    }

    #[test]
    fn a_foreign_import_is_refused_by_name() {
        for (name, what) in [("wasi:cli/environment@0.2.0", &INSTANCE), ("now", &FUNCTION)] {
            let error = check_borders(&importing(name, what)).unwrap_err().to_string();
            assert_eq!(error, format!("it imports `{name}`; only `watcher:*` may be imported"));
        }
    }

    #[test]
    fn a_component_that_exports_nothing_is_refused() {
        let error = check_borders(&COMPONENT).unwrap_err().to_string();
        assert_eq!(error, "it exports nothing: its WIT world is empty");
    }

    #[test]
    fn a_module_without_a_world_is_refused() {
        assert!(encode(&MODULE).unwrap_err().to_string().contains("no `component-type` section"));
        let with_world = [&MODULE[..], &section(0, b"\x10component-type:x")].concat();
        assert!(has_world(&with_world).unwrap());
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert_eq!(encode(b"#!/bin/sh").unwrap_err().to_string(), "not a WebAssembly module");
    }
}
