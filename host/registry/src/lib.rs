//! Plugins as rows and blobs: which there are, and which may run.
//!
//! [`Registry`] registers the built-in components at start, takes the uploads of projects, and keeps goals, strategies, scoring engines and action
//! descriptions in step with both: read `upload` for the way of an upload, `lifecycle` and `member` for what comes after it, `follow`
//! for the rows. Every change is one transaction, with an event that says who made it. [`StoredComponents`] hands the bytes of components to whoever runs them, from the database or from the
//! object stores of `blobs`; `sweep` and `relocate` remove and move them there. What a component is, is found out through a port:
//! this room decides what may run and never runs it.

mod actor;
mod blobs;
mod built_in;
mod check;
mod components;
mod error;
mod follow;
mod grant;
mod lifecycle;
mod member;
mod meter;
mod place;
mod quota;
mod relocate;
mod signing;
mod stop;
mod sweep;
mod sync;
mod upload;

use std::sync::Arc;

use watcher_domain::RunLimits;
use watcher_domain::plugin::GoalDescription;
use watcher_domain::ports::{Clock, Ids, PluginInspector};
use watcher_domain::report::PluginChecker;
use watcher_store::Store;

use crate::place::Places;

pub use actor::Actor;
pub use blobs::{BlobStores, BlobTrouble};
pub use built_in::Registered;
pub use components::{ComponentError, StoredComponents, Tampered};
pub use error::{Deactivated, Refusal, RegistryError};
pub use grant::{GrantFor, grant_for};
pub use lifecycle::{Change, Changes};
pub use meter::{PluginUsage, UsageMeter, WRITTEN_EVERY};
pub use place::Place;
pub use quota::{Quotas, Standing, changes, is_limit};
pub use relocate::{RelocateError, Relocated, Relocation, Step};
pub use signing::{SigningGuard, signatures, signing_policy};
pub use stop::Stopped;
pub use sweep::{SWEPT_EVERY, Swept};
pub use upload::{Release, Upload};
pub use watcher_signature::{NamedKey, Signature, SigningPolicy};

/// Settings of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistryOptions {
    /// Limits of projects for which nobody set others.
    pub quotas: Quotas,
    /// Limits of their runs.
    pub runs: RunLimits,
    /// Most bytes of a component, whatever a project may have.
    pub max_component_bytes: u64,
    /// Uploads at a time: each one holds its component in memory.
    pub uploads: usize,
    /// Uploads of one project at a time.
    pub uploads_per_project: usize,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            quotas: Quotas::default(),
            runs: RunLimits::default(),
            max_component_bytes: Quotas::default().component_bytes,
            uploads: 16,
            uploads_per_project: 2,
        }
    }
}

/// Which plugins there are.
pub struct Registry {
    store: Store,
    components: StoredComponents,
    inspector: Arc<dyn PluginInspector>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    checker: Option<Arc<dyn PluginChecker>>,
    goals: Vec<GoalDescription>,
    options: RegistryOptions,
    places: Places,
}

impl Registry {
    /// A registry over a database.
    pub fn new(store: Store, inspector: Arc<dyn PluginInspector>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let options = RegistryOptions::default();
        let places = Places::new(options.uploads, options.uploads_per_project);
        let components = StoredComponents::new(store.clone());
        Self { store, components, inspector, checker: None, clock, ids, goals: Vec::new(), options, places }
    }

    /// With a checker for what projects upload; without one they are only inspected, as built-in components are.
    #[must_use]
    pub fn with_checker(mut self, checker: Arc<dyn PluginChecker>) -> Self {
        self.checker = Some(checker);
        self
    }

    /// With other settings.
    #[must_use]
    pub fn with_options(mut self, options: RegistryOptions) -> Self {
        self.places = Places::new(options.uploads, options.uploads_per_project);
        self.options = options;
        self
    }

    /// With components whose bytes are not all in the database.
    #[must_use]
    pub fn with_components(mut self, components: StoredComponents) -> Self {
        self.components = components;
        self
    }

    /// The bytes of components.
    pub const fn components(&self) -> &StoredComponents {
        &self.components
    }

    /// With goals that are there whether a strategy reaches them or not. What a strategy says about one of them does not change it.
    #[must_use]
    pub fn with_goals(mut self, goals: Vec<GoalDescription>) -> Self {
        self.goals = goals;
        self
    }
}
