//! What it costs to take a plugin in, to call it, and to keep it ready.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::Map;
use watcher_domain::cloud::{CloudRequest, CloudResponse, Permission};
use watcher_domain::journal::{ActionPhase, Begun, JournalAnswer, JournalCall, JournalError};
use watcher_domain::ports::{ActionCall, ActionRunner as _, CloudRequests, Journal};
use watcher_domain::report::{CheckOptions, PluginChecker};
use watcher_domain::{Account, Blame, Failure, Limits};
use watcher_runtime::check::InProcess;
use watcher_runtime::{Runtime, RuntimeOptions};
use watcher_server::library::{Library, plugins_dir, read_component};

use crate::measure::{Table, format, median};

/// Size of the strategy that is taken in.
pub(crate) const LARGE: usize = 1 << 20;

pub(crate) async fn run(table: &mut Table, quick: bool) -> anyhow::Result<()> {
    let folder = plugins_dir(&watcher_server::config::Config::default().plugins)?;
    check(table, &folder, quick).await?;
    calls(table, &folder).await?;
    memory(table, &folder, quick).await
}

/// A sandbox with an empty cache in `folder`.
fn sandbox(folder: &Path, library: &Arc<Library>) -> anyhow::Result<Arc<Runtime>> {
    let threads = Some(std::thread::available_parallelism()?);
    let options = RuntimeOptions { cache_dir: folder.to_path_buf(), threads, ..RuntimeOptions::default() };
    Ok(Runtime::new(options, Arc::clone(library) as _)?)
}

/// Writes a section of a component.
fn section(bytes: &mut Vec<u8>, id: u8, content: &[u8]) {
    bytes.push(id);
    bytes.extend(number(content.len()));
    bytes.extend(content);
}

/// The same component under another digest.
pub(crate) fn variant(component: &[u8], number: usize) -> Arc<[u8]> {
    let mut bytes = component.to_vec();
    bytes.extend(mark(number));
    bytes.into()
}

/// What makes a component another one when it stands at its end.
pub(crate) fn mark(number: usize) -> Vec<u8> {
    let mut content = vec![7];
    content.extend(b"variant");
    content.extend(number.to_string().as_bytes());
    let mut bytes = Vec::new();
    section(&mut bytes, 0, &content);
    bytes
}

/// A number as the binary format of WebAssembly has it (LEB128).
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}

/// The component with a module besides that nobody calls: `functions` functions of 250 branches each over 32 variables, about 3.7 KiB, which take the
/// compiler some milliseconds.
pub(crate) fn slow_to_compile(component: &[u8], functions: usize) -> Vec<u8> {
    const VARIABLES: usize = 32;
    // 32 variables of type i32, besides the parameter.
    let mut body = vec![1, 32, 0x7f];
    for round in 0..250 {
        let variable = |factor: usize| (1 + round * factor % VARIABLES).to_le_bytes()[0];
        let (one, other) = (variable(7), variable(13));
        // if one * other { other = one + other }
        body.extend([0x20, one, 0x20, other, 0x6c, 0x04, 0x40, 0x20, one, 0x20, other, 0x6a, 0x21, other, 0x0b]);
    }
    body.extend([0x20, 1, 0x0b]);
    let function = [number(body.len()), body].concat();
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &[1, 0x60, 1, 0x7f, 1, 0x7f]);
    section(&mut module, 3, &[number(functions), vec![0; functions]].concat());
    section(&mut module, 10, &[number(functions), function.repeat(functions)].concat());
    let mut bytes = component.to_vec();
    section(&mut bytes, 1, &module);
    bytes
}

/// The component with its own code once more and again, until it is large: what compiles is then as large as it looks.
pub(crate) fn enlarged(component: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = component.to_vec();
    let Some(module) = largest_module(component) else { return bytes };
    while bytes.len() + module.len() <= size {
        section(&mut bytes, 1, module);
    }
    bytes
}

/// The largest section of a component that is a core module.
fn largest_module(component: &[u8]) -> Option<&[u8]> {
    let mut rest = component.get(8..)?;
    let mut largest: Option<&[u8]> = None;
    while let Some((&id, mut after)) = rest.split_first() {
        let (mut length, mut shift) = (0_usize, 0_u32);
        loop {
            let (&byte, more) = after.split_first()?;
            after = more;
            length |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (content, more) = after.split_at_checked(length)?;
        if id == 1 && largest.is_none_or(|largest| largest.len() < content.len()) {
            largest = Some(content);
        }
        rest = more;
    }
    largest
}

/// Compiling and checking a strategy of a megabyte, within this process and by a process of its own.
async fn check(table: &mut Table, folder: &Path, quick: bool) -> anyhow::Result<()> {
    let strategy = read_component(&folder.join("strategies/vm-workload-consolidation.wasm"))?;
    let large = enlarged(&strategy, LARGE);
    let kib = large.len() >> 10;
    let program = std::env::current_exe()?.with_file_name("watcher-host");
    let (mut compiled, mut within, mut apart) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..if quick { 1 } else { 5 } {
        let bytes = variant(&large, round);
        let cache = tempfile::tempdir()?;
        let runtime = sandbox(cache.path(), &Arc::default())?;
        let begin = Instant::now();
        let report = InProcess::new(runtime, 1).check(Arc::clone(&bytes), CheckOptions::default()).await?;
        within.push(begin.elapsed());
        anyhow::ensure!(report.accepted(), "the strategy is refused: {:?}", report.problems);
        let took = report.compilation.context("the strategy was not compiled")?.duration_us;
        compiled.push(std::time::Duration::from_micros(took));
        if program.exists() {
            let cache = tempfile::tempdir()?;
            let mut config = watcher_server::config::Config::default();
            config.sandbox.cache_dir = cache.path().display().to_string();
            let worker = watcher_server::plugin::worker_of(&config, program.clone())?;
            let begin = Instant::now();
            let report = worker.check(bytes, CheckOptions::default()).await?;
            apart.push(begin.elapsed());
            anyhow::ensure!(report.accepted(), "the strategy is refused: {:?}", report.problems);
        }
    }
    table.absolute(&format!("plugins: compiling a strategy of {kib} KiB"), &format(median(compiled)), "");
    table.absolute(&format!("plugins: checking a strategy of {kib} KiB, cold"), &format(median(within)), "");
    if !apart.is_empty() {
        let what = format!("plugins: checking a strategy of {kib} KiB, cold, by a process of its own");
        table.absolute(&what, &format(median(apart)), "≤ 1 s");
    }
    Ok(())
}

struct Nothing;

#[async_trait::async_trait]
impl CloudRequests for Nothing {
    async fn send(&self, _: &CloudRequest) -> Result<CloudResponse, Failure> {
        Err(Failure::new(Blame::Service, "unreachable", "there is no cloud"))
    }
}

#[async_trait::async_trait]
impl Journal for Nothing {
    async fn begin(&self, _: u32, _: &JournalCall) -> Result<Begun, JournalError> {
        Ok(Begun::New)
    }

    async fn finish(&self, _: u32, _: &JournalAnswer) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Calls of the smallest plugin, one after another on one core: fresh instance, parameters as JSON in and read, nothing out.
async fn calls(table: &mut Table, folder: &Path) -> anyhow::Result<()> {
    const CALLS: u32 = 5_000;
    let path = folder.join("actions/nop.wasm");
    let cache = tempfile::tempdir()?;
    let library = Arc::new(Library::default());
    let runtime = sandbox(cache.path(), &library)?;
    let inspection = library.add(runtime.as_ref(), &path, read_component(&path)?).await?;
    let nothing = Arc::new(Nothing);
    let mut parameters = Map::new();
    parameters.insert("message".to_owned(), "hello".into());
    let begin = Instant::now();
    for _ in 0..CALLS {
        let call = ActionCall {
            digest: inspection.digest,
            phase: ActionPhase::Validate,
            parameters: parameters.clone(),
            configuration: Map::new(),
            permission: Permission::built_in(Vec::new()),
            cloud: nothing.clone(),
            journal: nothing.clone(),
            limits: Limits::for_actions(),
            account: Account::default(),
        };
        runtime.call_action(call).await?;
    }
    let rate = f64::from(CALLS) / begin.elapsed().as_secs_f64();
    table.absolute("plugins: calls of a trivial plugin on one core", &format!("{rate:.0}/s"), "");
    Ok(())
}

/// Resident memory of this process in bytes.
fn resident() -> anyhow::Result<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").context("cannot read this process's memory")?;
    let pages: usize = text.split_whitespace().nth(1).context("no number of pages")?.parse()?;
    Ok(pages * 4096)
}

/// What many plugins take that are kept ready, beyond what one takes.
async fn memory(table: &mut Table, folder: &Path, quick: bool) -> anyhow::Result<()> {
    let count = if quick { 20 } else { 200 };
    let path = folder.join("actions/nop.wasm");
    let component = read_component(&path)?;
    let cache = tempfile::tempdir()?;
    let library = Arc::new(Library::default());
    let first = sandbox(cache.path(), &library)?;
    let mut digests = Vec::new();
    for number in 0..=count {
        digests.push(library.add(first.as_ref(), &path, variant(&component, number)).await?.digest);
    }
    drop(first);
    // As after a restart: compiled code comes from the cache, and the compiler's memory is not counted.
    let runtime = sandbox(cache.path(), &library)?;
    let (one, others) = digests.split_first().context("no plugins")?;
    runtime.warm(*one).await?;
    runtime.instantiate_once(*one).await?;
    let before = resident()?;
    for digest in others {
        runtime.warm(*digest).await?;
        runtime.instantiate_once(*digest).await?;
    }
    let each = resident()?.saturating_sub(before) / others.len();
    let size = component.len() >> 10;
    let what = format!("plugins: memory of each of {count} cached plugins of {size} KiB");
    table.absolute(&what, &format!("{} KiB", each >> 10), "");
    Ok(())
}
