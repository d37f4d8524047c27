//! What plugins used, as it is counted, written and shown.

use std::sync::Arc;
use std::time::Duration;

use watcher_domain::ports::{CallEnd, CallUsage, Meter as _};
use watcher_domain::report::Usage;
use watcher_domain::{Digest, PluginKind};
use watcher_registry::UsageMeter;
use watcher_store::plugin;
use watcher_store::testing::backends;

use crate::stage::{Stage, project, strategy_of};

fn call(name: &str, digest: Digest, end: CallEnd, memory_bytes: u64) -> CallUsage {
    let usage = Usage { fuel: 100, memory_bytes, duration_us: 7 };
    CallUsage { project: Some(project(name)), digest, usage, requests: 2, end }
}

#[tokio::test]
async fn what_several_processes_count_adds_up_by_project_plugin_and_day() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let mine = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap().version.version.digest;
        let gone = Digest([7; 32]);
        let meter = || UsageMeter::new(store.clone(), Arc::clone(&stage.clock) as _);
        let (one, other) = (meter(), meter());
        one.used(call("a", mine, CallEnd::Returned, 10));
        one.used(call("a", mine, CallEnd::Limit, 30));
        one.used(call("a", gone, CallEnd::Dropped, 1));
        one.used(CallUsage { project: None, ..call("a", mine, CallEnd::Returned, 1) });
        other.used(call("a", mine, CallEnd::Crashed, 20));
        other.used(call("b", mine, CallEnd::Returned, 20));
        one.write().await.unwrap();
        other.write().await.unwrap();
        one.write().await.unwrap();
        let used = stage.registry.used(&project("a"), 1).await.unwrap();
        let [first, second] = &used[..] else { panic!("{}: {used:?}", store.name) };
        let (known, unknown) = if first.usage.digest == mine { (first, second) } else { (second, first) };
        let name = known.plugin.as_ref().map(|(kind, name, version)| (*kind, name.as_str(), version.as_str()));
        assert_eq!(name, Some((PluginKind::Strategy, "mine", "1.0.0")));
        let others = stage.registry.used(&project("b"), 1).await.unwrap();
        assert_eq!((others.len(), others[0].plugin.as_ref()), (1, None), "it is not told of others' plugins");
        let usage = &known.usage;
        assert_eq!((usage.calls, usage.limited, usage.crashed, usage.dropped), (3, 1, 1, 0));
        assert_eq!((usage.fuel, usage.duration_us, usage.memory_bytes, usage.requests), (300, 21, 30, 6));
        assert_eq!((unknown.plugin.as_ref(), unknown.usage.dropped), (None, 1));

        stage.clock.advance(Duration::from_hours(24));
        one.used(call("a", mine, CallEnd::Returned, 5));
        one.write().await.unwrap();
        assert_eq!(stage.registry.used(&project("a"), 1).await.unwrap().len(), 1, "today");
        let all = stage.registry.used(&project("a"), 2).await.unwrap();
        assert_eq!((all.len(), all[0].usage.calls), (3, 1), "the latest day comes first");

        stage.clock.advance(Duration::from_hours(24 * 92));
        one.used(call("b", mine, CallEnd::Returned, 5));
        one.write().await.unwrap();
        let mut tx = store.read().await.unwrap();
        let left = plugin::usage_by_day(&mut tx, &project("a"), "2000-01-01", 10).await.unwrap();
        assert_eq!(left.len(), 1, "what is older than 92 days is forgotten: {left:?}");
    }
}
