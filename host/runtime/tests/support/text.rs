//! Plugins written as text: each export does exactly what a test wants, and every other one computes for ever.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part, and a part that fails fails its test")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use watcher_domain::PluginKind;
use wit_parser::abi::{AbiVariant, WasmType};

/// Where the text of a description lies.
const TEXT_AT: usize = 1 << 20;
/// Where a body may write: zeroes at first.
pub(crate) const ZEROES_AT: usize = 4096;

/// A plugin as text.
pub(crate) struct Plugin {
    kind: PluginKind,
    bodies: Vec<(String, String)>,
    parts: String,
    pages: usize,
}

impl Plugin {
    /// A plugin of a kind whose every export computes for ever, `describe` excepted.
    pub(crate) fn new(kind: PluginKind) -> Self {
        let plugin = Self { kind, bodies: Vec::new(), parts: String::new(), pages: 0 };
        plugin.describing(&description(kind).to_string())
    }

    /// An export with this body.
    pub(crate) fn body(mut self, export: &str, body: impl Into<String>) -> Self {
        self.bodies.retain(|(name, _)| name != export);
        self.bodies.push((export.to_owned(), body.into()));
        self
    }

    /// An export that returns the zeroes: an empty list, a result without anything.
    pub(crate) fn returns_nothing(self, export: &str) -> Self {
        self.body(export, format!("i32.const {ZEROES_AT}"))
    }

    /// More of the module: functions, memories, a start.
    pub(crate) fn part(mut self, part: &str) -> Self {
        self.parts.push_str(part);
        self
    }

    /// Describes itself with this text.
    pub(crate) fn describing(self, text: &str) -> Self {
        self.describing_bytes(text.as_bytes())
    }

    pub(crate) fn describing_bytes(mut self, text: &[u8]) -> Self {
        let mut data = format!("(data (i32.const {TEXT_AT}) \"");
        for byte in text {
            write!(data, "\\{byte:02x}").unwrap();
        }
        data.push_str("\")");
        // The last data lies over the first.
        self.parts.push_str(&data);
        self.pages = self.pages.max((TEXT_AT + text.len()).div_ceil(1 << 16));
        let store = |at: usize, value: usize| format!("(i32.store (i32.const {at}) (i32.const {value}))");
        self.body("describe", format!("{} {} i32.const 8", store(8, TEXT_AT), store(12, text.len())))
    }

    /// The component.
    pub(crate) fn build(&self) -> Arc<[u8]> {
        let mut resolve = wit_parser::Resolve::default();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let (package, _) = resolve.push_dir(folder).unwrap();
        let world = resolve.select_world(&[package], Some(self.kind.as_str())).unwrap();
        let mut functions = String::new();
        for (key, item) in &resolve.worlds[world].exports {
            let wit_parser::WorldItem::Interface { id, .. } = item else { continue };
            for (name, function) in &resolve.interfaces[*id].functions {
                let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
                let words = |what: &str, types: &[WasmType]| {
                    let types: Vec<&str> = types.iter().map(|&ty| core_type(ty)).collect();
                    if types.is_empty() { String::new() } else { format!("({what} {})", types.join(" ")) }
                };
                let (parameters, results) = (words("param", &signature.params), words("result", &signature.results));
                let body = self.bodies.iter().find(|(export, _)| export == name);
                let body = body.map_or("(loop (br 0)) unreachable", |(_, body)| body);
                let interface = resolve.name_world_key(key);
                writeln!(functions, "(func (export \"{interface}#{name}\") {parameters} {results} {body})").unwrap();
            }
        }
        let pages = self.pages.max(32);
        let module = format!(
            r#"(module
                (memory (export "memory") {pages})
                (global $top (mut i32) (i32.const 65536))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (global.get $top)
                    (global.set $top (i32.and (i32.add (i32.add (global.get $top) (local.get 3)) (i32.const 7)) (i32.const -8))))
                {functions}
                {})"#,
            self.parts
        );
        let mut module = wat::parse_str(module).unwrap();
        let encoding = wit_component::StringEncoding::UTF8;
        wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
        wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap().into()
    }
}

const fn core_type(ty: WasmType) -> &'static str {
    match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    }
}

/// A description that its kind is content with.
pub(crate) fn description(kind: PluginKind) -> Value {
    let mut value = json!({"name": "text", "version": "1.0.0", "display_name": "Text"});
    let more = match kind {
        PluginKind::Strategy => json!({
            "goal": {"name": "dummy", "display_name": "Dummy"}, "parameters_schema": {}, "planner": "weight",
        }),
        PluginKind::Planner => json!({}),
        PluginKind::Action => json!({"parameters_schema": {}, "requests": []}),
        PluginKind::ScoringEngine => json!({"metainfo": ""}),
    };
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

/// A core module of functions that are each a long sum: `functions` times `terms` instructions, five bytes a term.
pub(crate) fn sums(functions: u32, terms: usize) -> Vec<u8> {
    let mut code = leb(functions);
    for number in 0..functions {
        // One parameter; an addition and a multiplication that cannot be folded, over and over.
        let mut body = vec![0, 0x20, 0];
        for term in 0..terms {
            let constant = 1 + u8::try_from((term + number as usize) % 60).unwrap();
            body.extend([0x20, 0, 0x6a, 0x41, constant, 0x6c]);
        }
        body.push(0x0b);
        code.extend(leb(u32::try_from(body.len()).unwrap()));
        code.extend(body);
    }
    let mut types = leb(functions);
    types.resize(types.len() + functions as usize, 0);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &[1, 0x60, 1, 0x7f, 1, 0x7f]);
    section(&mut module, 3, &types);
    section(&mut module, 10, &code);
    module
}

/// The same component with one more core module in it, which it starts.
pub(crate) fn with_module(component: &[u8], module: &[u8]) -> Arc<[u8]> {
    let mut depth = 0;
    let mut modules = 0;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            wasmparser::Payload::Version { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            wasmparser::Payload::ModuleSection { .. } if depth == 1 => modules += 1,
            _ => {}
        }
    }
    let mut bytes = component.to_vec();
    section(&mut bytes, 1, module);
    let mut instance = vec![1, 0];
    instance.extend(leb(modules));
    instance.push(0);
    section(&mut bytes, 2, &instance);
    bytes.into()
}

fn section(bytes: &mut Vec<u8>, id: u8, content: &[u8]) {
    bytes.push(id);
    bytes.extend(leb(u32::try_from(content.len()).unwrap()));
    bytes.extend(content);
}

fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
