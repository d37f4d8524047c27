//! What a component is made of, before it is compiled.
//!
//! A component may have components inside. Those that only pass imports and exports on are in every plugin; those with code of their own
//! call each other through the engine, which converts texts between them at no cost in fuel: such a plugin could keep a thread as long as it
//! likes, so it is refused.

use wasmparser::{Encoding, Parser, Payload};

/// Whether the sandbox can run something of this shape. The error says why not.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    if !bytes.starts_with(b"\0asm") {
        return Err("it is no WebAssembly".to_owned());
    }
    let broken = |error| format!("it cannot be read: {error}");
    let mut nesting = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let components = nesting.iter().filter(|&&encoding| encoding == Encoding::Component).count();
        match payload.map_err(broken)? {
            Payload::Version { encoding: Encoding::Module, .. } if nesting.is_empty() => {
                return Err(
                    "it is a core module, not a component: make one of it, e.g. with `wasm-tools component new`"
                        .to_owned(),
                );
            }
            Payload::Version { encoding, .. } => nesting.push(encoding),
            Payload::End(_) => drop(nesting.pop()),
            Payload::ModuleSection { .. } | Payload::InstanceSection(_) | Payload::ComponentCanonicalSection(_)
                if components > 1 =>
            {
                return Err("it has components with code of their own inside; build it as one component".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        check(&wat::parse_str(text).unwrap())
    }

    #[test]
    fn code_belongs_to_the_outermost_component() {
        assert_eq!(checked("(component (core module (func)) (component) (core module))"), Ok(()));
        assert_eq!(checked("(component (component (component)) (core module (func)))"), Ok(()));
        let refused = "it has components with code of their own inside; build it as one component";
        assert_eq!(checked("(component (component (core module)))").unwrap_err(), refused);
        let lifts = r#"(component (component (import "f" (func $f)) (core func (canon lower (func $f)))))"#;
        assert_eq!(checked(lifts).unwrap_err(), refused);
    }

    #[test]
    fn what_is_no_component_is_told_apart() {
        assert_eq!(check(b"#!/bin/sh").unwrap_err(), "it is no WebAssembly");
        assert!(checked("(module)").unwrap_err().starts_with("it is a core module"));
        assert!(check(b"\0asm\x0d\0\x01\0\x01\xff").unwrap_err().starts_with("it cannot be read: "));
    }
}
