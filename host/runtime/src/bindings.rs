//! Bindings made from the WIT: what plugins import once, and what each world exports.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated code")]

/// Everything a plugin of any kind can import.
pub mod imports {
    wasmtime::component::bindgen!({
        inline: r#"
            package watcher:host@0.1.0;
            world imports {
                import watcher:types/types@0.1.0;
                import watcher:log/log@0.1.0;
                import watcher:clock/clock@0.1.0;
                import watcher:clock/timer@0.1.0;
                import watcher:random/random@0.1.0;
                import watcher:cluster/compute@0.1.0;
                import watcher:metrics/metrics@0.1.0;
                import watcher:scoring/engines@0.1.0;
                import watcher:openstack/requests@0.1.0;
            }
        "#,
        path: "../../wit",
        imports: { default: async | trappable },
    });
}

/// The world `strategy`.
pub mod strategy {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "watcher:plugin/strategy",
        exports: { default: async },
        with: {
            "watcher:types/types@0.1.0": crate::bindings::imports::watcher::types::types,
            "watcher:log/log@0.1.0": crate::bindings::imports::watcher::log::log,
            "watcher:clock/clock@0.1.0": crate::bindings::imports::watcher::clock::clock,
            "watcher:random/random@0.1.0": crate::bindings::imports::watcher::random::random,
            "watcher:cluster/compute@0.1.0": crate::bindings::imports::watcher::cluster::compute,
            "watcher:metrics/metrics@0.1.0": crate::bindings::imports::watcher::metrics::metrics,
            "watcher:scoring/engines@0.1.0": crate::bindings::imports::watcher::scoring::engines,
        },
    });
}

/// The world `planner`.
pub mod planner {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "watcher:plugin/planner",
        exports: { default: async },
        with: {
            "watcher:types/types@0.1.0": crate::bindings::imports::watcher::types::types,
            "watcher:log/log@0.1.0": crate::bindings::imports::watcher::log::log,
            "watcher:clock/clock@0.1.0": crate::bindings::imports::watcher::clock::clock,
            "watcher:random/random@0.1.0": crate::bindings::imports::watcher::random::random,
            "watcher:cluster/compute@0.1.0": crate::bindings::imports::watcher::cluster::compute,
        },
    });
}

/// The world `action`.
pub mod action {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "watcher:plugin/action",
        exports: { default: async },
        with: {
            "watcher:types/types@0.1.0": crate::bindings::imports::watcher::types::types,
            "watcher:log/log@0.1.0": crate::bindings::imports::watcher::log::log,
            "watcher:clock/clock@0.1.0": crate::bindings::imports::watcher::clock::clock,
            "watcher:clock/timer@0.1.0": crate::bindings::imports::watcher::clock::timer,
            "watcher:random/random@0.1.0": crate::bindings::imports::watcher::random::random,
            "watcher:openstack/requests@0.1.0": crate::bindings::imports::watcher::openstack::requests,
        },
    });
}

/// The world `scoring-engine`.
pub mod scoring_engine {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "watcher:plugin/scoring-engine",
        exports: { default: async },
        with: {
            "watcher:types/types@0.1.0": crate::bindings::imports::watcher::types::types,
            "watcher:log/log@0.1.0": crate::bindings::imports::watcher::log::log,
            "watcher:clock/clock@0.1.0": crate::bindings::imports::watcher::clock::clock,
            "watcher:random/random@0.1.0": crate::bindings::imports::watcher::random::random,
        },
    });
}
