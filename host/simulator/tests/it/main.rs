//! The simulated cloud as its clients see it: over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod faults;
mod generator;
mod keystone;
mod listener;
mod migrations;
mod nova;
mod placement;
mod prometheus;
mod support;
