//! What one call may use: memory counted over all memories and tables, calls of imports, requests; and how a limit that was hit is told
//! from a crash.

use wasmtime::{ResourceLimiter, Store, Trap, WasmBacktrace};
use watcher_domain::Limits;
use watcher_domain::limits::{LimitHit, LimitName};
use watcher_domain::ports::RunError;

use crate::call::{Call, Stop};
use crate::engine::{BACKTRACE_FRAMES, GUEST_STACK_BYTES, SLICE_FUEL};

/// Bytes that one element of a table takes.
const ELEMENT_BYTES: usize = size_of::<usize>();

/// Frames from which a guest that left its memory is taken for one that left its stack: compilers put a stack of their own at the low
/// end of memory, and a recursion runs out of that end.
const DEEP: usize = BACKTRACE_FRAMES - 56;

/// Memories and tables of one instance together.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: u64,
    used: u64,
    hit: bool,
}

impl Memory {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.memory_bytes, used: 0, hit: false }
    }

    /// Bytes at their largest: memories and tables never shrink.
    pub(crate) const fn used(&self) -> u64 {
        self.used
    }

    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>, unit: usize) -> wasmtime::Result<bool> {
        let bytes = |count: usize| u64::try_from(count.saturating_mul(unit)).unwrap_or(u64::MAX);
        let room = self.limit - self.used.min(self.limit);
        let more = bytes(desired).saturating_sub(bytes(current));
        if let Some(maximum) = maximum
            && desired > maximum
            && bytes(maximum).saturating_sub(bytes(current)) <= room
        {
            // The guest's own maximum: growing fails, as the guest expects.
            return Ok(false);
        }
        if more > room {
            self.hit = true;
            return Err(wasmtime::Error::msg("the memory limit was reached"));
        }
        self.used += more;
        Ok(true)
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(current, desired, maximum, 1)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(current, desired, maximum, ELEMENT_BYTES)
    }
}

/// Gives a fresh store its limits.
pub(crate) fn apply(store: &mut Store<Call>, limits: &Limits) -> wasmtime::Result<()> {
    store.limiter(|call| &mut call.memory);
    store.set_fuel(limits.fuel)?;
    store.fuel_async_yield_interval(Some(SLICE_FUEL))?;
    // One value bounds what the host copies, of arguments of imports and of results alike. Arguments are counted again in `Call::enter`.
    store.set_hostcall_fuel(usize::try_from(limits.host_call_fuel.max(limits.output_bytes)).unwrap_or(usize::MAX));
    store.set_max_component_handles(usize::try_from(limits.resources).unwrap_or(usize::MAX));
    Ok(())
}

/// Says why a call ended without a result.
pub(crate) fn explain(error: &wasmtime::Error, call: &mut Call, limits: &Limits, plugin: String) -> RunError {
    let hit = |limit, value| LimitHit { limit, value };
    let limit = |plugin, limit, value| RunError::Limit { plugin, hit: hit(limit, value) };
    match call.stop.take() {
        Some(Stop::Limit(hit)) => return RunError::Limit { plugin, hit },
        Some(Stop::Journal(error)) => return RunError::Journal(error),
        None => {}
    }
    if call.memory.hit {
        return limit(plugin, LimitName::Memory, limits.memory_bytes);
    }
    let frames = error.downcast_ref::<WasmBacktrace>().map(|trace| trace.frames().len());
    if let Some(trap) = error.downcast_ref::<Trap>() {
        let stack = match trap {
            Trap::OutOfFuel => return limit(plugin, LimitName::Fuel, limits.fuel),
            Trap::StackOverflow => true,
            Trap::MemoryOutOfBounds => frames.is_some_and(|frames| frames >= DEEP),
            _ => false,
        };
        if stack {
            return limit(plugin, LimitName::Stack, GUEST_STACK_BYTES);
        }
        let reason = trap.to_string();
        let reason = reason.strip_prefix("wasm trap: ").unwrap_or(&reason);
        return RunError::Trap { plugin, reason: call.log.with_last_error(reason) };
    }
    // The engine has no type for these two.
    let text = error.root_cause().to_string();
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        return match frames {
            Some(_) => limit(plugin, LimitName::HostCallFuel, limits.host_call_fuel),
            None => limit(plugin, LimitName::Output, limits.output_bytes),
        };
    }
    if text.contains("store handle limit exceeded") {
        return limit(plugin, LimitName::Resources, limits.resources);
    }
    match frames {
        Some(_) => RunError::Trap { plugin, reason: call.log.with_last_error(&text) },
        None if call.entered => RunError::InvalidOutput { plugin, reason: text },
        None => RunError::Unavailable { plugin, reason: text },
    }
}
