//! Collectors and datasources against scripted services, and against the simulated cloud over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod collecting;
mod file;
mod metrics;
mod roundtrip;
mod scripted;
