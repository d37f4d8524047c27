//! The one place with engine settings: code compiled with others would not load, and would not decide the same.
//!
//! Every setting that could let two runs on the same input differ is off or canonical. The same code computes the same on any
//! machine; what remains machine-dependent is only when a wall-clock deadline strikes.
//!
//! Fuel alone interrupts guests: it is counted anyway, for a limit that is the same on every machine, and at every slice of it a guest
//! yields, so that whoever waits for the call can end it at its deadline. Checks of an epoch as well would bound a slice by time, but
//! slow guests down by another tenth (measured with the built-in strategies on 1 000 hosts, time in the guest against neither: fuel
//! 1.14–1.22, epoch 1.08–1.14, both 1.28–1.34). Three things keep slices short without them: the engine charges instructions that move
//! many bytes by the byte; imports yield by the bytes they moved (`Call::enter`); and components that pass texts among components inside
//! them, which nobody charges, are refused (`shape`).

use std::num::NonZeroUsize;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OperatorCost, OptLevel, PoolingAllocationConfig, Strategy,
    WasmFeatures,
};

use crate::RuntimeError;

/// Stack of a guest in bytes. A Rust guest keeps a second stack of the same size in its own memory.
pub(crate) const GUEST_STACK_BYTES: u64 = 1 << 20;

/// Stack that host functions find below the guest's: requests with TLS go deep in unoptimised builds.
const HOST_STACK_BYTES: usize = 3 << 20;

/// How many frames of a crashed guest are looked at: enough to tell a recursion from an ordinary crash.
pub(crate) const BACKTRACE_FRAMES: usize = 256;

/// Units of fuel after which a guest lets others use the thread: about half a millisecond of ordinary code.
pub(crate) const SLICE_FUEL: u64 = 1_000_000;

/// Memories of one component: one of the guest's own, and those of adapters that other languages bring.
pub(crate) const MEMORIES_PER_COMPONENT: u32 = 8;
/// How many memories that nobody uses keep pages, and how many bytes each: what an idle sandbox may hold.
const WARM_MEMORIES: u32 = 2;
const WARM_BYTES: usize = 8 << 20;
pub(crate) const TABLES_PER_COMPONENT: u32 = 32;
pub(crate) const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
pub(crate) const TABLE_ELEMENTS: usize = 1 << 18;

/// What of WebAssembly there is. Whatever is not named is off, whatever the engine has on by itself: without its garbage collector, which is not built in,
/// it lets subtypes of functions through, and ends the process when one is looked at.
const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// An engine for at most `max_instances` guests at once.
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes engines")]
pub(crate) fn new(max_instances: u32) -> Result<Engine, RuntimeError> {
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(max_instances)));
    let engine = Engine::new(&config).or_else(|error| {
        // The pool reserves terabytes of addresses, no memory. Where even addresses are rationed, guests start a little slower.
        tracing::warn!(error = ?error, "no addresses for a pool of instances; instances are made one by one");
        Engine::new(config.allocation_strategy(InstanceAllocationStrategy::OnDemand))
    });
    engine.map_err(|error| RuntimeError::Engine(error.into()))
}

fn settings() -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift).cranelift_opt_level(OptLevel::Speed).parallel_compilation(true);

    // The same bits whatever the processor.
    config.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true).wasm_relaxed_simd(false);
    config.wasm_features(WasmFeatures::all().difference(FEATURES), false).wasm_features(FEATURES, true);
    config.shared_memory(false).concurrency_support(false);

    config.consume_fuel(true).operator_cost(costs());

    let guest_stack = usize::try_from(GUEST_STACK_BYTES).unwrap_or(usize::MAX);
    config.max_wasm_stack(guest_stack).async_stack_size(guest_stack + HOST_STACK_BYTES);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES));

    // Nobody debugs guests with tools of the machine; without these tables compiled components are smaller and load faster.
    config.generate_address_map(false).native_unwind_info(false);
    config
}

/// One unit per instruction, and per byte or element that one instruction moves. Growing asks the operating system.
fn costs() -> OperatorCost {
    let mut costs = OperatorCost::new();
    costs.MemoryGrow = u8::MAX;
    costs.TableGrow = u8::MAX;
    costs.variable.memory_grow_per_page = u8::MAX;
    costs
}

fn pool(max_instances: u32) -> PoolingAllocationConfig {
    let all = |per_component: u32| max_instances.saturating_mul(per_component);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(max_instances)
        .total_stacks(max_instances)
        .total_core_instances(all(CORE_INSTANCES_PER_COMPONENT))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .total_memories(all(MEMORIES_PER_COMPONENT))
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_memories_per_module(MEMORIES_PER_COMPONENT)
        .total_tables(all(TABLES_PER_COMPONENT))
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .table_elements(TABLE_ELEMENTS)
        .table_keep_resident(0)
        .async_stack_keep_resident(0)
        .max_unused_warm_slots(WARM_MEMORIES);
    // Pages that stay are not faulted in again, which is a tenth of the time of a large decision. It pays only where the kernel can tell
    // which of them were written: otherwise all that stay would be cleared at every start.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.linear_memory_keep_resident(WARM_BYTES).pagemap_scan(Enabled::Yes);
    } else {
        pool.linear_memory_keep_resident(0);
    }
    pool
}
