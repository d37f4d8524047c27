//! Bindings made from the WIT by `wit-bindgen`: imports once, exports per world.

#![allow(missing_docs, clippy::all, clippy::pedantic, unsafe_code, reason = "generated code")]

/// Everything a plugin of any kind can import.
pub mod imports {
    wit_bindgen::generate!({
        inline: r#"
            package watcher:sdk@0.1.0;
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
        generate_all,
    });
}

/// The world `strategy`.
pub mod strategy {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "watcher:plugin/strategy",
        pub_export_macro: true,
        export_macro_name: "export_strategy_bindings",
        default_bindings_module: "watcher_sdk::bindings::strategy",
        with: {
            "watcher:types/types@0.1.0": crate::bindings::imports::watcher::types::types,
            "watcher:log/log@0.1.0": crate::bindings::imports::watcher::log::log,
            "watcher:clock/clock@0.1.0": crate::bindings::imports::watcher::clock::clock,
            "watcher:random/random@0.1.0": crate::bindings::imports::watcher::random::random,
            "watcher:cluster/compute@0.1.0": crate::bindings::imports::watcher::cluster::compute,
            "watcher:metrics/metrics@0.1.0": crate::bindings::imports::watcher::metrics::metrics,
            "watcher:scoring/engines@0.1.0": crate::bindings::imports::watcher::scoring::engines,
            "watcher:strategy/strategy@0.1.0": generate,
        },
    });
}

/// The world `planner`.
pub mod planner {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "watcher:plugin/planner",
        pub_export_macro: true,
        export_macro_name: "export_planner_bindings",
        default_bindings_module: "watcher_sdk::bindings::planner",
        with: {
            "watcher:types/types@0.1.0": crate::bindings::imports::watcher::types::types,
            "watcher:log/log@0.1.0": crate::bindings::imports::watcher::log::log,
            "watcher:clock/clock@0.1.0": crate::bindings::imports::watcher::clock::clock,
            "watcher:random/random@0.1.0": crate::bindings::imports::watcher::random::random,
            "watcher:cluster/compute@0.1.0": crate::bindings::imports::watcher::cluster::compute,
            "watcher:strategy/strategy@0.1.0": generate,
            "watcher:planner/planner@0.1.0": generate,
        },
    });
}

/// The world `action`.
pub mod action {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "watcher:plugin/action",
        pub_export_macro: true,
        export_macro_name: "export_action_bindings",
        default_bindings_module: "watcher_sdk::bindings::action",
        with: {
            "watcher:types/types@0.1.0": crate::bindings::imports::watcher::types::types,
            "watcher:log/log@0.1.0": crate::bindings::imports::watcher::log::log,
            "watcher:clock/clock@0.1.0": crate::bindings::imports::watcher::clock::clock,
            "watcher:clock/timer@0.1.0": crate::bindings::imports::watcher::clock::timer,
            "watcher:random/random@0.1.0": crate::bindings::imports::watcher::random::random,
            "watcher:openstack/requests@0.1.0": crate::bindings::imports::watcher::openstack::requests,
            "watcher:action/action@0.1.0": generate,
        },
    });
}

/// The world `scoring-engine`.
pub mod scoring_engine {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "watcher:plugin/scoring-engine",
        pub_export_macro: true,
        export_macro_name: "export_scoring_engine_bindings",
        default_bindings_module: "watcher_sdk::bindings::scoring_engine",
        with: {
            "watcher:types/types@0.1.0": crate::bindings::imports::watcher::types::types,
            "watcher:log/log@0.1.0": crate::bindings::imports::watcher::log::log,
            "watcher:clock/clock@0.1.0": crate::bindings::imports::watcher::clock::clock,
            "watcher:random/random@0.1.0": crate::bindings::imports::watcher::random::random,
            "watcher:scoring-engine/scoring-engine@0.1.0": generate,
        },
    });
}
