//! The sandbox: the only room that knows wasmtime.
//!
//! [`Runtime`] implements the ports of `domain` that run plugins: strategies, planners, action handlers, and looking into a component.
//! Each call starts a fresh instance of a component that was compiled once; the instance is dropped when the call ends, however it ends.
//! What a guest can reach is what the files below `capability` hand it; what it may use is in `limits`; everything it returns passes
//! `output` before anybody else sees it.
//!
//! Read `runtime` first, then `strategy`, then `engine` for the settings that make two runs on the same input equal.

mod action;
mod bindings;
mod cache;
mod call;
mod capability;
pub mod check;
mod components;
mod describe;
mod engine;
mod handler;
mod inspect;
mod limits;
mod measure;
mod nearest;
mod output;
mod planner;
mod runtime;
mod scoring;
mod strategy;
mod world;

pub use components::Counters;
pub use runtime::{Runtime, RuntimeError, RuntimeOptions};
