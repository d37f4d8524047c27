//! The life of action plans, over a real database.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod crash;
mod retries;
mod stage;
