//! Plugins as rows and blobs: which there are, and which may run.
//!
//! [`Registry`] registers the built-in components at start and keeps goals, strategies and action descriptions in step with them;
//! [`StoredComponents`] hands the bytes of components to whoever runs them. What a component is, is found out through a port:
//! this room decides what may run and never runs it.

mod built_in;
mod components;
mod sync;

use std::sync::Arc;

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
}

impl Registry {
    /// A registry over a database.
    pub fn new(store: Store, inspector: Arc<dyn PluginInspector>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { store, inspector, clock, ids }
    }
}
