//! `cargo xtask reference`: docs/plugins/reference.md, made from the WIT.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use watcher_guest_build::files;
use watcher_guest_build::wit_parser::{
    Docs, Function, Handle, Interface, InterfaceId, Resolve, Type, TypeDef, TypeDefKind, World, WorldItem, WorldKey,
};

use crate::workspace::Workspace;

/// The document, below the root.
const FILE: &str = "docs/plugins/reference.md";

/// Writes the document, or, with `check`, only says whether it is as the WIT says.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let file = workspace.root.join(FILE);
    let text = document(&workspace.root.join("wit"))?;
    if !check {
        let changed = files::replace(&file, text.as_bytes())?;
        eprintln!("  ✓ {FILE}{}", if changed { " is written" } else { " is as it should be" });
        return Ok(());
    }
    let present = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    if present != text {
        bail!("{FILE} is not what the WIT says; run `cargo xtask reference`");
    }
    Ok(())
}

/// The reference of everything below a folder of WIT.
fn document(wit: &Path) -> Result<String> {
    let mut resolve = Resolve::default();
    resolve.push_dir(wit).map_err(|error| error.context(format!("cannot read the WIT in {}", wit.display())))?;
    let mut text = String::from(
        "# Reference of the plugin interface\n\nMade from `wit/` by `cargo xtask reference`. A kind of plugin is a world: it may import what its world imports and exports what its \
         world exports. How types look in Rust: `sdk/rust`.\n",
    );
    let mut packages: Vec<_> = resolve.packages.iter().collect();
    packages.sort_by_key(|(_, package)| package.name.to_string());
    for (_, package) in &packages {
        for (name, id) in &package.worlds {
            let world = &resolve.worlds[*id];
            text += &section(2, &format!("World `{name}`"), &world.docs);
            text += &borders(&resolve, world);
        }
    }
    for (_, package) in &packages {
        if package.interfaces.is_empty() {
            continue;
        }
        text += &section(2, &format!("Package `{}`", package.name), &package.docs);
        for id in package.interfaces.values() {
            text += &interface(&resolve, *id);
        }
    }
    Ok(text)
}

fn section(depth: usize, title: &str, docs: &Docs) -> String {
    let docs = docs.contents.as_deref().map(|docs| format!("\n{}\n", docs.trim())).unwrap_or_default();
    format!("\n{} {title}\n{docs}", "#".repeat(depth))
}

/// What a world imports and exports.
fn borders(resolve: &Resolve, world: &World) -> String {
    let names = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| {
        let names: Vec<String> = items.map(|(key, _)| format!("`{}`", resolve.name_world_key(key))).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    format!("\nImports {}. Exports {}.\n", names(&mut world.imports.iter()), names(&mut world.exports.iter()))
}

fn interface(resolve: &Resolve, id: InterfaceId) -> String {
    let interface: &Interface = &resolve.interfaces[id];
    let mut text =
        section(3, &format!("Interface `{}`", interface.name.as_deref().unwrap_or_default()), &interface.docs);
    for type_id in interface.types.values() {
        let of = &resolve.types[*type_id];
        // What is only used here is documented where it belongs.
        if !matches!(&of.kind, TypeDefKind::Type(Type::Id(_))) {
            text += &type_definition(resolve, of);
        }
    }
    for function in interface.functions.values() {
        text += &section(4, &format!("`{}`", function.name), &Docs::default());
        text.extend([format!("\n```wit\n{}\n```\n", signature(resolve, function))]);
        text += &function.docs.contents.as_deref().map(|docs| format!("\n{}\n", docs.trim())).unwrap_or_default();
    }
    text
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<String> =
        function.params.iter().map(|param| format!("{}: {}", param.name, name(resolve, &param.ty))).collect();
    let result = function.result.as_ref().map(|result| format!(" -> {}", name(resolve, result))).unwrap_or_default();
    format!("{}: func({}){result}", function.name, params.join(", "))
}

fn type_definition(resolve: &Resolve, of: &TypeDef) -> String {
    let mut text = section(4, &format!("{} `{}`", of.kind.as_str(), of.name.as_deref().unwrap_or_default()), &of.docs);
    let rows: Vec<(String, &Docs)> = match &of.kind {
        TypeDefKind::Record(record) => record
            .fields
            .iter()
            .map(|field| (format!("`{}`: `{}`", field.name, name(resolve, &field.ty)), &field.docs))
            .collect(),
        TypeDefKind::Variant(variant) => variant
            .cases
            .iter()
            .map(|case| match &case.ty {
                None => (format!("`{}`", case.name), &case.docs),
                Some(ty) => (format!("`{}({})`", case.name, name(resolve, ty)), &case.docs),
            })
            .collect(),
        TypeDefKind::Enum(cases) => cases.cases.iter().map(|case| (format!("`{}`", case.name), &case.docs)).collect(),
        TypeDefKind::Flags(flags) => flags.flags.iter().map(|flag| (format!("`{}`", flag.name), &flag.docs)).collect(),
        kind => {
            text.extend([format!("\nIs `{}`.\n", kind_name(resolve, kind))]);
            Vec::new()
        }
    };
    if !rows.is_empty() {
        text.push('\n');
    }
    for (row, docs) in rows {
        let docs = docs.contents.as_deref().map(|docs| docs.split_whitespace().collect::<Vec<_>>().join(" "));
        text.extend([format!("- {row}{}\n", docs.map(|docs| format!(" — {docs}")).unwrap_or_default())]);
    }
    text
}

/// A type as WIT writes it.
fn name(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else { return primitive(ty).to_owned() };
    let of = &resolve.types[*id];
    of.name.clone().unwrap_or_else(|| kind_name(resolve, &of.kind))
}

fn kind_name(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let of = |ty: &Type| name(resolve, ty);
    match kind {
        TypeDefKind::Type(ty) => of(ty),
        TypeDefKind::Option(ty) => format!("option<{}>", of(ty)),
        TypeDefKind::List(ty) => format!("list<{}>", of(ty)),
        TypeDefKind::FixedLengthList(ty, length) => format!("list<{}, {length}>", of(ty)),
        TypeDefKind::Map(key, value) => format!("map<{}, {}>", of(key), of(value)),
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", tuple.types.iter().map(of).collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Result(result) => match (&result.ok, &result.err) {
            (None, None) => "result".to_owned(),
            (Some(ok), None) => format!("result<{}>", of(ok)),
            (ok, Some(err)) => format!("result<{}, {}>", ok.as_ref().map_or_else(|| "_".to_owned(), of), of(err)),
        },
        TypeDefKind::Handle(Handle::Own(id)) => name(resolve, &Type::Id(*id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", name(resolve, &Type::Id(*id))),
        other => other.as_str().to_owned(),
    }
}

const fn primitive(ty: &Type) -> &'static str {
    match ty {
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
        Type::ErrorContext | Type::Id(_) => "error-context",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_what_the_wit_says() {
        run(&Workspace::load().unwrap(), true).unwrap();
    }

    #[test]
    fn every_function_has_its_signature() {
        let text = document(&Workspace::load().unwrap().root.join("wit")).unwrap();
        for expected in [
            "## World `strategy`",
            "Exports `watcher:strategy/strategy@0.1.0`.",
            "execute: func(parameters: json, configuration: json) -> result<solution, failure>",
            "- `resource-id`: `string` — UUID of the resource it is done to; empty for an action without one.",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
    }
}
