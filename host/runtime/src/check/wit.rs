//! The WIT of this host beside the WIT of a component, so that a wrong type is told in the words of the WIT.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use wasmparser::component_types::{
    ComponentDefinedType, ComponentEntityType, ComponentFuncType, ComponentItem, ComponentValType,
};
use wasmparser::types::TypesRef;
use wasmparser::{Validator, WasmFeatures};
use wit_parser::{Function, InterfaceId, Resolve, Type, TypeDefKind, TypeId, UnresolvedPackageGroup};

/// Longest text of a type; hostile types unfold to far more than their bytes.
const MAX_TEXT: usize = 16 << 10;
/// How deep a type is unfolded; the engine takes no deeper ones.
const MAX_DEPTH: usize = 100;

/// Every file of the WIT that plugins are built against, a package before those that use it.
const SOURCES: [(&str, &str); 12] = [
    ("types.wit", include_str!("../../../../wit/deps/types@0.1.0/types.wit")),
    ("log.wit", include_str!("../../../../wit/deps/log@0.1.0/log.wit")),
    ("clock.wit", include_str!("../../../../wit/deps/clock@0.1.0/clock.wit")),
    ("random.wit", include_str!("../../../../wit/deps/random@0.1.0/random.wit")),
    ("cluster.wit", include_str!("../../../../wit/deps/cluster@0.1.0/cluster.wit")),
    ("metrics.wit", include_str!("../../../../wit/deps/metrics@0.1.0/metrics.wit")),
    ("scoring.wit", include_str!("../../../../wit/deps/scoring@0.1.0/scoring.wit")),
    ("openstack.wit", include_str!("../../../../wit/deps/openstack@0.1.0/openstack.wit")),
    ("strategy.wit", include_str!("../../../../wit/deps/strategy@0.1.0/strategy.wit")),
    ("planner.wit", include_str!("../../../../wit/deps/planner@0.1.0/planner.wit")),
    ("action.wit", include_str!("../../../../wit/deps/action@0.1.0/action.wit")),
    ("scoring-engine.wit", include_str!("../../../../wit/deps/scoring-engine@0.1.0/scoring-engine.wit")),
];

/// The type of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    /// As its author wrote it: types by their names.
    pub(crate) shown: String,
    /// What it comes to: types unfolded, names of parameters left out. Equal for functions that can be linked.
    pub(crate) shape: String,
}

/// Functions of an interface by name.
pub(crate) type Functions = BTreeMap<String, Signature>;

/// Interfaces that a component imports and exports, by name with version.
#[derive(Debug, Default)]
pub(crate) struct Borders {
    pub(crate) imports: BTreeMap<String, Functions>,
    pub(crate) exports: BTreeMap<String, Functions>,
}

/// The functions of an interface of this host; none if it has no such interface.
pub(crate) fn ours(interface: &str) -> Option<&'static Functions> {
    static INTERFACES: LazyLock<BTreeMap<String, Functions>> = LazyLock::new(parse);
    INTERFACES.get(interface)
}

/// Interfaces by name without version.
fn parse() -> BTreeMap<String, Functions> {
    let mut resolve = Resolve::default();
    for (name, text) in SOURCES {
        let group = UnresolvedPackageGroup::parse(name, text).ok();
        if group.and_then(|group| resolve.push_group(group).ok()).is_none() {
            // A test reads them all; without them a component is judged by the engine alone.
            tracing::error!(file = name, "the WIT of this host cannot be read: {name}");
            break;
        }
    }
    let named = resolve.interfaces.iter().filter_map(|(id, interface)| {
        let package = &resolve.packages[interface.package?].name;
        let name = format!("{}:{}/{}", package.namespace, package.name, interface.name.as_deref()?);
        Some((name, functions(&resolve, id)))
    });
    named.collect()
}

/// What a component has at its borders. Every function and type of it is validated on the way.
///
/// # Errors
/// What is wrong with the bytes.
pub(crate) fn borders<'n>(
    component: &[u8],
    imports: impl IntoIterator<Item = &'n str>,
    exports: impl IntoIterator<Item = &'n str>,
) -> Result<Borders, wasmparser::BinaryReaderError> {
    // Whatever is switched off here is told by the compiler, in its own words.
    let types = Validator::new_with_features(WasmFeatures::all()).validate_all(component)?;
    let types = types.as_ref();
    let interface = |name: &str, item: Option<&ComponentItem>| {
        let ComponentEntityType::Instance(id) = item?.ty else { return None };
        let exports = types.get(id)?.exports.iter();
        let functions = exports.filter_map(|(function, item)| match item.ty {
            ComponentEntityType::Func(id) => Some((function.clone(), found(types, types.get(id)?))),
            ComponentEntityType::Module(_)
            | ComponentEntityType::Value(_)
            | ComponentEntityType::Type { .. }
            | ComponentEntityType::Instance(_)
            | ComponentEntityType::Component(_) => None,
        });
        Some((name.to_owned(), functions.collect()))
    };
    let imports = imports.into_iter();
    let exports = exports.into_iter();
    Ok(Borders {
        imports: imports.filter_map(|name| interface(name, types.component_item_for_import(name))).collect(),
        exports: exports.filter_map(|name| interface(name, types.component_item_for_export(name))).collect(),
    })
}

/// The type of a function of a component, whose types have no names.
fn found(types: TypesRef<'_>, function: &ComponentFuncType) -> Signature {
    let mut writer = Found { types, names: true, text: Text::default() };
    writer.function(function);
    let shown = writer.text.0;
    let mut writer = Found { types, names: false, text: Text::default() };
    writer.function(function);
    Signature { shown, shape: writer.text.0 }
}

fn functions(resolve: &Resolve, interface: InterfaceId) -> Functions {
    let functions = resolve.interfaces[interface].functions.iter();
    functions.map(|(name, function)| (name.clone(), signature(resolve, function))).collect()
}

fn signature(resolve: &Resolve, function: &Function) -> Signature {
    let text = |names: bool| {
        let mut writer = Ours { resolve, names, text: Text::default() };
        writer.function(function);
        writer.text.0
    };
    Signature { shown: text(true), shape: text(false) }
}

/// The text of a type, cut off where it gets too long.
#[derive(Default)]
struct Text(String);

impl Text {
    fn push(&mut self, text: &str) {
        if !self.full() {
            self.0.push_str(text);
        }
    }

    fn full(&self) -> bool {
        self.0.len() >= MAX_TEXT
    }

    /// What stands between two members.
    fn next(&mut self, place: usize) {
        self.push(if place > 0 { ", " } else { "" });
    }
}

/// Writes types of this host's WIT.
struct Ours<'a> {
    resolve: &'a Resolve,
    /// Whether types are written by name, and parameters with theirs.
    names: bool,
    text: Text,
}

impl Ours<'_> {
    fn function(&mut self, function: &Function) {
        self.text.push("func(");
        for (place, parameter) in function.params.iter().enumerate() {
            self.text.next(place);
            if self.names {
                self.text.push(&parameter.name);
                self.text.push(": ");
            }
            self.ty(parameter.ty, 0);
        }
        self.text.push(")");
        if let Some(result) = function.result {
            self.text.push(" -> ");
            self.ty(result, 0);
        }
    }

    fn ty(&mut self, ty: Type, depth: usize) {
        let name = match ty {
            Type::Bool => "bool",
            Type::U8 => "u8",
            Type::U16 => "u16",
            Type::U32 => "u32",
            Type::U64 => "u64",
            Type::S8 => "s8",
            Type::S16 => "s16",
            Type::S32 => "s32",
            Type::S64 => "s64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "string",
            Type::ErrorContext => "error-context",
            Type::Id(id) => return self.defined(id, depth + 1),
        };
        self.text.push(name);
    }

    fn defined(&mut self, id: TypeId, depth: usize) {
        let resolve = self.resolve;
        let Some(definition) = resolve.types.get(id) else { return };
        if depth > MAX_DEPTH || self.text.full() {
            return;
        }
        if let (true, Some(name)) = (self.names, &definition.name) {
            return self.text.push(name);
        }
        match &definition.kind {
            TypeDefKind::Type(ty) => self.ty(*ty, depth),
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter().map(|field| (field.name.as_str(), Some(field.ty)));
                self.members("record", fields, depth);
            }
            TypeDefKind::Variant(variant) => {
                self.members("variant", variant.cases.iter().map(|case| (case.name.as_str(), case.ty)), depth);
            }
            TypeDefKind::Enum(cases) => {
                self.members("enum", cases.cases.iter().map(|case| (case.name.as_str(), None)), depth);
            }
            TypeDefKind::Flags(flags) => {
                self.members("flags", flags.flags.iter().map(|flag| (flag.name.as_str(), None)), depth);
            }
            TypeDefKind::Tuple(tuple) => self.list("tuple", tuple.types.iter().map(|&ty| Some(ty)), depth),
            TypeDefKind::Option(ty) => self.list("option", [Some(*ty)], depth),
            TypeDefKind::Result(result) => self.list("result", [result.ok, result.err], depth),
            TypeDefKind::List(ty) => self.list("list", [Some(*ty)], depth),
            TypeDefKind::Map(..)
            | TypeDefKind::FixedLengthList(..)
            | TypeDefKind::Future(_)
            | TypeDefKind::Stream(_)
            | TypeDefKind::Handle(_)
            | TypeDefKind::Resource
            | TypeDefKind::Unknown => self.text.push("a type that no interface of this host has"),
        }
    }

    fn members<'m>(&mut self, kind: &str, members: impl IntoIterator<Item = (&'m str, Option<Type>)>, depth: usize) {
        self.text.push(kind);
        self.text.push(" { ");
        for (place, (name, ty)) in members.into_iter().enumerate() {
            self.text.next(place);
            self.text.push(name);
            if let Some(ty) = ty {
                self.text.push(": ");
                self.ty(ty, depth);
            }
        }
        self.text.push(" }");
    }

    fn list(&mut self, kind: &str, types: impl IntoIterator<Item = Option<Type>>, depth: usize) {
        self.text.push(kind);
        self.text.push("<");
        for (place, ty) in types.into_iter().enumerate() {
            self.text.next(place);
            match ty {
                Some(ty) => self.ty(ty, depth),
                None => self.text.push("_"),
            }
        }
        self.text.push(">");
    }
}

/// Writes types of a component, in the same words.
struct Found<'a> {
    types: TypesRef<'a>,
    /// Whether parameters are written with their names.
    names: bool,
    text: Text,
}

impl Found<'_> {
    fn function(&mut self, function: &ComponentFuncType) {
        self.text.push(if function.async_ { "async func(" } else { "func(" });
        for (place, (name, ty)) in function.params.iter().enumerate() {
            self.text.next(place);
            if self.names {
                self.text.push(name.as_str());
                self.text.push(": ");
            }
            self.ty(*ty, 0);
        }
        self.text.push(")");
        if let Some(result) = function.result {
            self.text.push(" -> ");
            self.ty(result, 0);
        }
    }

    fn ty(&mut self, ty: ComponentValType, depth: usize) {
        let id = match ty {
            ComponentValType::Primitive(primitive) => return self.text.push(&primitive.to_string()),
            ComponentValType::Type(id) => id,
        };
        let types = self.types;
        let Some(definition) = types.get(id) else { return };
        if depth > MAX_DEPTH || self.text.full() {
            return;
        }
        let depth = depth + 1;
        match definition {
            ComponentDefinedType::Primitive(primitive) => self.text.push(&primitive.to_string()),
            ComponentDefinedType::Record(record) => {
                self.members("record", record.fields.iter().map(|(name, ty)| (name.as_str(), Some(*ty))), depth);
            }
            ComponentDefinedType::Variant(variant) => {
                self.members("variant", variant.cases.iter().map(|(name, case)| (name.as_str(), case.ty)), depth);
            }
            ComponentDefinedType::Enum(cases) => {
                self.members("enum", cases.iter().map(|name| (name.as_str(), None)), depth);
            }
            ComponentDefinedType::Flags(flags) => {
                self.members("flags", flags.iter().map(|name| (name.as_str(), None)), depth);
            }
            ComponentDefinedType::Tuple(tuple) => self.list("tuple", tuple.types.iter().map(|&ty| Some(ty)), depth),
            ComponentDefinedType::Option { ty, .. } => self.list("option", [Some(*ty)], depth),
            ComponentDefinedType::Result { ok, err, .. } => self.list("result", [*ok, *err], depth),
            ComponentDefinedType::List { element, .. } => self.list("list", [Some(*element)], depth),
            ComponentDefinedType::Map { key, value, .. } => self.list("map", [Some(*key), Some(*value)], depth),
            ComponentDefinedType::FixedLengthList { element, length, .. } => {
                self.list("list", [Some(*element)], depth);
                self.text.push(&format!(" of {length}"));
            }
            ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => self.text.push("resource"),
            ComponentDefinedType::Future { .. } => self.text.push("future"),
            ComponentDefinedType::Stream { .. } => self.text.push("stream"),
        }
    }

    fn members<'m>(
        &mut self,
        kind: &str,
        members: impl IntoIterator<Item = (&'m str, Option<ComponentValType>)>,
        depth: usize,
    ) {
        self.text.push(kind);
        self.text.push(" { ");
        for (place, (name, ty)) in members.into_iter().enumerate() {
            self.text.next(place);
            self.text.push(name);
            if let Some(ty) = ty {
                self.text.push(": ");
                self.ty(ty, depth);
            }
        }
        self.text.push(" }");
    }

    fn list(&mut self, kind: &str, types: impl IntoIterator<Item = Option<ComponentValType>>, depth: usize) {
        self.text.push(kind);
        self.text.push("<");
        for (place, ty) in types.into_iter().enumerate() {
            self.text.next(place);
            match ty {
                Some(ty) => self.ty(ty, depth),
                None => self.text.push("_"),
            }
        }
        self.text.push(">");
    }
}

#[cfg(test)]
mod tests {
    use watcher_domain::PluginKind;

    use super::*;
    use crate::world;

    #[test]
    fn every_interface_that_is_offered_or_asked_for_is_known_with_its_functions() {
        for &kind in PluginKind::ALL {
            assert!(ours(world::export_of(kind)).is_some_and(|functions| functions.contains_key("describe")), "{kind}");
            for interface in world::offered_to(kind) {
                let known = ours(interface.name).unwrap_or_else(|| panic!("{} is not known", interface.name));
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let mut offered = interface.functions.to_vec();
                offered.sort_unstable();
                if interface.name != "watcher:strategy/strategy" {
                    assert_eq!(names, offered, "{}", interface.name);
                }
            }
        }
    }

    #[test]
    fn a_signature_is_shown_by_names_and_compared_by_structure() {
        let write = &ours("watcher:log/log").unwrap()["write"];
        assert_eq!(write.shown, "func(level: level, message: string, fields: list<tuple<string, string>>)");
        let expected = "func(enum { trace, debug, info, warn, error }, string, list<tuple<string, string>>)";
        assert_eq!(write.shape, expected);
    }
}
