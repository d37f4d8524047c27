//! The life of audits, over a real database, a clock that is moved by hand, and plugins that are made of Rust.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod model;
mod runs;
mod schedules;
mod service;
mod stage;
