//! What a component is made of, before anything is compiled: one walk over the bytes that looks into no function.
//!
//! Compiling costs more than reading, and some things cost far more than their bytes: locals, types, instances. They are counted over all
//! modules of the component together, so that many small modules are no way around a bound. Types are counted with those in them: one
//! component type can have a million imports. What has too much of something is looked into no further, since the next steps cost more.
//!
//! A component may have components inside. Those that only pass imports and exports on are in every plugin; those with code of their own
//! call each other through the engine, which converts texts between them at no cost in fuel: such a plugin could keep a thread as long as it
//! likes, so it is refused.

use wasmparser::{
    ComponentType, ComponentTypeDeclaration, ConstExpr, CoreType, DataKind, ElementItems, ElementKind, Encoding,
    InstanceTypeDeclaration, Parser, Payload, TableInit,
};
use watcher_domain::Limits;
use watcher_domain::report::{Problem, ProblemCode};

use crate::engine;

/// How much there may be of one thing.
struct Bound {
    what: &'static str,
    most: u64,
}

const fn bound(what: &'static str, most: u64) -> Bound {
    Bound { what, most }
}

/// A page of a memory.
const PAGE_BYTES: u64 = 64 << 10;
const NESTING: Bound = bound("modules and components within each other", 8);
const MODULES: Bound = bound("core modules", 64);
const FUNCTIONS: Bound = bound("functions", 100_000);
const FUNCTION_BYTES: Bound = bound("bytes in one function", 2 << 20);
const LOCALS: Bound = bound("local variables", 2_000_000);
/// All of them may be written when the function is entered, for a few units of fuel.
const LOCALS_OF_FUNCTION: Bound = bound("local variables in one function", 5_000);
const TYPES: Bound = bound("types", 50_000);
const INSTANCES: Bound = bound("instances", engine::CORE_INSTANCES_PER_COMPONENT as u64 * 4);
const MEMORIES: Bound = bound("memories", engine::MEMORIES_PER_COMPONENT as u64);
const TABLES: Bound = bound("tables", engine::TABLES_PER_COMPONENT as u64);
const TABLE_ELEMENTS: Bound = bound("elements in one table", engine::TABLE_ELEMENTS as u64);
const SEGMENTS: Bound = bound("data and element segments", 100_000);
const ELEMENTS: Bound = bound("functions in element segments", 200_000);
const EXPRESSIONS: Bound = bound("bytes of expressions of elements, globals and offsets", 512 << 10);
const NAMES: Bound = bound("bytes of names of what modules import and export", 1 << 20);
const GLOBALS: Bound = bound("globals", 100_000);
const IMPORTS: Bound = bound("imports of modules", 10_000);
const EXPORTS: Bound = bound("exports of modules", 100_000);
const BORDER: Bound = bound("imports and exports of the component", 500);
const CANONICAL: Bound = bound("canonical functions and aliases", 20_000);

/// What was counted.
#[derive(Default)]
struct Counted {
    nesting: u64,
    modules: u64,
    functions: u64,
    function_bytes: u64,
    locals: u64,
    locals_of_function: u64,
    types: u64,
    instances: u64,
    memories: u64,
    memory_bytes: u64,
    tables: u64,
    table_elements: u64,
    segments: u64,
    elements: u64,
    expressions: u64,
    names: u64,
    globals: u64,
    imports: u64,
    exports: u64,
    border: u64,
    canonical: u64,
    nested_code: bool,
}

/// Everything about the shape of a component that the sandbox cannot run.
pub(crate) fn check(bytes: &[u8]) -> Vec<Problem> {
    let whole = |code, message: String, expected: &str| {
        vec![Problem { code, at: String::new(), message, expected: expected.to_owned() }]
    };
    if !bytes.starts_with(b"\0asm") {
        let expected = "the file that the build of the plugin made, e.g. NAME.wasm";
        return whole(ProblemCode::NotWasm, "it is no WebAssembly".to_owned(), expected);
    }
    match walk(bytes) {
        Ok(counted) => counted.problems(),
        Err(Broken::Module) => whole(
            ProblemCode::CoreModule,
            "it is a core module, not a component: make one of it, e.g. with `wasm-tools component new`".to_owned(),
            "a component",
        ),
        Err(Broken::TooDeep) => vec![NESTING.problem(NESTING.most + 1)],
        Err(Broken::Bytes(error)) => {
            let message = format!("it cannot be read: {} (at byte {})", error.message(), error.offset());
            let truncated = error.offset() >= bytes.len() || error.message().contains("unexpected end");
            let expected = if truncated { "the whole file: it seems to have been cut off" } else { "" };
            whole(ProblemCode::Malformed, message, expected)
        }
    }
}

enum Broken {
    Module,
    TooDeep,
    Bytes(wasmparser::BinaryReaderError),
}

impl From<wasmparser::BinaryReaderError> for Broken {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Bytes(error)
    }
}

fn walk(bytes: &[u8]) -> Result<Counted, Broken> {
    let mut counted = Counted::default();
    let mut nesting = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let components = nesting.iter().filter(|&&encoding| encoding == Encoding::Component).count();
        match &payload {
            Payload::Version { encoding: Encoding::Module, .. } if nesting.is_empty() => return Err(Broken::Module),
            Payload::Version { encoding, .. } => {
                nesting.push(*encoding);
                let depth = u64::try_from(nesting.len()).unwrap_or(u64::MAX);
                counted.nesting = counted.nesting.max(depth);
                if depth > NESTING.most {
                    return Err(Broken::TooDeep);
                }
            }
            Payload::End(_) => drop(nesting.pop()),
            Payload::ModuleSection { .. } | Payload::InstanceSection(_) | Payload::ComponentCanonicalSection(_)
                if components > 1 =>
            {
                counted.nested_code = true;
            }
            _ => {}
        }
        counted.add(payload, nesting.len() == 1)?;
    }
    Ok(counted)
}

impl Counted {
    fn add(&mut self, payload: Payload<'_>, outermost: bool) -> Result<(), wasmparser::BinaryReaderError> {
        match payload {
            Payload::ModuleSection { .. } => self.modules += 1,
            Payload::FunctionSection(section) => self.functions += u64::from(section.count()),
            Payload::CodeSectionEntry(body) => {
                let bytes = u64::try_from(body.as_bytes().len()).unwrap_or(u64::MAX);
                self.function_bytes = self.function_bytes.max(bytes);
                let mut locals = 0_u64;
                for local in body.get_locals_reader()? {
                    locals = locals.saturating_add(u64::from(local?.0));
                }
                self.locals = self.locals.saturating_add(locals);
                self.locals_of_function = self.locals_of_function.max(locals);
            }
            Payload::TypeSection(section) => {
                for group in section {
                    self.types += count(group?.types().len());
                }
            }
            Payload::CoreTypeSection(section) => {
                for kind in section {
                    self.types += types_of_core(&kind?);
                }
            }
            Payload::ComponentTypeSection(section) => {
                for kind in section {
                    self.types += types_of(&kind?);
                    if self.types > TYPES.most {
                        break;
                    }
                }
            }
            Payload::InstanceSection(section) => self.instances += u64::from(section.count()),
            Payload::ComponentInstanceSection(section) => self.instances += u64::from(section.count()),
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    self.memories += 1;
                    let page =
                        memory.page_size_log2.map_or(PAGE_BYTES, |log2| 1_u64.checked_shl(log2).unwrap_or(u64::MAX));
                    self.memory_bytes = self.memory_bytes.saturating_add(memory.initial.saturating_mul(page));
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table?;
                    self.tables += 1;
                    self.table_elements = self.table_elements.max(table.ty.initial);
                    if let TableInit::Expr(value) = table.init {
                        self.segments += 1;
                        self.expression(&value);
                    }
                }
            }
            Payload::ElementSection(section) => {
                self.segments += u64::from(section.count());
                for element in section {
                    let element = element?;
                    if let ElementKind::Active { offset_expr, .. } = &element.kind {
                        self.expression(offset_expr);
                    }
                    match element.items {
                        ElementItems::Functions(items) => self.elements += u64::from(items.count()),
                        ElementItems::Expressions(_, items) => self.expressions += count(items.range().len()),
                    }
                }
            }
            Payload::DataSection(section) => {
                self.segments += u64::from(section.count());
                for data in section {
                    if let DataKind::Active { offset_expr, .. } = &data?.kind {
                        self.expression(offset_expr);
                    }
                }
            }
            Payload::GlobalSection(section) => {
                self.globals += u64::from(section.count());
                for global in section {
                    self.expression(&global?.init_expr);
                }
            }
            Payload::ImportSection(section) => {
                self.imports += u64::from(section.count());
                for import in section.into_imports() {
                    let import = import?;
                    self.names += count(import.module.len() + import.name.len());
                }
            }
            Payload::ExportSection(section) => {
                self.exports += u64::from(section.count());
                for export in section {
                    self.names += count(export?.name.len());
                }
            }
            Payload::ComponentImportSection(section) if outermost => self.border += u64::from(section.count()),
            Payload::ComponentExportSection(section) if outermost => self.border += u64::from(section.count()),
            Payload::ComponentImportSection(section) => self.imports += u64::from(section.count()),
            Payload::ComponentExportSection(section) => self.exports += u64::from(section.count()),
            Payload::ComponentCanonicalSection(section) => self.canonical += u64::from(section.count()),
            Payload::ComponentAliasSection(section) => self.canonical += u64::from(section.count()),
            _ => {}
        }
        Ok(())
    }

    fn expression(&mut self, expression: &ConstExpr<'_>) {
        self.expressions += count(expression.get_binary_reader().range().len());
    }

    fn problems(self) -> Vec<Problem> {
        let counts = [
            (MODULES, self.modules),
            (FUNCTIONS, self.functions),
            (FUNCTION_BYTES, self.function_bytes),
            (LOCALS, self.locals),
            (LOCALS_OF_FUNCTION, self.locals_of_function),
            (TYPES, self.types),
            (INSTANCES, self.instances),
            (MEMORIES, self.memories),
            (bound("bytes of memory at its start", Limits::default().memory_bytes), self.memory_bytes),
            (TABLES, self.tables),
            (TABLE_ELEMENTS, self.table_elements),
            (SEGMENTS, self.segments),
            (ELEMENTS, self.elements),
            (EXPRESSIONS, self.expressions),
            (NAMES, self.names),
            (GLOBALS, self.globals),
            (IMPORTS, self.imports),
            (EXPORTS, self.exports),
            (BORDER, self.border),
            (CANONICAL, self.canonical),
        ];
        let mut problems = Vec::new();
        if self.nested_code {
            problems.push(Problem {
                code: ProblemCode::NestedCode,
                at: String::new(),
                message: "it has components with code of their own inside; build it as one component".to_owned(),
                expected: "one component around one core module and the adapters of its language".to_owned(),
            });
        }
        problems.extend(counts.into_iter().filter(|(bound, count)| *count > bound.most).map(|(b, n)| b.problem(n)));
        problems
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn types_of_core(kind: &CoreType<'_>) -> u64 {
    match kind {
        CoreType::Rec(group) => count(group.types().len()),
        CoreType::Module(declarations) => 1 + count(declarations.len()),
    }
}

/// A type with everything that is declared in it.
fn types_of(kind: &ComponentType<'_>) -> u64 {
    match kind {
        ComponentType::Component(declarations) => {
            let below = declarations.iter().map(|declaration| match declaration {
                ComponentTypeDeclaration::CoreType(kind) => types_of_core(kind),
                ComponentTypeDeclaration::Type(kind) => types_of(kind),
                ComponentTypeDeclaration::Alias(_)
                | ComponentTypeDeclaration::Export { .. }
                | ComponentTypeDeclaration::Import(_) => 1,
            });
            1 + below.sum::<u64>()
        }
        ComponentType::Instance(declarations) => {
            let below = declarations.iter().map(|declaration| match declaration {
                InstanceTypeDeclaration::CoreType(kind) => types_of_core(kind),
                InstanceTypeDeclaration::Type(kind) => types_of(kind),
                InstanceTypeDeclaration::Alias(_) | InstanceTypeDeclaration::Export { .. } => 1,
            });
            1 + below.sum::<u64>()
        }
        ComponentType::Defined(_) | ComponentType::Func(_) | ComponentType::Resource { .. } => 1,
    }
}

impl Bound {
    fn problem(&self, count: u64) -> Problem {
        let Self { what, most } = self;
        Problem {
            code: ProblemCode::Structure,
            at: String::new(),
            message: format!("it has {count} {what}; at most {most} are allowed"),
            expected: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Vec<String> {
        check(&wat::parse_str(text).unwrap()).into_iter().map(|problem| problem.message).collect()
    }

    fn only(text: &str) -> String {
        let mut problems = checked(text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    }

    #[test]
    fn code_belongs_to_the_outermost_component() {
        assert_eq!(checked("(component (core module (func)) (component) (core module))"), [""; 0]);
        assert_eq!(checked("(component (component (component)) (core module (func)))"), [""; 0]);
        let refused = "it has components with code of their own inside; build it as one component";
        assert_eq!(only("(component (component (core module)))"), refused);
        let lifts = r#"(component (component (import "f" (func $f)) (core func (canon lower (func $f)))))"#;
        assert_eq!(only(lifts), refused);
    }

    #[test]
    fn what_is_no_component_is_told_apart() {
        let code = |bytes: &[u8]| check(bytes)[0].code;
        assert_eq!(code(b"#!/bin/sh"), ProblemCode::NotWasm);
        assert_eq!(code(b""), ProblemCode::NotWasm);
        assert_eq!(code(&wat::parse_str("(module)").unwrap()), ProblemCode::CoreModule);
        assert_eq!(code(b"\0asm\x0d\0\x01\0\x01\xff"), ProblemCode::Malformed);
        let whole = wat::parse_str("(component (core module (func (nop) (nop))))").unwrap();
        let cut = check(&whole[..whole.len() - 3]);
        assert_eq!((cut[0].code, cut[0].expected.contains("cut off")), (ProblemCode::Malformed, true), "{cut:?}");
    }

    #[test]
    fn what_costs_more_than_its_bytes_is_counted_over_all_modules() {
        let memories = "(core module (memory 0) (memory 0) (memory 0))".repeat(3);
        assert_eq!(only(&format!("(component {memories})")), "it has 9 memories; at most 8 are allowed");
        let large = "(core module (memory 9000))".repeat(2);
        assert_eq!(
            only(&format!("(component {large})")),
            "it has 1179648000 bytes of memory at its start; at most 1073741824 are allowed"
        );
        assert_eq!(
            only("(component (core module (table 10000000 funcref)))"),
            "it has 10000000 elements in one table; at most 262144 are allowed"
        );
        let modules = "(core module)".repeat(65);
        assert_eq!(only(&format!("(component {modules})")), "it has 65 core modules; at most 64 are allowed");
        let locals = "(func (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))".repeat(3);
        assert_eq!(checked(&format!("(component (core module {locals}))")), [""; 0]);
        let deep = format!("{}{}", "(component ".repeat(9), ")".repeat(9));
        assert_eq!(only(&deep), "it has 9 modules and components within each other; at most 8 are allowed");
    }

    #[test]
    fn what_a_module_begins_with_is_counted_by_its_bytes() {
        let elements = |item: &str, many: usize| {
            format!("(component (core module (func $f) (table 1 funcref) (elem {})))", item.repeat(many))
        };
        assert_eq!(checked(&elements("func $f ", 1)), [""; 0]);
        let functions = format!("(component (core module (func $f) (elem func {})))", "$f ".repeat(200_001));
        assert_eq!(only(&functions), "it has 200001 functions in element segments; at most 200000 are allowed");
        let nulls = format!("(component (core module (elem funcref {})))", "(ref.null func) ".repeat(200_000));
        let bytes = "bytes of expressions of elements, globals and offsets; at most 524288 are allowed";
        assert_eq!(only(&nulls), format!("it has 600003 {bytes}"));
        let sum = format!("(i32.const 1) {}", "(i32.const 1) (i32.add) ".repeat(200_000));
        assert_eq!(only(&format!("(component (core module (global i32 {sum})))")), format!("it has 600003 {bytes}"));
        let long = "x".repeat(90_000);
        let exports: Vec<String> = (0..12).map(|n| format!(r#"(export "{long}{n}" (func 0))"#)).collect();
        let told = only(&format!("(component (core module (func) {}))", exports.concat()));
        assert!(
            told.ends_with("bytes of names of what modules import and export; at most 1048576 are allowed"),
            "{told}"
        );
    }

    #[test]
    fn types_are_counted_with_what_is_declared_in_them() {
        let exports: Vec<String> = (0..TYPES.most).map(|n| format!("(export \"e{n}\" (func (type 0)))")).collect();
        let exports = exports.concat();
        let instance = format!("(component (type (func)) (type (instance (alias outer 1 0 (type)) {exports})))");
        assert_eq!(only(&instance), "it has 50003 types; at most 50000 are allowed");
        let nested =
            format!("(component (type (component (type (component (type (func)) (type (instance {exports})))))))");
        assert!(only(&nested).ends_with("types; at most 50000 are allowed"));
        let group = format!("(component (core module (rec {})))", "(type (func))".repeat(50_001));
        assert_eq!(only(&group), "it has 50001 types; at most 50000 are allowed");
    }

    #[test]
    fn locals_that_take_no_bytes_are_counted() {
        // A function of 50 000 locals takes eight bytes.
        let mut module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x2a\x29".to_vec();
        module.extend([0; 41]);
        let body = [6, 1, 0xd0, 0x86, 3, 0x7f, 0x0b];
        module.extend([0x0a, 0xa0, 0x02, 41]);
        module.extend(body.repeat(41));
        let mut component = b"\0asm\x0d\0\x01\0\x01".to_vec();
        let size = module.len();
        component.extend([u8::try_from(size & 0x7f | 0x80).unwrap(), u8::try_from(size >> 7).unwrap()]);
        component.extend(module);
        let told: Vec<String> = check(&component).into_iter().map(|problem| problem.message).collect();
        let all = "it has 2050000 local variables; at most 2000000 are allowed";
        assert_eq!(told, [all, "it has 50000 local variables in one function; at most 5000 are allowed"]);
    }
}
