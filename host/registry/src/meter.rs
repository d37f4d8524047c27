//! What plugins used: counted in memory while they run, and written to the database from time to time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use watcher_domain::ports::{CallEnd, CallUsage, Clock, Meter};
use watcher_domain::{Digest, ProjectId, Timestamp};
use watcher_store::plugin::{self, DayUsage};
use watcher_store::{Store, Visibility};

use crate::Registry;
use crate::error::Result;

/// How often what was counted is written.
pub const WRITTEN_EVERY: Duration = Duration::from_secs(10);
/// How many days are kept.
const KEPT_DAYS: i64 = 92;
/// Most pairs of project and component that are counted before they are written; what else comes is counted for the project as a whole.
const MOST_COUNTED: usize = 10_000;

/// Name of a day.
pub(crate) fn day(time: Timestamp) -> String {
    time.format("%Y-%m-%d").to_string()
}

type Key = (Option<ProjectId>, Digest, String);

/// Counts what plugins use.
pub struct UsageMeter {
    store: Store,
    clock: Arc<dyn Clock>,
    counted: Mutex<HashMap<Key, DayUsage>>,
}

impl Meter for UsageMeter {
    fn used(&self, call: CallUsage) {
        let day = day(self.clock.now());
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (call.project.clone(), call.digest, day.clone());
        if counted.len() >= MOST_COUNTED && !counted.contains_key(&key) {
            key.1 = Digest([0; 32]);
        }
        let entry =
            counted.entry(key).or_insert_with_key(|(project, digest, day)| nothing(project.as_ref(), *digest, day));
        add(
            entry,
            &DayUsage {
                calls: 1,
                limited: u64::from(call.end == CallEnd::Limit),
                crashed: u64::from(call.end == CallEnd::Crashed),
                dropped: u64::from(call.end == CallEnd::Dropped),
                fuel: call.usage.fuel,
                duration_us: call.usage.duration_us,
                memory_bytes: call.usage.memory_bytes,
                requests: call.requests,
                ..nothing(call.project.as_ref(), call.digest, &day)
            },
        );
    }
}

fn nothing(project: Option<&ProjectId>, digest: Digest, day: &str) -> DayUsage {
    DayUsage {
        project: project.cloned(),
        digest,
        day: day.to_owned(),
        calls: 0,
        limited: 0,
        crashed: 0,
        dropped: 0,
        fuel: 0,
        duration_us: 0,
        memory_bytes: 0,
        requests: 0,
    }
}

fn add(to: &mut DayUsage, more: &DayUsage) {
    to.calls += more.calls;
    to.limited += more.limited;
    to.crashed += more.crashed;
    to.dropped += more.dropped;
    to.fuel = to.fuel.saturating_add(more.fuel);
    to.duration_us = to.duration_us.saturating_add(more.duration_us);
    to.memory_bytes = to.memory_bytes.max(more.memory_bytes);
    to.requests += more.requests;
}

impl UsageMeter {
    /// A meter that writes to this database.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, counted: Mutex::default() }
    }

    /// Writes what was counted since the last time. What cannot be written stays counted.
    pub async fn write(&self) -> Result<()> {
        let counted = std::mem::take(&mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner));
        if counted.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.insert(&counted).await {
            let mut since = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, usage) in counted {
                match since.get_mut(&key) {
                    Some(entry) => add(entry, &usage),
                    None => drop(since.insert(key, usage)),
                }
            }
            return Err(error);
        }
        Ok(())
    }

    async fn insert(&self, counted: &HashMap<Key, DayUsage>) -> Result<()> {
        let mut rows: Vec<&DayUsage> = counted.values().collect();
        // Several processes write the same rows: all in the same order, so that none waits for one that waits for it.
        rows.sort_by(|a, b| (&a.project, a.digest.0, &a.day).cmp(&(&b.project, b.digest.0, &b.day)));
        let mut tx = self.store.begin().await?;
        for row in rows {
            plugin::add_usage(&mut tx, row).await?;
        }
        plugin::forget_usage(&mut tx, &day(self.clock.now() - chrono::TimeDelta::days(KEPT_DAYS))).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// What a project used on one day with one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginUsage {
    /// What it used.
    pub usage: DayUsage,
    /// Kind, name and version of the component, while there is one in a plugin that the project may use.
    pub plugin: Option<(watcher_domain::PluginKind, String, String)>,
}

/// Most days and plugins of one answer.
const MOST_SHOWN: u32 = 1_000;

impl Registry {
    /// What a project used within so many days until today, the latest day first.
    pub async fn used(&self, project: &ProjectId, days: u32) -> Result<Vec<PluginUsage>> {
        let since = day(self.clock.now() - chrono::TimeDelta::days(i64::from(days.saturating_sub(1))));
        let mut tx = self.store.read().await?;
        let mut found = Vec::new();
        for usage in plugin::usage_by_day(&mut tx, project, &since, MOST_SHOWN).await? {
            let version = plugin::version_seen(&mut tx, usage.digest, &Visibility::of(Some(project))).await?;
            let plugin = version.map(|version| (version.kind, version.description.name, version.description.version));
            found.push(PluginUsage { usage, plugin });
        }
        Ok(found)
    }
}
