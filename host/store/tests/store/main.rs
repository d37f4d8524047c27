//! Every function of the store, on every backend that is there.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod abandoned;
mod bulk;
mod claims;
mod components;
mod differential;
mod errors;
mod events;
mod fixtures;
mod migrations;
mod needs;
mod nouns;
mod pages;
mod purging;
mod runs;
mod schedule;
