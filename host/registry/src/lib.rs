//! Plugins as rows and blobs: which there are, and which may run.
//!
//! [`Registry`] registers the built-in components at start and keeps goals, strategies, scoring engines and action descriptions in step with them;
//! [`StoredComponents`] hands the bytes of components to whoever runs them. What a component is, is found out through a port:
//! this room decides what may run and never runs it.

mod built_in;
mod components;
mod sync;

use std::sync::Arc;

use watcher_domain::plugin::GoalDescription;
use watcher_domain::ports::{Clock, Ids, PluginInspector};
use watcher_store::Store;

pub use built_in::Registered;
pub use components::{StoredComponents, Tampered};

/// Which plugins there are.
pub struct Registry {
    store: Store,
    inspector: Arc<dyn PluginInspector>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    goals: Vec<GoalDescription>,
}

impl Registry {
    /// A registry over a database.
    pub fn new(store: Store, inspector: Arc<dyn PluginInspector>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { store, inspector, clock, ids, goals: Vec::new() }
    }

    /// With goals that are there whether a strategy reaches them or not. What a strategy says about one of them does not change it.
    #[must_use]
    pub fn with_goals(mut self, goals: Vec<GoalDescription>) -> Self {
        self.goals = goals;
        self
    }
}
