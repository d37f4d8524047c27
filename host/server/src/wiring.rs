//! Puts the parts together.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};
use watcher_domain::PluginKind;
use watcher_domain::ports::{ComponentSource, Meter};
use watcher_registry::{Registered, Registry};
use watcher_runtime::{Runtime, RuntimeOptions};

use crate::config::{Config, SandboxConfig, variable};

/// The sandbox, with its cache of compiled components.
pub fn runtime(config: &Config, components: Arc<dyn ComponentSource>) -> anyhow::Result<Arc<Runtime>> {
    Runtime::new(options(config)?, components).context("cannot start the sandbox")
}

/// The same for a service with several projects: with threads of its own, and a meter.
pub fn service_runtime(
    config: &Config,
    components: Arc<dyn ComponentSource>,
    meter: Arc<dyn Meter>,
) -> anyhow::Result<Arc<Runtime>> {
    // One is left to what answers users. A lower priority is not enough: where the operating system shares out processors by session or group, it counts
    // only against the rest of this process, and a database on the same machine would wait for plugins.
    let all_but_one = || {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        NonZeroUsize::new(processors - 1).unwrap_or(NonZeroUsize::MIN)
    };
    let threads = NonZeroUsize::new(config.sandbox.threads).unwrap_or_else(all_but_one);
    let options = RuntimeOptions { threads: Some(threads), meter, ..options(config)? };
    Runtime::new(options, components).context("cannot start the sandbox")
}

fn options(config: &Config) -> anyhow::Result<RuntimeOptions> {
    Ok(RuntimeOptions {
        cache_dir: cache_dir(&config.sandbox)?,
        max_instances: config.sandbox.max_instances,
        max_action_instances: config.sandbox.max_action_instances,
        max_component_bytes: usize::try_from(config.registry.max_component_bytes).unwrap_or(usize::MAX),
        ..RuntimeOptions::default()
    })
}

/// Where compiled components are kept.
pub fn cache_dir(config: &SandboxConfig) -> anyhow::Result<PathBuf> {
    if !config.cache_dir.is_empty() {
        return Ok(PathBuf::from(&config.cache_dir));
    }
    user_cache().context("there is no place for compiled components: set sandbox.cache_dir, or HOME")
}

/// This program's folder in the user's cache.
pub fn user_cache() -> anyhow::Result<PathBuf> {
    let base = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("watcher-host"))
}

/// Configuration of plugins by kind and name, as JSON.
pub fn plugin_configuration(config: &Config) -> HashMap<(PluginKind, String), Map<String, Value>> {
    let kinds = [
        (PluginKind::Strategy, &config.plugins.strategy),
        (PluginKind::Planner, &config.plugins.planner),
        (PluginKind::Action, &config.plugins.action),
        (PluginKind::ScoringEngine, &config.plugins.scoring_engine),
    ];
    let entries = kinds.into_iter().flat_map(|(kind, plugins)| plugins.iter().map(move |entry| (kind, entry)));
    entries
        .map(|(kind, (name, table))| {
            let object = serde_json::to_value(table).ok().and_then(|value| value.as_object().cloned());
            ((kind, name.clone()), object.unwrap_or_default())
        })
        .collect()
}

/// Registers the built-in components. One that cannot be used is logged and does not stop the others; none at all does.
pub async fn register(registry: &Registry, components: Vec<(PathBuf, Arc<[u8]>)>) -> anyhow::Result<()> {
    let named = components.into_iter().map(|(path, bytes)| (path.display().to_string(), bytes)).collect();
    let outcomes = registry.register_built_in(named).await.context("cannot register the built-in plugins")?;
    let mut usable = 0;
    for outcome in outcomes {
        match outcome {
            Registered::Unavailable { name, reason } => {
                tracing::error!(plugin = name, reason, "plugin {name} is not available: {reason}");
            }
            Registered::New { .. } | Registered::Known { .. } => usable += 1,
        }
    }
    if usable == 0 {
        bail!("none of the built-in plugins can be used");
    }
    Ok(())
}
