//! What a component imports and exports, beside what its kind may import and must export. Nothing is compiled for this.

use std::collections::BTreeMap;

use wasmparser::{ComponentExternalKind, ComponentTypeRef, Parser, Payload};
use watcher_domain::PluginKind;
use watcher_domain::report::{Import, Problem, ProblemCode, WitPackage};

use super::wit::{self, Borders, Functions};
use crate::nearest::nearest;
use crate::world::{self, VERSION, compatible, split};

/// What was found at the borders of a component.
#[derive(Debug, Default)]
pub(crate) struct Border {
    pub(crate) kind: Option<PluginKind>,
    pub(crate) wit: Vec<WitPackage>,
    pub(crate) imports: Vec<Import>,
    pub(crate) problems: Vec<Problem>,
}

/// Names at the borders, and whether each is an interface.
#[derive(Default)]
struct Names {
    imports: Vec<(String, bool)>,
    exports: Vec<(String, bool)>,
}

/// Looks at the borders of a component whose shape was checked.
pub(crate) fn examine(bytes: &[u8]) -> Border {
    let mut border = Border::default();
    let names = match names(bytes) {
        Ok(names) => names,
        Err(error) => {
            border.problem(ProblemCode::Malformed, "", format!("it cannot be read: {error}"), "");
            return border;
        }
    };
    let plain = |names: &[(String, bool)]| names.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let (imports, exports) = (plain(&names.imports), plain(&names.exports));
    let borders = wit::borders(bytes, imports.iter().map(String::as_str), exports.iter().map(String::as_str));
    let borders = match borders {
        Ok(borders) => Some(borders),
        Err(error) => {
            border.problem(ProblemCode::Malformed, "", format!("it is not valid: {error}"), "");
            None
        }
    };
    border.packages(&names);
    border.kind(&names);
    border.imports(&names, borders.as_ref());
    if let (Some(kind), Some(borders)) = (border.kind, &borders) {
        border.exports(kind, borders);
    }
    border
}

/// Longest name that is looked at. Every name that means something here is shorter.
const NAME_CHARS: usize = 200;

/// Most imports, and most exports, that are looked at: a component with as many is refused for their number.
const MOST_NAMES: usize = 1_000;

fn cut(name: &str) -> String {
    name.chars().take(NAME_CHARS).collect()
}

fn names(bytes: &[u8]) -> Result<Names, wasmparser::BinaryReaderError> {
    let mut names = Names::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import?;
                    // A type is no capability.
                    if names.imports.len() < MOST_NAMES && !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        let interface = matches!(import.ty, ComponentTypeRef::Instance(_));
                        names.imports.push((cut(import.name.name), interface));
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export?;
                    let interface = export.kind == ComponentExternalKind::Instance;
                    if names.exports.len() < MOST_NAMES {
                        names.exports.push((cut(export.name.name), interface));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

impl Border {
    fn problem(&mut self, code: ProblemCode, at: &str, message: impl Into<String>, expected: impl Into<String>) {
        let at = at.chars().take(200).collect();
        self.problems.push(Problem { code, at, message: message.into(), expected: expected.into() });
    }

    /// Packages that the names mention, each version once.
    fn packages(&mut self, names: &Names) {
        let mut found: BTreeMap<(String, String), bool> = BTreeMap::new();
        for (name, _) in names.imports.iter().chain(&names.exports) {
            let (interface, version) = split(name);
            let Some((package, _)) = interface.split_once('/') else { continue };
            let fits = package.starts_with(world::NAMESPACE) && compatible(version.as_ref());
            let version = name.split_once('@').map(|(_, version)| version.to_owned()).unwrap_or_default();
            found.insert((package.to_owned(), version), fits);
        }
        for ((package, needed), compatible) in found {
            let known = world::packages().any(|known| known == package);
            let served = if known { vec![VERSION.to_string()] } else { Vec::new() };
            self.wit.push(WitPackage { compatible: compatible && known, package, needed, served });
        }
    }

    fn kind(&mut self, names: &Names) {
        let plugin = |name: &str| PluginKind::ALL.iter().copied().find(|&kind| world::export_of(kind) == split(name).0);
        let known = || PluginKind::ALL.iter().map(|&kind| format!("{}@{VERSION}", world::export_of(kind)));
        let mut found = Vec::new();
        let mut other_version = false;
        for (name, interface) in &names.exports {
            let Some(kind) = plugin(name) else { continue };
            if !compatible(split(name).1.as_ref()) {
                other_version = true;
                let message = format!("it exports {name}; this host runs version {VERSION}");
                self.problem(ProblemCode::WitVersion, name, message, format!("{}@{VERSION}", world::export_of(kind)));
            } else if *interface {
                found.push(kind);
            } else {
                let message = format!("it exports {name} as something else than an interface");
                self.problem(ProblemCode::ExportType, name, message, "an interface");
            }
        }
        match found.as_slice() {
            &[kind] => self.kind = Some(kind),
            [] if other_version => {}
            [] => {
                let has: Vec<&str> = names.exports.iter().map(|(name, _)| name.as_str()).take(10).collect();
                let has = if has.is_empty() { "nothing".to_owned() } else { has.join(", ") };
                let message = format!("it exports no interface of a plugin; it exports {has}");
                let expected = format!("one of {}", known().collect::<Vec<_>>().join(", "));
                self.problem(ProblemCode::Kind, "", message, expected);
            }
            several => {
                let names: Vec<&str> = several.iter().map(|&kind| world::export_of(kind)).collect();
                let message = format!("it exports {}; a plugin is of one kind", names.join(" and "));
                self.problem(ProblemCode::Kind, "", message, "one of them; make several components");
            }
        }
    }

    fn imports(&mut self, names: &Names, borders: Option<&Borders>) {
        for (name, interface) in &names.imports {
            let (plain, version) = split(name);
            let offered = self.kind.into_iter().flat_map(world::offered_to).find(|known| known.name == plain);
            let known =
                PluginKind::ALL.iter().flat_map(|&kind| world::offered_to(kind)).find(|known| known.name == plain);
            self.imports.push(Import {
                name: name.clone(),
                gives: known.map(|known| known.gives.to_owned()).unwrap_or_default(),
                needs_grant: known.is_some_and(|known| known.needs_grant),
                offered: offered.is_some() && *interface && compatible(version.as_ref()),
            });
            let Some(known) = offered.or(known.filter(|_| self.kind.is_none())) else {
                self.not_offered(name, plain, known.is_some());
                continue;
            };
            if !compatible(version.as_ref()) {
                let message = format!("it imports {name}; this host offers {plain}@{VERSION}");
                self.problem(ProblemCode::WitVersion, name, message, format!("{plain}@{VERSION}"));
            } else if !*interface {
                let message = format!("it imports {name} as something else than an interface");
                self.problem(ProblemCode::ImportType, name, message, "an interface");
            } else if let (Some(have), Some(ours)) =
                (borders.and_then(|borders| borders.imports.get(name)), wit::ours(known.name))
            {
                self.compare(name, have, ours, ProblemCode::ImportType, ProblemCode::ImportType);
            }
        }
    }

    /// An import that this kind is not offered, with what comes nearest.
    fn not_offered(&mut self, name: &str, plain: &str, for_others: bool) {
        let (message, expected) = if for_others {
            let kinds: Vec<&str> = PluginKind::ALL
                .iter()
                .copied()
                .filter(|&kind| world::offered_to(kind).iter().any(|known| known.name == plain))
                .map(PluginKind::as_str)
                .collect();
            let kind = self.kind.map_or("component", PluginKind::as_str);
            (
                format!("it imports {name}, which no {kind} is offered"),
                format!("it is offered to: {}", kinds.join(", ")),
            )
        } else if let Some((why, instead)) = wasi(plain) {
            (format!("it imports {name}: {why}"), instead.to_owned())
        } else {
            let offered = self.kind.into_iter().flat_map(world::offered_to).map(|known| known.name);
            let near = nearest(plain, offered).map(|near| format!("perhaps {near}@{VERSION}")).unwrap_or_default();
            (format!("it imports {name}, which this host does not have"), near)
        };
        let expected = match (self.kind, expected.is_empty()) {
            (Some(kind), true) => {
                let offered = world::offered_to(kind).iter().map(|known| format!("{}@{VERSION}", known.name));
                format!("a {kind} is offered {}", offered.collect::<Vec<_>>().join(", "))
            }
            _ => expected,
        };
        self.problem(ProblemCode::Import, name, message, expected);
    }

    fn exports(&mut self, kind: PluginKind, borders: &Borders) {
        let interface = world::export_of(kind);
        let found = borders.exports.iter().find(|(name, _)| split(name).0 == interface);
        let (Some((name, have)), Some(ours)) = (found, wit::ours(interface)) else { return };
        let expected: Functions = ours.clone();
        for (function, signature) in &expected {
            if !have.contains_key(function) {
                let near = nearest(function, have.keys().map(String::as_str).filter(|name| !ours.contains_key(*name)));
                let near = near.map(|near| format!(" (it has {near:?})")).unwrap_or_default();
                let message = format!("{name} has no function {function}{near}");
                self.problem(ProblemCode::Export, &format!("{name}#{function}"), message, signature.shown.clone());
            }
        }
        let shared = have.iter().filter(|(name, _)| ours.contains_key(*name));
        let shared: Functions = shared.map(|(name, signature)| (name.clone(), signature.clone())).collect();
        self.compare(name, &shared, ours, ProblemCode::Export, ProblemCode::ExportType);
    }

    /// Functions of one interface, each of which must be one of ours with the same type.
    fn compare(&mut self, name: &str, have: &Functions, ours: &Functions, missing: ProblemCode, differs: ProblemCode) {
        for (function, signature) in have {
            let at = format!("{name}#{function}");
            match ours.get(function) {
                None => {
                    let near = nearest(function, ours.keys().map(String::as_str)).unwrap_or_default();
                    let message = format!("this host has no function {function} in {name}");
                    self.problem(missing, &at, message, near);
                }
                Some(wanted) if wanted.shape != signature.shape => {
                    let shown: String = signature.shown.chars().take(1_000).collect();
                    let message = format!("{function} of {name} is {shown}");
                    // With what the names of its types stand for, since a component tells no names.
                    let expected = if wanted.shown.len() == wanted.shape.len() || wanted.shape.len() > 1_000 {
                        wanted.shown.clone()
                    } else {
                        format!("{}, that is {}", wanted.shown, wanted.shape)
                    };
                    self.problem(differs, &at, message, expected);
                }
                Some(_) => {}
            }
        }
    }
}

/// Why an interface of WASI is not offered, and what does instead.
fn wasi(interface: &str) -> Option<(&'static str, &'static str)> {
    let (package, _) = interface.strip_prefix("wasi:")?.split_once('/')?;
    Some(match package {
        "filesystem" => {
            ("files are never offered: a plugin has no disk", "parameters or configuration for what it has to know")
        }
        "sockets" => (
            "sockets are never offered: a plugin reaches no network",
            "watcher:metrics/metrics in a strategy, watcher:openstack/requests in an action handler",
        ),
        "http" => (
            "HTTP is never offered: a plugin reaches no network",
            "watcher:metrics/metrics in a strategy, watcher:openstack/requests in an action handler",
        ),
        "random" => ("only random numbers from the recorded seed are offered", "watcher:random/random"),
        "clocks" => ("only the clock of the audit or of the journal is offered", "watcher:clock/clock"),
        _ => (
            "WASI is not offered",
            "a build that needs no operating system, e.g. for wasm32-unknown-unknown; watcher:log/log writes texts",
        ),
    })
}
