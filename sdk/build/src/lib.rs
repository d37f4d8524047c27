//! From a Rust crate to a component: finding or making a compiler for WebAssembly ([`toolchain`]), running Cargo with it ([`compile`]), and
//! encoding what comes out ([`component`]).
//!
//! Two programs build guests: `cargo xtask guests` those of this workspace, `watcher-host plugin build` those of authors. Both show steps with
//! elapsed times ([`progress`]) and say which program failed ([`process`]); an error is for a person at a terminal, so it is a chain of sentences.

pub mod compile;
pub mod component;
pub mod debian;
pub mod files;
pub mod process;
pub mod progress;
pub mod settings;
pub mod toolchain;

pub use wit_parser;
