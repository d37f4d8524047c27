//! Everything that speaks SQL, on PostgreSQL and SQLite.
//!
//! [`Store`] opens databases and transactions. Each noun has a module of functions over a [`Tx`]; [`audit`] shows the
//! pattern. One SQL text serves both databases; `backend` has the macro that pastes it once per driver. Nobody else sees `sqlx`.
//!
//! An error ends its transaction: PostgreSQL refuses whatever comes after it. Drop the [`Tx`], and nothing of it was written.

#[macro_use]
mod backend;

pub mod action;
pub mod action_description;
pub mod action_plan;
pub mod audit;
pub mod audit_template;
pub mod efficacy_indicator;
pub mod error;
mod finish;
pub mod goal;
pub mod journal;
mod migrate;
pub mod page;
mod plan_component;
pub mod plugin;
pub mod purge;
pub mod recording;
pub mod reference;
pub mod schedule;
pub mod scoring_engine;
mod select;
pub mod service;
mod shared;
pub mod snapshot;
pub mod store;
pub mod strategy;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod value;

pub use error::{Error, Result};
pub use page::{Page, SortDir, SortKey, Stored};
pub use reference::{Reference, Visibility};
pub use shared::{Owner, Whose};
pub use store::{Lease, Store, Tx};
