//! The session and the validator against small fake clouds, and against the simulator.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod fake;
mod login;
mod requests;
mod simulator;
mod validator;
