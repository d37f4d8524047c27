//! A simulated cloud behind real HTTP APIs.
//!
//! One listener serves, under path prefixes, the parts of Keystone (`/identity/v3`), Nova (`/compute/v2.1`), Placement
//! (`/placement`) and Prometheus (`/prometheus`) that Watcher and the stock clients use, over a cluster file. Actions
//! change the cloud; faults can be switched on by option or through `/simulator/faults`.
//!
//! This crate knows nothing of the service it is used to test: it shares only the cluster file with it, so the two
//! cannot be wrong together. Read `options.rs` first, then `cloud/` (the state machine, free of HTTP), then one
//! service.
//!
//! ```no_run
//! # async fn example() -> Result<(), watcher_simulator::SimulatorError> {
//! use watcher_simulator::{GenerateOptions, Simulator, SimulatorOptions, generate};
//!
//! let file = generate(&GenerateOptions { hosts: 10, instances: 100, ..GenerateOptions::default() });
//! let cloud = Simulator::new(file, SimulatorOptions::default()).start().await?;
//! let auth_url = &cloud.endpoints().identity;
//! # let _ = auth_url;
//! cloud.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Users: `admin` (project `admin`), `watcher` (project `service`, both with role admin), `alice` and `rita` (member and
//! reader of `alpha`), `bob` (member of `beta`); all in domain `default`, with the password `NAME-password`.

mod admin;
mod app;
mod auth;
mod clock;
mod cloud;
mod error;
mod faults;
mod ids;
mod keystone;
mod nova;
mod number;
mod options;
mod placement;
mod prometheus;
mod requests;
mod server;

pub use clock::{Clock, ManualClock, TokioClock};
pub use error::SimulatorError;
pub use faults::{Fault, FaultEffect, FaultOptions, FaultParseError, ServiceName};
pub use keystone::{ALICE, BOB, Member};
pub use options::{Endpoints, SimulatorOptions};
pub use server::{RunningSimulator, Simulator};
pub use watcher_cluster::{GenerateOptions, generate};
