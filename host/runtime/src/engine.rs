//! The one place with engine settings: code compiled with others would not load, and would not decide the same.
//!
//! Every setting that could let two runs on the same input differ is off or canonical. The same code computes the same on any
//! machine; what remains machine-dependent is only when a wall-clock deadline strikes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::{
    Config, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy, WasmFeatures,
};

use crate::RuntimeError;

/// Stack of a guest in bytes. A Rust guest keeps a second stack of the same size in its own memory.
pub(crate) const GUEST_STACK_BYTES: u64 = 1 << 20;

/// Stack that host functions find below the guest's: requests with TLS go deep in unoptimised builds.
const HOST_STACK_BYTES: usize = 3 << 20;

/// How many frames of a crashed guest are looked at: enough to tell a recursion from an ordinary crash.
pub(crate) const BACKTRACE_FRAMES: usize = 256;

/// How long a guest computes before it lets others use the thread, at most about.
const TICK: Duration = Duration::from_millis(10);

/// Memories of one component: one of the guest's own, and those of adapters that other languages bring.
const MEMORIES_PER_COMPONENT: u32 = 8;
const TABLES_PER_COMPONENT: u32 = 32;
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
const TABLE_ELEMENTS: usize = 1 << 18;

/// An engine, and the clock that interrupts its guests.
pub(crate) struct Sandbox {
    engine: Engine,
    ticker: Arc<Ticker>,
}

impl Sandbox {
    /// An engine for at most `max_instances` guests at once.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes engines")]
    pub(crate) fn new(max_instances: u32) -> Result<Self, RuntimeError> {
        let mut config = settings();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(max_instances)));
        let engine = Engine::new(&config).or_else(|error| {
            // The pool reserves terabytes of addresses, no memory. Where even addresses are rationed, guests start a little slower.
            tracing::warn!(error = ?error, "addresses for a pool of instances cannot be reserved; instances are made one by one");
            Engine::new(config.allocation_strategy(InstanceAllocationStrategy::OnDemand))
        });
        let engine = engine.map_err(|error| RuntimeError::Engine(error.into()))?;
        let ticker = Ticker::start(engine.weak())?;
        Ok(Self { engine, ticker })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Keeps the clock ticking while the answer lives.
    pub(crate) fn running(&self) -> Running {
        Ticker::enter(&self.ticker)
    }
}

fn settings() -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift).cranelift_opt_level(OptLevel::Speed).parallel_compilation(true);

    // The same bits whatever the processor.
    config.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true).wasm_relaxed_simd(false);
    config.wasm_features(WasmFeatures::THREADS, false).shared_memory(false);
    config.wasm_memory64(false).wasm_custom_page_sizes(false);
    config.wasm_component_model(true).concurrency_support(false);

    config.consume_fuel(true).epoch_interruption(true);

    let guest_stack = usize::try_from(GUEST_STACK_BYTES).unwrap_or(usize::MAX);
    config.max_wasm_stack(guest_stack).async_stack_size(guest_stack + HOST_STACK_BYTES);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES));

    // Nobody debugs guests with tools of the machine; without these tables compiled components are smaller and load faster.
    config.generate_address_map(false).native_unwind_info(false);
    config
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
        // What stays resident is cleared by hand at each start, which costs more than it saves.
        .linear_memory_keep_resident(0)
        .table_keep_resident(0)
        .async_stack_keep_resident(0);
    pool
}

/// Advances the epoch of an engine while guests run; without guests its thread sleeps.
struct Ticker {
    running: AtomicUsize,
    thread: std::sync::OnceLock<Thread>,
}

impl Ticker {
    fn start(engine: EngineWeak) -> Result<Arc<Self>, RuntimeError> {
        let ticker = Arc::new(Self { running: AtomicUsize::new(0), thread: std::sync::OnceLock::new() });
        let weak = Arc::downgrade(&ticker);
        let handle = std::thread::Builder::new()
            .name("sandbox-epoch".to_owned())
            .spawn(move || {
                // The thread ends with the sandbox: dropping the ticker wakes it.
                while let Some(ticker) = weak.upgrade() {
                    let idle = ticker.running.load(Ordering::SeqCst) == 0;
                    drop(ticker);
                    if idle {
                        std::thread::park();
                        continue;
                    }
                    std::thread::sleep(TICK);
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => break,
                    }
                }
            })
            .map_err(RuntimeError::Thread)?;
        ticker.thread.get_or_init(|| handle.thread().clone());
        Ok(ticker)
    }

    fn enter(ticker: &Arc<Self>) -> Running {
        if ticker.running.fetch_add(1, Ordering::SeqCst) == 0 {
            ticker.wake();
        }
        Running(Arc::clone(ticker))
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.wake();
    }
}

/// A guest is running.
pub(crate) struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
