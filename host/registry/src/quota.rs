//! How much a project may keep, and how often it may upload.

use serde_json::{Map, Value};
use watcher_domain::{ProjectId, RunLimits, Shares, Timestamp};
use watcher_store::plugin::{self, Usage};
use watcher_store::{Store, Tx};

use crate::Registry;
use crate::actor::Actor;
use crate::error::{RegistryError, Result};
use crate::place::Place;

macro_rules! quotas {
    ($($(#[$doc:meta])* $name:ident = $default:expr,)*) => {
        /// Limits of a project.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Quotas { $($(#[$doc])* pub $name: u64,)* }

        impl Default for Quotas {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Quotas {
            /// Names of all limits.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// The same with those of a project in their place. Names that are not limits of the registry are others' to read.
            fn with(mut self, limits: &Map<String, Value>) -> Self {
                $(if let Some(limit) = limits.get(stringify!($name)).and_then(Value::as_u64) {
                    self.$name = limit;
                })*
                self
            }
        }
    };
}

quotas! {
    /// Plugins.
    plugins = 50,
    /// Versions of all of them.
    versions = 500,
    /// Bytes of their components.
    bytes = 1 << 30,
    /// Projects that its plugins are offered to, counted for each plugin.
    members = 1000,
    /// Uploads that it may begin within an hour, whatever becomes of them.
    uploads_per_hour = 60,
    /// Changes of plugins that it may make within an hour, whosever they are.
    changes_per_hour = 1000,
    /// Bytes of one component.
    component_bytes = 64 << 20,
}

/// What a project may have, and has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What it may have.
    pub limits: Quotas,
    /// What its runs may use.
    pub runs: RunLimits,
    /// What it has.
    pub usage: Usage,
    /// Uploads that it began within the last hour.
    pub uploads: u64,
    /// Changes of plugins that it made within the last hour.
    pub changes: u64,
}

/// Whether there is a limit of this name.
pub fn is_limit(name: &str) -> bool {
    Quotas::NAMES.contains(&name) || RunLimits::names().any(|known| known == name)
}

/// How far back uploads count.
const HOUR: chrono::TimeDelta = chrono::TimeDelta::hours(1);

impl Registry {
    /// What a project may have, and has.
    pub async fn standing(&self, project: &ProjectId) -> Result<Standing> {
        let mut tx = self.store.read().await?;
        self.standing_in(&mut tx, project, self.clock.now()).await
    }

    pub(crate) async fn standing_in(&self, tx: &mut Tx, project: &ProjectId, now: Timestamp) -> Result<Standing> {
        let own = plugin::limits(tx, project).await?;
        let (limits, runs) = (self.options.quotas.with(&own), self.options.runs.with(&own));
        let usage = plugin::usage(tx, project).await?;
        let uploads = plugin::uploads_since(tx, project, now - HOUR).await?;
        let changes = plugin::events_since(tx, project, now - plugin::COUNTED).await?;
        Ok(Standing { limits, runs, usage, uploads, changes })
    }

    /// What all runs of a project may use together.
    pub async fn shares(&self, tx: &mut Tx, project: &ProjectId) -> Result<Shares> {
        Ok(self.options.runs.with(&plugin::limits(tx, project).await?).shares)
    }

    /// Changes limits of a project; a limit without a value goes back to the default.
    ///
    /// # Errors
    /// [`RegistryError::NoLimit`] for a name that is none.
    pub async fn set_limits(&self, project: &ProjectId, changes: &[(String, Option<u64>)]) -> Result<Standing> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        plugin::lock_project(&mut tx, project, now).await?;
        let mut limits = plugin::limits(&mut tx, project).await?;
        for (name, limit) in changes {
            if !is_limit(name) {
                return Err(RegistryError::NoLimit(name.clone()));
            }
            match limit {
                Some(limit) => limits.insert(name.clone(), (*limit).into()),
                None => limits.shift_remove(name),
            };
        }
        plugin::set_limits(&mut tx, project, &limits, now).await?;
        let standing = self.standing_in(&mut tx, project, now).await?;
        tx.commit().await?;
        tracing::info!(project.id = %project, "limits of project {project} changed");
        Ok(standing)
    }

    /// Refuses a change that would be one too many of the caller's project within the hour: each is written down for good. Administrators are not
    /// asked, and neither is whoever takes something back or switches it off, which needs a change that gave it.
    ///
    /// # Errors
    /// [`RegistryError::TooManyChanges`].
    pub(crate) async fn may_change(&self, tx: &mut Tx, actor: &Actor, now: Timestamp) -> Result<()> {
        let Some(project) = actor.project.as_ref().filter(|_| !actor.is_admin) else { return Ok(()) };
        let limit = self.options.quotas.with(&plugin::limits(tx, project).await?).changes_per_hour;
        if plugin::events_since(tx, project, now - plugin::COUNTED).await? >= limit {
            return Err(RegistryError::TooManyChanges { limit });
        }
        Ok(())
    }

    /// Lets an upload of the caller's project begin: it is counted, whatever becomes of it, and has a place in memory until it has ended.
    /// Asked before its bytes are read, so that whoever uploads too often costs little.
    ///
    /// # Errors
    /// [`RegistryError::TooManyAtOnce`] or [`RegistryError::Busy`] without a place, [`RegistryError::TooManyUploads`] after too many;
    /// [`RegistryError::NoProject`].
    pub async fn begin_upload(&self, actor: &Actor) -> Result<Place> {
        let project = actor.project.as_ref().ok_or(RegistryError::NoProject)?;
        let place = self.places.take(project)?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        plugin::lock_project(&mut tx, project, now).await?;
        let Standing { limits, uploads, .. } = self.standing_in(&mut tx, project, now).await?;
        if uploads >= limits.uploads_per_hour {
            return Err(RegistryError::TooManyUploads { limit: limits.uploads_per_hour });
        }
        plugin::begin_upload(&mut tx, project, now - HOUR, now).await?;
        tx.commit().await?;
        Ok(place)
    }
}

/// Refuses what would be more than a project may have.
pub(crate) fn ask(what: &'static str, used: u64, wanted: u64, limit: u64) -> Result<()> {
    if used.saturating_add(wanted) > limit {
        return Err(RegistryError::Quota { what, limit, used, wanted });
    }
    Ok(())
}

/// How often anything about plugins changed, whichever process did it: an answer that was made under one number holds until there is
/// another.
pub async fn changes(store: &Store) -> Result<i64> {
    Ok(plugin::number(store).await?)
}
