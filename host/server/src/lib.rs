//! The `watcher-host` program: configuration, command line, wiring and shutdown.
//!
//! This is the only room that knows every concrete type. `cli` has the commands, one module each; `wiring` puts the parts together.

mod blobs;
pub mod cli;
pub mod cloud;
pub mod config;
pub mod db;
pub mod decide;
pub mod demo;
pub mod keystone;
pub mod library;
pub mod plugin;
pub mod policy;
pub mod predict;
pub mod probe;
pub mod report;
pub mod serve;
pub mod show;
pub mod simulate;
pub mod telemetry;
pub mod wiring;
pub mod yaml;
