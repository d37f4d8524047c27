//! Plugins of projects: uploads, their life, and who may use them, with an inspector that reads components as JSON.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod blobs;
mod blobs_model;
mod model;
mod sharing;
mod shelf;
mod signing;
mod stage;
mod stopping;
mod uploads;
mod usage;
